#pragma once

#include <cstdint>
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
  kDoor,         ///< the instance is its owner's alone, and nobody knows who this is
  kNotYours,     ///< it is somebody else's
  kLink,         ///< a shared link does not lead in
  kLetIn,        ///< a shared link leads in, and there is no page to go to
  kUsedUp,       ///< what would have let a visitor in was used before, or is too old
};

struct PageText {
  Page page = Page::kRefused;
  int status = 400;
  std::string_view host;       ///< as asked for; shown escaped
  std::string_view detail;     ///< a fixed sentence, for kRefused and kBadAnswer
  std::string_view open = {};  ///< where a browser goes on; empty: nowhere
};

/// How it is said: to people in a terminal as text, to browsers as a page, to programs as a problem (RFC 9457).
enum class Form : std::uint8_t { kText, kHtml, kProblem };

/// What a client that sends this Accept wants.
Form wanted_form(std::string_view accept);
/// A whole answer, head and body, without any outside parts. Never cached. `head_only`: the request was HEAD.
std::string render_page(const PageText& text, Form form, bool keep_alive, bool head_only);

/// The same for a text as it is.
std::string render_text(std::string_view text, bool keep_alive, bool head_only);
/// The body alone, for those who answer by themselves.
std::string page_body(const PageText& text, Form form);

std::string escape_html(std::string_view text);
std::string escape_json(std::string_view text);

}  // namespace tiltyard::gateway
