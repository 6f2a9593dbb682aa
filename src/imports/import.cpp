#include "imports/import.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/remove_tree.h"
#include "base/text.h"
#include "imports/challenge.h"
#include "imports/find.h"
#include "imports/ids.h"
#include "imports/place.h"
#include "imports/unpack.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;

/// One import at a time into a folder: what another one has left half-way may be removed then.
class Turn {
 public:
  static Result<Turn> take(const std::string& into) {
    std::error_code failure;
    fs::create_directories(into, failure);
    Turn turn(::open((into + "/.import.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (turn.fd_ < 0)
      return fail(Code::kInternal, "import-unwritable",
                  fmt::format("{} cannot be written: {}.", into, std::strerror(errno)));
    if (::flock(turn.fd_, LOCK_EX | LOCK_NB) != 0)
      return fail(Code::kConflict, "import-busy",
                  fmt::format("Another import into {} is under way. Wait for its end.", into));
    const int at = ::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const auto& entry : fs::directory_iterator(into, failure)) {
      const auto name = entry.path().filename().string();
      if (name.starts_with(".import-")) (void)remove_tree(at, name);  // of one that was killed
    }
    ::close(at);
    return turn;
  }
  Turn(Turn&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit Turn(int fd) : fd_(fd) {}
  int fd_;
};

class Import {
 public:
  Import(const Origin& origin, std::string root, const ImportOptions& options, std::string aside)
      : origin_(origin), root_(std::move(root)), options_(options), aside_(std::move(aside)) {}

  Result<Report> run() {
    report_.dry = options_.dry;
    drafts_ = find_challenges(origin_, report_.notes);
    read_earlier();
    if (drafts_.empty() && report_.notes.empty()) {
      report_.notes.push_back({Note::Kind::kRefused, ".", 0,
                               "no challenge was found: no challenge.yml, compose file, Dockerfile or export"});
    }
    ids_ = give_ids(drafts_, before_);
    resolve_names();
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (const auto done = one(i); !done) return fail(done.error());
    }
    tell_gone();
    return std::move(report_);
  }

 private:
  /// Names it among all that was ever imported.
  std::string source_of(const Draft& draft) const {
    const auto& event = draft.event.empty() ? origin_.name() : draft.event;
    if (root_.empty()) return fmt::format("{}: {}", event, draft.key);
    return draft.key == "." ? root_ : root_ + "/" + draft.key;
  }

  /// What earlier imports have left here.
  void read_earlier() {
    std::map<std::string, std::string> ids;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(options_.into, ignored)) {
      const auto manifest = read_manifest(entry.path().string());
      if (!manifest) continue;
      const auto id = entry.path().filename().string();
      ids[manifest->source] = id;
      if (!root_.empty() && manifest->root == root_) gone_.emplace(manifest->key, id);
    }
    for (const auto& draft : drafts_) {
      if (const auto known = ids.find(source_of(draft)); known != ids.end()) before_[draft.key] = known->second;
    }
  }

  /// Names of other challenges become their ids.
  void resolve_names() {
    std::map<std::string, std::set<std::string>> ids;
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      const auto& draft = drafts_[i];
      ids[lower(draft.challenge.name)].insert(ids_[i]);
      ids[ids_[i]].insert(ids_[i]);
      for (const auto& name : draft.known_as) ids[name].insert(ids_[i]);
    }
    const auto find = [&](const std::string& name) -> std::string {
      auto found = ids.find(name);
      if (found == ids.end()) found = ids.find(lower(name));
      return found != ids.end() && found->second.size() == 1 ? *found->second.begin() : std::string{};
    };
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      auto& draft = drafts_[i];
      if (draft.as_is) continue;
      std::vector<std::string> wanted;
      for (const auto& name : draft.challenge.requires_ids) {
        const auto id = find(name);
        if (id == ids_[i]) draft.refuse(draft.requires_place, "it requires itself");
        else if (id.empty())
          draft.cannot(
              draft.requires_place,
              fmt::format("requires \"{}\": there is not one challenge of this name in what is imported", name));
        else if (std::ranges::find(wanted, id) == wanted.end()) wanted.push_back(id);
      }
      draft.challenge.requires_ids = std::move(wanted);
      if (draft.challenge.next.empty()) continue;
      auto next = find(draft.challenge.next);
      if (next.empty())
        draft.cannot(draft.next_place,
                     fmt::format("next \"{}\": there is not one challenge of this name in what is imported",
                                 draft.challenge.next));
      draft.challenge.next = std::move(next);
    }
    refuse_circles();
  }

  /// Nobody could ever begin with challenges that require each other.
  void refuse_circles() {
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < drafts_.size(); ++i) index[ids_[i]] = i;
    std::vector<int> state(drafts_.size(), 0);
    std::function<bool(std::size_t)> visit = [&](std::size_t i) {
      if (state[i] != 0) return state[i] == 1;
      state[i] = 1;
      for (const auto& id : drafts_[i].challenge.requires_ids) {
        const auto found = index.find(id);
        if (found == index.end() || !visit(found->second)) continue;
        drafts_[i].refuse(drafts_[i].requires_place, fmt::format("it requires \"{}\", which requires it in turn", id));
        state[i] = 2;
        return false;
      }
      state[i] = 2;
      return false;
    };
    for (std::size_t i = 0; i < drafts_.size(); ++i) (void)visit(i);
  }

  Result<> one(std::size_t i) {
    auto& draft = drafts_[i];
    gone_.erase(draft.key);
    Item item;
    item.id = ids_[i];
    item.name = draft.challenge.name;
    item.format = draft.format;
    item.source = draft.source;
    item.starts = draft.machines.any() || (draft.as_is && origin_.is_file(joined(draft.folder, "instance.toml")));
    const auto fresh = aside_ + "/" + item.id, target = options_.into + "/" + item.id;
    if (!item.id.empty() && !draft.refused()) build_result(origin_, draft, item.id, fresh, options_.sizes);
    if (!item.id.empty() && !draft.refused()) {
      auto state = lay_over(fresh, target, {draft.format, source_of(draft), root_, draft.key, {}}, options_.replace,
                            draft.notes);
      if (!state) return fail(state.error());
      item.state = *state;
      check(item, fresh);
      if (item.state != Item::State::kSame && item.state != Item::State::kRefused && !options_.dry) {
        if (const auto placed = put_in_place(fresh, target); !placed) return placed;
      }
    }
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    item.notes = std::move(draft.notes);
    report_.items.push_back(std::move(item));
    return {};
  }

  /// What stands in the result is good, or nothing of it is kept.
  void check(Item& item, const std::string& fresh) {
    if (item.state == Item::State::kRefused) return;
    if (item.starts) item.problems = templates::read_folder(fresh, options_.templates).problems;
    if (auto text = Origin(fresh).read(kChallengeFile)) {
      for (auto& problem : read_challenge(*text, item.name).problems) item.problems.push_back(std::move(problem));
    }
    const bool broken = std::ranges::find(item.problems, templates::Problem::Severity::kError,
                                          &templates::Problem::severity) != item.problems.end();
    if (broken && !options_.keep_broken) item.state = Item::State::kRefused;
  }

  void tell_gone() {
    for (const auto& [key, id] : gone_) {
      if (root_.empty()) continue;
      report_.notes.push_back(
          {Note::Kind::kKept, id, 0,
           fmt::format("its original {} is gone; remove the template by hand if it shall go, too", key)});
    }
  }

  const Origin& origin_;
  std::string root_;
  const ImportOptions& options_;
  std::string aside_;
  Report report_;
  std::vector<Draft> drafts_;
  std::vector<std::string> ids_;
  std::map<std::string, std::string> before_, gone_;  ///< ids, by key
};

