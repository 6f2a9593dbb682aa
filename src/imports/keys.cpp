#include "imports/keys.h"

#include <fmt/format.h>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/text.h"

namespace tiltyard::imports {
namespace {

constexpr std::size_t kMostTexts = 200;

template <class T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Whether YAML reads it as what it was, wherever it stands.
bool is_bare(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, fits);
}

std::string in_quotes(std::string_view text) { return boost::json::serialize(boost::json::string(text)); }

void write_node(const Node& node, int depth, std::string& out);

void write_members(const Node& node, int depth, std::string& out) {
  for (const auto& member : node.members) {
    const bool bare = is_bare(member.key) && !member.key.starts_with('-') && !truth(scalar(member.key)) &&
                      (member.key[0] < '0' || member.key[0] > '9');
    fmt::format_to(std::back_inserter(out), "{:{}}{}:", "", depth * 2, bare ? member.key : in_quotes(member.key));
    write_node(member.value, depth + 1, out);
  }
}

void write_node(const Node& node, int depth, std::string& out) {
  if (node.is_scalar()) {
    out += " " + (!node.quoted && is_bare(node.text) ? node.text : in_quotes(node.text)) + "\n";
  } else if (node.is_empty()) {
    out += node.is_map() ? " {}\n" : node.is_sequence() ? " []\n" : " null\n";
  } else if (node.is_map()) {
    out += "\n";
    write_members(node, depth, out);
  } else {
    out += "\n";
    for (const auto& item : node.items) {
      fmt::format_to(std::back_inserter(out), "{:{}}-", "", depth * 2);
      write_node(item, depth + 1, out);
    }
  }
}

}  // namespace

bool Draft::refused() const { return std::ranges::find(notes, Note::Kind::kRefused, &Note::kind) != notes.end(); }

Keys::Keys(const Node& map, Draft& draft, std::string prefix) : map_(map), draft_(draft), prefix_(std::move(prefix)) {}

bool Keys::has(std::string_view key) const {
  const auto* node = map_.find(key);
  return node && !node->is_null();
}

Place Keys::place(std::string_view key) const {
  const auto* member = map_.member(key);
  return member ? member->place : map_.place;
}

const Node* Keys::find(std::string_view key) {
  skip(key);
  const auto* node = map_.find(key);
  return node && !node->is_empty() ? node : nullptr;
}

const Node* Keys::take(std::string_view key) {
  const auto* node = find(key);
  if (node) draft_.taken(place(key), name(key));
  return node;
}

void Keys::wrong(std::string_view key, std::string_view wanted) {
  draft_.refuse(place(key), fmt::format("{} takes {}", name(key), wanted));
}

std::string Keys::text(std::string_view key, std::size_t most) {
  const auto* node = find(key);
  if (!node) return {};
  if (!node->is_scalar() || node->text.size() > most)
    return wrong(key, fmt::format("a text of at most {} bytes", most)), "";
  draft_.taken(place(key), name(key));
  return node->text;
}

std::optional<std::int64_t> Keys::whole(std::string_view key, std::int64_t least, std::int64_t most) {
  const auto* node = find(key);
  if (!node) return std::nullopt;
  const auto value = whole_of(*node);
  if (!value || *value < least || *value > most)
    return wrong(key, fmt::format("a whole number from {} to {}", least, most)), std::nullopt;
  draft_.taken(place(key), name(key));
  return value;
}

std::optional<double> Keys::number(std::string_view key) {
  const auto* node = find(key);
  if (!node) return std::nullopt;
  const auto value = node->is_scalar() ? number_in<double>(node->text) : std::nullopt;
  if (!value || !(*value >= 0 && *value <= 1e12)) return wrong(key, "a number from 0 on"), std::nullopt;
  draft_.taken(place(key), name(key));
  return value;
}

std::optional<bool> Keys::flag(std::string_view key) {
  const auto* node = find(key);
  if (!node) return std::nullopt;
  const auto value = truth(*node);
  if (!value) return wrong(key, "true or false"), std::nullopt;
  draft_.taken(place(key), name(key));
  return value;
}

std::vector<std::string> Keys::texts(std::string_view key, std::size_t most) {
  std::vector<std::string> out;
  const auto* node = find(key);
  if (!node) return out;
  const auto fits = [&](const Node& item) { return item.is_scalar() && item.text.size() <= most; };
  if (fits(*node)) out.push_back(node->text);
  else if (node->is_sequence() && node->items.size() <= kMostTexts && std::ranges::all_of(node->items, fits))
    std::ranges::transform(node->items, std::back_inserter(out), &Node::text);
  else return wrong(key, fmt::format("a list of at most {} texts", kMostTexts)), out;
  draft_.taken(place(key), name(key));
  return out;
}

void Keys::cannot(std::string_view key, std::string why) {
  if (find(key)) draft_.cannot(place(key), fmt::format("{}: {}", name(key), why));
}

void Keys::changed(std::string_view key, std::string how) {
  if (find(key)) draft_.changed(place(key), fmt::format("{}: {}", name(key), how));
}

void Keys::finish() {
  for (const auto& member : map_.members) {
    if (known_.contains(member.key) || member.key.starts_with("x-")) continue;
    draft_.cannot(member.place, fmt::format("{}: a key that this format does not have", name(member.key)));
  }
}

std::string text_in(const Node& map, std::string_view key) {
  const auto* node = map.find(key);
  return node && node->is_scalar() ? node->text : std::string{};
}

std::optional<bool> truth(const Node& node) {
  if (!node.is_scalar()) return std::nullopt;
  for (const auto* word : {"true", "yes", "on"}) {
    if (same_text(node.text, word)) return true;
  }
  for (const auto* word : {"false", "no", "off"}) {
    if (same_text(node.text, word)) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> whole_of(const Node& node) {
  if (!node.is_scalar()) return std::nullopt;
  if (const auto value = number_in<std::int64_t>(node.text)) return value;
  const auto real = number_in<double>(node.text);  // 500.0, as some exports write it
  if (!real || !(std::abs(*real) < 1e15) || *real != std::trunc(*real)) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

Node scalar(std::string text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.quoted = true;
  node.text = std::move(text);
  return node;
}

Node plain(std::string text) {
  auto node = scalar(std::move(text));
  node.quoted = false;
  return node;
}

Node list_of(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::kSequence;
  node.items = std::move(items);
  return node;
}

Node map_of(std::vector<std::pair<std::string, Node>> members) {
  Node node;
  node.kind = Node::Kind::kMap;
  for (auto& [key, value] : members) node.set(key, {}, std::move(value));
  return node;
}

std::string yaml_text(const Node& node) {
  std::string out;
  write_members(node, 0, out);
  return out;
}

std::string without_dollars(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '$' ? std::string("$$") : std::string(1, c);
  return out;
}

}  // namespace tiltyard::imports
