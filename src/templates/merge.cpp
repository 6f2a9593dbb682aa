#include "templates/merge.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

enum class Rule { kDeep, kReplace, kPairs, kHosts, kNames, kDepends, kAppend, kByTarget, kTmpfs, kBuild };

struct RuleFor {
  std::string_view path;  ///< below the service
  Rule rule;
};

constexpr std::array kRules = std::to_array<RuleFor>({
    {"command", Rule::kReplace},    {"entrypoint", Rule::kReplace},  {"healthcheck.test", Rule::kReplace},
    {"environment", Rule::kPairs},  {"labels", Rule::kPairs},        {"annotations", Rule::kPairs},
    {"sysctls", Rule::kPairs},      {"build", Rule::kBuild},         {"build.args", Rule::kPairs},
    {"build.labels", Rule::kPairs}, {"deploy.labels", Rule::kPairs}, {"extra_hosts", Rule::kHosts},
    {"depends_on", Rule::kDepends}, {"networks", Rule::kNames},      {"env_file", Rule::kAppend},
    {"label_file", Rule::kAppend},  {"dns", Rule::kAppend},          {"dns_search", Rule::kAppend},
    {"tmpfs", Rule::kTmpfs},        {"volumes", Rule::kByTarget},    {"configs", Rule::kByTarget},
    {"secrets", Rule::kByTarget},   {"devices", Rule::kByTarget},
});

Rule rule_of(std::string_view path) {
  for (const auto& one : kRules) {
    if (one.path == path) return one.rule;
  }
  return Rule::kDeep;
}

Node as_list(Node node) {
  if (node.is_sequence() || node.is_map()) return node;
  Node list;
  list.kind = Node::Kind::kSequence;
  list.place = node.place;
  if (node.is_scalar()) list.items.push_back(std::move(node));
  return list;
}

/// A copy of "name: value", at the place of `like`.
void say(Node& map, const char* name, std::string value, const Node& like) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.place = like.place;
  node.text = std::move(value);
  map.set(name, like.place, std::move(node));
}

/// ["a", "b"] as {a: null, b: null}; as dependencies with what the short form means, which wins over what was before.
Node as_names(Node node, bool dependencies) {
  if (!node.is_sequence()) return node;
  if (!std::ranges::all_of(node.items, &Node::is_scalar)) return node;
  Node map;
  map.kind = Node::Kind::kMap;
  map.mark = node.mark;
  map.place = node.place;
  for (auto& item : node.items) {
    Node value;
    value.place = item.place;
    if (dependencies) {
      value.kind = Node::Kind::kMap;
      say(value, "condition", "service_started", item);
      say(value, "required", "true", item);
    }
    const Place place = item.place;
    map.set(item.text, place, std::move(value));
  }
  return map;
}

Node as_build(Node node) {
  if (!node.is_scalar()) return node;
  Node map;
  map.kind = Node::Kind::kMap;
  map.place = node.place;
  const Place place = node.place;
  map.set("context", place, std::move(node));
  return map;
}

/// What makes an entry of volumes, configs, secrets or devices the same one.
std::string target_of(const Node& item) {
  if (item.is_map()) {
    if (const Node* target = item.find("target"); target && target->is_scalar()) return target->text;
    if (const Node* source = item.find("source"); source && source->is_scalar()) return source->text;
    return {};
  }
  if (!item.is_scalar()) return {};
  const auto volume = parse_volume_text(item.text);
  return volume ? volume->target : item.text;
}

/// "/run/" and "/run:size=8m" are one mount.
std::string tmpfs_target(const Node& item) {
  std::string target = item.is_scalar() ? item.text.substr(0, item.text.find(':')) : std::string{};
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  return target;
}

template <class Key>
Node merge_by(Node base, Node over, Key key) {
  for (auto& item : over.items) {
    const std::string target = key(item);
    const auto same =
        std::ranges::find_if(base.items, [&](const Node& one) { return !target.empty() && key(one) == target; });
    if (same != base.items.end()) *same = std::move(item);
    else base.items.push_back(std::move(item));
  }
  return base;
}

Node append(Node base, Node over) {
  const auto same = [](const Node& a, const Node& b) { return a.is_scalar() && b.is_scalar() && a.text == b.text; };
  for (auto& item : over.items) {
    const bool there = std::ranges::any_of(base.items, [&](const Node& one) { return same(one, item); });
    if (!there) base.items.push_back(std::move(item));
  }
  return base;
}

Node merge(Node base, Node over, const std::string& path);

Node merge_maps(Node base, Node over, const std::string& path) {
  for (auto& member : over.members) {
    if (member.value.mark == Node::Mark::kReset) {
      base.erase(member.key);
      continue;
    }
    Node* there = base.find(member.key);
    if (!there) {
      base.members.push_back(std::move(member));
      continue;
    }
    const std::string below = path.empty() ? member.key : path + "." + member.key;
    *there = merge(std::move(*there), std::move(member.value), below);
  }
  return base;
}

