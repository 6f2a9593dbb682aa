#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::int64_t kLargestTmpfs = std::int64_t{1} << 40;
constexpr std::int64_t kMostId = 0xffff'fffe;  // the last one means nobody at all

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

/// A bind as its entry says it.
struct SaidBind {
  std::string source, target;
  std::optional<bool> read_only;
  bool create = true;  ///< where nothing is there (`create_host_path`)
};

/// The operator looked at what is there, not at what a machine would write: writing must be said.
void add_host_bind(const Node& node, const SaidBind& said, ReadContext& context, ReadService& out) {
  if (!said.read_only) {
    context.problems.warn(node.place, fmt::format("\"{}\" is the host's, and is mounted read-only; say rw "
                                                  "(read_only: false) if machines shall write to the host",
                                                  printable(said.source)));
  }
  engine::Mount mount;
  mount.kind = engine::Mount::Kind::kBind;
  mount.source = said.source;
  mount.target = said.target;
  mount.read_only = said.read_only.value_or(true);
  out.service.container.mounts.push_back(std::move(mount));
}

void add_bind(const Node& node, const SaidBind& said, ReadContext& context, ReadService& out) {
  const auto& source = said.source;
  if (source.starts_with('/') && host_path_allowed(source, context)) return add_host_bind(node, said, context, out);
  if (source.find("docker.sock") != std::string::npos || source.find("containerd.sock") != std::string::npos) {
    context.problems.error(node.place, "the engine's socket is refused: whoever holds it is root on the host");
    return;
  }
  const auto found = context.inside.locate(node.place.base(), source);
  if (!found) {
    context.problems.error(node.place, fmt::format("the bind is refused: {}", found.error()));
    return;
  }
  const bool absent = found->kind == Found::Kind::kAbsent;
  if (absent && !said.create) {
    context.problems.error(node.place,
                           fmt::format("there is no \"{}\" to bind, and `create_host_path: false` says that "
                                       "none is made",
                                       printable(source)));
    return;
  }
  if (found->kind == Found::Kind::kSpecial) {
    context.problems.error(node.place, fmt::format("\"{}\" is neither a file nor a folder", printable(source)));
    return;
  }
  if (absent) {
    context.problems.warn(node.place, fmt::format("there is no \"{}\": every instance gets an empty folder of its own "
                                                  "there, as Compose makes one; write a named volume, "
                                                  "or put a .gitkeep into the folder, if that is meant",
                                                  printable(source)));
  }
  BindSource bind;
  bind.path = found->path.empty() ? "." : found->path;
  bind.target = said.target;
  bind.read_only = said.read_only.value_or(false);
  bind.fresh = absent;
  out.service.binds.push_back(std::move(bind));
}

engine::Mount tmpfs_at(std::string target) {
  engine::Mount mount;
  mount.kind = engine::Mount::Kind::kTmpfs;
  mount.target = std::move(target);
  mount.read_only = false;
  return mount;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

/// Of the size of the host's memory, as the kernel counts it; what is written there counts within the machine's own
/// limit all the same.
bool is_percent(std::string_view value) {
  if (!value.ends_with('%')) return false;
  const auto number = parse_integer(value.substr(0, value.size() - 1));
  return number && *number >= 1 && *number <= 100;
}

/// What an option of a tmpfs says (tmpfs(5), mount(8)). An error in words: it says nothing that can be.
std::expected<void, std::string> take_tmpfs_option(std::string_view option, engine::Mount& mount,
                                                   std::vector<std::string>& ignored) {
  const auto equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1);
  const auto pass = [&mount](std::string_view text) {
    if (!mount.tmpfs_options.empty()) mount.tmpfs_options += ',';
    mount.tmpfs_options += text;
  };
  const auto wrong = [&] {
    return std::unexpected(
        fmt::format("\"{}\" is no option of tmpfs; there are size, mode, uid, gid, nr_inodes, exec, "
                    "suid, ro and their opposites",
                    printable(option)));
  };
  const auto bytes = parse_bytes(value);
  const auto number = parse_integer(value);
  if (name == "size") {
    if (is_percent(value)) pass(option);
    else if (bytes && *bytes <= kLargestTmpfs) mount.tmpfs_size = *bytes;
    else return wrong();
  } else if (name == "mode") {
    const auto bits = parse_mode(value);
    if (!bits) return wrong();
    mount.tmpfs_mode = *bits;
  } else if (name == "uid" || name == "gid") {
    if (!number || *number < 0 || *number > kMostId) return wrong();
    pass(fmt::format("{}={}", name, *number));
  } else if (name == "nr_inodes") {
    if (!bytes || *bytes > kLargestTmpfs) return wrong();
    pass(fmt::format("{}={}", name, *bytes));
  } else if (equals == std::string_view::npos && is_one_of(name, {"rw", "ro", "exec", "noexec", "suid", "nosuid",
                                                                  "nodev", "noatime", "relatime", "strictatime"})) {
    pass(name);
  } else if (is_one_of(name, {"dev", "defaults", "atime", "sync", "async", "mpol", "nr_blocks", "huge", "z", "Z"})) {
    ignored.emplace_back(name);
  } else {
    return wrong();
  }
  return {};
}

