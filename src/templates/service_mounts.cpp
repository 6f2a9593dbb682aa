#include <fmt/format.h>

#include <algorithm>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::int64_t kLargestTmpfs = std::int64_t{1} << 40;

/// A mount's place in the machine: absolute, without dots, and nothing that would replace the kernel's own file
/// systems.
bool target_is_fine(const Node& node, std::string_view target, ReadContext& context) {
  const auto refuse = [&](std::string_view why) {
    context.problems.error(node.place,
                           fmt::format("\"{}\" is refused as a mount's target: {}", printable(target), why));
    return false;
  };
  if (!target.starts_with('/')) return refuse("it must be an absolute path");
  const auto clean = join_inside({}, target.substr(1));
  if (!clean) return refuse("it climbs above the root");
  if (clean->empty()) return refuse("it would replace the whole machine");
  for (const std::string_view kernel : {"proc", "sys", "dev"}) {
    if (*clean == kernel || clean->starts_with(std::string(kernel) + "/")) {
      if (*clean != "dev/shm") return refuse("that is the kernel's");
    }
  }
  return true;
}

/// Whether the path names something of the host's that an operator allowed. A path below an allowed folder is not: the
/// folder itself was looked at by the operator, what is in it was not.
bool host_path_allowed(std::string_view source, ReadContext& context) {
  return context.allows(fmt::format("bind:{}", source));
}

void add_bind(const Node& node, const std::string& source, const std::string& target, bool said, bool read_only,
              ReadContext& context, ReadService& out) {
  if (source.starts_with('/') && host_path_allowed(source, context)) {
    engine::Mount mount;
    mount.kind = engine::Mount::Kind::kBind;
    mount.source = source;
    mount.target = target;
    mount.read_only = !said || read_only;
    out.service.container.mounts.push_back(std::move(mount));
    return;
  }
  if (source.find("docker.sock") != std::string::npos || source.find("containerd.sock") != std::string::npos) {
    context.problems.error(node.place, "the engine's socket is refused: whoever holds it is root on the host");
    return;
  }
  const auto found = context.inside.locate(node.place.base(), source);
  if (!found) {
    context.problems.error(node.place, fmt::format("the bind is refused: {}", found.error()));
    return;
  }
  if (found->kind == Found::Kind::kAbsent) {
    context.problems.error(node.place, fmt::format("there is no \"{}\" to bind", printable(source)));
    return;
  }
  if (found->kind == Found::Kind::kSpecial) {
    context.problems.error(node.place, fmt::format("\"{}\" is neither a file nor a folder", printable(source)));
    return;
  }
  if (!said) {
    context.problems.warn(
        node.place,
        fmt::format(
            "the bind of \"{}\" is read-only; say rw (read_only: false) and every instance gets a copy of its own",
            printable(source)));
  }
  BindSource bind;
  bind.path = found->path.empty() ? "." : found->path;
  bind.target = target;
  bind.read_only = !said || read_only;
  out.service.binds.push_back(std::move(bind));
}

void add_volume(const Node& node, const std::string& source, const std::string& target, bool read_only,
                ReadContext& context, ReadService& out) {
  if (!source.empty()) {
    const auto declared = context.volumes.find(source);
    if (declared == context.volumes.end()) {
      context.problems.error(
          node.place, fmt::format("the volume \"{}\" is not declared under the file's `volumes`", printable(source)));
      return;
    }
    if (!declared->second.empty()) {
      engine::Mount mount;
      mount.kind = engine::Mount::Kind::kVolume;
      mount.source = declared->second;
      mount.target = target;
      mount.read_only = read_only;
      out.service.container.mounts.push_back(std::move(mount));
      return;
    }
  }
  out.service.volumes.push_back(VolumeUse{source, target, read_only});
}

void add_tmpfs(const std::string& target, std::int64_t size, int mode, ReadService& out) {
  engine::Mount mount;
  mount.kind = engine::Mount::Kind::kTmpfs;
  mount.target = target;
  mount.read_only = false;
  mount.tmpfs_size = size;
  mount.tmpfs_mode = mode;
  out.service.container.mounts.push_back(std::move(mount));
}

