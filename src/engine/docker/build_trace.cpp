#include "engine/docker/build_trace.h"

#include <sodium.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace tiltyard::engine::docker {
namespace {

constexpr std::size_t kMostSteps = 4096, kLongestLine = 16 * 1024;

/// The fields of one message: their numbers, and the bytes of those that have a length.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  bool next() {
    const auto key = number();
    if (!key) return false;
    field = static_cast<int>(*key >> 3);
    bytes = {};
    switch (*key & 7) {
      case 0:
        return number().has_value();
      case 1:
        return skip(8);
      case 5:
        return skip(4);
      case 2: {
        const auto size = number();
        if (!size || *size > rest_.size()) return false;
        bytes = rest_.substr(0, *size);
        return skip(*size);
      }
      default:
        return false;
    }
  }

  int field = 0;
  std::string_view bytes;

 private:
  bool skip(std::size_t size) {
    if (size > rest_.size()) return false;
    rest_.remove_prefix(size);
    return true;
  }

  std::optional<std::uint64_t> number() {
    std::uint64_t out = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return out;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

/// The length of the escape sequence that begins at `text` (ECMA-48, with OSC as terminals take it).
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return text.size();
  if (text[1] == '[') {
    for (std::size_t i = 2; i < text.size(); ++i) {
      if (text[i] >= 0x40 && text[i] <= 0x7E) return i + 1;
    }
    return text.size();
  }
  if (text[1] == ']' || text[1] == 'P' || text[1] == '^' || text[1] == '_' || text[1] == 'X') {
    for (std::size_t i = 2; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\\' && text[i - 1] == '\x1B') return i + 1;
    }
    return text.size();
  }
  std::size_t i = 1;
  while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x2F) ++i;
  return std::min(i + 1, text.size());
}

}  // namespace

std::string plain(std::string_view text) {
  while (text.ends_with('\r') || text.ends_with('\n')) text.remove_suffix(1);
  if (const auto again = text.rfind('\r'); again != std::string_view::npos) text.remove_prefix(again + 1);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0x1B) {
      i += escape_length(text.substr(i));
      continue;
    }
    // U+0080 to U+009F are control characters too.
    const bool second = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c == '\t') out += ' ';
    else if (c >= 0x20 && c != 0x7F && !second) out += text[i];
    i += second ? 2 : 1;
  }
  return out;
}

std::string plain_lines(std::string_view text) {
  std::string out;
  while (true) {
    const auto end = text.find('\n');
    out += plain(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string> BuildTrace::take(const std::string& base64) {
  std::vector<std::string> lines;
  std::string bytes(base64.size(), '\0');
  std::size_t size = 0;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), base64.data(), base64.size(),
                        nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL) != 0)
    return lines;
  bytes.resize(size);
  for (Fields all(bytes); all.next();) {
    if (all.field == 1) vertex(all.bytes, lines);
    if (all.field == 3) log(all.bytes, lines);
  }
  return lines;
}

void BuildTrace::vertex(std::string_view message, std::vector<std::string>& lines) {
  std::string digest, name;
  bool started = false;
  for (Fields one(message); one.next();) {
    if (one.field == 1) digest = one.bytes;
    if (one.field == 3) name = one.bytes;
    if (one.field == 5) started = true;
  }
  if (!started || name.empty() || begun_.size() >= kMostSteps || begun_[digest]) return;
  begun_[digest] = true;
  if (!name.starts_with("[internal]") && !name.starts_with("copy /context")) lines.push_back(std::move(name));
}

void BuildTrace::log(std::string_view message, std::vector<std::string>& lines) {
  std::string digest;
  std::string_view said;
  for (Fields one(message); one.next();) {
    if (one.field == 1) digest = one.bytes;
    if (one.field == 4) said = one.bytes;
  }
  if (pending_.size() >= kMostSteps && !pending_.contains(digest)) return;
  std::string& line = pending_[digest];
  line += said;
  for (auto end = line.find('\n'); end != std::string::npos; end = line.find('\n')) {
    lines.push_back(line.substr(0, end));
    line.erase(0, end + 1);
  }
  if (line.size() > kLongestLine) lines.push_back(std::exchange(line, {}));
}

std::vector<std::string> BuildTrace::rest() {
  std::vector<std::string> lines;
  for (auto& [step, line] : pending_) {
    if (!line.empty()) lines.push_back(std::move(line));
  }
  pending_.clear();
  return lines;
}

}  // namespace tiltyard::engine::docker
