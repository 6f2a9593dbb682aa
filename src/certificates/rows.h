#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace soci {
class session;
}

namespace tiltyard::certificates {

/// How far an order has come, and what the next one needs to know. Belongs to the job of its certificate alone.
struct Progress {
  std::string directory;           ///< of the certificate that there is
  std::vector<std::string> names;  ///< that it is for
  TimePoint not_before{}, not_after{};
  std::string issuer;
  TimePoint renew_at{};
  TimePoint ask_at{};  ///< when the CA is asked for renewal information again
  TimePoint window_start{}, window_end{};
  int early = 0;  ///< renewals in a row that came earlier than usual, because the CA wanted them
  std::string order_url, order_directory, order_key;  ///< the last: sealed
  std::vector<std::string> order_names;
  int tries = 0;             ///< that failed in a row
  TimePoint next_try{};      ///< our own back-off
  TimePoint paused_until{};  ///< the CA's
  std::string reason, error;
};

struct Row {
  std::string name;
  std::vector<std::string> names;  ///< sorted
  bool wanted = true;
  TimePoint withdrawn_at{};
  TimePoint asked_at{};    ///< somebody wants a new one; zero: nobody does
  std::string chain, key;  ///< empty: there is none; the key is sealed
  Progress progress;
};

/// Statements, in the caller's transaction.
namespace rows {

std::optional<Row> find(soci::session& sql, const std::string& name);
std::vector<Row> all(soci::session& sql);
/// Makes it wanted, with these names.
void want(soci::session& sql, const std::string& name, const std::vector<std::string>& names);
bool withdraw(soci::session& sql, const std::string& name, TimePoint at);
bool ask(soci::session& sql, const std::string& name, TimePoint at);
/// Nobody asks any more, unless they did after `seen`.
void answered(soci::session& sql, const std::string& name, TimePoint seen);
void save(soci::session& sql, const std::string& name, const Progress& progress);
void save_pair(soci::session& sql, const Row& row);
void remove(soci::session& sql, const std::string& name);

struct Account {
  std::string url, key;  ///< the key is sealed; the URL is empty until the CA has said it
};
std::optional<Account> account(soci::session& sql, const std::string& directory);
void save_account(soci::session& sql, const std::string& directory, const Account& account);

/// What proves a name while an order is open. The kind is "http" (name: the token), "tls" or "dns" (name: of the
/// record).
struct Proof {
  std::string kind, name, value, certificate;
};
void add_proof(soci::session& sql, const Proof& proof);
std::vector<Proof> proofs(soci::session& sql);
void remove_proofs(soci::session& sql, const std::string& certificate);

}  // namespace rows

}  // namespace tiltyard::certificates
