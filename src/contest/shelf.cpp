#include "contest/shelf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "observe/log.h"

namespace tiltyard::contest {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMost = 2000;
constexpr std::uintmax_t kLargestFile = 1 << 20;

/// What the catalogue knows of a template, for a thread that must not ask it.
struct Listed {
  std::string id, name, category, description, folder;
  bool own_flags = false;
};

struct Read {
  Challenges all;
  std::string signature;
};

/// What tells one state of a file from another without reading it.
std::string stamp_of(const fs::path& file) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) return {};
  return fmt::format("{}:{}:{}.{}", facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

std::optional<std::string> content_of(const fs::path& file) {
  std::error_code failed;
  if (fs::file_size(file, failed) > kLargestFile || failed) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::optional<TimePoint> time_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto time = parse_rfc3339(text);
  return time ? std::optional(*time) : std::nullopt;
}

imports::ReadChallenge read_file(const fs::path& file, const std::string& name) {
  if (const auto text = content_of(file)) return imports::read_challenge(*text, name);
  imports::ReadChallenge out;
  out.challenge.name = name;
  out.problems.push_back({templates::Problem::Severity::kError, imports::kChallengeFile, 0,
                          fmt::format("it cannot be read, or has more than {} KiB", kLargestFile >> 10)});
  return out;
}

ChallengeRef challenge_of(const std::string& id, const fs::path& folder, const Listed* tmpl, std::int64_t points) {
  imports::ReadChallenge read;
  const auto file = folder / imports::kChallengeFile;
  if (!tmpl || !stamp_of(file).empty()) {
    read = read_file(file, tmpl ? tmpl->name : id);
  } else {
    read.challenge.name = tmpl->name;
    if (!tmpl->category.empty()) read.challenge.category = tmpl->category;
    read.challenge.description = tmpl->description;
  }
  // Beside a template a file that names no flag means the owner's own.
  if (tmpl && tmpl->own_flags && read.challenge.flags.empty()) read.challenge.own_flags = true;
  auto challenge = std::make_shared<Challenge>(id, std::move(read.challenge), folder.string());
  challenge->problems = std::move(read.problems);
  if (tmpl) challenge->tmpl = TemplateId(tmpl->id);
  challenge->opens = time_of(challenge->content.opens);
  challenge->closes = time_of(challenge->content.closes);
  if (challenge->content.value) challenge->value = *challenge->content.value;
  else challenge->value.initial = points;
  return challenge;
}

Read read_all(const std::string& root, const std::vector<Listed>& listed, const Challenges& known,
              const std::string& signature, std::int64_t points) {
  Read out;
  std::vector<std::tuple<std::string, fs::path, const Listed*>> found;
  std::set<fs::path> templates;
  for (const auto& one : listed) {
    const fs::path folder(one.folder);
    templates.insert(folder);
    if (one.own_flags || !stamp_of(folder / imports::kChallengeFile).empty()) found.emplace_back(one.id, folder, &one);
  }
  std::error_code failed;
  for (fs::directory_iterator entries(root, failed), end; !failed && entries != end && found.size() < kMost;
       entries.increment(failed)) {
    const auto path = fs::absolute(entries->path());
    if (path.filename().string().starts_with('.') || templates.contains(path)) continue;
    if (templates::starts_nothing(path.string()))
      found.emplace_back(templates::id_of_folder(path.filename().string()), path, nullptr);
  }
  std::ranges::sort(found, {}, [](const auto& one) { return std::get<0>(one); });
  for (const auto& [id, folder, tmpl] : found) {
    out.signature += fmt::format("{}\n{}\n{}\n", id, folder.string(), stamp_of(folder / imports::kChallengeFile));
    if (tmpl)
      out.signature += fmt::format("{}\n{}\n{}\n{}\n", tmpl->name, tmpl->category, tmpl->description, tmpl->own_flags);
  }
  if (out.signature == signature) {
    out.all = known;
    return out;
  }
  // A folder without machines never takes the id of a template.
  for (const bool startable : {true, false}) {
    for (const auto& [id, folder, tmpl] : found) {
      if ((tmpl != nullptr) == startable && !out.all.contains(id))
        out.all.emplace(id, challenge_of(id, folder, tmpl, points));
    }
  }
  return out;
}

}  // namespace

bool Challenge::broken() const {
  return std::ranges::any_of(problems, [](const templates::Problem& problem) {
    return problem.severity == templates::Problem::Severity::kError;
  });
}

asio::awaitable<bool> Shelf::look() {
  std::vector<Listed> listed;
  for (const auto& entry : catalogue_.list()) {
    const auto& tmpl = *entry.tmpl;
    listed.push_back({tmpl.id.str(), tmpl.name, tmpl.category, tmpl.description, tmpl.folder, tmpl.dynamic_flags});
  }
  auto work = [root = folder_, listed = std::move(listed), known = all_, before = signature_, points = usual_points_] {
    return read_all(root, listed, known, before, points);
  };
  auto read = co_await offload(files_, std::move(work));
  if (read.signature == signature_) co_return false;
  signature_ = std::move(read.signature);
  all_ = std::move(read.all);
  for (const auto& [id, challenge] : all_) {
    if (challenge->broken())
      log::warn("contest", "a challenge cannot be used; see: tiltyard challenges lint FOLDER",
                {{"challenge", id}, {"folder", challenge->folder}, {"problem", challenge->problems.front().message}});
  }
  co_return true;
}

ChallengeRef Shelf::find(std::string_view id) const {
  const auto found = all_.find(id);
  return found == all_.end() ? nullptr : found->second;
}

std::optional<int> open_below(const std::string& folder, const std::string& path) {
  const int at = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return std::nullopt;
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto opened = static_cast<int>(::syscall(SYS_openat2, at, path.c_str(), &how, sizeof(how)));
  ::close(at);
  if (opened < 0) return std::nullopt;
  struct stat facts{};
  if (::fstat(opened, &facts) == 0 && S_ISREG(facts.st_mode)) return opened;
  ::close(opened);
  return std::nullopt;
}

}  // namespace tiltyard::contest