/// Where the result goes when it lies in what is imported; empty when it does not.
std::string inside_of(const fs::path& root, const fs::path& into) {
  const auto relative = into.lexically_relative(root).generic_string();
  return relative.empty() || relative == "." || relative.starts_with("..") ? std::string{} : relative;
}

/// `root`: what the folder was; empty for an archive that was unpacked, which is called `name`.
Result<Report> import_from(const std::string& folder, const std::string& root, const std::string& name,
                           const ImportOptions& options) {
  std::optional<Turn> turn;
  if (!options.dry) {
    auto taken = Turn::take(options.into);
    if (!taken) return fail(taken.error());
    turn.emplace(std::move(*taken));
  }
  auto aside = Aside::make(options.dry ? fs::temp_directory_path().string() : options.into);
  if (!aside) return fail(aside.error());
  Origin origin(folder);
  if (!origin.exists()) return fail(Code::kNotFound, "import-unreadable", fmt::format("{} cannot be read.", folder));
  origin.call(name);
  origin.hide(inside_of(folder, options.into));
  return Import(origin, root, options, aside->path()).run();
}

}  // namespace

Result<Report> import_challenges(const std::string& path, const ImportOptions& given) {
  std::error_code failure;
  auto options = given;
  options.into = fs::absolute(given.into).lexically_normal().string();
  while (options.into.size() > 1 && options.into.ends_with('/')) options.into.pop_back();
  const auto real = fs::canonical(path, failure);
  if (failure) return fail(Code::kNotFound, "import-unreadable", fmt::format("{}: {}.", path, failure.message()));
  if (::sodium_init() < 0) return fail(Code::kInternal, "import-unreadable", "No random numbers.");
  if (fs::is_directory(real, failure))
    return import_from(real.string(), real.string(), real.filename().string(), options);
  auto unpacked = Aside::make(fs::temp_directory_path().string());
  if (!unpacked) return fail(unpacked.error());
  if (const auto done = unpack(real.string(), unpacked->path(), options.sizes); !done) return fail(done.error());
  return import_from(unpacked->path(), "", real.stem().string(), options);
}

}  // namespace tiltyard::imports
