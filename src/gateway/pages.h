#pragma once

#include <string>
#include <string_view>

namespace tiltyard::gateway {

/// What the gateway itself has to say to a visitor.
enum class Page {
  kWelcome,      ///< the bare domain: what this is
  kUnknownHost,  ///< nothing has this name
  kNoAnswer,     ///< the instance is there, its machine does not answer
  kBadAnswer,    ///< the machine's answer was not HTTP
  kTooSlow,      ///< the machine took too long to begin its answer
  kAsleep,       ///< the instance sleeps and could not be woken
  kTooMany,      ///< over a connection limit
  kRefused,      ///< the request itself is refused
};

struct PageText {
  Page page = Page::kRefused;
  int status = 400;
  std::string_view host;    ///< as asked for; shown escaped
  std::string_view detail;  ///< a fixed sentence, for kRefused and kBadAnswer
};

/// Whether a client that sends this Accept wants a problem (RFC 9457) rather than a page.
bool wants_problem(std::string_view accept);
/// A whole answer, head and body: an HTML page without any outside parts, or a problem. Never cached.
/// `head_only`: the request was HEAD.
std::string render_page(const PageText& text, bool problem, bool keep_alive, bool head_only);

std::string escape_html(std::string_view text);
std::string escape_json(std::string_view text);

}  // namespace tiltyard::gateway
