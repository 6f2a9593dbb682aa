#include "imports/find.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "imports/challenge.h"
#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr int kDeepest = 8;
constexpr int kMostFolders = 10'000;
constexpr std::size_t kMostChallenges = 2000;
constexpr int kMostYamls = 32;
/// What no challenge is in.
constexpr std::array<std::string_view, 6> kPassed{".git", ".hg", ".svn", ".github", "node_modules", "__pycache__"};

bool is_yaml(const std::string& name) { return name.ends_with(".yml") || name.ends_with(".yaml"); }
/// Where people expect a challenge to be said: there a fault is told, elsewhere the file is passed over.
bool is_expected(const std::string& name) {
  return name.starts_with("challenge.") || name.starts_with("chall.") || name.starts_with("chal.");
}

struct Said {
  const Format* format;
  Document document;
};

class Finder {
 public:
  Finder(const Origin& origin, std::vector<Note>& notes) : origin_(origin), notes_(notes) {}

  std::vector<Draft> find() {
    look("", 0, false);
    if (drafts_.empty()) drafts_ = std::move(builds_);
    else std::ranges::transform(builds_, std::back_inserter(passed_), &Draft::source);
    if (!passed_.empty()) {
      notes_.push_back(
          {Note::Kind::kUnavailable, passed_.front(), 0,
           fmt::format("{} folder{} with a Dockerfile alone {} passed over; import one by its own path", passed_.size(),
                       passed_.size() == 1 ? "" : "s", passed_.size() == 1 ? "is" : "are")});
    }
    std::ranges::sort(drafts_, {}, &Draft::source);
    return std::move(drafts_);
  }

 private:
  /// `unread`: a description here or above cannot be read. It may be what says the flags, so that only folders with one
  /// of their own are taken.
  void look(const std::string& folder, int depth, bool in_stack, bool unread = false) {
    if (++folders_ > kMostFolders || depth > kDeepest || drafts_.size() > kMostChallenges) return too_much(folder);
    if (auto whole = whole_of_folder(folder)) {
      for (auto& draft : *whole) drafts_.push_back(std::move(draft));
      return;
    }
    const auto entries = origin_.list(folder);
    const auto noted = notes_.size();
    if (said_here(folder, entries)) return;
    unread = unread || notes_.size() > noted;
    const auto compose = unread ? std::vector<std::string>() : compose_files(origin_, folder);
    const auto before = drafts_.size();
    for (const auto& entry : entries) {
      if (entry.kind != Origin::Entry::Kind::kFolder || std::ranges::find(kPassed, entry.name) != kPassed.end())
        continue;
      look(joined(folder, entry.name), depth + 1, in_stack || !compose.empty(), unread);
    }
    if (!compose.empty()) return bare_compose(folder, compose, drafts_.size() > before);
    if (in_stack || drafts_.size() > before || !origin_.is_file(joined(folder, "Dockerfile"))) return;
    if (unread) passed_.push_back(folder);
    else bare_build(folder);
  }

  void too_much(const std::string& folder) {
    if (std::exchange(told_, true)) return;
    notes_.push_back(
        {Note::Kind::kRefused, folder, 0,
         fmt::format("more than {} folders, {} challenges or {} levels: import parts of it by their own paths",
                     kMostFolders, kMostChallenges, kDeepest)});
  }

  Draft begin(std::string format, const std::string& folder, const std::string& file) const {
    auto draft = draft_of(std::move(format), folder, file);
    if (draft.title.empty()) draft.title = origin_.name();
    return draft;
  }

  std::optional<std::vector<Draft>> whole_of_folder(const std::string& folder) {
    if (is_ctfd(origin_, folder)) return read_ctfd(origin_, folder, notes_);
    if (is_gzctf(origin_, folder)) return read_gzctf(origin_, folder, notes_);
    if (is_dojo(origin_, folder)) return read_dojo(origin_, folder, notes_);
    return std::nullopt;
  }

  /// What the files of this folder say, in the order in which they count.
  std::vector<Said> said_in(const std::string& folder, const std::vector<Origin::Entry>& entries) {
    std::vector<Said> out;
    int read = 0;
    for (const auto& entry : entries) {
      if (!is_yaml(entry.name) || entry.kind == Origin::Entry::Kind::kFolder || ++read > kMostYamls) continue;
      if (entry.name.starts_with("docker-compose.") || entry.name.starts_with("compose.")) continue;
      std::vector<Note> faults;
      for (auto& document : documents(origin_, joined(folder, entry.name), faults)) {
        const auto found = std::ranges::find_if(formats(), [&](const Format& format) { return format.is(document); });
        if (found != formats().end()) out.push_back({&*found, std::move(document)});
      }
      if (is_expected(entry.name)) std::ranges::move(faults, std::back_inserter(notes_));
    }
    return out;
  }

