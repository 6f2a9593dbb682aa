#include <fmt/format.h>

#include <algorithm>

#include "templates/content.h"
#include "templates/dockerfile.h"
#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::size_t kLargestDockerfile = 256 * 1024;
constexpr std::size_t kMostContexts = 16;
constexpr std::string_view kImageContext = "docker-image://";

/// A service's name as a part of an image's name, which has lower-case letters, digits and '-'.
std::string image_part(std::string_view name) {
  const std::string slug = to_slug(name, 63);
  return slug.empty() ? "x" : slug;
}

void read_pairs(const Node& build, std::string_view key, ReadContext& context,
                std::map<std::string, std::string>& out) {
  const Node* node = build.find(key);
  if (!node || node->is_null()) return;
  const Node pairs = as_pairs(*node);
  if (!pairs.is_map())
    return context.problems.error(node->place, fmt::format("`{}` takes a map, or a list of NAME=value", key));
  for (const auto& [name, place, value] : pairs.members) {
    if (key == "labels" && name.starts_with("tiltyard.")) {
      context.problems.error(place, "labels tiltyard.* are the server's");
    } else if (const auto text = as_text(value, name, context, 16'384)) {
      out[name] = *text;
    } else if (const std::string* known = value.is_null() ? context.variables.find(name) : nullptr) {
      out[name] = *known;
    }
  }
}

void read_build_network(const Node& node, ReadContext& context, engine::BuildSpec& build) {
  const auto text = as_text(node, "network", context, 100);
  if (!text || *text == "default" || *text == "bridge" || text->empty()) return;
  if (*text == "none") build.network = false;
  else
    context.problems.error(
        node.place,
        fmt::format("a build on the network \"{}\" is refused; there are default and none", printable(*text)));
}

void check_platforms(const Node& node, ReadContext& context) {
  for (const Node* item : as_list(node, "platforms", context)) {
    const auto text = as_text(*item, "platforms", context, 64);
    if (!text) continue;
    const std::string asked = lower(*text);
#if defined(__x86_64__)
    const std::string_view host = "linux/amd64";
#else
    const std::string_view host = "linux/arm64";
#endif
    if (asked != "linux" && asked != host)
      context.problems.error(item->place,
                             fmt::format("platform \"{}\" is refused: the host is {}", printable(*text), host));
  }
}

/// The Dockerfile, as a path below the context, or as a text where it lies outside of it.
bool place_dockerfile(const Node* node, const std::string& context_path, ReadContext& context,
                      engine::BuildSpec& build) {
  const auto name = node ? as_text(*node, "dockerfile", context) : std::nullopt;
  if (node && !node->is_null() && !name) return false;
  if (!name || name->empty()) return true;
  const auto found = context.inside.locate(context_path, *name);
  if (!found) {
    context.problems.error(node->place, found.error());
    return false;
  }
  const std::string prefix = context_path.empty() ? "" : context_path + "/";
  if (found->path.starts_with(prefix)) {
    build.dockerfile = found->path.substr(prefix.size());
    return true;
  }
  auto text = context.inside.read({}, found->path, kLargestDockerfile);
  if (!text) {
    context.problems.error(node->place, text.error());
    return false;
  }
  context.files[found->path] = *text;
  build.dockerfile_text = std::move(*text);
  // Its own ignore file lies beside it, which is outside of the context too.
  if (auto ignored = context.inside.read({}, found->path + ".dockerignore", kLargestDockerfile))
    build.ignore_text = std::move(*ignored);
  return true;
}

/// "base=./base": a folder of the template's, an image, or what another service builds (`chain_builds`).
void read_contexts(const Node& node, ReadContext& context, engine::BuildSpec& build) {
  const Node pairs = as_pairs(node);
  if (!pairs.is_map())
    return context.problems.error(node.place, "`additional_contexts` takes a map, or a list of NAME=folder");
  if (pairs.members.size() > kMostContexts)
    return context.problems.error(node.place, fmt::format("more than {} contexts", kMostContexts));
  for (const auto& [said, place, value] : pairs.members) {
    const auto text = as_text(value, said, context);
    const std::string name = lower(said);
    if (!is_name(name, 100)) {
      context.problems.error(place, fmt::format("\"{}\" is no name for a context", printable(said)));
    } else if (!text || text->empty()) {
      context.problems.error(place, fmt::format("the context \"{}\" needs a folder of the template's", said));
    } else if (text->starts_with(kImageContext)) {
      build.contexts[name] = text->substr(kImageContext.size());
    } else if (text->starts_with(kServiceContext)) {
      build.contexts[name] = *text;
    } else if (text->contains("://") || text->starts_with("git@") || text->starts_with("github.com/")) {
      context.problems.error(
          place,
          fmt::format("\"{}\" is \"additional_contexts\" from the network, and is refused; put it into the template's "
                      "folder and write {}: ./FOLDER",
                      printable(*text), said));
    } else {
      const auto found = context.inside.locate(value.place.base(), *text);
      if (!found) context.problems.error(place, fmt::format("the context is refused: {}", found.error()));
      else if (found->kind != Found::Kind::kFolder)
        context.problems.error(place, fmt::format("there is no folder \"{}\" to build with", printable(*text)));
      else
        build.contexts[name] =
            found->path.empty() ? context.inside.folder() : context.inside.folder() + "/" + found->path;
    }
  }
}

/// Which of the file's secrets a build may see, and by which ids.
void read_build_secrets(const Node& node, ReadContext& context, engine::BuildSpec& build) {
  for (const Node* item : as_list(node, "secrets", context)) {
    std::string source, id;
    if (item->is_map()) {
      check_keys(*item, "service.secrets", context.problems);
      source = text_at(*item, "source", context, 200).value_or("");
      id = text_at(*item, "target", context, 200).value_or("");
    } else {
      source = as_text(*item, "secrets", context, 200).value_or("");
    }
    if (id.empty()) id = source;
    const auto declared = context.secrets.find(source);
    if (declared == context.secrets.end()) {
      context.problems.error(item->place,
                             fmt::format("\"{0}\" is not declared; write secrets: {{{0}: {{file: ./{0}}}}} in the file",
                                         printable(source)));
      continue;
    }
    if (!is_name(id, 200)) {
      context.problems.error(item->place, fmt::format("\"{}\" is no id for a secret", printable(id)));
      continue;
    }
    if (declared->second.content) {
      build.secrets[id] = *declared->second.content;
      continue;
    }
    auto text = context.inside.read({}, declared->second.path, kLargestDockerfile);
    if (!text) context.problems.error(item->place, text.error());
    else build.secrets[id] = std::move(*text);
  }
}

/// What an engine of the last years cannot do yet, said before anybody tries.
void warn_of_builder(const BuildNeed& need, Place place, const engine::BuildSpec& build, ReadContext& context) {
  if (need.least <= 104) return;
  if (build.dockerfile_text.empty()) place.line = need.line;
  context.problems.warn(place,
                        fmt::format("{} needs BuildKit with Dockerfile syntax {}.{}, which is in {} and later: an "
                                    "older engine will not build this",
                                    need.what, need.least / 100, need.least % 100, engine_of_syntax(need.least)));
}

}  // namespace

