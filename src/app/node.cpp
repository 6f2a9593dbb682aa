#include "app/node.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/id.h"

namespace tiltyard::app {

namespace fs = std::filesystem;

Result<std::string> node_name(const std::string& data_folder) {
  const auto path = data_folder + "/node";
  std::string name;
  if (std::ifstream(path) >> name && !name.empty()) return name;
  std::array<char, 65> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  name = std::string(host[0] == '\0' ? "tiltyard" : host.data()) + "-" + random_hex(3);
  std::ofstream out(path);
  std::error_code error;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  out << name << std::endl;
  if (!out) return fail(Code::kInternal, "data-unwritable", "The name of this server cannot be written: " + path);
  return name;
}

labs::Claimant claimant(const config::Settings& settings, std::string identity) {
  labs::Claimant self;
  self.server = std::move(identity);
  self.data = fs::absolute(settings.data.path).lexically_normal().string();
  constexpr std::string_view kFile = "sqlite:", kAuthority = "://";
  const auto url = settings.store.url.substr(0, settings.store.url.find('?'));
  if (url.starts_with(kFile)) {
    self.home = fs::absolute(url.substr(kFile.size())).lexically_normal().string();
  } else {
    // Without what signs in to it.
    const auto signs_in = url.rfind('@');
    self.home = url.substr(signs_in != std::string::npos ? signs_in + 1 : url.find(kAuthority) + kAuthority.size());
  }
  std::string machine;
  std::ifstream("/etc/machine-id") >> machine;
  std::array<char, 65> host{};
  if (machine.empty() && ::gethostname(host.data(), host.size() - 1) == 0) machine = host.data();
  // Two containers have a host name, and paths, in common more easily than a process namespace.
  std::error_code error;
  self.host = machine + " " + fs::read_symlink("/proc/self/ns/pid", error).string();
  return self;
}

}  // namespace tiltyard::app
