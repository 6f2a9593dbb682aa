// From what the folder and the images hold to what every instance gets.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "flags/model.h"
#include "flags/rights.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;
using templates::Problem;

constexpr std::size_t kMostBoundFiles = 2000;
constexpr std::int64_t kMostBoundBytes = 32LL * 1024 * 1024;
constexpr std::size_t kMostPatches = 256;
constexpr std::size_t kMostHeld = 64;  // different texts of one file

bool is_below(std::string_view path, std::string_view folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  return path == folder || (path.starts_with(folder) && (folder == "/" || path[folder.size()] == '/'));
}

bool uses_flag_variable(std::string_view text) { return text.contains("${FLAG}") || text.contains("${DYNAMIC_FLAG}"); }

FileFacts facts_of(const struct stat& status) {
  FileFacts out;
  out.uid = status.st_uid;
  out.gid = status.st_gid;
  out.mode = status.st_mode & 07777;
  out.seconds = status.st_mtim.tv_sec;
  out.nanos = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  return out;
}

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=') + 1); }

/// Makes one plan; lives only as long.
class Planner {
 public:
  Planner(const templates::Template& tmpl, PlanInput input) : tmpl_(tmpl), input_(std::move(input)) {
    plan_.tmpl = tmpl.id;
    plan_.hash = tmpl.hash;
    plan_.dynamic = tmpl.dynamic_flags;
  }

  Plan make() {
    settle_placeholder();
    for (std::size_t i = 0; i < tmpl_.services.size(); ++i) {
      const auto& image = input_.images[i];
      const auto& service = tmpl_.services[i];
      plan_.images[image.reference] = image.id;
      if (!service.build) plan_.retaggable.push_back(image.reference);
      if (plan_.dynamic && !plan_.placeholder.empty()) {
        add_holders(service, image);
        add_binds(service);
        add_environment(service, image);
      }
      if (service.name == tmpl_.flag.machine) add_own(service, image);
      add_startable(service, image);
      if (tmpl_.credentials && service.name == tmpl_.credentials->machine) add_password(service, image);
    }
    settle_shape();
    judge();
    for (const auto& why : input_.unread) warn(fmt::format("its set-user-ID programs do not work: {}", why));
    settle_rights(tmpl_.services, input_.images, plan_);
    return std::move(plan_);
  }

 private:
  void settle_placeholder() {
    plan_.shape.prefix = input_.prefix;
    plan_.shape.alphabet = tmpl_.flag.alphabet;
    if (!tmpl_.flag.base.empty()) {
      plan_.placeholder = fmt::format("{}{{{}}}", input_.prefix, tmpl_.flag.base);
      plan_.found_in = "instance.toml";
    } else {
      choose_found();
    }
    if (!plan_.placeholder.empty()) plan_.shape.base = std::string(base_of(plan_.placeholder, input_.prefix));
  }

  /// A text of the folder that some machine holds; else what only images hold; else one that nothing holds, which lies
  /// in what players are handed out, or comes into being inside.
  void choose_found() {
    const auto& found = input_.found;
    const auto held = found.size() < 2 && input_.images.empty() ? std::set<std::string>{} : held_texts();
    const auto it = std::ranges::find_if(found, [&](const FoundBase& one) { return held.contains(one.text); });
    if (it != found.end()) return take(*it);
    find_in_images();
    if (plan_.placeholder.empty() && !found.empty()) take(found.front());
  }

  void take(const FoundBase& base) {
    plan_.placeholder = base.text;
    plan_.found_in = base.file;
  }

  /// All that images, binds and variables hold.
  std::set<std::string> held_texts() const {
    std::set<std::string> out;
    const auto add = [&](std::string_view content) {
      for (auto& text : find_placeholders(content, input_.prefix, kMostHeld)) out.insert(std::move(text));
    };
    for (const auto& image : input_.images) {
      for (const auto& variable : image.environment) add(variable);
      if (!image.scan) continue;
      for (const auto& holder : image.scan->holders) {
        for (const auto& held : holder.texts) out.insert(held.text);
      }
    }
    for (const auto& service : tmpl_.services) {
      for (const auto& variable : service.container.environment) add(variable);
      for (const auto& bind : service.binds) {
        if (bind.content) add(*bind.content);
        else each_bound(bind, [&](const std::string&, const std::string& path) { add(content_of(path).second); });
      }
    }
    return out;
  }

