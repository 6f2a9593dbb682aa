// import, and challenges lint. Neither needs a server.
#include <fmt/core.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "base/text.h"
#include "cli/words.h"
#include "imports/capability.h"
#include "imports/challenge.h"
#include "imports/ids.h"
#include "imports/import.h"

namespace tiltyard::imports {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;

struct Asked {
  std::string path, into;
  bool dry = false, replace = false, keep_broken = false, watch = false;
  std::string max_file = "1g", max_size = "4g";
};

/// "64k", "1g"; -1: no size.
std::int64_t size_of(const std::string& text) {
  std::size_t used = 0;
  std::int64_t number = 0;
  try {
    number = std::stoll(text, &used);
  } catch (const std::exception&) { return -1; }
  const auto unit = lower(text.substr(used));
  const int shift = unit.empty() || unit == "b" ? 0 : unit == "k" ? 10 : unit == "m" ? 20 : unit == "g" ? 30 : -1;
  return shift < 0 || number <= 0 || number > (std::int64_t{1} << 30) ? -1 : number << shift;
}

/// Changes with anything below the path: names, sizes, times.
std::string look_of(const std::string& path) {
  std::string out;
  const auto add = [&out](const fs::path& one) {
    struct stat info{};
    if (::lstat(one.c_str(), &info) != 0) return;
    out = digest(fmt::format("{}{}|{}|{}|{}.{}|{}", out, one.string(), info.st_ino, info.st_size, info.st_mtim.tv_sec,
                             info.st_mtim.tv_nsec, info.st_mode));
  };
  add(path);
  std::error_code failure;
  for (fs::recursive_directory_iterator at(path, failure), end; !failure && at != end; at.increment(failure)) {
    const auto name = at->path().filename();
    if (name == ".git" || name.string().starts_with(".import")) at.disable_recursion_pending();
    else add(at->path());
  }
  return out;
}

/// Whether anything happens below a folder (inotify(7)). Nothing is told of file systems that others change too, and
/// only so many folders are watched: there the wait ends by itself, sooner or later.
class Watched {
 public:
  explicit Watched(const std::string& path)
      : folder_(fs::is_directory(path) ? fs::path(path) : fs::absolute(path).parent_path()),
        events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}
  ~Watched() {
    if (events_ >= 0) ::close(events_);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  /// Folders that are watched already stay so. What is looked at after this and before `wait` is not missed.
  void arm() {
    told_ = add(folder_);
    std::error_code failure;
    for (fs::recursive_directory_iterator at(folder_, failure), end; !failure && at != end && told_;
         at.increment(failure)) {
      if (at->is_symlink(failure) || !at->is_directory(failure)) continue;
      if (at->path().filename() == ".git") at.disable_recursion_pending();
      else told_ = add(at->path());
    }
  }

  void wait() const {
    pollfd asked{events_, POLLIN, 0};
    ::poll(&asked, 1, told_ ? 10'000 : 500);
    char dropped[4096];
    while (::read(events_, dropped, sizeof dropped) > 0) {}
  }

 private:
  /// A folder that is gone again is none.
  bool add(const fs::path& folder) const {
    constexpr std::uint32_t kAll = IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                   IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    return ::inotify_add_watch(events_, folder.c_str(), kAll) >= 0 || errno == ENOENT || errno == ENOTDIR;
  }

  fs::path folder_;
  int events_;
  bool told_ = false;
};

/// Waits until something below the path is another than it was, and then until it stays as it is.
void wait_for_change(const std::string& path, Watched& watched, std::string& look) {
  using namespace std::chrono_literals;
  while (true) {
    watched.arm();
    const auto now = look_of(path);
    if (now == look) {
      watched.wait();
      continue;
    }
    std::this_thread::sleep_for(200ms);
    if (look_of(path) != now) continue;
    look = now;
    return;
  }
}

int show(const Context& context, Report report, bool again) {
  const int refused = report.refused();
  if (again) std::erase_if(report.items, [](const Item& item) { return item.state == Item::State::kSame; });
  if (context.json) print_json(report_json(report));
  else print(report_text(report));
  return refused > 0 ? kFailed : kOk;
}

int import(Context& context, const templates::Options& site, const Asked& asked) {
  if (const auto good = context.configure(); !good) return complain(context, good.error());
  ImportOptions options;
  options.into = asked.into.empty() ? site.path : asked.into;
  options.dry = asked.dry;
  options.replace = asked.replace;
  options.keep_broken = asked.keep_broken;
  options.templates = site;
  options.sizes.file = size_of(asked.max_file);
  options.sizes.all = size_of(asked.max_size);
  if (options.sizes.file < 0 || options.sizes.all < 0) {
    note("tiltyard: --max-file and --max-size take sizes like 512m or 2g.");
    return kUsage;
  }
  const auto watched = asked.watch ? std::make_unique<Watched>(asked.path) : nullptr;
  auto look = asked.watch ? look_of(asked.path) : std::string{};
  for (bool again = false;; again = true) {
    auto report = import_challenges(asked.path, options);
    if (!report && !again) return complain(context, report.error());
    const int code = report ? show(context, std::move(*report), again) : complain(context, report.error());
    if (!asked.watch) return code;
    wait_for_change(asked.path, *watched, look);
  }
}

int lint_challenges(const Context& context, const std::vector<std::string>& paths) {
  int errors = 0;
  json::array items;
  for (const auto& path : paths) {
    const auto file = fs::is_directory(path) ? fs::path(path) / kChallengeFile : fs::path(path);
    std::ifstream in(file, std::ios::binary);
    if (!in) {
      note(fmt::format("tiltyard: {} cannot be read. Name a {}, or the folder that has one.", file.string(),
                       kChallengeFile));
      return kNotFound;
    }
    std::stringstream text;
    text << in.rdbuf();
    for (const auto& problem :
         read_challenge(text.str(), fs::absolute(file).parent_path().filename().string()).problems) {
      ++errors;
      if (context.json)
        items.push_back(json::object{{"file", file.string()}, {"line", problem.line}, {"message", problem.message}});
      else
        print(fmt::format("{}:{}: {}: {}\n", harmless(file.string()), problem.line,
                          painted("error", Colour::kRed, context.colours), harmless(problem.message)));
    }
  }
  if (context.json) print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
  else
    note(fmt::format("{} challenge{}: {} error{}", paths.size(), paths.size() == 1 ? "" : "s", errors,
                     errors == 1 ? "" : "s"));
  return errors == 0 ? kOk : kFailed;
}

}  // namespace

void Capability::words(Words& words) {
  auto* c = &words.context;
  auto* word = words.add("import", "Bring challenges of other systems into the templates folder, without a server");
  auto asked = std::make_shared<Asked>();
  word->add_option("path", asked->path, "A challenge's folder, a whole event's, or an export as a zip archive")
      ->required()
      ->type_name("");
  word->add_option("--into", asked->into, "The folder of template folders; else that of the configuration")
      ->type_name("FOLDER");
  word->add_flag("--dry-run", asked->dry, "Only the report; nothing is written");
  word->add_flag("--watch", asked->watch, "Stay, and import again whatever changes");
  word->add_flag("--replace", asked->replace, "Also what was changed by hand, or came from elsewhere");
  word->add_flag("--keep-broken", asked->keep_broken,
                 "Also write templates that cannot be started, to mend them by hand");
  word->add_option("--max-file", asked->max_file, "What one file may have at most; 1g unless said")->type_name("SIZE");
  word->add_option("--max-size", asked->max_size, "What a challenge, or an archive, may have at most; 4g unless said")
      ->type_name("SIZE");
  words.does(word, [this, c, asked] { return import(*c, templates_.options(), *asked); });
  auto* challenges = words.add("challenges", "What the contest knows of challenges");
  challenges->require_subcommand(1);
  auto* lint = challenges->add_subcommand("lint", "Check challenge.toml files without a server");
  auto paths = std::make_shared<std::vector<std::string>>();
  lint->add_option("path", *paths, "Files, or folders that have one")->required()->type_name("");
  words.does(lint, [c, paths] { return lint_challenges(*c, *paths); });
  words.advise("import-unreadable", "Name a folder or a zip archive: tiltyard import FOLDER");
}

}  // namespace tiltyard::imports
