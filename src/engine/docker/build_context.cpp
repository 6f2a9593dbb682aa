#include "engine/docker/build_context.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "engine/ignore.h"
#include "engine/reasons.h"

namespace tiltyard::engine::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 256 * 1024;
constexpr off_t kLargestDockerfile = 1024 * 1024;
constexpr char kOwnDockerfile[] = ".dockerfile.tiltyard", kIgnoreFile[] = ".dockerignore";

std::unexpected<Error> refuse(std::string message, std::string cause = {}) {
  return fail(Code::kInvalid, reason::kBuildFailed, std::move(message), std::move(cause));
}

/// The Dockerfile itself is read by us where the daemon would not find it in what is sent: one that is left out, or a
/// link. It may lead anywhere inside the context, and nowhere else.
Result<std::string> read_dockerfile(const fs::path& root, const std::string& name) {
  std::error_code failed;
  const fs::path real = fs::canonical(root / name, failed);
  if (failed) return refuse("There is no " + name + " in the build context.");
  if (!real.generic_string().starts_with(root.generic_string() + "/"))
    return refuse("The Dockerfile lies outside the build context.");
  const int fd = ::open(real.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat facts{};
  const bool fine =
      fd >= 0 && ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size <= kLargestDockerfile;
  std::string text(fine ? static_cast<std::size_t>(facts.st_size) : 0, '\0');
  const auto got = fine ? ::read(fd, text.data(), text.size()) : -1;
  if (fd >= 0) ::close(fd);
  if (got != static_cast<ssize_t>(text.size())) return refuse("The " + name + " of the build context cannot be read.");
  return text;
}

struct Entry {
  std::string path;
  std::string text;  ///< content that is not on disk
  bool from_text = false;
  int mode = 0644;         ///< of such a text
  fs::path root = {};      ///< what `path` is below, where that is not the context
  std::string below = {};  ///< and the folder in the stream that it goes into, with a slash
};

}  // namespace

struct BuildContext::State {
  fs::path root;
  std::string below;  ///< the folder in the stream that holds the context, with a slash; or empty
  std::string dockerfile;
  std::vector<Entry> entries;
  std::size_t at = 0;
  archive* writer = nullptr;
  std::string out;
  int file = -1;          ///< the file whose content is being sent
  std::int64_t left = 0;  ///< bytes of it
  bool finished = false;

  ~State() {
    if (file >= 0) ::close(file);
    if (writer) archive_write_free(writer);
  }

  Result<> collect(const fs::path& from, const std::string& into, const Ignore& ignore);
  Result<> collect_named(const BuildSpec& spec);
  void hide(std::string text, const std::string& ignored);
  void send_beside(const BuildSpec& spec);
  Result<> begin();
  Result<> begin_entry();
  Result<> send_some();
  Result<> add_text(const Entry& entry);
};

/// `into` empty: the context itself.
Result<> BuildContext::State::collect(const fs::path& from, const std::string& into, const Ignore& ignore) {
  std::error_code failed;
  fs::recursive_directory_iterator walk(from, fs::directory_options::none, failed);
  if (failed) return refuse("The build context cannot be read.", from.string() + ": " + failed.message());
  const auto first = static_cast<std::ptrdiff_t>(entries.size());
  // The folder itself, which is there even when nothing is in it.
  if (!into.empty()) entries.push_back({.path = "", .root = from, .below = into});
  for (; walk != fs::recursive_directory_iterator(); walk.increment(failed)) {
    if (failed) return refuse("The build context cannot be read.", failed.message());
    const std::string path = walk->path().lexically_relative(from).generic_string();
    const bool link = walk->is_symlink(failed);
    const bool folder = !link && walk->is_directory(failed);
    if (ignore.excludes(path)) {
      if (folder && !ignore.has_exceptions()) walk.disable_recursion_pending();
      // A folder that is excluded but may hold exceptions is made by the daemon when one of these comes.
      continue;
    }
    if (!link && !folder && !walk->is_regular_file(failed))
      return refuse(path + " is neither a file nor a folder nor a symbolic link.");
    if (into.empty()) entries.push_back({path, {}});
    else entries.push_back({.path = path, .root = from, .below = into});
  }
  if (failed) return refuse("The build context cannot be read.", failed.message());
  std::ranges::sort(entries.begin() + first, entries.end(), {}, &Entry::path);
  return {};
}

