#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "tls/pair.h"

namespace tiltyard::tls {

/// What there is from one source, as people are told it.
struct Shown {
  std::string source;
  std::vector<std::string> names;
  TimePoint not_before{}, not_after{};
  std::string issuer;
  std::string problem;  ///< a sentence; empty: all is well
};

/// The shelf of all certificates that the server may show, whoever brings them: files, orders of its own. From any
/// thread. A handshake takes what it needs and keeps it: nothing that changes here cuts a connection.
class Certificates {
 public:
  explicit Certificates(const Clock& clock) : clock_(clock) {}
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  /// Takes the place of what that source had, which stays when this one is not good (see Pair::parse). One that has
  /// expired, or is not valid yet, is taken; the list says it.
  Result<> put(std::string source, std::string_view chain_pem, const Secret& key_pem);
  /// For the list: what is wrong with what this source has to offer. What it had stays; the next `put` ends it.
  void complain(std::string source, std::string problem);
  void drop(const std::string& source);
  /// Whose certificate is shown to who names nobody, or a name that no certificate is for; empty: nobody's.
  void set_default(std::string source);

  /// What an authority is shown that asks for this name by acme-tls/1 (RFC 8737).
  Result<> put_challenge(std::string name, std::string_view chain_pem, const Secret& key_pem);
  void drop_challenge(const std::string& name);

  std::vector<Shown> list() const;

  /// The certificate for a name in small letters: one with exactly this name, then one with a wildcard in place of its
  /// first label, then the default. Of several one that is valid now, and of those the one that lasts longest. Null:
  /// none.
  std::shared_ptr<const Pair> find(std::string_view name) const;
  std::shared_ptr<const Pair> find_challenge(std::string_view name) const;
  /// Whether one that is valid now is for this name.
  bool covers(std::string_view name) const;

 private:
  struct Source {
    std::shared_ptr<const Pair> pair;
    std::string problem;
  };
  /// Names are the pair's own.
  using Index = std::unordered_multimap<std::string_view, std::shared_ptr<const Pair>>;

  Chain shared_chain(const Chain& chain);
  void unindex(const std::shared_ptr<const Pair>& pair);
  std::shared_ptr<const Pair> best(std::string_view name, TimePoint now) const;
  std::shared_ptr<const Pair> named(std::string_view name, TimePoint now) const;

  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Source, std::less<>> sources_;
  Index index_;
  std::map<std::string, std::shared_ptr<const Pair>, std::less<>> challenges_;
  std::unordered_map<std::string, std::weak_ptr<STACK_OF(X509)>> chains_;  ///< by their bytes' hash
  std::string default_;
};

}  // namespace tiltyard::tls
