#pragma once

#include <string_view>

#include "net/http.h"
#include "net/text.h"

/// What proxies say of the way a request has come: the grammar of Forwarded (RFC 7239), and of X-Forwarded-For.
namespace tiltyard::http {

/// Calls `each` with the parts of `text` between `mark`, the first one first; marks within quoted strings (RFC 9110,
/// 5.6.4) are none.
template <class Each>
void each_outside_quotes(std::string_view text, char mark, Each each) {
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (text[i] == mark && !quoted) {
      each(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  each(trim(text.substr(begin)));
}

/// A parameter of one element of Forwarded (RFC 7239, 4), without its quotes; addresses, hosts and schemes need no
/// escapes. Empty where there is none.
std::string_view forwarded_parameter(std::string_view element, std::string_view wanted);

/// The node of "for": an address without its port and brackets; "unknown" and "_hidden" are none (RFC 7239, 6).
std::string_view node_address(std::string_view node);

/// Whether a proxy that is trusted says that the browser speaks TLS: in X-Forwarded-Proto, or else in Forwarded.
bool says_https(const Headers& headers);

}  // namespace tiltyard::http
