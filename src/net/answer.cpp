#include "net/answer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "net/text.h"

namespace tiltyard::http {
namespace {

struct Fixed {
  std::string_view name, value;
};

/// What a browser is told about every answer (OWASP Secure Headers Project). The page loads only its own files, talks
/// only to its own host (which includes ws: and wss: to it) and cannot be framed. Pictures may come out of the page
/// itself: those of a machine's screen do.
constexpr std::array<Fixed, 6> kSecurity{{
    {"Content-Security-Policy",
     "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
     "form-action 'self'; object-src 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy",
     "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)"},
}};
constexpr Fixed kTransportSecurity{"Strict-Transport-Security", "max-age=31536000"};
constexpr Fixed kNoStore{"Cache-Control", "no-store"};

bool for_api(std::string_view path) { return path == "/api" || path.starts_with("/api/"); }

void append_field(std::string& out, const Fixed& field) {
  out += field.name;
  out += ": ";
  out += field.value;
  out += "\r\n";
}

/// kSecurity as it stands in nearly every answer.
const std::string& security_lines() {
  static const std::string lines = [] {
    std::string all;
    for (const Fixed& field : kSecurity) append_field(all, field);
    return all;
  }();
  return lines;
}

bool says_otherwise(const Response& response) {
  return std::ranges::any_of(kSecurity, [&](const Fixed& field) { return response.headers.has(field.name); });
}

template <class Use>
void each_security_field(const Response& response, std::string_view path, bool secure, Use use) {
  for (const Fixed& field : kSecurity) {
    if (!response.headers.has(field.name)) use(field);
  }
  if (secure) use(kTransportSecurity);
  if (for_api(path) && !response.headers.has(kNoStore.name)) use(kNoStore);
}

/// Whether no character is a control character: eight at a time, for there is hardly ever one.
bool plain(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  std::uint64_t odd = 0;
  while (!text.empty()) {
    std::uint64_t eight = kOnes * ' ';
    const auto size = std::min(text.size(), sizeof eight);
    std::memcpy(&eight, text.data(), size);
    const std::uint64_t del = eight ^ kOnes * 0x7f;
    // The high bit of a byte that is below 0x20, or that is 0x7f; a byte after such a one may be taken for one as well.
    odd |= ((eight - kOnes * 0x20) & ~eight) | ((del - kOnes) & ~del);
    text.remove_prefix(size);
  }
  return (odd & kOnes * 0x80) == 0;
}

/// A field's text with everything that could end its line turned into a blank: no handler can be made to forge a line.
void append_safe(std::string& out, std::string_view text) {
  const auto ends_line = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  const auto begin = static_cast<std::ptrdiff_t>(out.size());
  out += text;
  if (!plain(text)) std::replace_if(out.begin() + begin, out.end(), ends_line, ' ');
}

void append_security(std::string& out, const Response& response, std::string_view path, bool secure) {
  if (says_otherwise(response)) {
    each_security_field(response, path, secure, [&out](const Fixed& field) { append_field(out, field); });
    return;
  }
  out += security_lines();
  if (secure) append_field(out, kTransportSecurity);
  if (for_api(path) && !response.headers.has(kNoStore.name)) append_field(out, kNoStore);
}

void append_date(std::string& out) {
  thread_local std::time_t shown = 0;
  thread_local std::array<char, 48> text{};
  const std::time_t now = std::time(nullptr);
  if (now != shown) {
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    shown = now;
  }
  out += text.data();
}

/// Fields that belong to the connection, not to the handler.
bool own_field(std::string_view name) {
  return same_text(name, "Content-Length") || same_text(name, "Transfer-Encoding") || same_text(name, "Connection") ||
         same_text(name, "Date");
}

void append_framing(std::string& out, const Response& response, Framing framing) {
  switch (framing) {
    case Framing::kLength:
      out += "Content-Length: ";
      out += std::to_string(response.body.size());
      out += "\r\n";
      break;
    case Framing::kChunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case Framing::kUntilClose:
    case Framing::kNone:
      break;
  }
}

}  // namespace

std::string write_head(const Response& response, std::string_view path, Framing framing, bool keep_alive, bool secure) {
  std::string out;
  out.reserve(1024 + (response.body.size() <= 16 * 1024 ? response.body.size() : 0));
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += phrase(response.status);
  out += "\r\n";
  append_date(out);
  append_framing(out, response, framing);
  out += keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  for (const auto& [name, value] : response.headers) {
    if (own_field(name)) continue;
    append_safe(out, name);
    out += ": ";
    append_safe(out, value);
    out += "\r\n";
  }
  append_security(out, response, path, secure);
  out += "\r\n";
  return out;
}

Headers security_fields(const Response& response, std::string_view path, bool secure) {
  Headers out;
  each_security_field(response, path, secure,
                      [&out](const Fixed& field) { out.add(std::string(field.name), std::string(field.value)); });
  return out;
}

}  // namespace tiltyard::http
