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
#include <fstream>
#include <sstream>
#include <vector>

#include "engine/docker/ignore.h"

namespace tiltyard::engine::docker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 256 * 1024;
constexpr char kOwnDockerfile[] = ".dockerfile.tiltyard";

std::unexpected<Error> refuse(std::string message, std::string cause = {}) {
  return fail(Code::kInvalid, "build-failed", std::move(message), std::move(cause));
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Whether a link at `link` (relative to the context) that points to `target` stays inside the context.
bool stays_inside(const fs::path& link, const fs::path& target) {
  if (target.is_absolute()) return false;
  int depth = 0;
  for (const auto& part : (link.parent_path() / target)) {
    if (part == ".." && --depth < 0) return false;
    if (part != ".." && part != "." && !part.empty()) ++depth;
  }
  return true;
}

struct Entry {
  std::string path;
  std::string text;  ///< content that is not on disk
  bool from_text = false;
};

}  // namespace

struct BuildContext::State {
  fs::path root;
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

  Result<> collect(const Ignore& ignore, const std::string& keep);
  Result<> begin();
  Result<> begin_entry();
  Result<> send_some();
  Result<> add_text(const Entry& entry);
};

Result<> BuildContext::State::collect(const Ignore& ignore, const std::string& keep) {
  std::error_code failed;
  fs::recursive_directory_iterator walk(root, fs::directory_options::none, failed);
  if (failed) return refuse("The build context cannot be read.", root.string() + ": " + failed.message());
  for (; walk != fs::recursive_directory_iterator(); walk.increment(failed)) {
    if (failed) return refuse("The build context cannot be read.", failed.message());
    const std::string path = walk->path().lexically_relative(root).generic_string();
    const bool folder = walk->is_directory(failed) && !walk->is_symlink(failed);
    if (ignore.excludes(path) && path != keep && path != ".dockerignore") {
      if (folder && !ignore.has_exceptions() && !keep.starts_with(path + "/")) walk.disable_recursion_pending();
      // A folder that is excluded but may hold exceptions is made by the daemon when one of these comes.
      continue;
    }
    if (walk->is_symlink(failed)) {
      const fs::path target = fs::read_symlink(walk->path(), failed);
      if (failed || !stays_inside(path, target))
        return refuse("The symbolic link " + path + " leaves the build context.");
    } else if (!folder && !walk->is_regular_file(failed)) {
      return refuse(path + " is neither a file nor a folder nor a symbolic link.");
    }
    entries.push_back({path, {}, false});
  }
  if (failed) return refuse("The build context cannot be read.", failed.message());
  std::ranges::sort(entries, {}, &Entry::path);
  return {};
}

Result<> BuildContext::State::begin() {
  writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_set_bytes_per_block(writer, 0);
  auto take = [](archive*, void* self, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<State*>(self)->out.append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  if (archive_write_open(writer, this, nullptr, take, nullptr) == ARCHIVE_OK) return {};
  return refuse("The build context cannot be packed.", archive_error_string(writer));
}

Result<> BuildContext::State::add_text(const Entry& entry) {
  archive_entry* header = archive_entry_new();
  archive_entry_set_pathname(header, entry.path.c_str());
  archive_entry_set_filetype(header, AE_IFREG);
  archive_entry_set_perm(header, 0644);
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
  const std::string path = (root / entry.path).string();
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
  if (S_ISLNK(facts.st_mode) && !stays_inside(entry.path, target)) {
    return refuse("The symbolic link " + entry.path + " leaves the build context.");
  }
  if (S_ISREG(facts.st_mode)) {
    file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || ::fstat(file, &facts) != 0) {
      return refuse("The file " + entry.path + " of the build context cannot be read.", std::strerror(errno));
    }
    left = facts.st_size;
  }
  archive_entry* header = archive_entry_new();
  archive_entry_set_pathname(header, entry.path.c_str());
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
  const std::string own = spec.dockerfile_text.empty() ? std::string() : kOwnDockerfile;
  state->dockerfile = own.empty() ? fs::path(spec.dockerfile).lexically_normal().generic_string() : own;
  if (own.empty() && !fs::is_regular_file(state->root / state->dockerfile, failed)) {
    return refuse("There is no " + state->dockerfile + " in the build context.");
  }
  if (own.empty() && !stays_inside(state->dockerfile, "."))
    return refuse("The Dockerfile lies outside the build context.");
  const std::string ignored = read_file(state->root / ".dockerignore");
  auto collected = state->collect(Ignore(ignored), state->dockerfile);
  if (!collected) return fail(std::move(collected.error()));
  if (!own.empty()) {
    // The daemon takes what .dockerignore names out again once it has read it, so that no COPY sees our own file.
    std::erase_if(state->entries,
                  [](const Entry& entry) { return entry.path == ".dockerignore" || entry.path == kOwnDockerfile; });
    state->entries.push_back({own, spec.dockerfile_text, true});
    state->entries.push_back({".dockerignore", ignored + "\n" + kOwnDockerfile + "\n", true});
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