  /// Files named for a flag before the others; then the images' environment.
  void find_in_images() {
    for (const bool named : {true, false}) {
      for (const auto& image : input_.images) {
        if (!image.scan) continue;
        for (const auto& holder : image.scan->holders) {
          if (holder.texts.empty()) continue;
          const bool for_flag = fs::path(holder.path).filename().string().contains("flag");
          if (for_flag != named) continue;
          plan_.placeholder = holder.texts.front().text;
          plan_.found_in = fmt::format("{} of {}", holder.path, image.reference);
          return;
        }
      }
    }
    for (const auto& image : input_.images) {
      for (const auto& variable : image.environment) {
        auto found = find_placeholders(variable, input_.prefix, 1);
        if (found.empty()) continue;
        plan_.placeholder = found.front();
        plan_.found_in = fmt::format("the environment of {}", image.reference);
        return;
      }
    }
  }

  /// What hides the image's own file at `path`; `volume`: with a copy of it.
  static const std::string* mounted_over(const templates::Service& service, const ImageFacts& image,
                                         const std::string& path, bool& volume) {
    volume = false;
    for (const auto& bind : service.binds) {
      if (is_below(path, bind.target)) return &bind.target;
    }
    for (const auto& mount : service.container.mounts) {
      if (is_below(path, mount.target)) return &mount.target;
    }
    volume = true;
    for (const auto& use : service.volumes) {
      if (is_below(path, use.target)) return &use.target;
    }
    for (const auto& target : image.volumes) {
      if (is_below(path, target)) return &target;
    }
    return nullptr;
  }

  /// What lies in a mount is not seen of the layer: it is mounted itself, deeper.
  static bool is_mounted(const templates::Service& service, const ImageFacts& image, const std::string& path) {
    bool volume = false;
    return mounted_over(service, image, path, volume) != nullptr;
  }

  void add_holders(const templates::Service& service, const ImageFacts& image) {
    if (!image.scan) return;
    std::map<int, int> files;  // content → the instance's own file
    for (const auto& holder : image.scan->holders) {
      const auto held = std::ranges::find(holder.texts, plan_.placeholder, &HeldText::text);
      if (held == holder.texts.end()) continue;
      bool volume = false;
      if (const auto* hidden = mounted_over(service, image, holder.path, volume)) {
        if (volume) {
          warn(fmt::format(
              "{} of {} holds {} and lies in the volume {}: what is in volumes stays as the image has it; let the "
              "program put the flag there when it starts",
              holder.path, service.name, plan_.placeholder, *hidden));
        }
        continue;
      }
      const auto [own, fresh] = files.try_emplace(holder.content, next_);
      if (fresh) ++next_;
      Patch patch;
      patch.service = service.name;
      patch.target = holder.path;
      patch.file = own->second;
      patch.facts = holder.facts;
      patch.binary = holder.binary;
      patch.room = held->room;
      patch.in_layer = true;
      patch.source = image.folder + "/" + std::to_string(holder.content);
      plan_.patches.push_back(std::move(patch));
    }
  }

  void add_binds(const templates::Service& service) {
    for (const auto& bind : service.binds) {
      if (bind.fresh) continue;
      if (bind.content) {
        FileFacts facts;
        facts.seconds = 0;
        add_bound(service, bind, bind.target, {}, *bind.content, facts);
        continue;
      }
      each_bound(bind, [&](const std::string& target, const std::string& path) {
        const auto [facts, content] = content_of(path);
        if (!content.empty()) add_bound(service, bind, target, path, content, facts);
      });
    }
  }

  /// Calls `visit` with the path inside and the path here of each file that a bind brings along.
  template <class Visit>
  void each_bound(const templates::BindSource& bind, Visit visit) const {
    const std::string path = bind.path.starts_with('/') ? bind.path : tmpl_.folder + "/" + bind.path;
    std::error_code failure;
    if (!fs::is_directory(fs::symlink_status(path, failure))) return visit(bind.target, path);
    std::vector<std::string> below;
    for (fs::recursive_directory_iterator entry(path, failure), end; !failure && entry != end;
         entry.increment(failure)) {
      std::error_code ignored;
      if (fs::is_regular_file(entry->symlink_status(ignored))) below.push_back(entry->path().string());
      if (below.size() >= kMostBoundFiles) break;
    }
    std::ranges::sort(below);
    for (const auto& file : below) visit(bind.target + file.substr(path.size()), file);
  }