/// A path rather than the name of a volume.
bool is_path(std::string_view source) {
  return source.starts_with('.') || source.starts_with('/') || source.starts_with('~') ||
         source.find('/') != std::string_view::npos;
}

struct ShortOptions {
  std::optional<bool> read_only;
};

ShortOptions read_short_options(const Node& node, const VolumeText& volume, ReadContext& context) {
  ShortOptions options;
  for (const auto& option : volume.options) {
    if (option == "ro" || option == "rw") {
      options.read_only = option == "ro";
    } else if (option == "z" || option == "Z" || option == "cached" || option == "delegated" ||
               option == "consistent") {
      context.problems.warn(node.place, fmt::format("the option \"{}\" is ignored: it means nothing here", option));
    } else if (option != "rprivate" && option != "private") {
      context.problems.error(node.place,
                             fmt::format("the option \"{}\" is refused; there are ro and rw", printable(option)));
    }
  }
  return options;
}

void read_short_volume(const Node& item, ReadContext& context, ReadService& out) {
  const auto text = as_text(item, "volumes", context);
  if (!text) return;
  const auto volume = parse_volume_text(*text);
  if (!volume) return context.problems.error(item.place, volume.error());
  if (!target_is_fine(item, volume->target, context)) return;
  const ShortOptions options = read_short_options(item, *volume, context);
  if (volume->source.empty() || !is_path(volume->source)) {
    add_volume(item, volume->source, volume->target, options.read_only.value_or(false), context, out);
  } else {
    add_bind(item, volume->source, volume->target, options.read_only.has_value(), options.read_only.value_or(true),
             context, out);
  }
}

void read_long_tmpfs(const Node& item, const std::string& target, ReadContext& context, ReadService& out) {
  std::int64_t size = 0;
  int mode = 01777;
  if (const Node* options = item.find("tmpfs"); options && want_map(*options, "tmpfs", context)) {
    check_keys(*options, "service.volumes.tmpfs", context.problems);
    if (const Node* said = options->find("size")) size = as_bytes(*said, "size", context).value_or(0);
    if (const Node* said = options->find("mode")) {
      const auto bits = said->is_scalar() ? parse_mode(said->text) : std::nullopt;
      if (bits) mode = *bits;
      else context.problems.error(said->place, "`mode` takes octal digits like 1777");
    }
  }
  add_tmpfs(target, size, mode, out);
}

void read_long_volume(const Node& item, ReadContext& context, ReadService& out) {
  check_keys(item, "service.volumes", context.problems);
  const std::string type = text_of(item, "type", context, 20).value_or("");
  const std::string source = text_of(item, "source", context).value_or("");
  const std::string target = text_of(item, "target", context).value_or("");
  const auto read_only = bool_of(item, "read_only", context);
  if (target.empty()) return context.problems.error(item.place, "a mount needs its `target`");
  if (!target_is_fine(item, target, context)) return;
  for (const std::string_view part : {"bind", "volume"}) {
    const Node* options = item.find(part);
    if (options && want_map(*options, part, context))
      check_keys(*options, fmt::format("service.volumes.{}", part), context.problems);
  }
  const Node* place = item.find("source") ? item.find("source") : &item;
  if (type == "bind") {
    if (source.empty()) context.problems.error(item.place, "a bind needs its `source`");
    else add_bind(*place, source, target, read_only.has_value(), read_only.value_or(true), context, out);
  } else if (type == "volume") {
    if (is_path(source))
      context.problems.error(place->place, fmt::format("\"{}\" is a path; write `type: bind`", printable(source)));
    else add_volume(*place, source, target, read_only.value_or(false), context, out);
  } else if (type == "tmpfs") {
    read_long_tmpfs(item, target, context, out);
  } else {
    context.problems.error(
        item.place,
        fmt::format("mounts of type \"{}\" are refused; there are volume, bind and tmpfs", printable(type)));
  }
}

