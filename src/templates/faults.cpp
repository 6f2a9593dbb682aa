#include "templates/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// The text of a line, from 1; empty beyond the end.
std::string_view line_of(std::string_view text, int number) {
  for (int line = 1; line < number; ++line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

std::size_t indent_of(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

/// Quotes and brackets of a YAML text that run over a line's end. Not a parser: it is asked once the parser has failed,
/// and only has to find what a person would look for.
class YamlSketch {
 public:
  struct Quote {
    char mark = 0;
    int begin = 0, end = 0;  ///< lines; end 0: the file ends in it
  };
  struct Bracket {
    char mark = 0;
    int line = 0;
  };

  explicit YamlSketch(std::string_view text) : text_(text) {
    while (at_ < text_.size()) {
      ++line_;
      one_line();
    }
    if (quote_.mark != 0) quotes_.push_back(quote_);
  }

  const std::vector<Quote>& quotes() const { return quotes_; }
  const std::vector<Bracket>& open() const { return brackets_; }

 private:
  void one_line() {
    const std::string_view line = text_.substr(at_, text_.find('\n', at_) - at_);
    at_ += line.size() + 1;
    const std::size_t indent = indent_of(line);
    if (block_ >= 0 && (indent == line.size() || static_cast<int>(indent) > block_)) return;
    block_ = -1;
    plain_ = false;
    for (std::size_t i = 0; i < line.size();) i = quote_.mark != 0 ? in_quote(line, i) : token(line, i, indent);
  }

  std::size_t in_quote(std::string_view line, std::size_t at) {
    const char c = line[at];
    if (quote_.mark == '"' && c == '\\') return at + 2;
    if (c != quote_.mark) return at + 1;
    if (c == '\'' && at + 1 < line.size() && line[at + 1] == '\'') return at + 2;
    quote_.end = line_;
    if (quote_.end != quote_.begin) quotes_.push_back(quote_);
    quote_ = {};
    return at + 1;
  }

  std::size_t token(std::string_view line, std::size_t at, std::size_t indent) {
    const char c = line[at];
    const bool before_blank = at + 1 >= line.size() || is_blank(line[at + 1]);
    if (c == '#' && (at == 0 || is_blank(line[at - 1]))) return line.size();
    if (is_blank(c)) return at + 1;
    if (c == ':' && (before_blank || !brackets_.empty())) {
      plain_ = false;
    } else if (!brackets_.empty() && (c == ',' || c == ']' || c == '}')) {
      plain_ = false;
      if (c != ',') brackets_.pop_back();
    } else if (!plain_ || (!brackets_.empty() && (c == '[' || c == '{'))) {
      return begin(line, at, indent);
    }
    return at + 1;
  }

  /// Where a text or a collection may begin.
  std::size_t begin(std::string_view line, std::size_t at, std::size_t indent) {
    const char c = line[at];
    const bool before_blank = at + 1 >= line.size() || is_blank(line[at + 1]);
    if (c == '"' || c == '\'') {
      quote_ = {c, line_, 0};
    } else if (c == '[' || c == '{') {
      brackets_.push_back({c, line_});
    } else if ((c == '|' || c == '>') && brackets_.empty()) {
      block_ = static_cast<int>(indent);
      return line.size();
    } else if (c == '&' || c == '!' || c == '*') {
      return std::min(line.find_first_of(" \t", at), line.size());
    } else if (!((c == '-' || c == '?') && before_blank)) {
      plain_ = true;
    }
    return at + 1;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 0;
  int block_ = -1;  ///< the indentation that a block text's lines exceed
  bool plain_ = false;
  Quote quote_;
  std::vector<Quote> quotes_;
  std::vector<Bracket> brackets_;
};

TextFault never_closed(const YamlSketch::Quote& quote) {
  return {quote.begin, fmt::format("the quote ({}) that opens on this line is never closed", quote.mark)};
}

/// A tab where the line's blanks say how deep it is.
bool tab_in_indent(std::string_view line) {
  const auto text = line.find_first_not_of(" \t");
  return text != std::string_view::npos && line.substr(0, text).find('\t') != std::string_view::npos;
}

/// What stands behind the first ": " of a line.
std::string_view value_of(std::string_view line) {
  const auto colon = line.find(": ");
  return colon == std::string_view::npos ? std::string_view{} : trim(line.substr(colon + 2));
}

/// "illegal map value": a colon where none can be.
std::string about_map_value(std::string_view yaml, TextFault& found) {
  const std::string_view line = line_of(yaml, found.line);
  const std::string_view value = value_of(line);
  if (!value.empty() && value[0] != '"' && value[0] != '\'' && (value.find(": ") != value.npos || value.ends_with(':')))
    return "a text with \": \" in it needs quotes";
  int above = found.line - 1;
  while (above > 0 && trim(line_of(yaml, above)).empty()) --above;
  const std::string_view before = trim(line_of(yaml, above));
  if (above > 0 && before.find(": ") == before.npos && !before.ends_with(':')) {
    found.line = above;
    return fmt::format("\"{}\" has no \": \" between key and value", printable(before, 40));
  }
  if (above > 0 && indent_of(line) > indent_of(line_of(yaml, above)))
    return "the line is indented deeper than the one above, which has its value already";
  return "a \":\" where no key can be; is the indentation right, or do quotes lack?";
}

/// "end of map not found": something that is no key.
std::string about_map_end(std::string_view line) {
  const std::string_view text = trim(line);
  const std::string_view value = value_of(line);
  for (const std::string_view shown : {text, value}) {
    if (shown.empty() || (shown[0] != '"' && shown[0] != '\'')) continue;
    const auto end = shown.find(shown[0], 1);
    if (end != shown.npos && end + 1 < shown.size() && shown[end + 1] != ':')
      return fmt::format("text after the closing quote; quotes go around all of it: {0}…{0}",
                         shown[0] == '"' ? '\'' : '"');
  }
  if (text.starts_with("- ")) return "an item of a list among keys; is the indentation right?";
  return fmt::format("the line is indented by {} blanks, which fits none above it; or it is no \"key: value\"",
                     indent_of(line));
}

std::string about_token(std::string_view line) {
  const std::string_view value = value_of(line);
  const std::string_view text = value.empty() ? trim(line) : value;
  if (!text.empty() && std::string_view("@`%").find(text[0]) != text.npos)
    return fmt::format("a text that begins with {} needs quotes", text[0]);
  return "something that YAML does not know; texts with signs like these need quotes";
}

std::string about_escape(std::string_view yaml, TextFault& found) {
  const std::string bad = std::string("\\") + found.message.back();
  for (const int line : {found.line, found.line - 1}) {
    if (line_of(yaml, line).find(bad) == std::string_view::npos) continue;
    found.line = line;
    break;
  }
  return fmt::format("\"{0}\" is no escape; between double quotes a backslash is written \\{0}, or take single quotes",
                     bad);
}

}  // namespace

std::optional<TextFault> open_quote(std::string_view yaml, std::optional<std::size_t> last_quote) {
  if (!last_quote || *last_quote >= yaml.size()) return std::nullopt;
  const char quote = yaml[*last_quote];
  if (quote != '"' && quote != '\'') return std::nullopt;
  for (std::size_t i = *last_quote + 1; i < yaml.size(); ++i) {
    if (quote == '"' && yaml[i] == '\\') ++i;
    else if (quote == '\'' && yaml.substr(i).starts_with("''")) ++i;
    else if (yaml[i] == quote) return std::nullopt;
  }
  const auto line = 1 + std::count(yaml.begin(), yaml.begin() + static_cast<std::ptrdiff_t>(*last_quote), '\n');
  return never_closed({quote, static_cast<int>(line), 0});
}

TextFault explain_yaml(std::string_view yaml, TextFault found) {
  const std::string_view line = line_of(yaml, found.line);
  const auto says = [&found](std::string_view part) { return found.message.find(part) != std::string::npos; };
  for (const int near : {found.line, found.line - 1, found.line + 1}) {
    const std::string_view one = line_of(yaml, near);
    if (one.starts_with("<<<<<<< ") || one.starts_with(">>>>>>> "))
      return {near, "the mark of a merge conflict; two versions of the file stand here in one"};
  }
  if (says(" tab ") || tab_in_indent(line)) return {found.line, "a tab in the indentation; YAML wants spaces"};
  const YamlSketch sketch(yaml);
  for (const auto& quote : sketch.quotes()) {
    if (quote.end == 0) return never_closed(quote);
    if (quote.end == found.line)
      return {quote.begin, fmt::format("the quote ({}) that opens on this line closes only on line {}; is one missing?",
                                       quote.mark, quote.end)};
  }
  if (says("flow not found") && !sketch.open().empty()) {
    const auto& first = sketch.open().front();
    return {first.line, fmt::format("the \"{}\" that opens on this line is not closed", first.mark)};
  }
  if (says("flow not found"))
    found.message = "what stands between the brackets does not hold together; is a comma or a quote missing?";
  else if (says("block scalar"))
    found.message = "the text of a | or > begins on the next line; a text that begins with such a sign needs quotes";
  else if (says("anchor not found after") || says("alias not found after"))
    found.message = "a text that begins with & or * needs quotes";
  else if (says("illegal flow end")) found.message = "a closing bracket too many";
  else if (says("illegal map value")) found.message = about_map_value(yaml, found);
  else if (says("end of map not found")) found.message = about_map_end(line);
  else if (says("anchor is not defined"))
    found.message =
        "a \"*\" here names an anchor, and there is none of that name; a text that begins with * needs quotes";
  else if (says("unknown token")) found.message = about_token(line);
  else if (says("unknown escape character")) found.message = about_escape(yaml, found);
  return found;
}

// TOML

namespace {

/// Of "key = value": the value, without blanks around it.
std::string_view toml_value(std::string_view line) {
  const auto equals = line.find('=');
  return equals == std::string_view::npos ? std::string_view{} : trim(line.substr(equals + 1));
}

std::string about_value(std::string_view line) {
  const std::string_view value = toml_value(line);
  const std::string word = lower(value);
  if (value.empty()) return "a value is missing behind \"=\"";
  if (word == "true" || word == "false" || word == "yes" || word == "no" || word == "on" || word == "off")
    return fmt::format("write {} without capitals or quotes",
                       word == "true" || word == "yes" || word == "on" ? "true" : "false");
  if (value[0] == '.') return fmt::format("a number needs a digit before its point: 0{}", printable(value, 20));
  if (value.starts_with("\u201C") || value.starts_with("\u201D")) return "curly quotes are not quotes; write \"…\"";
  if (value[0] == '[' || value[0] == '{')
    return "what stands between the brackets is no list of values; texts need quotes";
  return fmt::format("a text needs quotes: \"{}\"", printable(value.substr(0, value.find_first_of("\"#")), 40));
}

/// After "expected '=', saw ':'" and the like.
std::string about_key(std::string_view line) {
  const auto end = line.find_first_of(":=\"'");
  const std::string_view key = trim(line.substr(0, end));
  if (end != line.npos && line[end] == ':')
    return fmt::format("TOML has \"=\" between key and value: {} = …", printable(key, 40));
  if (end == line.npos || line[end] != '=')
    return fmt::format("a \"=\" is missing between key and value: {} = …", printable(key.substr(0, key.find(' ')), 40));
  return "a key with blanks in it needs quotes, and has none in instance.toml";
}

}  // namespace

TextFault explain_toml(std::string_view toml, TextFault found) {
  const auto says = [&found](std::string_view part) { return found.message.find(part) != std::string::npos; };
  const std::string_view line = line_of(toml, found.line);
  std::string words;
  if (says("string: unescaped control") || says("string: control characters"))
    words = "the text's closing quote is missing at the end of this line";
  else if (says("string") && says("end-of-file"))
    words = "a text that is opened before this line, \"\"\" or ''', is never closed";
  else if (says("unknown escape"))
    words = "a backslash between double quotes begins an escape; write \\\\, or take single quotes";
  else if (says("parsing array")) words = "the list is not closed, or a comma is missing: [1, 2]";
  else if (says("parsing inline table"))
    words = "a table between braces stands on one line, with commas: { a = 1, b = 2 }";
  else if (says("table header") && says("expected ']'"))
    words = "the table's name is not closed: write [name], or [[name]] for a list of tables";
  else if (says("table header") && says("expected a comment")) words = "nothing may follow a table's name on its line";
  else if (says("cannot redefine"))
    words = says("table") ? "the table is there twice; all of its keys go below one heading" : "the key is there twice";
  else if (says("leading zeroes")) words = "a number may not begin with 0; as a text, with quotes, it may";
  else if (says("expected '='")) words = about_key(line);
  else if (says("expected a comment or whitespace"))
    words = line.find(',') != line.npos && toml_value(line).find_first_of("\"'[{") != 0
                ? std::string("a list stands in brackets, [1, 2], and a number has a point, 0.5")
                : std::string("nothing may follow a value on its line");
  else if (says("value type") || says("expected value") || says("parsing boolean") || says("parsing decimal") ||
           says("floating-point"))
    words = about_value(line);
  else if (says("root table")) words = "a line is \"key = value\", \"[table]\", or a comment that begins with #";
  if (!words.empty()) found.message = std::move(words);
  return found;
}

}  // namespace tiltyard::templates
