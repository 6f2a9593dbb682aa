#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/seal.h"
#include "base/turn.h"
#include "certificates/acme.h"
#include "certificates/certificates.h"
#include "certificates/proofs.h"
#include "certificates/rows.h"
#include "jobs/jobs.h"

namespace tiltyard::certificates {

/// The kind of the jobs that keep a certificate, one for each.
inline constexpr const char* kKeeping = "certificates.keep";
/// The certificate of the configuration's names.
inline constexpr const char* kSite = "site";
inline constexpr std::size_t kMostNames = 100;  ///< of one certificate, as public CAs have it

/// Lives on the home loop.
struct Service::State {
  State(const Options& o, Parts p) : options(o), parts(p), account_turn(p.home) {}

  const Options& options;
  Parts parts;
  std::optional<Seal> seal;
  std::unique_ptr<net::PowerDns> powerdns;
  std::unique_ptr<Proofs> proofs;
  std::unique_ptr<acme::Client> client;
  Turn account_turn;
  std::vector<std::function<void(const std::string&)>> told;

  bool on() const { return !options.directory.empty(); }
  void tell(const std::string& name) const {
    for (const auto& one : told) one(name);
  }
  Result<> enqueue(soci::session& sql, const std::string& name) const;
  Result<> show(const Row& row) const;

  // keep.cpp: when what is done.
  asio::awaitable<Result<jobs::Next>> keep(std::string name);
  asio::awaitable<Result<jobs::Next>> keep_wanted(Row row);
  asio::awaitable<Result<jobs::Next>> let_go(Row row);
  asio::awaitable<Result<>> order_new(Row row);
  asio::awaitable<Result<>> succeeded(Row row, std::string chain, Secret key);
  asio::awaitable<Result<>> failed(Row row, Error error);
  asio::awaitable<Result<>> ask_when(Row row);

  // account.cpp
  /// The CA with our account; opened, if it is not yet.
  asio::awaitable<Result<acme::Client*>> ca();
  /// The CA does not know it any more.
  asio::awaitable<Result<>> open_account_again();
};

/// Whether a new certificate is due, whatever keeps it from being tried.
bool is_due(const Row& row, const Options& options, TimePoint now);
/// A third of the lifetime before the end, and by `chance` (0 to 1) up to a tenth of that earlier.
TimePoint usual_renewal(TimePoint not_before, TimePoint not_after, double chance);
/// When an order that has failed so often in a row is tried again.
Duration pause_after(int tries, double chance);

/// One attempt at an order, from wherever it stands. `row.progress` is written down as it goes.
class Ordering {
 public:
  Ordering(Service::State& state, acme::Client& ca, Row& row) : state_(state), ca_(ca), row_(row) {}
  struct Got {
    std::string chain;
    Secret key;
  };
  asio::awaitable<Result<Got>> run();
  /// What a failure leaves at the CA: authorizations that would count as pending.
  asio::awaitable<void> give_up();

 private:
  asio::awaitable<Result<acme::Order>> begin();
  asio::awaitable<Result<acme::Order>> place(acme::NewOrder wanted);
  asio::awaitable<Result<acme::Order>> resume();
  asio::awaitable<Result<>> step(acme::Order order);
  asio::awaitable<Result<>> prove(acme::Order order);
  asio::awaitable<Result<>> show(acme::Authorization authorization, acme::Challenge challenge);
  asio::awaitable<Error> why_invalid(acme::Order order);
  asio::awaitable<Result<>> save();
  Result<Secret> key() const;

  Service::State& state_;
  acme::Client& ca_;
  Row& row_;
  std::set<std::string> started_;  ///< challenges, by URL
  std::vector<std::string> open_;  ///< authorizations that are pending
};

/// Whether it is for one of these names. What a CA says is to be proved ends in DNS records, in the lines that nsupdate
/// reads, in the words of a program and in a certificate: nothing but what was ordered gets there.
bool is_ordered(const acme::Authorization& authorization, const std::vector<std::string>& names);

/// Whether an order may still be good after this failure.
bool keeps_order(const Error& error);

}  // namespace tiltyard::certificates