/// The folders that have names of their own, each with its own ignore file.
Result<> BuildContext::State::collect_named(const BuildSpec& spec) {
  for (const auto& [name, folder] : spec.contexts) {
    if (!folder.starts_with('/')) continue;
    std::error_code failed;
    const fs::path from = fs::canonical(folder, failed);
    if (failed) return refuse("There is no folder " + folder + " to build with.");
    const auto ignored = read_ignore_text(named_context(folder));
    if (!ignored) return refuse("The ignore file of " + name + " cannot be read.", ignored.error());
    const Ignore ignore(*ignored);
    if (!ignore.fault().empty()) return refuse("The .dockerignore of " + name + " is refused, " + ignore.fault() + ".");
    auto collected = collect(from, named_folder(name) + "/", ignore);
    if (!collected) return collected;
  }
  return {};
}

/// Sends `text` as the Dockerfile under a name of its own. The daemon takes what .dockerignore names out again once it
/// has read it, so that no COPY sees it; nor that file, unless it is part of the context anyway.
void BuildContext::State::hide(std::string text, const std::string& ignored) {
  std::erase_if(entries, [](const Entry& entry) { return entry.path == kOwnDockerfile; });
  const bool shown = std::erase_if(entries, [](const Entry& entry) { return entry.path == kIgnoreFile; }) > 0;
  std::string names = shown ? ignored : std::string(kIgnoreFile);
  names += std::string("\n") + kOwnDockerfile + "\n";
  entries.push_back({kIgnoreFile, std::move(names), true});
  entries.push_back({kOwnDockerfile, std::move(text), true});
  dockerfile = kOwnDockerfile;
}

/// The context in a folder of its own, which is there even when nothing is in it; beside it the Dockerfile and texts.
void BuildContext::State::send_beside(const BuildSpec& spec) {
  below = spec.below + "/";
  dockerfile = "Dockerfile";
  entries.push_back({dockerfile, spec.dockerfile_text, true});
  for (const auto& one : spec.texts) entries.push_back({one.path, one.text, true, one.mode});
}

Result<> BuildContext::State::begin() {
  writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_set_bytes_per_block(writer, 0);
  auto take = [](archive*, void* self, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<State*>(self)->out.append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  bool fine = archive_write_open(writer, this, nullptr, take, nullptr) == ARCHIVE_OK;
  if (fine && !below.empty()) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, below.c_str());
    archive_entry_set_filetype(header, AE_IFDIR);
    archive_entry_set_perm(header, 0755);
    fine = archive_write_header(writer, header) == ARCHIVE_OK;
    archive_entry_free(header);
  }
  if (fine) return {};
  return refuse("The build context cannot be packed.", archive_error_string(writer));
}

Result<> BuildContext::State::add_text(const Entry& entry) {
  archive_entry* header = archive_entry_new();
  archive_entry_set_pathname(header, entry.path.c_str());
  archive_entry_set_filetype(header, AE_IFREG);
  archive_entry_set_perm(header, static_cast<mode_t>(entry.mode));
  archive_entry_set_size(header, static_cast<la_int64_t>(entry.text.size()));
  const int status = archive_write_header(writer, header);
  archive_entry_free(header);
  if (status != ARCHIVE_OK || archive_write_data(writer, entry.text.data(), entry.text.size()) < 0) {
    return refuse("The build context cannot be packed.", archive_error_string(writer));
  }
  return {};
}

