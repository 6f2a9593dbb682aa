#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace tiltyard::http {

/// The host of a Host field, without its port, brackets and a last dot, in small letters: "[::1]:80" → "::1"; empty for
/// what is none.
std::string host_of_field(std::string_view field);

/// What a server is called. A page of somebody else whose name leads to our address (DNS rebinding), and a link that is
/// made of an invented Host, end here.
class Hosts {
 public:
  /// Answers to every name.
  Hosts() = default;
  /// To these names and addresses, to "localhost" and loopback addresses, and, with `own_addresses`, to whatever
  /// address a connection has come in at.
  Hosts(const std::vector<std::string>& names, bool own_addresses);

  /// Whether a request is addressed to us. None but HTTP/1.0 may leave it open. `local` says where the connection has
  /// come in, and is asked only when that decides.
  bool ours(const Headers& headers, bool http_1_0, const std::function<std::string()>& local) const;

 private:
  bool any_ = true, own_addresses_ = false;
  std::vector<std::string> names_;
};

}  // namespace tiltyard::http
