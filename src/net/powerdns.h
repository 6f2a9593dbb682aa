#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace tiltyard::net {

namespace asio = boost::asio;

struct PowerDnsOptions {
  std::string url;  ///< of its web server, "http://127.0.0.1:8081"; empty: there is none
  Secret key;       ///< its api-key
};

/// All records of one name and type. Names are written without the last dot.
struct RecordSet {
  std::string name;
  std::string type;  ///< "TXT", "A", "CNAME" …
  int ttl = 60;      ///< seconds
  /// As a zone file has them, but for TXT, whose quotes are added here.
  std::vector<std::string> contents;
};

/// A PowerDNS server's API (https://doc.powerdns.com/authoritative/http-api). On one loop. What one call writes is one
/// transaction, and served at once: the server empties its caches for the zone. Errors: `dns-away`, `dns-refused` (with
/// its words), `dns-zone-unknown`, `dns-answer` (what came is none of its answers).
class PowerDns {
 public:
  /// `invalid-address` when the URL is none.
  static Result<std::unique_ptr<PowerDns>> make(const PowerDnsOptions& options);
  ~PowerDns();

  /// The zone that a name is in: the longest of those that the server has.
  asio::awaitable<Result<std::string>> zone_of(std::string name);
  /// Makes these sets what the server has of their names and types, whatever was there; a set without contents is
  /// taken away. All in the zone.
  asio::awaitable<Result<>> put(std::string zone, std::vector<RecordSet> sets);
  /// What the server has; without contents: nothing.
  asio::awaitable<Result<RecordSet>> read(std::string zone, std::string name, std::string type);

 private:
  struct State;
  explicit PowerDns(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tiltyard::net
