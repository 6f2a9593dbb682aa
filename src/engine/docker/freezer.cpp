#include "engine/docker/freezer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>

namespace tiltyard::engine::docker {
namespace {

constexpr const char* kStandstills[] = {"/1", "/2"};

std::string read_text(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool has_word(std::string_view list, std::string_view word) {
  while (true) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == word) return true;
    if (comma == list.npos) return false;
    list.remove_prefix(comma + 1);
  }
}

/// Where the hierarchy is mounted ("device folder type options …"): that of the controller (v1), or the unified one.
std::string mount_of(const std::string& mounts, std::string_view controller, bool unified) {
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device, folder, type, options;
    words >> device >> folder >> type >> options;
    if (unified ? type == "cgroup2" : type == "cgroup" && has_word(options, controller)) return folder;
  }
  return {};
}

/// The container's group in that hierarchy. Lines are "number:controllers:path"; the unified one is "0::path".
std::string group_of(const std::string& groups, std::string_view controller, bool unified) {
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (unified ? controllers.empty() && line.starts_with("0:") : has_word(controllers, controller))
      return line.substr(second + 1);
  }
  return {};
}

/// The file of a container's group, named as in v1 and in v2, that may be used so (access(2)).
std::optional<std::string> group_file(const std::string& mounts, const std::string& groups,
                                      const std::string& engine_id, std::string_view controller,
                                      const std::string& name, const std::string& unified_name, int use) {
  if (engine_id.empty()) return std::nullopt;
  // Where both versions are mounted, the one that has the controller is what the daemon uses.
  for (const bool unified : {false, true}) {
    const auto mount = mount_of(mounts, controller, unified), group = group_of(groups, controller, unified);
    if (mount.empty() || group.find(engine_id) == group.npos || group.find("..") != group.npos) continue;
    auto file = mount + group + "/" + (unified ? unified_name : name);
    if (::access(file.c_str(), use) == 0) return file;
  }
  return std::nullopt;
}

/// False: it is not the 64 lower-case hexadecimal digits that Docker gives.
bool pack_id(const std::string& id, std::array<unsigned char, 32>& out) {
  if (id.size() != 2 * out.size() || id.find_first_not_of("0123456789abcdef") != id.npos) return false;
  for (std::size_t i = 0; i < out.size(); ++i) std::from_chars(id.data() + 2 * i, id.data() + 2 * i + 2, out[i], 16);
  return true;
}

}  // namespace

std::optional<std::string> freezer_file(const std::string& mounts, const std::string& groups,
                                        const std::string& engine_id) {
  return group_file(mounts, groups, engine_id, "freezer", "freezer.state", "cgroup.freeze", W_OK);
}

std::optional<std::string> processor_file(const std::string& mounts, const std::string& groups,
                                          const std::string& engine_id) {
  return group_file(mounts, groups, engine_id, "cpuacct", "cpuacct.usage", "cpu.stat", R_OK);
}

bool write_freezer(const std::string& file, bool frozen) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool unified = file.ends_with("cgroup.freeze");
  const std::string_view word = unified ? (frozen ? "1" : "0") : (frozen ? "FROZEN" : "THAWED");
  const auto written = ::write(fd, word.data(), word.size());
  ::close(fd);
  return written == static_cast<ssize_t>(word.size());
}

bool is_thawed(const std::string& file) {
  const std::string_view thawed = file.ends_with("cgroup.freeze") ? "0" : "THAWED";
  return !file.empty() && read_text(file).starts_with(thawed);
}

Freezers::Freezers(asio::any_io_executor executor, bool local) : local_(local), changed_(executor) {
  if (!local_) return;
  // Of a thousand machines' mounts none is a hierarchy.
  std::ifstream lines("/proc/self/mounts");
  for (std::string line; std::getline(lines, line);) {
    if (line.contains(" cgroup")) mounts_ += line + '\n';
  }
}

std::string Freezers::find(const std::string& name, const std::string& engine_id, std::int64_t pid) {
  files_.erase(name);
  if (!local_ || pid <= 0) return {};
  auto file = freezer_file(mounts_, read_text(fmt::format("/proc/{}/cgroup", pid)), engine_id);
  if (!file) return {};
  Place place;
  const bool packed = pack_id(engine_id, place.id);
  const auto at = packed ? file->rfind(engine_id) : std::string::npos;
  Form form{*file, {}, false};
  if (at != std::string::npos) form = {file->substr(0, at), file->substr(at + engine_id.size()), true};
  place.form = static_cast<std::size_t>(std::ranges::find(forms_, form) - forms_.begin());
  if (place.form == forms_.size()) forms_.push_back(std::move(form));
  files_.emplace(name, place);
  return *file;
}

std::string Freezers::known(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return {};
  const auto& [before, behind, with_id] = forms_[found->second.form];
  return with_id ? fmt::format("{}{:02x}{}", before, fmt::join(found->second.id, ""), behind) : before;
}

std::int64_t Freezers::process_here(const std::string& engine_id, std::int64_t pid) const {
  if (!local_ || pid <= 0 || engine_id.empty()) return 0;
  return read_text(fmt::format("/proc/{}/cgroup", pid)).contains(engine_id) ? pid : 0;
}

void Freezers::forget(const std::string& name) {
  files_.erase(name);
  thawed_.erase(name);
}

asio::awaitable<Freezers::Turn> Freezers::turn(std::string name) {
  while (having_turn_.contains(name)) co_await changed_.wait();
  having_turn_.insert(name);
  co_return Turn(*this, std::move(name));
}

asio::awaitable<Freezers::Turn> Freezers::standstill() {
  while (true) {
    // No machine has such a name.
    for (const auto* place : kStandstills) {
      if (having_turn_.insert(place).second) co_return Turn(*this, place);
    }
    co_await changed_.wait();
  }
}

Freezers::Turn::~Turn() {
  if (!freezer_) return;
  freezer_->having_turn_.erase(name_);
  freezer_->changed_.pulse();
}

}  // namespace tiltyard::engine::docker
