#include "cli/attack_find.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

namespace tiltyard::cli {
namespace {

/// How many bytes the UTF-8 sequence at the start of `text` has; 0 when it is none (RFC 3629: shortest form, no surrogates,
/// at most U+10FFFF).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const auto first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && at(1) < 0xA0) || (first == 0xED && at(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && at(1) < 0x90) || (first == 0xF4 && at(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string readable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    out += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

Result<FlagFinder> FlagFinder::make(const std::string& format) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(format, options);
  if (!compiled->ok()) {
    return fail(Code::kInvalid, "flag-format-unreadable", fmt::format("The farm's flag format {} cannot be used: {}", format, compiled->error()));
  }
  return FlagFinder(std::move(compiled));
}

std::vector<std::string> FlagFinder::find(std::string_view text) const {
  std::vector<std::string> out;
  const int wanted = format_->NumberOfCapturingGroups() == 1 ? 1 : 0;
  std::array<re2::StringPiece, 2> groups;
  std::size_t at = 0;
  while (at <= text.size() && format_->Match({text.data(), text.size()}, at, text.size(), re2::RE2::UNANCHORED, groups.data(), wanted + 1)) {
    const auto& whole = groups[0];
    const auto end = static_cast<std::size_t>(whole.data() - text.data()) + whole.size();
    const auto& flag = groups[static_cast<std::size_t>(wanted)];
    if (!flag.empty() && std::ranges::find(out, std::string_view(flag.data(), flag.size())) == out.end()) out.emplace_back(flag.data(), flag.size());
    at = std::max(end, at + (whole.empty() ? 1 : 0));
  }
  return out;
}

}  // namespace tiltyard::cli
