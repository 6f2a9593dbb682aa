#include <fmt/format.h>

#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

void wrong(const Node& node, std::string_view what, std::string_view wanted, ReadContext& context) {
  const std::string got =
      node.is_scalar() ? fmt::format("\"{}\"", printable(node.text, 40)) : std::string(kind_name(node));
  context.problems.error(node.place, fmt::format("`{}` takes {}, not {}", what, wanted, got));
}

}  // namespace

std::optional<std::string> as_text(const Node& node, std::string_view what, ReadContext& context, std::size_t most) {
  if (node.is_null()) return std::nullopt;
  if (!node.is_scalar()) {
    wrong(node, what, "a text", context);
    return std::nullopt;
  }
  if (node.at_spawn) {
    context.problems.error(node.place, fmt::format("`{}` names a variable that is known only when an instance starts; "
                                                   "use it in `environment`",
                                                   what));
    return std::nullopt;
  }
  if (node.text.size() > most || node.text.find('\0') != std::string::npos) {
    context.problems.error(node.place, fmt::format("`{}` is longer than {} characters", what, most));
    return std::nullopt;
  }
  return node.text;
}

std::optional<bool> as_bool(const Node& node, std::string_view what, ReadContext& context) {
  const auto text = as_text(node, what, context);
  if (!text) return std::nullopt;
  const auto value = parse_boolean(*text);
  if (!value) wrong(node, what, "true or false", context);
  return value;
}

std::optional<std::int64_t> as_integer(const Node& node, std::string_view what, ReadContext& context,
                                       std::int64_t least, std::int64_t most) {
  const auto text = as_text(node, what, context);
  if (!text) return std::nullopt;
  const auto value = parse_integer(*text);
  if (value && *value >= least && *value <= most) return value;
  wrong(node, what, fmt::format("a whole number from {} to {}", least, most), context);
  return std::nullopt;
}

std::optional<std::int64_t> as_bytes(const Node& node, std::string_view what, ReadContext& context) {
  const auto text = as_text(node, what, context);
  if (!text) return std::nullopt;
  const auto value = parse_bytes(*text);
  if (!value) wrong(node, what, "a size like \"256m\"", context);
  return value;
}

std::optional<double> as_decimal(const Node& node, std::string_view what, ReadContext& context) {
  const auto text = as_text(node, what, context);
  if (!text) return std::nullopt;
  const auto value = parse_decimal(*text);
  if (!value) wrong(node, what, "a number like 0.5", context);
  return value;
}

std::optional<std::chrono::milliseconds> as_duration(const Node& node, std::string_view what, ReadContext& context) {
  const auto text = as_text(node, what, context);
  if (!text) return std::nullopt;
  const auto value = parse_duration(*text);
  if (!value) wrong(node, what, "a duration like \"1m30s\"", context);
  return value;
}

std::vector<const Node*> as_list(const Node& node, std::string_view what, ReadContext& context) {
  std::vector<const Node*> items;
  if (node.is_scalar()) items.push_back(&node);
  else if (node.is_sequence()) {
    for (const auto& item : node.items) items.push_back(&item);
  } else if (!node.is_null()) {
    wrong(node, what, "a list", context);
  }
  return items;
}

std::optional<std::string> text_at(const Node& map, std::string_view key, ReadContext& context, std::size_t most) {
  const Node* node = map.find(key);
  return node ? as_text(*node, key, context, most) : std::nullopt;
}

std::optional<bool> bool_at(const Node& map, std::string_view key, ReadContext& context) {
  const Node* node = map.find(key);
  return node ? as_bool(*node, key, context) : std::nullopt;
}

bool want_map(const Node& node, std::string_view what, ReadContext& context) {
  if (node.is_map()) return true;
  if (!node.is_null()) wrong(node, what, "a map", context);
  return false;
}

}  // namespace tiltyard::templates
