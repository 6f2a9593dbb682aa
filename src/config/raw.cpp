#include "config/raw.h"

#include <fmt/core.h>

namespace tiltyard::config {
namespace {

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};

}  // namespace

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + "\"";
}

std::string list_text(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + toml_text(item);
  return out + "]";
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string raw_text(const Raw& raw) {
  return std::visit(
      Overload{[](const std::string& text) { return toml_text(text); },
               [](std::int64_t number) { return std::to_string(number); },
               [](double number) { return fmt::format("{}", number); },
               [](bool flag) { return std::string(flag ? "true" : "false"); },
               [](const std::vector<std::string>& items) { return list_text(items); },
               [](const RawTable&) { return std::string("a table"); }, [](const Unfit& unfit) { return unfit.type; }},
      static_cast<const Raw::variant&>(raw));
}

}  // namespace tiltyard::config