  /// Empty where it is no ordinary file, or too large.
  static std::pair<FileFacts, std::string> content_of(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMostBoundBytes) return {};
    std::ifstream in(path, std::ios::binary);
    return {facts_of(status), std::string(std::istreambuf_iterator<char>(in), {})};
  }

  void add_bound(const templates::Service& service, const templates::BindSource& bind, const std::string& target,
                 std::string source, const std::string& content, FileFacts facts) {
    const auto room = room_for(content, plan_.placeholder);
    if (!room) return;
    Patch patch;
    patch.service = service.name;
    patch.target = target;
    patch.file = next_++;
    patch.facts = std::move(facts);
    if (bind.mode >= 0) patch.facts.mode = static_cast<std::uint32_t>(bind.mode);
    if (bind.uid >= 0) patch.facts.uid = static_cast<std::uint32_t>(bind.uid);
    if (bind.gid >= 0) patch.facts.gid = static_cast<std::uint32_t>(bind.gid);
    patch.binary = is_binary(content);
    patch.room = *room;
    patch.read_only = bind.read_only;
    if (source.empty()) patch.content = content;
    patch.source = std::move(source);
    plan_.patches.push_back(std::move(patch));
  }

  void add_environment(const templates::Service& service, const ImageFacts& image) {
    const auto& own = service.container.environment;
    const auto add = [&](const std::string& variable) {
      if (!variable.contains(plan_.placeholder)) return;
      plan_.environment[service.name].push_back(replace_text(variable, plan_.placeholder, kFlagMark));
    };
    for (const auto& variable : image.environment) {
      const auto name = name_of(variable);
      if (std::ranges::none_of(own, [&](const auto& other) { return name_of(other) == name; })) add(variable);
    }
    for (const auto& variable : own) add(variable);
  }

  /// Linux starts no program whose file capability demands what the machine has not, such as most pings: the machine
  /// gets its own, without the demand.
  void add_startable(const templates::Service& service, const ImageFacts& image) {
    const auto& container = service.container;
    if (!image.scan || !image.scan->programs || container.read_only || container.privileged_by_operator) return;
    for (const auto& program : *image.scan->programs) {
      if (out_of_reach(program.facts.capability, container.capabilities).empty()) continue;
      const auto known = std::ranges::find_if(plan_.patches, [&](const Patch& other) {
        return other.service == service.name && other.target == program.path;
      });
      if (known != plan_.patches.end()) {
        known->facts.capability = without_demand(program.facts.capability);
        continue;
      }
      const auto held = std::ranges::find(image.scan->holders, program.path, &Holder::path);
      bool volume = false;
      if (held == image.scan->holders.end() || mounted_over(service, image, program.path, volume)) continue;
      Patch patch;
      patch.service = service.name;
      patch.target = program.path;
      patch.file = next_++;
      patch.facts = program.facts;
      patch.facts.capability = without_demand(program.facts.capability);
      patch.read_only = true;
      patch.source = image.folder + "/" + std::to_string(held->content);
      patch.as_is = true;
      plan_.patches.push_back(std::move(patch));
    }
  }

  /// [flag] file and variable.
  void add_own(const templates::Service& service, const ImageFacts& image) {
    if (!plan_.dynamic && plan_.placeholder.empty()) return;  // no text that could be everybody's
    if (!tmpl_.flag.variable.empty()) {
      auto& variables = plan_.environment[service.name];
      std::erase_if(variables, [&](const auto& other) { return name_of(other) == tmpl_.flag.variable + "="; });
      variables.push_back(tmpl_.flag.variable + "=" + std::string(kFlagMark));
    }
    if (tmpl_.flag.file.empty() || !image.scan) return;
    const auto& watched = image.scan->watched;
    switch (watched.kind) {
      case Watched::Kind::kFolder:
        return error(fmt::format("flag.file: {} is a folder in the image of {}", tmpl_.flag.file, service.name));
      case Watched::Kind::kOutside:
        return error(fmt::format("flag.file: {} is a link that leaves the image of {}", tmpl_.flag.file, service.name));
      case Watched::Kind::kOther:
        return error(fmt::format("flag.file: {} leads to {} in the image of {}, which is no file", tmpl_.flag.file,
                                 watched.path, service.name));
      default:
        break;
    }
    std::erase_if(plan_.patches,
                  [&](const Patch& other) { return other.service == service.name && other.target == watched.path; });
    Patch patch;
    patch.service = service.name;
    patch.target = watched.path;
    patch.file = next_++;
    patch.facts = watched.facts;
    if (watched.kind == Watched::Kind::kAbsent) patch.facts.mode = 0444;
    patch.in_layer = !is_mounted(service, image, watched.path);
    patch.read_only = service.container.read_only || !tmpl_.flag.writable;
    plan_.patches.push_back(std::move(patch));
  }

  /// [credentials] file and variable.
  void add_password(const templates::Service& service, const ImageFacts& image) {
    const auto& credentials = *tmpl_.credentials;
    if (!credentials.variable.empty())
      plan_.environment[service.name].push_back(credentials.variable + "=" + std::string(kPasswordMark));
    if (credentials.file.empty()) return;
    std::erase_if(plan_.patches, [&](const Patch& other) {
      return other.service == service.name && other.target == credentials.file;
    });
    Patch patch;
    patch.service = service.name;
    patch.target = credentials.file;
    patch.file = next_++;
    patch.facts.mode = 0444;
    patch.in_layer = !is_mounted(service, image, credentials.file);
    patch.read_only = service.container.read_only || !credentials.writable;
    patch.password = true;
    plan_.patches.push_back(std::move(patch));
  }

  /// One text for all places: as long as the narrowest lets it be.
  void settle_shape() {
    if (!plan_.dynamic) return;
    const Patch* narrowest = nullptr;
    for (const auto& patch : plan_.patches) {
      if (patch.binary && (!narrowest || patch.room < narrowest->room)) narrowest = &patch;
    }
    if (!narrowest) return;
    auto fitting = fit(plan_.shape, narrowest->room);
    if (fitting) {
      plan_.shape = std::move(*fitting);
      return;
    }
    error(fmt::format(
        "{} of {} is a binary file with room for {} characters in place of {}; a flag needs at least {}: fill the "
        "text up, or put NUL bytes behind it",
        narrowest->target, narrowest->service, narrowest->room, plan_.placeholder,
        plan_.shape.prefix.size() + 3 + kDigitsAfterBase));
  }

  void judge() {
    if (plan_.patches.size() > kMostPatches)
      error(fmt::format("more than {} files hold {}", kMostPatches, plan_.placeholder));
    const bool placed =
        std::ranges::any_of(plan_.patches, [](const Patch& patch) { return !patch.password && !patch.as_is; }) ||
        std::ranges::any_of(plan_.environment, [](const auto& of) {
          return std::ranges::any_of(of.second,
                                     [](const std::string& variable) { return variable.contains(kFlagMark); });
        });
    if (!plan_.dynamic || placed) return;
    for (const auto& service : tmpl_.services) {
      if (std::ranges::any_of(service.container.environment, uses_flag_variable)) return;
    }
    if (plan_.placeholder.empty()) return warn_of_nowhere();
    warn(
        fmt::format("{} promises the flag {}, but no image, bound file or variable holds it: nobody will find it. Copy "
                    "the file into "
                    "the image, or say [flag] file or variable; what is loaded into a database when its image is built "
                    "cannot be replaced",
                    plan_.found_in, plan_.placeholder));
  }

  void warn_of_nowhere() {
    const auto asked = find_asked_variable(tmpl_.folder);
    warn(fmt::format(
        "no flag goes anywhere: no file, image, bind or variable holds {}{{...}}, so nobody would find an owner's "
        "flag. {}",
        input_.prefix,
        asked ? fmt::format("{} asks for {}: say [flag] variable = \"{}\" in instance.toml", asked->file, asked->text,
                            asked->text)
              : "Say [flag] variable = \"FLAG\" or file = \"/flag\" in instance.toml, or disable_dynamic_flags = true "
                "if there is none to find"));
  }

  void warn(std::string message) { plan_.problems.push_back({Problem::Severity::kWarning, "", 0, std::move(message)}); }
  void error(std::string message) { plan_.problems.push_back({Problem::Severity::kError, "", 0, std::move(message)}); }

  const templates::Template& tmpl_;
  PlanInput input_;
  Plan plan_;
  int next_ = 0;
};

}  // namespace