bool finish_build(engine::BuildSpec& build, const std::string& service, const std::string& context_path,
                  const Place& place, ReadContext& context, Service& out) {
  std::string text = build.dockerfile_text;
  Place written = place;
  if (text.empty()) {
    auto content = context.inside.read(context_path, build.dockerfile, kLargestDockerfile);
    if (!content && build.dockerfile == "Dockerfile") {  // builders take it in small letters too
      if (auto small = context.inside.read(context_path, "dockerfile", kLargestDockerfile)) {
        build.dockerfile = "dockerfile";
        content = std::move(small);
      }
    }
    if (!content) {
      context.problems.error(place, fmt::format("the build has no Dockerfile: {}", content.error()));
      return false;
    }
    text = std::move(*content);
    written = place_of((context_path.empty() ? "" : context_path + "/") + build.dockerfile);
  }
  DockerfileFacts facts = read_dockerfile(text, build);
  if (!facts.fault.empty()) {
    if (build.dockerfile_text.empty()) written.line = facts.fault_line;
    else if (facts.fault_line > 0) facts.fault = fmt::format("line {}: {}", facts.fault_line, facts.fault);
    context.problems.error(written, fmt::format("this Dockerfile cannot be built: {}", facts.fault));
    return false;
  }
  for (const auto& stage : facts.stages) {
    if (!build.contexts.contains(stage)) continue;
    context.problems.error(place, fmt::format("\"{0}\" is both a stage of the Dockerfile and one of "
                                              "`additional_contexts`; call one of them otherwise",
                                              printable(stage)));
    return false;
  }
  const bool by_number = parse_integer(build.target).has_value();
  if (!build.target.empty() && !by_number &&
      std::ranges::find(facts.stages, lower(build.target)) == facts.stages.end()) {
    context.problems.error(place, fmt::format("the Dockerfile has no stage \"{}\"", printable(build.target)));
    return false;
  }
  take_port_labels(facts.labels, service, context.kinds_by_label);
  out.base_images = std::move(facts.bases);
  out.build_runs = facts.runs;
  out.build_needs = std::move(facts.needs);
  for (const auto& need : out.build_needs) warn_of_builder(need, written, build, context);
  const auto hash = hash_build(build, text);
  if (!hash) {
    context.problems.error(place, fmt::format("the build's context: {}", hash.error()));
    return false;
  }
  build.tag = fmt::format("tiltyard/t-{}-{}:{}", image_part(context.id), image_part(service), hash->substr(0, 16));
  out.machine.image = build.tag;
  out.build = build;
  return true;
}

