#include "farm/format.h"

#include <re2/re2.h>

#include <fmt/format.h>

#include <algorithm>

#include "farm/config.h"

namespace tiltyard::farm {
namespace {

constexpr std::size_t kLongestFormat = 500;

std::unexpected<Error> invalid(std::string message) {
  return fail(Code::kInvalid, reason::kConfigInvalid, std::move(message));
}

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

std::unique_ptr<re2::RE2> compile(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  return std::make_unique<re2::RE2>(pattern, options);
}

/// Names what Python has and RE2 has not, which its own messages do not.
std::string why(std::string_view python, const re2::RE2& compiled) {
  for (const std::string_view look : {"(?=", "(?!", "(?<=", "(?<!"}) {
    if (python.find(look) != std::string_view::npos)
      return fmt::format("look-around ({}…) is not supported, because its cost has no bound", look);
  }
  if (python.find("(?P=") != std::string_view::npos)
    return "back references are not supported, because their cost has no bound";
  return compiled.error();
}

}  // namespace

std::string re2_spelling(std::string_view python) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < python.size(); ++i) {
    const char c = python[i];
    if (c == '\\' && i + 1 < python.size()) {
      const char next = python[++i];
      if (next == 'Z' && !in_class) out += "\\z";
      else if (next == 'u' && i + 4 < python.size() && is_hex(python.substr(i + 1, 4))) {
        out += fmt::format("\\x{{{}}}", python.substr(i + 1, 4));
        i += 4;
      } else {
        out += c;
        out += next;
      }
      continue;
    }
    if (c == '[') in_class = true;
    else if (c == ']') in_class = false;
    // Python reads {,3} as {0,3}, RE2 as five characters.
    if (c == '{' && !in_class && python.substr(i).starts_with("{,")) out += "{0";
    else out += c;
  }
  return out;
}

FlagFormat::FlagFormat(std::string python, std::unique_ptr<re2::RE2> whole, std::unique_ptr<re2::RE2> part)
    : python_(std::move(python)), whole_(std::move(whole)), part_(std::move(part)) {}
FlagFormat::~FlagFormat() = default;

Result<std::shared_ptr<const FlagFormat>> FlagFormat::make(std::string_view python) {
  if (python.empty())
    return invalid("'flag_format' is empty: give the regular expression that a flag matches, such as '[A-Z0-9]{31}='.");
  if (python.size() > kLongestFormat)
    return invalid(fmt::format("'flag_format' is longer than {} bytes.", kLongestFormat));
  auto spelling = re2_spelling(python);
  auto part = compile(spelling);
  if (!part->ok()) return invalid(fmt::format("'flag_format' cannot be used: {}.", why(python, *part)));
  // A group, so that an alternative on the outside stays one.
  auto whole = compile(fmt::format("\\A(?:{})\\z", spelling));
  if (!whole->ok()) return invalid(fmt::format("'flag_format' cannot be used: {}.", whole->error()));
  if (re2::RE2::FullMatch("", *whole))
    return invalid("'flag_format' matches the empty text, and so everything that is no flag.");
  return std::shared_ptr<const FlagFormat>(new FlagFormat(std::string(python), std::move(whole), std::move(part)));
}

bool FlagFormat::matches(std::string_view text) const {
  return whole_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

void FlagFormat::find_all(std::string_view text, const std::function<void(std::string_view)>& found) const {
  const re2::StringPiece all(text.data(), text.size());
  std::size_t from = 0;
  re2::StringPiece match;
  while (from <= text.size() && part_->Match(all, from, text.size(), re2::RE2::UNANCHORED, &match, 1)) {
    const auto at = static_cast<std::size_t>(match.data() - text.data());
    if (!match.empty()) found(text.substr(at, match.size()));
    from = at + std::max<std::size_t>(match.size(), 1);
  }
}

}  // namespace tiltyard::farm