/// "/run:size=64m,mode=1777"
void read_tmpfs_text(const Node& item, ReadContext& context, ReadService& out) {
  const auto text = as_text(item, "tmpfs", context);
  if (!text) return;
  const auto colon = text->find(':');
  const std::string target = text->substr(0, colon);
  if (!target_is_fine(item, target, context)) return;
  std::int64_t size = 0;
  int mode = 01777;
  if (colon != std::string::npos) {
    for (const auto option : split(std::string_view(*text).substr(colon + 1), ',')) {
      const auto equals = option.find('=');
      const std::string_view name = option.substr(0, equals);
      const std::string_view value = equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1);
      const auto bytes = parse_bytes(value);
      const auto bits = parse_mode(value);
      if (name == "size" && bytes && *bytes <= kLargestTmpfs) size = *bytes;
      else if (name == "mode" && bits) mode = *bits;
      else if (name == "rw" || name == "noexec" || name == "nosuid" || name == "nodev" || name == "exec" ||
               name == "uid" || name == "gid")
        context.problems.warn(item.place,
                              fmt::format("the option \"{}\" is ignored; there are size and mode", printable(name)));
      else
        context.problems.error(item.place,
                               fmt::format("\"{}\" is no option of tmpfs; there are size and mode", printable(option)));
    }
  }
  add_tmpfs(target, size, mode, out);
}

void check_targets(const Node& service, ReadContext& context, const ReadService& out) {
  std::set<std::string> seen;
  const auto check = [&](const std::string& target) {
    const auto clean = join_inside({}, target.substr(1));
    if (clean && !seen.insert(*clean).second) {
      context.problems.error(service.place, fmt::format("two mounts have the target \"{}\"", printable(target)));
    }
  };
  for (const auto& one : out.service.binds) check(one.target);
  for (const auto& one : out.service.volumes) check(one.target);
  for (const auto& one : out.service.container.mounts) check(one.target);
}

/// A `configs` or `secrets` entry of a service. Secrets stand below /run/secrets unless a path is said.
void read_file_use(const Node& item, std::string_view key, ReadContext& context, ReadService& out) {
  const bool secret = key == "secrets";
  std::string source, target;
  int mode = 0444;
  if (item.is_map()) {
    check_keys(item, secret ? "service.secrets" : "service.configs", context.problems);
    source = text_of(item, "source", context, 200).value_or("");
    target = text_of(item, "target", context).value_or("");
    if (const Node* said = item.find("mode"); said && !said->is_null()) {
      const auto bits = said->is_scalar() ? parse_mode(said->text) : std::nullopt;
      if (bits) mode = *bits;
      else context.problems.error(said->place, "`mode` takes octal digits like 0440");
    }
  } else {
    source = as_text(item, key, context, 200).value_or("");
  }
  const auto& declared = secret ? context.secrets : context.configs;
  const auto found = declared.find(source);
  if (found == declared.end()) {
    return context.problems.error(item.place,
                                  fmt::format("\"{}\" is not declared under the file's `{}`", printable(source), key));
  }
  if (target.empty()) target = secret ? "/run/secrets/" + source : "/" + source;
  else if (!target.starts_with('/')) target = (secret ? "/run/secrets/" : "/") + target;
  if (!target_is_fine(item, target, context)) return;
  BindSource bind;
  bind.path = found->second.path;
  bind.content = found->second.content;
  bind.target = target;
  bind.mode = mode;
  out.service.binds.push_back(std::move(bind));
}

}  // namespace

void read_mounts(const Node& service, ReadContext& context, ReadService& out) {
  if (const Node* volumes = service.find("volumes")) {
    if (volumes->is_map()) context.problems.error(volumes->place, "`volumes` of a service takes a list");
    else
      for (const Node* item : as_list(*volumes, "volumes", context)) {
        if (item->is_map()) read_long_volume(*item, context, out);
        else read_short_volume(*item, context, out);
      }
  }
  if (const Node* tmpfs = service.find("tmpfs")) {
    for (const Node* item : as_list(*tmpfs, "tmpfs", context)) read_tmpfs_text(*item, context, out);
  }
}

void read_files(const Node& service, std::string_view key, ReadContext& context, ReadService& out) {
  if (const Node* files = service.find(key)) {
    for (const Node* item : as_list(*files, key, context)) read_file_use(*item, key, context, out);
  }
  if (key == "secrets") check_targets(service, context, out);
}

}  // namespace tiltyard::templates