void read_build(const Member& service, ReadContext& context, ReadService& out) {
  const Node& node = *service.value.find("build");
  engine::BuildSpec build;
  const Node* folder = &node;
  Node map;
  if (node.is_map()) {
    check_keys(node, "service.build", context.problems);
    map = node;
    folder = node.find("context");
  } else if (!node.is_scalar()) {
    return context.problems.error(node.place, "`build` takes a folder or a map");
  }
  const std::string path = folder ? as_text(*folder, "context", context).value_or("") : ".";
  const Place place = folder ? folder->place : node.place;
  if (path.find("://") != std::string::npos || path.starts_with("git@") || path.starts_with("github.com/")) {
    return context.problems.error(place,
                                  "a build from the network is refused; put the context into the template's folder");
  }
  if (path.empty()) return;
  const auto found = context.inside.locate(place.base(), path);
  if (!found) return context.problems.error(place, fmt::format("the build is refused: {}", found.error()));
  if (found->kind != Found::Kind::kFolder)
    return context.problems.error(place, fmt::format("there is no folder \"{}\" to build", printable(path)));
  build.context = found->path.empty() ? context.inside.folder() : context.inside.folder() + "/" + found->path;
  read_pairs(map, "args", context, build.args);
  read_pairs(map, "labels", context, build.labels);
  build.target = text_at(map, "target", context, 100).value_or("");
  if (const Node* said = map.find("network")) read_build_network(*said, context, build);
  if (const Node* said = map.find("platforms")) check_platforms(*said, context);
  if (const Node* said = map.find("additional_contexts"); said && !said->is_empty())
    read_contexts(*said, context, build);
  if (const Node* said = map.find("secrets"); said && !said->is_empty()) read_build_secrets(*said, context, build);
  const Node* inline_text = map.find("dockerfile_inline");
  const Node* dockerfile = map.find("dockerfile");
  if (inline_text && !inline_text->is_null()) {
    if (dockerfile && !dockerfile->is_null())
      return context.problems.error(dockerfile->place, "`dockerfile` and `dockerfile_inline` exclude each other");
    build.dockerfile_text = as_text(*inline_text, "dockerfile_inline", context, kLargestDockerfile).value_or("");
    if (build.dockerfile_text.empty()) return;
  } else if (!place_dockerfile(dockerfile, found->path, context, build)) {
    return;
  }
  finish_build(build, out.service.name, found->path, dockerfile ? dockerfile->place : place, context, out.service);
}

}  // namespace tiltyard::templates
