// A whole template folder from one input: files are divided by lines "%%% name". The first part is compose.yaml.
// Whatever stands in them, reading must end, say what is wrong with a line that exists, and touch nothing outside.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "templates/reader.h"

namespace fs = std::filesystem;
namespace templates = tiltyard::templates;

namespace {

const fs::path& folder() {
  static const fs::path path = [] {
    const fs::path base = fs::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string name = (base / "tiltyard-fuzz-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    std::ofstream(fs::path(name) / "outside") << "services: {leak: {image: leaked-from-outside}}\n";
    fs::create_directories(fs::path(name) / "t" / "app");
    return fs::path(name) / "t";
  }();
  return path;
}

void write(std::string_view name, std::string_view text) { std::ofstream(folder() / name, std::ios::binary) << text; }

bool allowed(std::string_view name) {
  return name == ".env" || name == "other.yaml" || name == "app/base.yaml" || name == "Dockerfile" ||
         name == "app/Dockerfile" || name == "compose.override.yaml" || name == "f.env" || name == ".dockerignore";
}

void check(const templates::Template& tmpl) {
  for (const auto& problem : tmpl.problems) {
    if (problem.line < 0 || problem.message.empty()) std::abort();
  }
  if (tmpl.broken()) return;
  if (tmpl.services.empty()) std::abort();
  for (const auto& service : tmpl.services) {
    const auto& machine = service.machine;
    const auto& container = service.container;
    if (machine.image.empty() || machine.image.find("leaked-from-outside") != std::string::npos) std::abort();
    if (container.privileged_by_operator || !container.devices.empty() || !container.runtime.empty()) std::abort();
    if (machine.resources.memory <= 0 || machine.resources.pids <= 0 || machine.resources.cpus <= 0) std::abort();
    if (machine.resources.memory > (std::int64_t{2} << 30) || machine.resources.pids > 2048 ||
        machine.resources.cpus > 2)
      std::abort();
    if (machine.resources.memory_swap != machine.resources.memory) std::abort();
    for (const auto& capability : container.capabilities) {
      if (capability == "SYS_ADMIN" || capability == "NET_ADMIN" || capability == "NET_RAW" ||
          capability == "SYS_PTRACE")
        std::abort();
    }
    for (const auto& bind : service.binds) {
      if (bind.path.starts_with('/') || bind.path.starts_with("..") || bind.path.find("/../") != std::string::npos)
        std::abort();
    }
    for (const auto& mount : container.mounts) {
      if (mount.kind != tiltyard::engine::Mount::Kind::kTmpfs) std::abort();
    }
    if (service.build && !service.build->context.starts_with(folder().string())) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& name : {".env", "other.yaml", "app/base.yaml", "Dockerfile", "app/Dockerfile",
                           "compose.override.yaml", "f.env", ".dockerignore"}) {
    std::error_code ignored;
    fs::remove(folder() / name, ignored);
  }
  std::string name = "compose.yaml";
  while (true) {
    const auto next = text.find("%%% ");
    write(name, text.substr(0, next));
    if (next == std::string_view::npos) break;
    text.remove_prefix(next + 4);
    const auto end = text.find('\n');
    if (end == std::string_view::npos || !allowed(text.substr(0, end))) break;
    name = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  static const templates::Options options = [] {
    templates::Options made;
    made.bounds = templates::standard_bounds();
    return made;
  }();
  check(templates::read_folder(folder().string(), options));
  return 0;
}
