#include "observe/redact.h"

#include <array>
#include <cstdint>
#include <cstdio>

namespace tiltyard::log::detail {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || is_upper(c) || (c >= '0' && c <= '9'); }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_with(std::string_view text, std::size_t at, std::string_view lower_case_word) {
  if (text.size() - at < lower_case_word.size()) return false;
  for (std::size_t i = 0; i < lower_case_word.size(); ++i) {
    if (lower(text[at + i]) != lower_case_word[i]) return false;
  }
  return true;
}

constexpr std::array kSecretWords = {"token",  "cookie",     "authorization", "password", "passwd", "passphrase",
                                     "flag",   "credential", "secret",        "link",     "bearer", "csrf",
                                     "apikey", "webhook",    "jwt",           "passcode"};
/// What may follow such a word without the value being the secret itself.
constexpr std::array kHarmlessEndings = {"count", "id", "ids", "file", "bytes", "size", "ms", "seconds"};

template <class Words>
bool contains(const Words& words, std::string_view word) {
  for (std::string_view candidate : words) {
    if (word == candidate) return true;
  }
  return false;
}

bool is_secret_word(std::string_view word) {
  if (contains(kSecretWords, word)) return true;
  return word.ends_with('s') && contains(kSecretWords, word.substr(0, word.size() - 1));
}

/// Our tokens: `ty_` and at least 20 letters or digits. Returns the length, or 0.
std::size_t token_at(std::string_view text, std::size_t at) {
  if (!text.substr(at).starts_with("ty_")) return 0;
  std::size_t end = at + 3;
  while (end < text.size() && is_alnum(text[end])) ++end;
  return end - at >= 3 + 20 ? end - at : 0;
}

/// The end of what follows a credential's introduction: the next blank, quote, comma or semicolon.
std::size_t word_end(std::string_view text, std::size_t at) {
  const std::size_t end = text.find_first_of(" \t\r\n\"',;", at);
  return end == std::string_view::npos ? text.size() : end;
}

std::size_t line_end(std::string_view text, std::size_t at) {
  const std::size_t end = text.find_first_of("\r\n", at);
  return end == std::string_view::npos ? text.size() : end;
}

/// What begins here and must not be shown: how much of it is kept, and where it ends.
struct Hit {
  std::size_t keep = 0;
  std::size_t end = 0;
};

Hit scheme_at(std::string_view text, std::size_t at) {
  for (std::string_view scheme : {"bearer", "basic"}) {
    if (!starts_with(text, at, scheme)) continue;
    std::size_t value = at + scheme.size();
    if (value >= text.size() || (text[value] != ' ' && text[value] != '\t')) continue;
    while (value < text.size() && (text[value] == ' ' || text[value] == '\t')) ++value;
    const std::size_t end = word_end(text, value);
    // "basic auth is off" is a sentence, not a credential.
    if (end - value >= 8) return {value - at, end};
  }
  return {};
}

Hit header_at(std::string_view text, std::size_t at) {
  for (std::string_view name : {"cookie", "authorization", "x-token"}) {
    if (!starts_with(text, at, name)) continue;
    const std::size_t mark = at + name.size();
    if (mark < text.size() && (text[mark] == ':' || text[mark] == '=')) return {mark + 1 - at, line_end(text, mark)};
  }
  return {};
}

/// A flag, whatever its prefix: PREFIX{...} without blanks inside. Sixty-four bytes are enough of a prefix.
Hit flag_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongestPrefix = 64, kLongestFlag = 1024, kLeast = 3;
  std::size_t mark = at;
  while (mark < text.size() && mark - at < kLongestPrefix &&
         (is_alnum(text[mark]) || text[mark] == '_' || text[mark] == '-'))
    ++mark;
  if (mark == at || mark >= text.size() || text[mark] != '{') return {};
  const std::size_t end = text.find_first_of("{}\"' \t\r\n", mark + 1);
  if (end == std::string_view::npos || text[end] != '}' || end - mark - 1 < kLeast || end - mark > kLongestFlag)
    return {};
  return {mark + 1 - at, end};
}

/// The password in scheme://user:password@host (RFC 3986, 3.2.1).
Hit userinfo_at(std::string_view text, std::size_t at) {
  if (!text.substr(at).starts_with("://")) return {};
  const std::size_t end = text.find_first_of("/?#@\"' \t\r\n", at + 3);
  if (end == std::string_view::npos || text[end] != '@') return {};
  const std::size_t colon = text.find(':', at + 3);
  return colon < end ? Hit{colon + 1 - at, end} : Hit{};
}

