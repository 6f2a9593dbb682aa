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
  out << name << '\n' << std::flush;
  if (!out) return fail(Code::kInternal, "data-unwritable", "The name of this server cannot be written: " + path);
  return name;
}

}  // namespace tiltyard::app
