#include "templates/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::size_t kMostBytes = 1024 * 1024;
constexpr std::size_t kMostFiles = 64;
constexpr std::size_t kMostServices = 64;
constexpr int kMostIncludes = 64;
constexpr int kMostMerges = 256;
constexpr std::size_t kLongestChain = 16;

/// All files together, copies that `extends` makes included.
constexpr std::size_t kMostNodes = 200'000;

std::size_t count(const Node& node) {
  std::size_t nodes = 1;
  for (const auto& item : node.items) nodes += count(item);
  for (const auto& member : node.members) nodes += count(member.value);
  return nodes;
}

/// Equal but for places: the same thing said twice.
bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size() ||
      a.members.size() != b.members.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!same(a.items[i], b.items[i])) return false;
  }
  return std::ranges::all_of(a.members, [&b](const Member& member) {
    const Node* other = b.find(member.key);
    return other && same(member.value, *other);
  });
}

/// Puts the sections of `from` into `root`, and calls `both` with what is in both of them.
template <class Both>
void each_part(Node& root, Node from, Both both) {
  for (auto& section : from.members) {
    if (section.key == "version" || section.key == "name" || section.key.starts_with("x-")) continue;
    Node* there = root.find(section.key);
    if (!there || there->is_null()) {
      root.set(section.key, section.place, std::move(section.value));
      continue;
    }
    if (!there->is_map() || !section.value.is_map()) continue;  // the reader complains
    for (auto& part : section.value.members) {
      const auto old = std::ranges::find(there->members, part.key, &Member::key);
      if (old == there->members.end()) there->members.push_back(std::move(part));
      else both(section, *old, std::move(part));
    }
  }
}

}  // namespace

std::optional<Node> ComposeLoader::load(const std::vector<std::string>& files, const Variables& variables) {
  Scope scope{variables, folder_of(files.front()), {}};
  auto root = load_merged(files, scope);
  if (root) drop_resets(*root);
  return root;
}

std::optional<Node> ComposeLoader::load_merged(const std::vector<std::string>& files, Scope& scope) {
  std::optional<Node> merged;
  for (const auto& file : files) {
    auto one = load_one(file, scope);
    if (!one) return std::nullopt;
    merged = merged ? merge_files(std::move(*merged), std::move(*one)) : std::move(*one);
  }
  return merged;
}

std::optional<Node> ComposeLoader::load_one(const std::string& file, Scope& scope) {
  const Node* read = parsed(file, scope, place_of(file));
  if (!read) return std::nullopt;
  Node root = *read;
  if (!include_all(root, scope) || !extend_all(root, scope)) return std::nullopt;
  return root;
}

const std::string* ComposeLoader::text(const std::string& file, const Place& asked) {
  if (const auto known = texts_.find(file); known != texts_.end()) return &known->second;
  if (texts_.size() >= kMostFiles) {
    problems_.error(asked, fmt::format("more than {} files are included or extended", kMostFiles));
    return nullptr;
  }
  auto content = inside_.read({}, file, kMostBytes);
  if (!content) {
    problems_.error(asked, content.error());
    return nullptr;
  }
  return &texts_.emplace(file, std::move(*content)).first->second;
}

const Node* ComposeLoader::parsed(const std::string& file, Scope& scope, const Place& asked) {
  if (const auto known = scope.parsed.find(file); known != scope.parsed.end()) return &known->second;
  const std::string* content = text(file, asked);
  if (!content) return nullptr;
  const auto source = std::make_shared<const Source>(Source{file, scope.base.value_or(folder_of(file))});
  auto root = parse_yaml(*content, source, problems_);
  if (!root) return nullptr;
  if (!root->is_map()) {
    problems_.error(root->place, root->is_null() ? "the file is empty; it must say `services:`"
                                                 : fmt::format("the file is {}; it must be a map with `services:`",
                                                               kind_name(*root)));
    return nullptr;
  }
  if (const Node* services = root->find("services"); services && services->members.size() > kMostServices) {
    problems_.error(services->place,
                    fmt::format("{} services; an instance has at most {}", services->members.size(), kMostServices));
    return nullptr;
  }
  const int errors = problems_.errors();
  interpolate(*root, scope.variables, problems_);
  if (problems_.errors() != errors || !spend(*root, asked)) return nullptr;
  return &scope.parsed.emplace(file, std::move(*root)).first->second;
}

