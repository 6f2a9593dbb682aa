#include "imports/build.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cli/terminal_text.h"
#include "imports/challenge.h"
#include "imports/keys.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// The bytes of a file: shared with the original where the file system can, else without its holes.
bool copy_bytes(int from, int to, off_t size) {
  if (::ioctl(to, FICLONE, from) == 0) return true;
  if (::ftruncate(to, size) != 0) return false;
  for (off_t at = 0; at < size;) {
    auto begin = ::lseek(from, at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return true;
    if (begin < 0) begin = at;
    auto end = ::lseek(from, begin, SEEK_HOLE);
    if (end < 0) end = size;
    if (::lseek(from, begin, SEEK_SET) < 0 || ::lseek(to, begin, SEEK_SET) < 0) return false;
    for (off_t left = end - begin; left > 0;) {
      char piece[65536];
      const auto got = ::read(from, piece, std::min<std::size_t>(sizeof piece, static_cast<std::size_t>(left)));
      if (got <= 0 || ::write(to, piece, static_cast<std::size_t>(got)) != got) return false;
      left -= got;
    }
    at = end;
  }
  return true;
}

class Builder {
 public:
  Builder(const Origin& origin, Draft& draft, std::string id, fs::path folder, const Sizes& sizes)
      : origin_(origin), draft_(draft), id_(std::move(id)), folder_(std::move(folder)), sizes_(sizes) {}

  void build() {
    fs::create_directories(folder_, failure_);
    if (draft_.as_is) {
      copy_folder(draft_.folder, "", true);
      return;
    }
    if (draft_.machines.need_sources()) copy_folder(draft_.folder, "source", true);
    for (const auto& copy : draft_.copies) copy_file(copy.from, copy.to);
    for (const auto& [path, text] : draft_.machines.files) write(path, text);
    write(kChallengeFile, write_challenge(draft_.challenge, fmt::format("{} ({})", draft_.source, draft_.format)));
    if (!draft_.machines.any()) return;
    write("compose.yaml", compose());
    write("instance.toml", instance());
  }

 private:
  void refuse(const std::string& file, std::string why) { draft_.refuse(templates::place_of(file), std::move(why)); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path(), failure_);
    std::ofstream out(folder_ / path, std::ios::binary);
    out << text;
    out.close();
    if (!out) refuse({}, fmt::format("{} cannot be written: {}", path, std::strerror(errno)));
  }

  bool is_descriptor(const std::string& name) const {
    return std::ranges::find(draft_.descriptors, name) != draft_.descriptors.end();
  }

  void copy_folder(const std::string& from, const std::string& to, bool top) {
    fs::create_directories(folder_ / to, failure_);
    for (const auto& entry : origin_.list(from)) {
      if (draft_.refused()) return;
      const auto path = joined(from, entry.name), target = joined(to, entry.name);
      if (top && is_descriptor(entry.name)) continue;
      if (entry.name == ".git" || entry.name == ".hg" || entry.name == ".svn") continue;
      if (entry.kind == Origin::Entry::Kind::kFolder) copy_folder(path, target, false);
      else if (entry.kind == Origin::Entry::Kind::kLink) copy_link(path, target);
      else if (entry.kind == Origin::Entry::Kind::kFile) copy_file(path, target);
      else draft_.cannot(templates::place_of(path), "neither a file nor a folder nor a link: left out");
    }
  }

  /// As it is: it is data for the image. What reads a template follows none that leads out of it.
  void copy_link(const std::string& from, const std::string& to) {
    const Descriptor folder(origin_.open(parent(from), O_RDONLY | O_DIRECTORY));
    char target[4096];
    const auto length = ::readlinkat(folder.get(), leaf(from).c_str(), target, sizeof target);
    if (length <= 0) return refuse(from, std::strerror(errno));
    fs::create_symlink(std::string(target, static_cast<std::size_t>(length)), folder_ / to, failure_);
    if (failure_) refuse(from, failure_.message());
  }

  void copy_file(const std::string& from, const std::string& to) {
    const Descriptor source(origin_.open(from, O_RDONLY));
    struct stat info{};
    if (source.get() < 0 || ::fstat(source.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return refuse(from, fmt::format("cannot be read: {}", std::strerror(errno)));
    if (info.st_size > sizes_.file) {
      return refuse(
          from, fmt::format("{}, more than --max-file, {}", cli::bytes_text(static_cast<std::uint64_t>(info.st_size)),
                            cli::bytes_text(static_cast<std::uint64_t>(sizes_.file))));
    }
    bytes_ += info.st_size;
    if (bytes_ > sizes_.all) {
      return refuse(from, fmt::format("the challenge's files are more than --max-size, {}",
                                      cli::bytes_text(static_cast<std::uint64_t>(sizes_.all))));
    }
    if (++files_ > sizes_.files) return refuse(from, fmt::format("the challenge has more than {} files", sizes_.files));
    if ((info.st_mode & 06000) != 0)
      draft_.changed(templates::place_of(from), "its set-user-ID bit is left out; set it in the Dockerfile");
    const auto target = folder_ / to;
    fs::create_directories(target.parent_path(), failure_);
    const Descriptor out(::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (out.get() < 0 || !copy_bytes(source.get(), out.get(), info.st_size) ||
        ::fchmod(out.get(), info.st_mode & 0777) != 0)
      return refuse(from, fmt::format("cannot be copied: {}", std::strerror(errno)));
  }

  std::string first_line(const char* what) const {
    return fmt::format("# {}, from {} ({}).\n", what, draft_.source, draft_.format);
  }

  std::string compose() const {
    const auto& machines = draft_.machines;
    if (machines.compose.empty()) return first_line("What is started") + yaml_text(machines.made);
    std::vector<Node> paths;
    for (const auto& file : machines.compose) paths.push_back(scalar("source/" + file));
    return first_line("What is started") +
           yaml_text(map_of({{"include", list_of({map_of({{"path", list_of(std::move(paths))}})})}}));
  }

  std::string instance() const {
    const auto& challenge = draft_.challenge;
    std::string out = first_line("How it is started");
    const auto line = [&](std::string_view key, const std::string& value) {
      fmt::format_to(std::back_inserter(out), "{} = {}\n", key, value);
    };
    line("id", toml_text(id_));
    line("name", toml_text(challenge.name));
    line("category", toml_text(challenge.category));
    if (!challenge.description.empty()) line("description", toml_text(beginning(challenge.description)));
    for (const auto& [key, value] : draft_.machines.settings) line(key, value);
    const bool bare = std::ranges::all_of(draft_.machines.ways, [](const Way& way) { return way.machine.empty(); });
    if (bare && !draft_.machines.ways.empty()) {
      std::string ports;
      for (const auto& way : draft_.machines.ways) ports += fmt::format("{}{}", ports.empty() ? "" : ", ", way.port);
      line("ports", "[" + ports + "]");
    } else {
      for (const auto& way : draft_.machines.ways) {
        out += "\n[[endpoint]]\n";
        if (!way.machine.empty()) line("machine", toml_text(way.machine));
        line("port", std::to_string(way.port));
        if (!way.kind.empty()) line("kind", toml_text(way.kind));
      }
    }
    if (!draft_.machines.flag.empty()) out += "\n[flag]\n";
    for (const auto& [key, value] : draft_.machines.flag) line(key, value);
    return out;
  }

  /// instance.toml takes 8000 bytes; all of it stands in challenge.toml.
  static std::string beginning(const std::string& text) {
    constexpr std::size_t kMost = 7000;
    if (text.size() <= kMost) return text;
    auto end = kMost;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end) + "…";
  }

  const Origin& origin_;
  Draft& draft_;
  std::string id_;
  fs::path folder_;
  const Sizes& sizes_;
  std::error_code failure_;
  std::int64_t bytes_ = 0;
  std::size_t files_ = 0;
};

}  // namespace

void build_result(const Origin& origin, Draft& draft, const std::string& id, const std::string& folder,
                  const Sizes& sizes) {
  Builder(origin, draft, id, folder, sizes).build();
}

}  // namespace tiltyard::imports