  bool said_here(const std::string& folder, const std::vector<Origin::Entry>& entries) {
    const auto noted = notes_.size();
    auto said = said_in(folder, entries);
    std::optional<Document> instance;
    if (origin_.is_file(joined(folder, "instance.toml")))
      instance = toml_document(origin_, joined(folder, "instance.toml"), notes_);
    if (notes_.size() > noted) return false;
    if (is_tiltyard(origin_, folder, instance)) {
      auto draft = begin("tiltyard", folder, "");
      read_tiltyard(origin_, folder, instance, draft);
      drafts_.push_back(std::move(draft));
      return true;
    }
    static const Format kToml{"whaley", is_whaley, read_whaley};
    if (instance) said.push_back({&kToml, std::move(*instance)});
    if (said.empty()) return false;
    // What says the contest counts first; a bare machine, as kCTF's, only says what is started.
    std::ranges::sort(said, {}, [](const Said& one) { return std::pair(rank(*one.format), one.document.path); });
    auto draft = read(said.front(), folder);
    for (std::size_t i = 1; i < said.size(); ++i) join(draft, read(said[i], folder), said[i]);
    finish(draft);
    drafts_.push_back(std::move(draft));
    return true;
  }

  static int rank(const Format& format) {
    constexpr std::array<std::string_view, 5> kRanks{"ctfcli", "rctf", "whaley", "klodd", "kctf"};
    return static_cast<int>(std::ranges::find(kRanks, std::string_view(format.name)) - kRanks.begin());
  }

  Draft read(const Said& said, const std::string& folder) {
    auto draft = begin(said.format->name, folder, leaf(said.document.path));
    said.format->read(said.document, origin_, draft);
    return draft;
  }

  /// A second format in one folder: the first one counts, and what it does not say is taken from the other.
  static void join(Draft& draft, Draft other, const Said& said) {
    const auto place = templates::place_of(said.document.path);
    draft.descriptors.push_back(leaf(said.document.path));
    if (other.format == draft.format) {
      return draft.refuse(
          place,
          fmt::format("a second challenge of the format {} in one folder; give it one of its own", other.format));
    }
    std::string took;
    if (!draft.machines.any() && other.machines.any()) {
      auto settings = std::move(draft.machines.settings);
      draft.machines = std::move(other.machines);
      for (auto& [key, value] : settings) setting(draft, key, value);
      took = "what starts";
    }
    if (draft.challenge.flags.empty() && !other.challenge.flags.empty()) {
      draft.challenge.flags = std::move(other.challenge.flags);
      took += took.empty() ? "its flags" : " and its flags";
    }
    draft.changed(place, took.empty()
                             ? fmt::format("the folder is a {} challenge, too; {} counts", other.format, draft.format)
                             : fmt::format("the folder is a {} challenge, too; {} counts, and from here is {}",
                                           other.format, draft.format, took));
    std::ranges::move(other.notes, std::back_inserter(draft.notes));
  }

  void finish(Draft& draft) {
    if (draft.machines.any()) {
      const auto compose = compose_files(origin_, draft.folder);
      if (draft.machines.compose.empty() && !compose.empty()) {
        draft.changed(templates::place_of(joined(draft.folder, compose.front())),
                      fmt::format("not used: {} says what starts", draft.format));
      }
    } else if (start_what_lies_there(origin_, draft)) {
      const auto file = draft.machines.compose.empty() ? "Dockerfile" : draft.machines.compose.front();
      draft.changed(templates::place_of(joined(draft.folder, file)), "what starts is taken from here");
      if (draft.machines.compose.empty()) ways_from_dockerfile(origin_, draft, ".", "", "");
    }
    if (draft.challenge.name.empty()) draft.challenge.name = draft.title;
    category_of_folder(draft);
  }

  /// web/login is of the category web, where nobody says another.
  static void category_of_folder(Draft& draft) {
    constexpr std::array<std::string_view, 12> kCategories{"web",    "pwn",        "rev",      "crypto",
                                                           "misc",   "forensics",  "osint",    "reversing",
                                                           "binary", "blockchain", "hardware", "stego"};
    const auto above = lower(leaf(parent(draft.folder)));
    if (draft.challenge.category == "misc" && std::ranges::find(kCategories, above) != kCategories.end())
      draft.challenge.category = above;
  }

  void bare_compose(const std::string& folder, const std::vector<std::string>& files, bool others_below) {
    const auto place = templates::place_of(joined(folder, files.front()));
    if (others_below) {
      notes_.push_back(
          {Note::Kind::kUnavailable, place.file(), 0, "passed over: the folders below are challenges of their own"});
      return;
    }
    auto draft = begin("compose", folder, "");
    draft.machines.compose = files;
    draft.challenge.own_flags = true;
    for (const auto& file : files) draft.taken(templates::place_of(joined(folder, file)), "services");
    finish(draft);
    drafts_.push_back(std::move(draft));
  }

  void bare_build(const std::string& folder) {
    auto draft = begin("dockerfile", folder, "");
    draft.challenge.own_flags = true;
    start_build(origin_, draft, ".");
    ways_from_dockerfile(origin_, draft, ".", "", "");
    finish(draft);
    builds_.push_back(std::move(draft));
  }

  const Origin& origin_;
  std::vector<Note>& notes_;
  std::vector<Draft> drafts_, builds_;
  std::vector<std::string> passed_;  ///< folders with a Dockerfile alone that are not taken
  int folders_ = 0;
  bool told_ = false;
};

}  // namespace

std::vector<Draft> find_challenges(const Origin& origin, std::vector<Note>& notes) {
  return Finder(origin, notes).find();
}

}  // namespace tiltyard::imports
