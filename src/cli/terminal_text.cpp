#include "cli/terminal_text.h"

#include <fmt/core.h>

#include <wchar.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace tiltyard::cli {
namespace {

/// Calls `each(character, bytes)` for every character; bytes that are no UTF-8 come one by one as U+FFFD.
template <class Each>
void for_each_character(std::string_view text, Each each) {
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t c = 0;
    const auto used = std::mbrtowc(&c, text.data(), text.size(), &state);
    const bool valid = used != static_cast<std::size_t>(-1) && used != static_cast<std::size_t>(-2);
    const auto length = valid ? std::max<std::size_t>(used, 1) : 1;
    if (!valid) state = {};
    each(valid ? c : L'\uFFFD', text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::kGreen:
      return "32";
    case Colour::kYellow:
      return "33";
    case Colour::kRed:
      return "31";
    case Colour::kGrey:
      return "90";
    case Colour::kBold:
      return "1";
    case Colour::kNone:
      break;
  }
  return "";
}

/// What a terminal obeys, or what turns the order of its characters round.
bool commands_terminal(wchar_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/// Bytes of a colour at the front of `text` ("ESC [ 1;31 m"; ECMA-48, SGR): 0 where there is none, npos where its end
/// has not come yet.
std::size_t colour_at_front(std::string_view text) {
  constexpr std::size_t kLongest = 32;
  if (text.empty() || text[0] != '\x1b') return 0;
  if (text.size() == 1) return text.npos;
  if (text[1] != '[') return 0;
  const auto end = text.find_first_not_of("0123456789;:", 2);
  if (end == text.npos) return text.size() > kLongest ? 0 : text.npos;
  return text[end] == 'm' ? end + 1 : 0;
}

/// Whether `text` ends in the middle of a character; where that begins.
std::size_t end_of_whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

}  // namespace

std::string Tamed::take(std::string_view piece) {
  std::string all = std::exchange(held_, {});
  all += piece;
  std::string out, plain;
  const auto show = [&out](wchar_t c, std::string_view bytes) {
    const bool lays_out = c == L'\n' || c == L'\t';
    if (!lays_out && (c == L'\uFFFD' || commands_terminal(c))) out += "?";
    else out += bytes;
  };
  const auto whole = std::string_view(all).substr(0, end_of_whole_characters(all));
  held_ = all.substr(whole.size());
  for (std::size_t at = 0; at < whole.size();) {
    const auto left = whole.substr(at);
    const bool carriage = left[0] == '\r';
    const auto colour = colour_at_front(left);
    if (colour == left.npos || (carriage && left.size() == 1)) {
      held_.insert(0, left);
      break;
    }
    const bool ends_line = carriage && left[1] == '\n';
    if (colour == 0 && !ends_line) plain += left[0];
    at += std::max<std::size_t>(colour, 1);
  }
  for_each_character(plain, show);
  return out;
}

std::string Tamed::rest() { return std::string(std::exchange(held_, {}).size(), '?'); }

std::string harmless(std::string_view text) {
  std::string out;
  for_each_character(text, [&](wchar_t c, std::string_view bytes) {
    if (c == L'\uFFFD') {
      out += "?";
    } else if (commands_terminal(c)) {
      out += c == L'\n' || c == L'\t' ? " " : "?";
    } else {
      out += bytes;
    }
  });
  return out;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for_each_character(text, [&](wchar_t c, std::string_view) { width += std::max(::wcwidth(c), 0); });
  return width;
}

std::string painted(std::string_view text, Colour colour, bool on) {
  if (!on || colour == Colour::kNone) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(colour), text);
}

Colour colour_of_state(std::string_view state) {
  if (state == "running" || state == "ready") return Colour::kGreen;
  if (state == "failed" || state == "broken") return Colour::kRed;
  if (state == "stopped" || state == "inactive") return Colour::kGrey;
  return Colour::kYellow;
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  widths.reserve(headings_.size());
  for (const auto& heading : headings_) widths.push_back(width_of(heading));
  std::vector<std::vector<Cell>> rows;
  for (const auto& row : rows_) {
    auto& clean = rows.emplace_back();
    for (const auto& cell : row) clean.emplace_back(harmless(cell.text), cell.colour);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(clean[i].text));
  }
  std::string out;
  const auto put = [&](std::size_t column, const std::string& text, Colour colour) {
    out += painted(text, colour, colours_);
    if (column + 1 < headings_.size()) out.append(widths[column] - width_of(text) + 2, ' ');
  };
  for (std::size_t i = 0; i < headings_.size(); ++i) put(i, headings_[i], Colour::kBold);
  out += '\n';
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) put(i, row[i].text, row[i].colour);
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  }
  return out;
}

std::string duration_text(std::chrono::seconds duration) {
  const auto seconds = std::max<std::int64_t>(duration.count(), 0);
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    const auto count = seconds / kUnits[i].seconds;
    if (count == 0) continue;
    auto text = fmt::format("{} {}", count, kUnits[i].name);
    // The second unit matters only while the first is small: seconds do not, beside minutes.
    if (i < 2 && count < 10) {
      if (const auto rest = seconds % kUnits[i].seconds / kUnits[i + 1].seconds; rest > 0)
        text += fmt::format(" {} {}", rest, kUnits[i + 1].name);
    }
    return text;
  }
  return "0 s";
}

std::string relative_text(std::string_view rfc3339, TimePoint now) {
  const auto time = parse_rfc3339(rfc3339);
  if (!time) return {};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*time - now);
  if (seconds.count() == 0) return "now";
  return seconds.count() > 0 ? "in " + duration_text(seconds) : duration_text(-seconds) + " ago";
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return value == static_cast<double>(static_cast<std::uint64_t>(value))
             ? fmt::format("{:.0f} {}", value, kUnits[unit])
             : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::int64_t parse_seconds(std::string_view text) {
  std::int64_t count = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count < 1 || count > 1'000'000'000) return -1;
  const std::string_view unit(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
  if (unit.empty() || unit == "s") return count;
  if (unit == "m" || unit == "min") return count * 60;
  if (unit == "h") return count * 3600;
  if (unit == "d") return count * 86400;
  return -1;
}

}  // namespace tiltyard::cli
