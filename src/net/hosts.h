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

/// How a request has reached us.
struct Came {
  bool http_1_0 = false;
  bool by_proxy = false;  ///< the peer is a proxy that is trusted
};

/// What a server is called. A page of somebody else whose name leads to our address (DNS rebinding), and a link that is
/// made of an invented Host, end here.
class Hosts {
 public:
  /// Answers to every name.
  Hosts() = default;
  /// To these names and addresses, to "localhost" and loopback addresses, and, with `own_addresses`, to whatever
  /// address a connection has come in at. `public_url`: what people use; empty: not known.
  Hosts(const std::vector<std::string>& names, bool own_addresses, std::string_view public_url = {});

  /// Whether a request is addressed to us. None but HTTP/1.0 may leave it open. `local` says where the connection has
  /// come in, and is asked only when that decides. A proxy that is trusted may call us as it likes, if it says beside
  /// that what the browser has asked for, or by a name without a dot where there is a public URL: nobody can make
  /// browsers take such a name for ours.
  bool ours(const Headers& headers, Came came, const std::function<std::string()>& local) const;

  /// Gives a request that is ours the Host that the browser has asked for, where a proxy has dropped the port or put
  /// its upstream's name there. What the browser says in Origin is that if it is our public URL; or if it differs in
  /// the port alone and Sec-Fetch-Site, which no page can forge, says that the page is of that very origin.
  void restore(Headers& headers, Came came) const;

 private:
  bool known(std::string_view host) const;

  bool any_ = true, own_addresses_ = false;
  std::vector<std::string> names_;
  std::string public_;  ///< the origin
};

/// Whether the page that made a request is of the origin that it was made to (RFC 6454, 5; default ports may be left
/// out, RFC 9110, 4.2.3). `secure`: the browser speaks TLS, so that a page without it is another origin's. Without an
/// Origin it is not.
bool same_origin(const Headers& headers, bool secure);

}  // namespace tiltyard::http
