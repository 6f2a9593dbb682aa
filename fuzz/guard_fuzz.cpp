// Calls of the Engine API as a taken-over server might send them: "METHOD TARGET", a line's end, the body. Nothing
// crashes, and what passes is bound to this namespace and reaches nothing of the host.
#include <boost/json.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "guard/rules.h"

using namespace tiltyard;
using namespace tiltyard::guard;
namespace json = boost::json;

namespace {

const Rules kRules{"ours", "/srv/files", "/srv/templates", "runsc", {}};

void must(bool holds) {
  if (!holds) std::abort();
}

bool is_word(const json::object& object, std::string_view name, std::string_view word) {
  return !object.contains(name) || text_of(object, name) == word;
}

void look_at_machine(const json::object& body) {
  const auto& host = body.at("HostConfig").as_object();
  must(!flag_of(host, "Privileged"));
  must(is_word(host, "IpcMode", "private") && is_word(host, "CgroupnsMode", "private"));
  for (const char* none : {"Binds", "PidMode", "UsernsMode", "UTSMode", "VolumesFrom", "Links", "DeviceCgroupRules"})
    must(!host.contains(none));
  must(!host.contains("Devices") || host.at("Devices").is_null());
  must(texts_of(host, "CapDrop") == std::vector<std::string>{"ALL"});
  for (const auto& name : texts_of(host, "CapAdd"))
    must(name != "SYS_ADMIN" && name != "NET_ADMIN" && name != "NET_RAW");
  const auto runtime = text_of(host, "Runtime");
  must(runtime.empty() || runtime == kRules.runtime);
  const auto* mounts = host.contains("Mounts") ? host.at("Mounts").if_array() : nullptr;
  for (const auto& mount : mounts == nullptr ? json::array() : *mounts) {
    const auto source = text_of(mount, "Source");
    if (text_of(mount, "Type") != "bind") continue;
    must(source.starts_with(kRules.files + "/") || source.starts_with(kRules.templates + "/"));
    must(!source.contains("/../") && !source.ends_with("/.."));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto line = all.substr(0, all.find('\n'));
  const auto body = all.substr(std::min(line.size() + 1, all.size()));
  const auto method = line.substr(0, line.find(' '));
  const auto target = line.substr(std::min(method.size() + 1, line.size()));
  auto call = read_call(method, target, kRules);
  if (!call) return 0;
  for (const auto& thing : call->made) must(thing.name.starts_with("ours-"));
  if (call->body != Body::kJson) return 0;
  auto passed = read_body(*call, body, kRules);
  if (!passed) return 0;
  for (const auto& thing : call->made) must(thing.name.starts_with("ours-"));
  const auto read = json::parse(*passed).as_object();
  if (target.contains("/containers/create")) look_at_machine(read);
  // What is sent on says the same when it is read again.
  auto again = read_call(method, target, kRules);
  const auto twice = read_body(*again, *passed, kRules);
  must(twice && *twice == *passed);
  return 0;
}
