#include "recordings/asciicast.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include "base/utf8.h"

namespace tiltyard::recordings {
namespace {

namespace json = boost::json;

std::string line(Duration at, char code, std::string_view text) {
  const auto micros = std::max<std::int64_t>(at.count(), 0);
  return fmt::format("[{}.{:06}, \"{}\", {}]\n", micros / 1'000'000, micros % 1'000'000, code,
                     json::serialize(json::string(text)));
}

/// Bytes that a character of UTF-8 has by its first; 0: it is none.
std::size_t length_of(unsigned char first) {
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/// Bytes at the end that begin a character whose rest may come.
std::size_t begun(std::string_view bytes) {
  for (std::size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    return length_of(byte) > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string Asciicast::head(int columns, int rows, TimePoint started, std::string_view title) {
  const json::object head{{"version", 2},
                          {"width", columns},
                          {"height", rows},
                          {"timestamp", to_micros(started) / 1'000'000},
                          {"title", as_utf8(title)},
                          {"env", json::object{{"TERM", "xterm-256color"}}}};
  return json::serialize(head) + "\n";
}

std::string Asciicast::output(Duration at, std::string_view bytes) {
  held_ += bytes;
  const auto left = begun(held_);
  const auto whole = std::string_view(held_).substr(0, held_.size() - left);
  std::string out = whole.empty() ? std::string() : line(at, 'o', as_utf8(whole));
  held_.erase(0, held_.size() - left);
  return out;
}

std::string Asciicast::resize(Duration at, int columns, int rows) {
  return line(at, 'r', fmt::format("{}x{}", columns, rows));
}

std::string Asciicast::mark(Duration at, std::string_view text) { return line(at, 'm', as_utf8(text)); }

std::string Asciicast::rest(Duration at) {
  if (held_.empty()) return {};
  auto out = line(at, 'o', as_utf8(held_));
  held_.clear();
  return out;
}

std::size_t whole_lines(std::string_view bytes) {
  const auto last = bytes.rfind('\n');
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace tiltyard::recordings