Result<> BuildContext::State::begin_entry() {
  const Entry& entry = entries[at++];
  if (entry.from_text) return add_text(entry);
  const std::string path = ((entry.root.empty() ? root : entry.root) / entry.path).string();
  // Opened without following a link, and looked at only through the descriptor: the folder may change under us.
  const int opened = ::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat facts{};
  if (opened < 0 || ::fstat(opened, &facts) != 0) {
    if (opened >= 0) ::close(opened);
    return refuse("The file " + entry.path + " of the build context cannot be read.", std::strerror(errno));
  }
  std::string target(S_ISLNK(facts.st_mode) ? 4096 : 0, '\0');
  if (S_ISLNK(facts.st_mode)) {
    const auto length = ::readlinkat(opened, "", target.data(), target.size());
    target.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  }
  ::close(opened);
  if (S_ISREG(facts.st_mode)) {
    file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || ::fstat(file, &facts) != 0) {
      return refuse("The file " + entry.path + " of the build context cannot be read.", std::strerror(errno));
    }
    left = facts.st_size;
  }
  archive_entry* header = archive_entry_new();
  archive_entry_set_pathname(header, ((entry.root.empty() ? below : entry.below) + entry.path).c_str());
  archive_entry_set_filetype(header, facts.st_mode & S_IFMT);
  archive_entry_set_perm(header, facts.st_mode & 07777);
  archive_entry_set_mtime(header, facts.st_mtim.tv_sec, 0);
  archive_entry_set_size(header, left);
  if (!target.empty()) archive_entry_set_symlink(header, target.c_str());
  const int status = archive_write_header(writer, header);
  archive_entry_free(header);
  if (status != ARCHIVE_OK) return refuse("The build context cannot be packed.", archive_error_string(writer));
  if (left == 0 && file >= 0) {
    ::close(file);
    file = -1;
  }
  return {};
}

Result<> BuildContext::State::send_some() {
  char buffer[64 * 1024];
  const auto got = ::read(file, buffer, std::min<std::size_t>(sizeof buffer, static_cast<std::size_t>(left)));
  if (got < 0 && errno == EINTR) return {};
  if (got <= 0) return refuse("A file of the build context changed while it was read.", entries[at - 1].path);
  if (archive_write_data(writer, buffer, static_cast<std::size_t>(got)) < 0) {
    return refuse("The build context cannot be packed.", archive_error_string(writer));
  }
  left -= got;
  if (left == 0) {
    ::close(file);
    file = -1;
  }
  return {};
}

BuildContext::BuildContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
BuildContext::~BuildContext() = default;

const std::string& BuildContext::dockerfile() const { return state_->dockerfile; }

Result<std::unique_ptr<BuildContext>> BuildContext::open(const BuildSpec& spec) {
  auto state = std::make_unique<State>();
  std::error_code failed;
  state->root = fs::canonical(spec.context, failed);
  if (failed || !fs::is_directory(state->root, failed))
    return refuse("There is no folder " + spec.context + " to build.");
  const auto ignored = read_ignore_text(spec);
  if (!ignored) return refuse("The ignore file of the build cannot be read.", ignored.error());
  const Ignore ignore(*ignored);
  if (!ignore.fault().empty()) return refuse("The .dockerignore is refused, " + ignore.fault() + ".");
  auto collected = state->collect(state->root, {}, ignore);
  if (!collected) return fail(std::move(collected.error()));
  if (!spec.below.empty()) {
    state->send_beside(spec);
    auto named = state->collect_named(spec);
    if (!named) return fail(std::move(named.error()));
    auto begun = state->begin();
    if (!begun) return fail(std::move(begun.error()));
    return std::unique_ptr<BuildContext>(new BuildContext(std::move(state)));
  }
  state->dockerfile = fs::path(spec.dockerfile).lexically_normal().generic_string();
  const auto listed = std::ranges::find(state->entries, state->dockerfile, &Entry::path);
  const bool sent = listed != state->entries.end() && !fs::is_symlink(state->root / state->dockerfile, failed);
  if (!spec.dockerfile_text.empty()) {
    state->hide(spec.dockerfile_text, *ignored);
  } else if (!sent) {
    auto text = read_dockerfile(state->root, state->dockerfile);
    if (!text) return fail(std::move(text.error()));
    state->hide(std::move(*text), *ignored);
  }
  auto begun = state->begin();
  if (!begun) return fail(std::move(begun.error()));
  return std::unique_ptr<BuildContext>(new BuildContext(std::move(state)));
}

Result<std::string> BuildContext::next() {
  State& state = *state_;
  while (state.out.size() < kPiece && !state.finished) {
    Result<> done;
    if (state.file >= 0) {
      done = state.send_some();
    } else if (state.at < state.entries.size()) {
      done = state.begin_entry();
    } else {
      archive_write_close(state.writer);
      state.finished = true;
    }
    if (!done) return fail(std::move(done.error()));
  }
  return std::exchange(state.out, {});
}

}  // namespace tiltyard::engine::docker