/// Options in one text; what says nothing here is warned of.
void take_tmpfs_options(const Place& place, std::string_view text, ReadContext& context, engine::Mount& mount) {
  std::vector<std::string> ignored;
  for (const auto option : split(text, ',')) {
    if (trim(option).empty()) continue;
    if (auto taken = take_tmpfs_option(trim(option), mount, ignored); !taken)
      context.problems.error(place, taken.error());
  }
  for (const auto& option : ignored)
    context.problems.warn(place,
                          fmt::format("the option \"{}\" is ignored: it means nothing here, and can go", option));
}

/// A volume whose driver_opts are those of a tmpfs: each machine that mounts it has its own.
void add_volume_in_memory(const VolumeUse& use, const DeclaredVolume& volume, ReadContext& context, ReadService& out) {
  auto mount = tmpfs_at(use.target);
  take_tmpfs_options(volume.place, *volume.options, context, mount);
  if (use.read_only) mount.tmpfs_options += mount.tmpfs_options.empty() ? "ro" : ",ro";
  if (!context.in_memory.insert(use.volume).second)
    context.problems.warn(volume.place,
                          fmt::format("\"{}\" lies in memory, and each service has one of its own: they do not "
                                      "see each other's files; take driver_opts out if they shall",
                                      printable(use.volume)));
  out.service.container.mounts.push_back(std::move(mount));
}

void add_volume(const Node& node, VolumeUse use, ReadContext& context, ReadService& out) {
  if (const auto& source = use.volume; !source.empty()) {
    const auto declared = context.volumes.find(source);
    if (declared == context.volumes.end()) {
      context.problems.error(
          node.place, fmt::format("the volume \"{}\" is not declared under the file's `volumes`", printable(source)));
      return;
    }
    const DeclaredVolume& volume = declared->second;
    if (volume.device) {
      Node where;
      where.place = volume.place;
      return add_bind(where, {*volume.device, use.target, use.read_only}, context, out);
    }
    if (volume.options) return add_volume_in_memory(use, volume, context, out);
    if (!volume.external.empty()) {
      engine::Mount mount;
      mount.kind = engine::Mount::Kind::kVolume;
      mount.source = volume.external;
      mount.target = use.target;
      mount.read_only = use.read_only;
      mount.no_copy = use.no_copy;
      out.service.container.mounts.push_back(std::move(mount));
      return;
    }
  }
  out.service.volumes.push_back(std::move(use));
}

/// A path rather than the name of a volume.
bool is_path(std::string_view source) {
  return source.starts_with('.') || source.starts_with('/') || source.starts_with('~') ||
         source.find('/') != std::string_view::npos;
}

struct ShortOptions {
  std::optional<bool> read_only;
  bool no_copy = false;
};

