#include "names/rules.h"

#include <fmt/format.h>
#include <idn2.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/text.h"

namespace tiltyard::names {
namespace {

constexpr std::size_t kLongestLabel = 63, kLongestHost = 253, kShortestFree = 3;

std::unexpected<Error> invalid(std::string why) { return fail(Code::kInvalid, "name-invalid", std::move(why)); }

/// What mail servers, browsers and authorities trust by its name alone, and what players would take for the house.
constexpr std::string_view kReserved[] = {
    "abuse",     "account",    "accounts",      "acme",         "admin",     "administrator", "api",
    "app",       "auth",       "autoconfig",    "autodiscover", "billing",   "board",         "broadcasthost",
    "cdn",       "challenge",  "contest",       "ctf",          "dashboard", "dns",           "email",
    "farm",      "flag",       "flags",         "ftp",          "gateway",   "git",           "help",
    "host",      "hostmaster", "imap",          "info",         "internal",  "isatap",        "jury",
    "local",     "localhost",  "login",         "logout",       "mail",      "moderator",     "mta-sts",
    "mx",        "news",       "noreply",       "ns",           "oauth",     "official",      "operator",
    "organiser", "organizer",  "owner",         "password",     "payment",   "pop",           "postmaster",
    "proxy",     "register",   "reverse-proxy", "root",         "score",     "scoreboard",    "secure",
    "security",  "server",     "signin",        "signup",       "smtp",      "ssl",           "sso",
    "staff",     "static",     "status",        "support",      "sysadmin",  "system",        "team",
    "tiltyard",  "tls",        "usenet",        "uucp",         "vpn",       "webmail",       "webmaster",
    "wpad",      "www"};

/// Names that the DNS of the internet does not have (RFC 6761, 6762, 7686, 9476) or that are its own business.
constexpr std::string_view kNoDomains[] = {"alt", "arpa", "internal", "invalid", "local", "localhost", "onion"};

using Text = std::unique_ptr<char, decltype(&std::free)>;

std::optional<std::string> to_ascii(const std::string& host) {
  char* out = nullptr;
  const int rc =
      idn2_to_ascii_8z(host.c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
  const Text owner(out, &std::free);
  return rc == IDN2_OK ? std::optional<std::string>(out) : std::nullopt;
}

std::optional<std::string> to_unicode(const std::string& host) {
  char* out = nullptr;
  const int rc = idn2_to_unicode_8z8z(host.c_str(), &out, IDN2_NONTRANSITIONAL);
  const Text owner(out, &std::free);
  return rc == IDN2_OK ? std::optional<std::string>(out) : std::nullopt;
}

std::vector<std::string_view> labels_of(std::string_view host) {
  std::vector<std::string_view> labels;
  for (;;) {
    const auto dot = host.find('.');
    labels.push_back(host.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    host.remove_prefix(dot + 1);
  }
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    utf8proc_int32_t point = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &point);
    if (size <= 0) return out;
    out += static_cast<char32_t>(point);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return out;
}

/// Of the scripts whose letters are taken for each other.
enum class Script { kOther, kLatin, kGreek, kCyrillic };

Script script_of(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  if (within('a', 'z') || within(0xC0, 0x24F) || within(0x1E00, 0x1EFF)) return Script::kLatin;
  if (within(0x370, 0x3FF) || within(0x1F00, 0x1FFF)) return Script::kGreek;
  if (within(0x400, 0x52F) || within(0x1C80, 0x1C8F) || within(0x2DE0, 0x2DFF) || within(0xA640, 0xA69F))
    return Script::kCyrillic;
  return Script::kOther;
}

bool mixes_scripts(std::string_view label) {
  std::set<Script> scripts;
  for (const char32_t c : code_points(label)) {
    if (script_of(c) != Script::kOther) scripts.insert(script_of(c));
  }
  return scripts.size() > 1;
}

/// What other letters and digits look like, in small Latin letters (after Unicode's confusables, of which these are the
/// ones that whole words can be made of).
const std::map<char32_t, char>& look_alikes() {
  static const std::map<char32_t, char> letters{
      {U'0', 'o'}, {U'1', 'l'}, {U'а', 'a'}, {U'в', 'b'}, {U'с', 'c'}, {U'ԁ', 'd'}, {U'е', 'e'}, {U'г', 'r'},
      {U'һ', 'h'}, {U'н', 'h'}, {U'і', 'i'}, {U'ј', 'j'}, {U'к', 'k'}, {U'ӏ', 'l'}, {U'м', 'm'}, {U'о', 'o'},
      {U'р', 'p'}, {U'ԛ', 'q'}, {U'ѕ', 's'}, {U'т', 't'}, {U'у', 'y'}, {U'ԝ', 'w'}, {U'х', 'x'}, {U'α', 'a'},
      {U'ε', 'e'}, {U'ι', 'i'}, {U'κ', 'k'}, {U'ν', 'v'}, {U'ο', 'o'}, {U'ρ', 'p'}, {U'τ', 't'}, {U'υ', 'u'},
      {U'ω', 'w'}, {U'χ', 'x'}, {U'ı', 'i'}, {U'ł', 'l'}, {U'ø', 'o'}, {U'đ', 'd'}, {U'ħ', 'h'}};
  return letters;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// Letters without what stands on them.
std::string bare_letters(std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &mapped,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK |
                                     UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) return std::string(text);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

std::string skeleton_of_label(std::string_view label) {
  std::string out;
  for (const char32_t c : code_points(bare_letters(label))) {
    if (c == U'-') continue;
    if (const auto found = look_alikes().find(c); found != look_alikes().end()) {
      out += found->second;
      continue;
    }
    std::array<utf8proc_uint8_t, 4> bytes;
    out.append(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::size_t>(utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data())));
  }
  replace_all(out, "rn", "m");
  replace_all(out, "vv", "w");
  return out;
}

/// Letters, digits and inner hyphens (RFC 1123), and hyphens in third and fourth place only where `punycode` is
/// allowed.
std::optional<std::string> wrong_label(std::string_view label, bool punycode) {
  if (label.empty()) return "An empty part stands between two dots.";
  if (label.size() > kLongestLabel) return fmt::format("A part of a name has at most {} characters.", kLongestLabel);
  const bool plain =
      std::ranges::all_of(label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!plain) return "A name has the letters a to z, digits and hyphens.";
  if (label.front() == '-' || label.back() == '-') return "No part of a name begins or ends with a hyphen.";
  if (label.size() > 3 && label.substr(2, 2) == "--" && !(punycode && label.starts_with("xn--")))
    return "Two hyphens in third and fourth place are kept for encoded names.";
  return std::nullopt;
}

bool reserved(std::string_view label, const Site& site) {
  auto bare = label;
  while (!bare.empty() && bare.back() >= '0' && bare.back() <= '9') bare.remove_suffix(1);
  const std::string whole = skeleton_of_label(label), without_number = skeleton_of_label(bare);
  const auto is = [&](std::string_view word) {
    const auto skeleton = skeleton_of_label(word);
    return skeleton == whole || skeleton == without_number;
  };
  return std::ranges::any_of(kReserved, is) || std::ranges::any_of(site.reserved, is);
}

Result<Asked> check_free(std::string_view label, const Site& site) {
  if (site.free_domain.empty())
    return fail(Code::kForbidden, "names-off", "This server gives no names of its own (names.free_domain is empty).");
  if (label.find('.') != std::string_view::npos)
    return invalid(fmt::format("A free name is one word before .{}.", site.free_domain));
  if (auto wrong = wrong_label(label, false)) return invalid(std::move(*wrong));
  if (label.size() < kShortestFree)
    return invalid(fmt::format("A free name has at least {} characters.", kShortestFree));
  const auto host = fmt::format("{}.{}", label, site.free_domain);
  if (host.size() > kLongestHost) return invalid(fmt::format("A name has at most {} characters.", kLongestHost));
  if (reserved(label, site))
    return fail(Code::kConflict, "name-reserved", "This name, or one that looks like it, is kept for the house.");
  return Asked{Kind::kFree, host, skeleton_of_label(label)};
}

/// Whether somebody would take one for the other, or a host below it.
bool looks_like(const std::string& skeleton, std::string_view domain) {
  return at_or_below(skeleton, skeleton_of(domain));
}

Result<Asked> check_own(std::string_view typed, const Site& site) {
  if (!site.own_domains)
    return fail(Code::kForbidden, "names-off", "This server serves no domains of others (names.own_domains is off).");
  if (typed.starts_with("*.")) return invalid("A name stands for one host; \"*\" is none.");
  // libidn2 drops what may not stand there rather than saying so.
  const bool odd = std::ranges::any_of(typed, [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
           c != '.';
  });
  if (odd) return invalid("A name has letters, digits and hyphens.");
  const auto host = to_ascii(std::string(typed));
  if (!host) return invalid("This is no host name: after IDNA 2008 its characters cannot stand there.");
  if (host->size() > kLongestHost) return invalid(fmt::format("A name has at most {} characters.", kLongestHost));
  const auto labels = labels_of(*host);
  for (const auto label : labels) {
    if (auto wrong = wrong_label(label, true)) return invalid(std::move(*wrong));
  }
  const auto unicode = to_unicode(*host);
  if (!unicode || to_ascii(*unicode) != *host) return invalid("Its encoded form (xn--) stands for no proper name.");
  if (std::ranges::any_of(labels_of(*unicode), mixes_scripts))
    return invalid("Letters of several scripts in one part of a name look like others than they are.");
  const auto last = labels.back();
  if (labels.size() < 2 || std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; }) ||
      std::ranges::find(kNoDomains, last) != std::end(kNoDomains))
    return invalid("This is no name that the DNS of the internet can have.");
  const auto skeleton = skeleton_of(*host);
  for (const auto& ours : site.ours) {
    if (at_or_below(*host, ours) || at_or_below(ours, *host))
      return fail(Code::kConflict, "name-reserved", fmt::format("{} belongs to this server.", *host));
    if (looks_like(skeleton, ours))
      return fail(Code::kConflict, "name-reserved", fmt::format("{} looks like a name of this server.", *host));
  }
  return Asked{Kind::kOwn, *host, {}};
}

}  // namespace

bool at_or_below(std::string_view host, std::string_view domain) {
  return host == domain ||
         (host.size() > domain.size() && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.');
}

std::string skeleton_of(std::string_view host) {
  const auto unicode = to_unicode(std::string(host));
  std::string out;
  for (const auto label : labels_of(unicode ? std::string_view(*unicode) : host)) {
    if (!out.empty()) out += '.';
    out += skeleton_of_label(label);
  }
  return out;
}

Result<Asked> check_asked(std::string_view typed, const Site& site) {
  if (typed.size() > 4 * kLongestHost) return invalid(fmt::format("A name has at most {} characters.", kLongestHost));
  if (typed.find('\0') != std::string_view::npos) return invalid("A name has the letters a to z, digits and hyphens.");
  auto host = lower(trim(typed));
  if (host.ends_with('.')) host.pop_back();
  if (host.empty()) return invalid("A name is needed, such as \"my-app\" or \"www.example.org\".");
  if (host.find('.') == std::string::npos) return check_free(host, site);
  if (!site.free_domain.empty() && host.ends_with("." + site.free_domain))
    return check_free(std::string_view(host).substr(0, host.size() - site.free_domain.size() - 1), site);
  return check_own(host, site);
}

}  // namespace tiltyard::names
