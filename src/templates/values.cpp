#include "templates/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace tiltyard::templates {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Digits with at most one point; moves `text` behind them.
std::optional<double> take_decimal(std::string_view& text) {
  std::size_t end = 0;
  bool point = false, digit = false;
  while (end < text.size() && (is_digit(text[end]) || (text[end] == '.' && !point))) {
    if (text[end] == '.') point = true;
    else digit = true;
    ++end;
  }
  if (!digit || end > 24) return std::nullopt;
  double value = 0;
  const auto piece = text.substr(0, end);
  const auto [stop, failure] =
      std::from_chars(piece.data(), piece.data() + piece.size(), value, std::chars_format::fixed);
  if (failure != std::errc{} || stop != piece.data() + piece.size()) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > most) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
    out += "…";
  }
  return out;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = nearest(word, candidates);
  return near.empty() ? std::string{} : fmt::format("; did you mean \"{}\"?", near);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  text = trim(text);
  const auto number = take_decimal(text);
  if (!number) return std::nullopt;
  const std::string unit = lower(trim(text));
  double factor = 0;
  if (unit.empty() || unit == "b") factor = 1;
  else if (unit == "k" || unit == "kb" || unit == "kib") factor = 1024.0;
  else if (unit == "m" || unit == "mb" || unit == "mib") factor = 1024.0 * 1024;
  else if (unit == "g" || unit == "gb" || unit == "gib") factor = 1024.0 * 1024 * 1024;
  else if (unit == "t" || unit == "tb" || unit == "tib") factor = 1024.0 * 1024 * 1024 * 1024;
  else return std::nullopt;
  const double bytes = *number * factor;
  if (bytes > 4e18) return std::nullopt;
  return static_cast<std::int64_t>(bytes);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  text = trim(text);
  if (text == "0") return std::chrono::milliseconds{0};
  if (text.empty()) return std::nullopt;
  double total = 0;  // milliseconds
  while (!text.empty()) {
    const auto number = take_decimal(text);
    if (!number) return std::nullopt;
    std::size_t end = 0;
    while (end < text.size() && !is_digit(text[end]) && text[end] != '.') ++end;
    const std::string_view unit = text.substr(0, end);
    double factor = 0;
    if (unit == "ns") factor = 1e-6;
    else if (unit == "us" || unit == "\xC2\xB5s") factor = 1e-3;
    else if (unit == "ms") factor = 1;
    else if (unit == "s") factor = 1000;
    else if (unit == "m") factor = 60'000;
    else if (unit == "h") factor = 3'600'000;
    else if (unit == "d") factor = 86'400'000;
    else return std::nullopt;
    total += *number * factor;
    text.remove_prefix(end);
  }
  if (total > 100.0 * 366 * 86'400'000) return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(std::llround(total))};
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_decimal(std::string_view text) {
  text = trim(text);
  const auto value = take_decimal(text);
  return text.empty() ? value : std::nullopt;
}