ShortOptions read_short_options(const Node& node, const VolumeText& volume, ReadContext& context) {
  ShortOptions options;
  for (const auto& option : volume.options) {
    if (option == "ro" || option == "rw") {
      options.read_only = option == "ro";
    } else if (option == "nocopy") {
      options.no_copy = true;
    } else if (is_one_of(option,
                         {"z", "Z", "cached", "delegated", "consistent", "shared", "rshared", "slave", "rslave"})) {
      context.problems.warn(node.place,
                            fmt::format("the option \"{}\" is ignored: it means nothing here, and can go", option));
    } else if (option != "rprivate" && option != "private") {
      context.problems.error(
          node.place, fmt::format("the option \"{}\" is refused; there are ro, rw and nocopy", printable(option)));
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
    add_volume(item, {volume->source, volume->target, options.read_only.value_or(false), options.no_copy}, context,
               out);
  } else {
    add_bind(item, {volume->source, volume->target, options.read_only}, context, out);
  }
}

void read_long_tmpfs(const Node& item, const std::string& target, bool read_only, ReadContext& context,
                     ReadService& out) {
  auto mount = tmpfs_at(target);
  if (read_only) mount.tmpfs_options = "ro";
  if (const Node* options = item.find("tmpfs"); options && want_map(*options, "tmpfs", context)) {
    check_keys(*options, "service.volumes.tmpfs", context.problems);
    if (const Node* said = options->find("size")) mount.tmpfs_size = as_bytes(*said, "size", context).value_or(0);
    if (const Node* said = options->find("mode")) {
      const auto bits = said->is_scalar() ? parse_mode(said->text) : std::nullopt;
      if (bits) mount.tmpfs_mode = *bits;
      else context.problems.error(said->place, "`mode` takes octal digits like 1777");
    }
  }
  out.service.container.mounts.push_back(std::move(mount));
}

void read_long_volume(const Node& item, ReadContext& context, ReadService& out) {
  check_keys(item, "service.volumes", context.problems);
  const std::string type = text_at(item, "type", context, 20).value_or("");
  const std::string source = text_at(item, "source", context).value_or("");
  const std::string target = text_at(item, "target", context).value_or("");
  const auto read_only = bool_at(item, "read_only", context);
  if (target.empty()) return context.problems.error(item.place, "a mount needs its `target`");
  if (!target_is_fine(item, target, context)) return;
  const auto said_of = [&](std::string_view part, std::string_view key) -> std::optional<bool> {
    const Node* options = item.find(part);
    return options && options->is_map() ? bool_at(*options, key, context) : std::nullopt;
  };
  for (const std::string_view part : {"bind", "volume"}) {
    const Node* options = item.find(part);
    if (options && want_map(*options, part, context))
      check_keys(*options, fmt::format("service.volumes.{}", part), context.problems);
  }
  const bool create = said_of("bind", "create_host_path").value_or(true);
  const bool no_copy = said_of("volume", "nocopy").value_or(false);
  const Node* place = item.find("source") ? item.find("source") : &item;
  if (type == "bind") {
    if (source.empty()) context.problems.error(item.place, "a bind needs its `source`");
    else add_bind(*place, {source, target, read_only, create}, context, out);
  } else if (type == "volume") {
    if (is_path(source))
      context.problems.error(place->place, fmt::format("\"{}\" is a path; write `type: bind`", printable(source)));
    else add_volume(*place, {source, target, read_only.value_or(false), no_copy}, context, out);
  } else if (type == "tmpfs") {
    read_long_tmpfs(item, target, read_only.value_or(false), context, out);
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
  auto mount = tmpfs_at(target);
  if (colon != std::string::npos)
    take_tmpfs_options(item.place, std::string_view(*text).substr(colon + 1), context, mount);
  out.service.container.mounts.push_back(std::move(mount));
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

/// "1000" of `uid` or `gid`; -1: nothing that can be one was said.
std::int64_t id_of(const Node& item, std::string_view key, ReadContext& context) {
  const Node* said = item.find(key);
  if (!said || said->is_null()) return -1;
  const auto number = said->is_scalar() ? parse_integer(said->text) : std::nullopt;
  if (number && *number >= 0 && *number <= kMostId) return *number;
  context.problems.error(said->place, fmt::format("`{}` takes a number: names are the machine's own, and are not known "
                                                  "before it runs",
                                                  key));
  return -1;
}

/// Whose a file is that says nothing of it: the service's own user's, as Compose has it, if that is a number.
void own_by_user(const std::string& user, BindSource& bind) {
  const auto colon = user.find(':');
  const auto uid = parse_integer(user.substr(0, colon));
  const auto gid = colon == std::string::npos ? std::nullopt : parse_integer(user.substr(colon + 1));
  if (bind.uid < 0 && uid && *uid >= 0 && *uid <= kMostId) bind.uid = *uid;
  if (bind.gid < 0 && gid && *gid >= 0 && *gid <= kMostId) bind.gid = *gid;
}

/// A `configs` or `secrets` entry of a service. Secrets stand below /run/secrets unless a path is said.
void read_file_use(const Node& item, std::string_view key, ReadContext& context, ReadService& out) {
  const bool secret = key == "secrets";
  std::string source, target;
  BindSource bind;
  bind.mode = 0444;
  if (item.is_map()) {
    check_keys(item, secret ? "service.secrets" : "service.configs", context.problems);
    source = text_at(item, "source", context, 200).value_or("");
    target = text_at(item, "target", context).value_or("");
    if (const Node* said = item.find("mode"); said && !said->is_null()) {
      const auto bits = said->is_scalar() ? parse_mode(said->text) : std::nullopt;
      if (bits) bind.mode = *bits;
      else context.problems.error(said->place, "`mode` takes octal digits like 0440");
    }
    bind.uid = id_of(item, "uid", context);
    bind.gid = id_of(item, "gid", context);
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
  own_by_user(out.service.container.user, bind);
  bind.path = found->second.path;
  bind.content = found->second.content;
  bind.target = target;
  out.service.binds.push_back(std::move(bind));
}

/// "db", "db:ro": what that service mounts. It is started first, as with `depends_on`.
void read_mounts_of(const Node& item, ReadContext& context, ReadService& out) {
  const auto text = as_text(item, "volumes_from", context, 200);
  if (!text) return;
  const auto colon = text->rfind(':');
  const std::string name = text->substr(0, colon);
  const std::string mode = colon == std::string::npos ? "rw" : text->substr(colon + 1);
  if (name.starts_with("container"))
    return context.problems.error(
        item.place,
        "volumes_from of a container is refused: an instance is made of its own parts only; name the service");
  if (!context.services.contains(name) || name == out.service.name)
    return context.problems.error(item.place, fmt::format("volumes_from: \"{}\" is no other service", printable(name)));
  if (mode != "ro" && mode != "rw")
    return context.problems.error(item.place,
                                  fmt::format("volumes_from: \"{}\" is neither ro nor rw", printable(mode)));
  out.mounts_of.emplace_back(name, mode == "ro");
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
  if (const Node* others = service.find("volumes_from")) {
    for (const Node* item : as_list(*others, "volumes_from", context)) read_mounts_of(*item, context, out);
  }
}

namespace {

/// Adds what `from` mounts and `to` does not already. An anonymous volume gets a name, or it would not be the same one.
void add_mounts_of(ReadService& from, bool read_only, ReadService& to) {
  std::set<std::string> taken;
  for (const auto& one : to.service.binds) taken.insert(one.target);
  for (const auto& one : to.service.volumes) taken.insert(one.target);
  for (const auto& one : to.service.container.mounts) taken.insert(one.target);
  for (auto bind : from.service.binds) {
    if (bind.mode >= 0 || bind.content || taken.contains(bind.target)) continue;
    bind.read_only = bind.read_only || read_only;
    to.service.binds.push_back(std::move(bind));
  }
  for (auto& volume : from.service.volumes) {
    if (taken.contains(volume.target)) continue;
    if (volume.volume.empty()) volume.volume = fmt::format("of-{}-{}", from.service.name, to_slug(volume.target));
    VolumeUse use = volume;
    use.read_only = use.read_only || read_only;
    to.service.volumes.push_back(std::move(use));
  }
  for (auto mount : from.service.container.mounts) {
    if (mount.kind == engine::Mount::Kind::kTmpfs || taken.contains(mount.target)) continue;
    mount.read_only = mount.read_only || read_only;
    to.service.container.mounts.push_back(std::move(mount));
  }
}

}  // namespace

void share_mounts(std::vector<ReadService>& services, ReadContext& context) {
  if (context.problems.broken()) return;  // dependencies that run in a circle among them
  std::map<std::string, ReadService*> by_name;
  for (auto& one : services) by_name[one.service.name] = &one;
  std::set<std::string> done;
  const auto settle = [&](const auto& self, ReadService& one) -> void {
    if (!done.insert(one.service.name).second) return;
    for (const auto& [name, read_only] : one.mounts_of) {
      self(self, *by_name.at(name));
      add_mounts_of(*by_name.at(name), read_only, one);
    }
  };
  for (auto& one : services) settle(settle, one);
}

namespace {

/// Whether a folder has more in it than is copied in a few milliseconds.
bool is_large(const std::string& folder) {
  constexpr std::uintmax_t kBytes = 4 << 20;
  constexpr int kFiles = 200;
  // What the options of a mount cannot hold is copied.
  std::error_code failure;
  if (folder.find_first_of(",:\\") != std::string::npos || !std::filesystem::is_directory(folder, failure))
    return false;
  std::uintmax_t bytes = 0;
  int files = 0;
  for (std::filesystem::recursive_directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored) && !entry->is_symlink(ignored)) bytes += entry->file_size(ignored);
    if (++files > kFiles || bytes > kBytes) return true;
  }
  return false;
}

}  // namespace

void share_binds(std::vector<Service>& services, const std::string& folder) {
  std::map<std::string, std::pair<int, bool>> uses;  // by path: how many, and whether one writes
  const auto each = [&](auto what) {
    for (auto& service : services) {
      for (auto& bind : service.binds) {
        if (bind.mode < 0 && !bind.content) what(bind);
      }
    }
  };
  each([&](const BindSource& bind) {
    auto& [count, written] = uses[bind.path];
    ++count;
    written = written || !bind.read_only;
  });
  each([&](BindSource& bind) {
    const auto& [count, written] = uses.at(bind.path);
    bind.shared = written && count > 1;
    bind.large = !bind.read_only && !bind.fresh && is_large(folder + "/" + bind.path);
  });
}

void read_files(const Node& service, std::string_view key, ReadContext& context, ReadService& out) {
  if (const Node* files = service.find(key)) {
    for (const Node* item : as_list(*files, key, context)) read_file_use(*item, key, context, out);
  }
  if (key == "secrets") check_targets(service, context, out);
}

}  // namespace tiltyard::templates