bool ComposeLoader::spend(const Node& node, const Place& place) {
  nodes_ += count(node);
  if (nodes_ <= kMostNodes) return true;
  problems_.error(
      place, fmt::format("with all that is included and extended the template has more than {} values", kMostNodes));
  return false;
}

// include

bool ComposeLoader::include_all(Node& root, Scope& scope) {
  const Node* include = root.find("include");
  if (!include || include->is_null()) return true;
  const Node list = *include;
  if (!list.is_sequence()) {
    problems_.error(list.place, fmt::format("`include` takes a list, not {}", kind_name(list)));
    return false;
  }
  Node included;
  included.kind = Node::Kind::kMap;
  for (const auto& entry : list.items) {
    if (!include_one(included, entry, scope)) return false;
  }
  root.erase("include");
  lay_over(root, std::move(included));
  return spend(root, list.place);
}

std::optional<std::string> ComposeLoader::locate_file(const Node& path) {
  if (!path.is_scalar() || path.text.empty()) {
    problems_.error(path.place, fmt::format("a file's path is wanted, not {}", kind_name(path)));
    return std::nullopt;
  }
  if (path.text.find("://") != std::string::npos || path.text.starts_with("oci:") || path.text.starts_with("git@")) {
    problems_.error(path.place, "only files inside the template's folder may be used, nothing from the network");
    return std::nullopt;
  }
  const auto found = inside_.locate(path.place.base(), path.text);
  if (!found) {
    problems_.error(path.place, found.error());
    return std::nullopt;
  }
  if (found->kind != Found::Kind::kFile) {
    problems_.error(path.place, fmt::format("there is no file \"{}\"", printable(path.text)));
    return std::nullopt;
  }
  return found->path;
}

std::optional<std::vector<std::string>> ComposeLoader::include_paths(const Node& entry) {
  const Node* path = &entry;
  if (entry.is_map()) {
    check_keys(entry, "include", problems_);
    path = entry.find("path");
    if (!path) {
      problems_.error(entry.place, "`include` needs a path");
      return std::nullopt;
    }
  }
  std::vector<std::string> files;
  const auto take = [&](const Node& one) {
    auto file = locate_file(one);
    if (file) files.push_back(std::move(*file));
    return file.has_value();
  };
  if (!path->is_sequence()) {
    if (!take(*path)) return std::nullopt;
    return files;
  }
  for (const auto& one : path->items) {
    if (!take(one)) return std::nullopt;
  }
  if (files.empty()) {
    problems_.error(path->place, "`include` needs a path");
    return std::nullopt;
  }
  return files;
}

bool ComposeLoader::add_env_files(const Node* env_file, const std::string& base, Variables& variables) {
  std::vector<Node> paths;
  if (env_file && env_file->is_sequence()) paths = env_file->items;
  else if (env_file && !env_file->is_null()) paths.push_back(*env_file);
  std::vector<std::string> files;
  for (const auto& path : paths) {
    if (path.is_scalar() && path.text == "/dev/null") continue;  // "no .env, please"
    auto file = locate_file(path);
    if (!file) return false;
    files.push_back(std::move(*file));
  }
  if (!env_file) {
    const auto found = inside_.locate(base, ".env");
    if (found && found->kind == Found::Kind::kFile) files.push_back(found->path);
  }
  // A later file wins over an earlier one, and all that the includer knows wins over them.
  std::ranges::reverse(files);
  for (const auto& file : files) {
    const std::string* content = text(file, place_of(file));
    if (!content) return false;
    Variables::Layer layer;
    const auto source = std::make_shared<const Source>(Source{file, {}});
    for (auto& line : parse_env(*content, variables, source, false, problems_)) {
      if (line.value) layer[line.name] = std::move(*line.value);
    }
    variables.add_layer(std::move(layer));
  }
  return true;
}