std::optional<bool> parse_boolean(std::string_view text) {
  const std::string word = lower(trim(text));
  if (word == "true" || word == "yes" || word == "on" || word == "y" || word == "1") return true;
  if (word == "false" || word == "no" || word == "off" || word == "n" || word == "0") return false;
  return std::nullopt;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  const auto value = parse_integer(text);
  if (!value || *value < 1 || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

std::optional<int> parse_mode(std::string_view text) {
  if (text.starts_with("0o")) text.remove_prefix(2);
  int value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.empty() || failure != std::errc{} || stop != text.data() + text.size() || value < 0 || value > 07777) {
    return std::nullopt;
  }
  return value;
}

std::expected<PortText, std::string> parse_port_text(std::string_view text) {
  const auto wrong = [text] {
    return std::unexpected(fmt::format("\"{}\" is not a port; write \"8080\" or \"8080:80\"", printable(text)));
  };
  PortText port;
  std::string_view rest = text;
  if (const auto slash = rest.rfind('/'); slash != std::string_view::npos) {
    port.protocol = lower(rest.substr(slash + 1));
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp") return wrong();
    rest = rest.substr(0, slash);
  }
  std::string_view container = rest;
  if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
    container = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    const auto address = rest.rfind(':');
    port.host = rest.substr(address == std::string_view::npos ? 0 : address + 1);
    if (address != std::string_view::npos) port.address = rest.substr(0, address);
  }
  const auto dash = container.find('-');
  const auto first = parse_port(container.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(container.substr(dash + 1));
  if (!first || !last || *last < *first) return wrong();
  port.first = *first;
  port.last = *last;
  return port;
}

namespace {

/// One command line being split.
class CommandSplitter {
 public:
  explicit CommandSplitter(std::string_view text) : text_(text) {}

  std::expected<CommandText, std::string> run() {
    for (; at_ < text_.size() && out_.unread.empty(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && within_ != '\'') escaped();
      else if (is_blank(c)) blank(c);
      else if (c == '(' || c == ')') parenthesis(c);
      else if (c == '"' || c == '\'' || c == '`') quote(c);
      else if (within_ == 0 && std::string_view(";&|<>").find(c) != std::string_view::npos) operation(c);
      else add(c);
      if (!fault_.empty()) return std::unexpected(fault_);
    }
    if (within_ == '(') return std::unexpected("a `$(` is not closed");
    if (within_ != 0) return std::unexpected(fmt::format("a quote ({}) is not closed", within_));
    end_word();
    return std::move(out_);
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  /// Whether it is read as text for a shell to come, which keeps its quotes and backslashes.
  bool substituted() const { return within_ == '`' || within_ == '('; }

  void add(char c) {
    word_ += c;
    in_word_ = true;
  }

  void end_word() {
    if (in_word_) out_.words.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  void escaped() {
    if (at_ + 1 == text_.size()) {
      fault_ = "a backslash at its end";
      return;
    }
    const char c = text_[++at_];
    if (substituted()) (add('\\'), add(c));
    else if (c == 't') add('\t');
    else if (c == 'n') add('\n');
    else add(c);
  }

  void blank(char c) {
    if (within_ != 0) word_ += c;
    else end_word();
  }

  void parenthesis(char c) {
    if (within_ == '"' || within_ == '\'' || within_ == '`') return add(c);
    if (c == '(' && within_ == 0 && word_.ends_with('$')) within_ = '(';
    else if (c == ')' && within_ == '(') within_ = 0;
    else fault_ = fmt::format("a `{}` outside of quotes", c);
    add(c);
  }

  void quote(char c) {
    if (c == '`' && (within_ == 0 || within_ == '`')) {
      within_ = within_ == 0 ? c : '\0';
      add(c);
    } else if (c != '`' && within_ == 0) {
      within_ = c;
    } else if (c != '`' && within_ == c) {
      within_ = 0;
      in_word_ = true;
    } else {
      add(c);
    }
  }

  void operation(char c) {
    const auto digit = [](char one) { return is_digit(one); };
    if (c == '>' && !word_.empty() && std::ranges::all_of(word_, digit)) in_word_ = false;  // "2>": no word of its own
    out_.unread = text_.substr(at_);
  }

  std::string_view text_;
  CommandText out_;
  std::string word_, fault_;
  std::size_t at_ = 0;
  char within_ = 0;  ///< the quote that is open; '(': "$("
  bool in_word_ = false;
};

}  // namespace

std::expected<CommandText, std::string> split_command(std::string_view text) { return CommandSplitter(text).run(); }

std::expected<VolumeText, std::string> parse_volume_text(std::string_view text) {
  const auto parts = split(text, ':');
  VolumeText volume;
  if (parts.size() == 1) {
    volume.target = parts[0];
  } else if (parts.size() == 2 || parts.size() == 3) {
    volume.source = parts[0];
    volume.target = parts[1];
    if (parts.size() == 3) {
      for (const auto option : split(parts[2], ',')) volume.options.emplace_back(trim(option));
    }
  } else {
    return std::unexpected(fmt::format("\"{}\" is not a volume; write \"source:/target:options\"", printable(text)));
  }
  if (volume.target.empty() || (parts.size() > 1 && volume.source.empty())) {
    return std::unexpected(fmt::format("\"{}\" is not a volume; write \"source:/target:options\"", printable(text)));
  }
  return volume;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool is_name(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > most || !is_alnum(text[0])) return false;
  return std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_label(std::string_view text, std::size_t most) {
  if (text.empty() || text.size() > most || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; });
}

bool is_slug(std::string_view text, std::size_t most) {
  return is_label(text, most) && text.find("--") == std::string_view::npos;
}

std::string to_slug(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : lower(text)) {
    if (is_digit(c) || (c >= 'a' && c <= 'z')) out += c;
    else if (!out.empty() && out.back() != '-') out += '-';
    if (out.size() >= most) break;
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

}  // namespace tiltyard::templates
