#include "net/forwarded.h"

#include "base/text.h"

namespace tiltyard::http {

std::string_view forwarded_parameter(std::string_view element, std::string_view wanted) {
  std::string_view found;
  each_outside_quotes(element, ';', [&](std::string_view pair) {
    const auto equals = pair.find('=');
    if (!found.empty() || equals == std::string_view::npos || !same_text(pair.substr(0, equals), wanted)) return;
    auto value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    found = value;
  });
  return found;
}

std::string_view node_address(std::string_view node) {
  if (node.starts_with('[')) {
    const auto end = node.find(']');
    return end == std::string_view::npos ? std::string_view() : node.substr(1, end - 1);
  }
  return node.substr(0, node.find(':'));
}

bool says_https(const Headers& headers) {
  if (headers.has("X-Forwarded-Proto")) {
    const auto said = headers.get("X-Forwarded-Proto");
    return same_text(trim(said.substr(0, said.find(','))), "https");
  }
  std::string_view last;
  for (const auto& [name, value] : headers) {
    if (same_text(name, "Forwarded"))
      each_outside_quotes(value, ',', [&last](std::string_view element) { last = element; });
  }
  return same_text(forwarded_parameter(last, "proto"), "https");
}

}  // namespace tiltyard::http