bool ComposeLoader::include_one(Node& included, const Node& entry, Scope& scope) {
  auto files = include_paths(entry);
  if (!files) return false;
  if (std::ranges::find(including_, files->front()) != including_.end() || including_.size() >= kLongestChain) {
    problems_.error(entry.place, fmt::format("\"{}\" includes itself", printable(files->front())));
    return false;
  }
  if (++includes_ > kMostIncludes) {
    problems_.error(entry.place, fmt::format("more than {} includes", kMostIncludes));
    return false;
  }
  std::string base = folder_of(files->front());
  if (const Node* project = entry.is_map() ? entry.find("project_directory") : nullptr;
      project && !project->is_null()) {
    const auto found = inside_.locate(project->place.base(), project->text);
    if (!found || found->kind != Found::Kind::kFolder) {
      problems_.error(project->place,
                      found ? fmt::format("there is no folder \"{}\"", printable(project->text)) : found.error());
      return false;
    }
    base = found->path;
  }
  Scope inner{scope.variables, base, {}};
  if (!add_env_files(entry.is_map() ? entry.find("env_file") : nullptr, base, inner.variables)) return false;
  including_.push_back(files->front());
  auto brought = load_merged(*files, inner);
  including_.pop_back();
  if (!brought) return false;
  each_part(included, std::move(*brought), [this](const Member& section, Member& there, Member part) {
    if (same(there.value, part.value)) return;
    problems_.error(
        there.place,
        fmt::format("\"{}\" of {} is also in {}:{}, which is included too; one of them must have another name",
                    printable(part.key), section.key, part.place.file(), part.place.line));
  });
  return true;
}

/// What a file says itself of what it includes wins, by the rules of override files.
void ComposeLoader::lay_over(Node& root, Node included) {
  each_part(root, std::move(included), [](const Member& section, Member& there, Member part) {
    if (there.value.mark == Node::Mark::kReset) return;
    there.value = merge_part(section.key, std::move(part.value), std::move(there.value));
  });
}

// extends

bool ComposeLoader::extend_all(Node& root, Scope& scope) {
  Node* services = root.find("services");
  if (!services || !services->is_map()) return true;
  const Node before = *services;
  for (auto& member : services->members) {
    const Node* extends = member.value.find("extends");
    if (!extends || extends->is_null()) continue;
    std::vector<Link> chain;
    auto result = extended(before, member.place.file(), *before.member(member.key), scope, chain);
    if (!result) return false;
    member.value = std::move(*result);
  }
  return true;
}

std::optional<Node> ComposeLoader::extended(const Node& services, const std::string& file, const Member& service,
                                            Scope& scope, std::vector<Link>& chain) {
  const Node* extends = service.value.find("extends");
  if (!extends || extends->is_null()) return service.value;
  const Link here{file, service.key};
  if (std::ranges::find(chain, here) != chain.end() || chain.size() >= kLongestChain) {
    problems_.error(extends->place, fmt::format("\"{}\" extends itself", printable(service.key)));
    return std::nullopt;
  }
  if (++merges_ > kMostMerges) {
    problems_.error(extends->place, fmt::format("more than {} services are extended", kMostMerges));
    return std::nullopt;
  }
  chain.push_back(here);
  auto base = extend_from(services, file, *extends, scope, chain);
  chain.pop_back();
  if (!base || !spend(*base, extends->place)) return std::nullopt;
  Node own = service.value;
  own.erase("extends");
  return merge_service(std::move(*base), std::move(own));
}

std::optional<Node> ComposeLoader::extend_from(const Node& services, const std::string& file, const Node& extends,
                                               Scope& scope, std::vector<Link>& chain) {
  const Node* name = &extends;
  const Node* other = nullptr;
  if (extends.is_map()) {
    check_keys(extends, "service.extends", problems_);
    name = extends.find("service");
    other = extends.find("file");
  }
  if (!name || !name->is_scalar()) {
    problems_.error(extends.place, "`extends` needs the name of a service");
    return std::nullopt;
  }
  const Node* among = &services;
  std::string from = file;
  Scope outer{scope.variables, std::nullopt, {}};
  Scope* next = &scope;
  if (other && !other->is_null()) {
    auto located = locate_file(*other);
    if (!located) return std::nullopt;
    from = *located;
    next = &outer;
    const Node* root = parsed(from, outer, other->place);
    if (!root) return std::nullopt;
    among = root->find("services");
  }
  const Member* found = among ? among->member(name->text) : nullptr;
  if (!found || !found->value.is_map()) {
    problems_.error(name->place, fmt::format("{} has no service \"{}\" to extend", from, printable(name->text)));
    return std::nullopt;
  }
  return extended(*among, from, *found, *next, chain);
}

}  // namespace tiltyard::templates