const Problem* Plan::first_error() const {
  const auto found = std::ranges::find(problems, Problem::Severity::kError, &Problem::severity);
  return found == problems.end() ? nullptr : &*found;
}

labs::PoolChoice pool_kind(const templates::Template& tmpl, const Plan& plan) {
  const auto* credentials = tmpl.credentials ? &*tmpl.credentials : nullptr;
  if (credentials && !credentials->variable.empty()) {
    return {labs::PoolKind::kNone,
            fmt::format("the owner's password is in the environment of '{}', which is fixed when the machine is made",
                        credentials->machine)};
  }
  labs::PoolChoice later;
  if (credentials && credentials->read_at_start) {
    later = {labs::PoolKind::kCreated,
             "its program reads the password once, when it starts (credentials.read = \"start\")"};
  }
  if (!tmpl.dynamic_flags) return later;
  std::string holder = tmpl.flag.variable.empty() ? std::string{} : tmpl.flag.machine;
  for (const auto& service : tmpl.services) {
    if (std::ranges::any_of(service.container.environment, uses_flag_variable)) holder = service.name;
  }
  if (!plan.environment.empty()) holder = plan.environment.begin()->first;
  if (!holder.empty()) {
    return {labs::PoolKind::kNone,
            fmt::format("the flag is in the environment of '{}', which is fixed when the machine is made", holder)};
  }
  if (tmpl.flag.read_at_start)
    return {labs::PoolKind::kCreated, "its program reads the flag once, when it starts (flag.read = \"start\")"};
  for (const auto& patch : plan.patches) {
    if (patch.binary && (patch.facts.mode & 0111) != 0) {
      return {labs::PoolKind::kCreated,
              fmt::format("the flag is inside the program {} of '{}'", patch.target, patch.service)};
    }
  }
  return later;
}

Plan make_plan(const templates::Template& tmpl, PlanInput input) { return Planner(tmpl, std::move(input)).make(); }

}  // namespace tiltyard::flags
