#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiltyard::farm {

/// The farm's log is text, one field after the other with a tab between, one entry a line: it can be read with the
/// database's own shell, and lies in any SQL text column. The entries of a record follow its head line. Fields are free
/// of control characters (see clean()), but for one that says: as in the line before.
///
// clang-format off
///   F at first count dups     flags in, and how many known ones came since the F before (older logs do not
///                             say); then `count` lines: flag sploit team service, what repeats at the end left out
///   L at deadline number lease sender count      handed out; then one line: flag,row of its attempt before …
///   V at number lease count   verdicts; then `count` lines: flag, verdict and marks, row of its verdict
///                             before, points, message
///   X at number deadline      more time
///   D at number               the sender has done with it; what it has not answered is free
///   S at count                expired; then one line with the flags
// clang-format on
///
/// Times are microseconds since 1970 UTC. A row is the place of a group of records in the table.
inline constexpr char kSame = '\x01';

class RecordWriter {
 public:
  explicit RecordWriter(std::string& out) : out_(out) {}

  RecordWriter& kind(char c) {
    out_ += c;
    return *this;
  }
  RecordWriter& text(std::string_view value) {
    out_ += '\t';
    out_ += value;
    return *this;
  }
  template <class Integer>
  RecordWriter& number(Integer value) {
    out_ += '\t';
    digits(value);
    return *this;
  }
  template <class Integer>
  void digits(Integer value) {
    char buffer[24];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    out_.append(buffer, end);
  }
  void raw(char c) { out_ += c; }
  void end() { out_ += '\n'; }

 private:
  std::string& out_;
};

/// Reads what a RecordWriter wrote. After anything that does not fit `good()` is false and stays so.
class RecordReader {
 public:
  explicit RecordReader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool good() const { return good_; }
  /// The next line, without its end.
  std::string_view line() {
    const auto end = rest_.find('\n');
    if (end == std::string_view::npos) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }
  /// Cuts the first field off a line.
  static std::string_view field(std::string_view& line, char separator = '\t') {
    const auto end = line.find(separator);
    const auto found = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return found;
  }
  template <class Integer>
  Integer number(std::string_view& line, char separator = '\t') {
    const auto text = field(line, separator);
    Integer value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) good_ = false;
    return value;
  }
  void spoil() { good_ = false; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

/// A name or a message from outside as it is kept: control characters become '?', at most `most` bytes, never cut
/// within a character of UTF-8. What is clean already is returned as it is; otherwise `into` holds the result.
std::string_view clean(std::string_view text, std::size_t most, std::string& into);
bool has_control(std::string_view text);

}  // namespace tiltyard::farm