/// Pairs: a name that is there again has the later value, whatever it is.
Node merge_pairs(Node base, Node over) {
  if (!base.is_map() || !over.is_map()) return over;
  for (auto& member : over.members) {
    if (member.value.mark == Node::Mark::kReset) base.erase(member.key);
    else base.set(member.key, member.place, std::move(member.value));
  }
  return base;
}

Node merge(Node base, Node over, const std::string& path) {
  if (over.mark == Node::Mark::kOverride) return over;
  if (over.is_null()) return base;
  if (base.is_null()) return over;
  switch (rule_of(path)) {
    case Rule::kReplace:
      return over;
    case Rule::kPairs:
      return merge_pairs(as_pairs(std::move(base)), as_pairs(std::move(over)));
    case Rule::kHosts:
      if (base.is_sequence() && over.is_sequence()) return append(std::move(base), std::move(over));
      return merge_pairs(as_pairs(std::move(base), ':'), as_pairs(std::move(over), ':'));
    case Rule::kNames:
      base = as_names(std::move(base), false), over = as_names(std::move(over), false);
      break;
    case Rule::kDepends:
      base = as_names(std::move(base), true), over = as_names(std::move(over), true);
      break;
    case Rule::kAppend:
      base = as_list(std::move(base)), over = as_list(std::move(over));
      break;
    case Rule::kByTarget:
      if (base.is_sequence() && over.is_sequence()) return merge_by(std::move(base), std::move(over), target_of);
      break;
    case Rule::kTmpfs:
      base = as_list(std::move(base)), over = as_list(std::move(over));
      if (base.is_sequence() && over.is_sequence()) return merge_by(std::move(base), std::move(over), tmpfs_target);
      break;
    case Rule::kBuild:
      base = as_build(std::move(base)), over = as_build(std::move(over));
      break;
    case Rule::kDeep:
      break;
  }
  if (base.is_map() && over.is_map()) return merge_maps(std::move(base), std::move(over), path);
  if (base.is_sequence() && over.is_sequence()) return append(std::move(base), std::move(over));
  return over;
}

}  // namespace

Node as_pairs(Node node, char separator) {
  if (!node.is_sequence()) return node;
  if (!std::ranges::all_of(node.items, &Node::is_scalar)) return node;
  Node map;
  map.kind = Node::Kind::kMap;
  map.mark = node.mark;
  map.place = node.place;
  std::unordered_map<std::string, std::size_t> index;
  for (auto& item : node.items) {
    const auto at = item.text.find(separator);
    std::string key = item.text.substr(0, at);
    const Place place = item.place;
    Node value = std::move(item);
    if (at == std::string::npos) {
      value.kind = Node::Kind::kNull;
      value.text.clear();
    } else {
      value.text.erase(0, at + 1);
    }
    // What is said twice has the later value.
    const auto [known, fresh] = index.emplace(key, map.members.size());
    if (fresh) map.members.push_back(Member{std::move(key), place, std::move(value)});
    else map.members[known->second] = Member{std::move(key), place, std::move(value)};
  }
  return map;
}

Node merge_service(Node base, Node over) {
  if (!base.is_map() || !over.is_map()) return over;
  return merge_maps(std::move(base), std::move(over), {});
}

Node merge_part(std::string_view section, Node base, Node over) {
  if (over.mark == Node::Mark::kOverride) return over;
  if (over.is_null()) return base;
  if (section == "services") return merge_service(std::move(base), std::move(over));
  return base.is_map() && over.is_map() ? merge_maps(std::move(base), std::move(over), "-") : over;
}

Node merge_files(Node base, Node over) {
  if (!base.is_map() || !over.is_map()) return over;
  for (auto& section : over.members) {
    Node* there = base.find(section.key);
    if (section.value.mark == Node::Mark::kReset) {
      base.erase(section.key);
    } else if (!there || !there->is_map() || !section.value.is_map()) {
      base.set(section.key, section.place, std::move(section.value));
    } else if (section.value.mark == Node::Mark::kOverride) {
      *there = std::move(section.value);
    } else {
      for (auto& part : section.value.members) {
        if (part.value.mark == Node::Mark::kReset) {
          there->erase(part.key);
          continue;
        }
        Node* old = there->find(part.key);
        if (!old) there->set(part.key, part.place, std::move(part.value));
        else *old = merge_part(section.key, std::move(*old), std::move(part.value));
      }
    }
  }
  return base;
}

void drop_resets(Node& node) {
  std::erase_if(node.members, [](const Member& member) { return member.value.mark == Node::Mark::kReset; });
  std::erase_if(node.items, [](const Node& item) { return item.mark == Node::Mark::kReset; });
  for (auto& member : node.members) drop_resets(member.value);
  for (auto& item : node.items) drop_resets(item);
}

}  // namespace tiltyard::templates
