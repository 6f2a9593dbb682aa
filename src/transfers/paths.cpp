// What requests say of files: paths, ranges, names. Pure.
#include <fmt/format.h>

#include <charconv>

#include "base/utf8.h"
#include "net/http.h"
#include "transfers/http.h"

namespace tiltyard::transfers {
namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Range> range_of(std::string_view field, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const auto dash = field.find('-');
  if (!field.starts_with(kUnit) || dash == field.npos || field.find(',') != field.npos) return std::nullopt;
  const auto before = field.substr(kUnit.size(), dash - kUnit.size()), after = field.substr(dash + 1);
  const auto first = number_of(before), last = number_of(after);
  if ((!first && !before.empty()) || (!last && !after.empty()) || (!first && !last)) return std::nullopt;
  if (first && last && *last < *first) return std::nullopt;
  const auto from = first ? *first : size - std::min(size, *last);
  if (from >= size) return std::nullopt;
  const auto to = first && last ? std::min(*last, size - 1) : size - 1;
  return Range{from, to - from + 1};
}

Result<std::string> path_in(const std::string& said) {
  std::string path = said.empty() ? "." : said;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if ((path.starts_with('/') || said.empty()) && path.size() <= sftp::kLongestPath && path.find('\0') == path.npos)
    return path;
  return fail(Code::kInvalid, "file-path",
              fmt::format("A path in a machine begins with / and has at most {} bytes.", sftp::kLongestPath));
}

std::string part_of(std::string_view path, std::string_view key) {
  return fmt::format("{}.tiltyard-{}.part", path.substr(0, path.rfind('/') + 1), key);
}

std::string disposition(std::string_view name) {
  std::string plain;
  for (const char c : name) plain += c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '/' && c != '%' ? c : '_';
  return fmt::format("attachment; filename=\"{}\"; filename*=UTF-8''{}", plain,
                     http::percent_encode(as_utf8(std::string(name))));
}

}  // namespace tiltyard::transfers