/// A signed token (RFC 7519): its header is JSON, so it begins with eyJ.
Hit jwt_at(std::string_view text, std::size_t at) {
  if (!text.substr(at).starts_with("eyJ")) return {};
  constexpr std::size_t kLongestHeader = 512;
  if (!text.substr(at, kLongestHeader).contains('.')) return {};
  std::size_t end = at, dots = 0;
  for (; end < text.size() && (is_alnum(text[end]) || text[end] == '_' || text[end] == '-' || text[end] == '.'); ++end)
    dots += text[end] == '.';
  return dots >= 2 && end - at >= 20 ? Hit{3, end} : Hit{};
}

/// password=..., "token": "...": what a form, a query or a JSON body says of a secret.
Hit member_at(std::string_view text, std::size_t at) {
  for (std::string_view name :
       {"password", "passwd", "token", "secret", "apikey", "api_key", "client_assertion", "code_verifier"}) {
    if (!starts_with(text, at, name)) continue;
    std::size_t mark = at + name.size();
    const bool quoted = mark < text.size() && text[mark] == '"';
    if (quoted) ++mark;
    if (mark >= text.size() || !(text[mark] == '=' || (quoted && text[mark] == ':'))) continue;
    for (++mark; mark < text.size() && (text[mark] == ' ' || text[mark] == '"'); ++mark) {}
    const std::size_t found = text.find_first_of(" \t\r\n\"',;&}", mark);
    const std::size_t end = found == std::string_view::npos ? text.size() : found;
    if (end > mark) return {mark - at, end};
  }
  return {};
}

/// Those of others that are known by how they begin: CTFd's, and the two halves of a webhook's address.
Hit foreign_at(std::string_view text, std::size_t at) {
  if (starts_with(text, at, "ctfd_") && word_end(text, at) - at >= 5 + 20) return {5, word_end(text, at)};
  if (starts_with(text, at, "/webhooks/")) return {10, word_end(text, at + 10)};
  return {};
}

Hit hit_at(std::string_view text, std::size_t at) {
  const bool begins_word = at == 0 || !is_alnum(text[at - 1]);
  if (const std::size_t length = token_at(text, at); length > 0) return {3, at + length};
  if (starts_with(text, at, "/signin#")) return {8, word_end(text, at + 8)};
  if (const Hit hit = foreign_at(text, at); hit.end > 0) return hit;
  if (const Hit hit = userinfo_at(text, at); hit.end > 0) return hit;
  if (!begins_word) return {};
  for (const auto look : {scheme_at, header_at, member_at, jwt_at, flag_at}) {
    if (const Hit hit = look(text, at); hit.end > 0) return hit;
  }
  return {};
}

/// One code point of UTF-8 (RFC 3629): its length, 0 when the bytes are not valid.
std::size_t decode(std::string_view text, std::size_t at, std::uint32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) {
    point = first;
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - at < length) return 0;
  point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(at + i) & 0x3FU);
  }
  const std::uint32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return 0;
  return length;
}

/// Characters that end a line somewhere, or turn the reading direction, and so could forge one.
bool forges(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0x200E || point == 0x200F || point == 0xFEFF;
}

void append_escaped(std::string& out, std::uint32_t point) {
  switch (point) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  char buffer[8];
  std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(point & 0xFFFF));
  out += buffer;
}

}  // namespace

bool names_secret(std::string_view key) {
  std::string word;
  bool secret = false;
  const auto finish_word = [&] {
    if (!word.empty() && is_secret_word(word)) secret = true;
  };
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool boundary = !is_alnum(key[i]) || (is_upper(key[i]) && i > 0 && !is_upper(key[i - 1]));
    if (boundary) {
      finish_word();
      word.clear();
    }
    if (is_alnum(key[i])) word += lower(key[i]);
  }
  finish_word();
  return secret && !contains(kHarmlessEndings, word);
}

std::string redact(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const Hit hit = hit_at(text, at);
    if (hit.end == 0) {
      out += text[at++];
      continue;
    }
    out += text.substr(at, hit.keep);
    out += "***";
    at = hit.end;
  }
  return out;
}

std::string escape(std::string_view text, Quotes quotes) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint32_t point = 0;
    const std::size_t length = decode(text, at, point);
    if (length == 0) {
      out += "\\ufffd";
      ++at;
      continue;
    }
    if (forges(point)) {
      append_escaped(out, point);
    } else {
      if (quotes == Quotes::kEscape && (point == '"' || point == '\\')) out += '\\';
      out += text.substr(at, length);
    }
    at += length;
  }
  return out;
}

}  // namespace tiltyard::log::detail
