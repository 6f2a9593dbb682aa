// challenge.toml: its writer.
#include <fmt/format.h>

#include <iterator>

#include "imports/challenge.h"

namespace tiltyard::imports {
namespace {

class TomlWriter {
 public:
  explicit TomlWriter(std::string first) : out_(std::move(first)) {}

  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) line(key, toml_text(value));
  }
  void texts(std::string_view key, const std::vector<std::string>& values) {
    if (values.empty()) return;
    std::string list;
    for (const auto& value : values) list += (list.empty() ? "" : ", ") + toml_text(value);
    line(key, "[" + list + "]");
  }
  void number(std::string_view key, std::int64_t value) { line(key, std::to_string(value)); }
  void line(std::string_view key, std::string_view value) {
    fmt::format_to(std::back_inserter(out_), "{} = {}\n", key, value);
  }
  void head(std::string_view name) { fmt::format_to(std::back_inserter(out_), "\n{}\n", name); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void write_top(TomlWriter& out, const Challenge& challenge) {
  out.text("name", challenge.name);
  out.text("category", challenge.category);
  out.text("description", challenge.description);
  out.texts("authors", challenge.authors);
  out.texts("tags", challenge.tags);
  out.texts("topics", challenge.topics);
  if (challenge.hidden) out.text("state", "hidden");
  out.text("connection", challenge.connection);
  out.text("attribution", challenge.attribution);
  out.text("opens", challenge.opens);
  out.text("closes", challenge.closes);
  if (challenge.attempts > 0) out.number("attempts", challenge.attempts);
  if (challenge.logic != "any") out.text("logic", challenge.logic);
  out.texts("requires", challenge.requires_ids);
  if (challenge.locked != "hidden") out.text("locked", challenge.locked);
  out.text("next", challenge.next);
  if (!challenge.breaks_ties) out.line("breaks_ties", "false");
  if (challenge.own_flags) out.line("own_flags", "true");
  out.text("solution", challenge.solution);
}

void write_value(TomlWriter& out, const Value& value) {
  out.head("[value]");
  if (!value.dynamic) return out.number("points", value.initial);
  out.number("initial", value.initial);
  out.number("minimum", value.minimum);
  if (value.decay != 0) out.line("decay", fmt::format("{}", value.decay));
  out.text("function", value.function);
}

}  // namespace

std::string toml_text(std::string_view text) {
  const bool several = text.find('\n') != std::string_view::npos;
  std::string out = several ? "\"\"\"\n" : "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool lays_out = c == '\t' || (several && c == '\n');
    if (!lays_out && (byte < 0x20 || byte == 0x7f)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + (several ? "\"\"\"" : "\"");
}

std::string write_challenge(const Challenge& challenge, std::string_view origin) {
  TomlWriter out(fmt::format("# What the contest must know of it, from {}.\n", origin));
  write_top(out, challenge);
  if (challenge.value) write_value(out, *challenge.value);
  for (const auto& flag : challenge.flags) {
    out.head("[[flag]]");
    out.text(flag.regex ? "regex" : "text", flag.content);
    if (flag.ignore_case) out.line("ignore_case", "true");
  }
  for (const auto& hint : challenge.hints) {
    out.head("[[hint]]");
    out.text("id", hint.id);
    out.text("title", hint.title);
    out.text("text", hint.text);
    if (hint.cost > 0) out.number("cost", hint.cost);
    out.texts("requires", hint.requires_ids);
  }
  for (const auto& file : challenge.files) {
    out.head("[[file]]");
    out.text("path", file.path);
    out.text("url", file.url);
    out.text("name", file.name);
  }
  return out.take();
}

}  // namespace tiltyard::imports
