// What doctor says of the host that machines share.
#include "app/host.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/json.h"

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Verdict = Check::Verdict;

constexpr const char* kKept = "etc/sysctl.d/60-tiltyard.conf";

constexpr std::array<Sysctl, 8> kSysctls{
    {{"net.ipv4.neigh.default.gc_thresh1", 8'192, false, "neighbours of all machines are looked for again and again"},
     {"net.ipv4.neigh.default.gc_thresh2", 32'768, false, "neighbours of all machines are looked for again and again"},
     {"net.ipv4.neigh.default.gc_thresh3", 65'536, false, "some forty machines can cut the whole host off its network"},
     {"net.netfilter.nf_conntrack_max", 262'144, false, "the host takes no more connections when it is full"},
     {"fs.inotify.max_user_instances", 8'192, false,
      "one machine can keep the host's own programs from watching files"},
     {"fs.inotify.max_user_watches", 524'288, false,
      "one machine can keep the host's own programs from watching files"},
     {"fs.pipe-user-pages-soft", 262'144, true, "the gateway's pipes become small when there are many connections"},
     {"kernel.pid_max", 262'144, false, "machines can use up the host's process numbers"}}};

std::string text_at(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

fs::path file_of(const fs::path& root, std::string name) {
  std::ranges::replace(name, '.', '/');
  return root / "proc/sys" / name;
}

/// "1.1.5+ds1-1+deb12u1", "v25.0.5" or "20.10.24+dfsg1" as three numbers.
std::array<int, 3> version_of(std::string_view text) {
  std::array<int, 3> out{};
  std::size_t part = 0;
  for (const char c : text.substr(text.starts_with('v') ? 1 : 0)) {
    if (c == '.' && part < 2) ++part;
    else if (c >= '0' && c <= '9') out[part] = out[part] * 10 + (c - '0');
    else break;
  }
  return out;
}

bool has_security_option(const json::value& info, std::string_view name) {
  const auto* options = info.is_object() ? info.get_object().if_contains("SecurityOptions") : nullptr;
  if (!options || !options->is_array()) return false;
  return std::ranges::any_of(options->get_array(), [name](const json::value& option) {
    return option.is_string() && std::string_view(option.get_string()).starts_with("name=" + std::string(name));
  });
}

/// Whether a name server of the host's is on the host itself, where only the host reaches it.
bool resolver_is_local(const fs::path& root) {
  std::istringstream lines(text_at(root / "etc/resolv.conf"));
  for (std::string word, address; lines >> word;) {
    if (word == "nameserver" && lines >> address && (address.starts_with("127.") || address == "::1")) return true;
  }
  return false;
}

/// Whether a program of this name runs, as root's children do: by /proc/N/comm.
bool runs(const fs::path& root, std::string_view name) {
  std::error_code ended;
  for (const auto& entry : fs::directory_iterator(root / "proc", ended)) {
    if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos) continue;
    if (text_at(entry.path() / "comm") == std::string(name) + "\n") return true;
  }
  return false;
}

/// `"iptables": false` of the engine's own configuration; it tells nobody over its API.
bool without_iptables(const fs::path& root) {
  boost::system::error_code error;
  const auto config = json::parse(text_at(root / "etc/docker/daemon.json"), error);
  if (error || !config.is_object()) return false;
  const auto* said = config.get_object().if_contains("iptables");
  return said && said->is_bool() && !said->get_bool();
}

Check sysctl_check(const fs::path& root) {
  const auto small = small_sysctls(root);
  if (small.empty()) return {Verdict::kOk, "sysctls", "what the kernel has once for all is large enough", {}};
  std::string detail;
  for (const auto& [wanted, now] : small) {
    detail += fmt::format("{}{} is {}, should be {}: {}", detail.empty() ? "" : "; ", wanted->name, now, wanted->least,
                          wanted->lost);
  }
  return {Verdict::kWarn, "sysctls", std::move(detail), "Set them: tiltyard doctor --fix"};
}

Check users_check(const json::value& info) {
  if (has_security_option(info, "rootless")) {
    return {Verdict::kFail, "users", "the engine is rootless: its bridges are not on this host, no machine starts",
            "Run the engine as root; userns-remap in its daemon.json gives machines users of their own."};
  }
  if (has_security_option(info, "userns"))
    return {Verdict::kOk, "users", "root in a machine is nobody on the host (userns-remap)", {}};
  return {Verdict::kWarn, "users",
          "root in a machine is root's number on the host: what the kernel counts for each user, all machines share",
          "Set \"userns-remap\": \"default\" in /etc/docker/daemon.json, on an engine that has nothing yet."};
}

std::optional<Check> resolver_check(const fs::path& root, const json::value& version) {
  if (!resolver_is_local(root)) return std::nullopt;
  if (version_of(text_of(version, "Version")) >= std::array<int, 3>{25, 0, 5})
    return Check{Verdict::kOk, "resolver", "on this host; the engine asks it only for machines with egress", {}};
  return Check{Verdict::kWarn, "resolver",
               "a loopback address, and Docker before 25.0.5 asks it from the host's side (CVE-2024-29018): machines "
               "with egress reach it; closed ones do not, they have a name server that knows no names",
               "Update Docker, or give it another name server (\"dns\" in /etc/docker/daemon.json)."};
}

std::optional<Check> other_firewalls(const fs::path& root) {
  const bool firewalld = runs(root, "firewalld");
  const bool ufw = text_at(root / "etc/ufw/ufw.conf").find("\nENABLED=yes") != std::string::npos;
  if (!firewalld && !ufw) return std::nullopt;
  return Check{Verdict::kWarn, firewalld ? "firewalld" : "ufw",
               "its rules come after ours: nothing is opened by them, but machines may wait 20 s for names that do not "
               "exist, and egress may be closed",
               firewalld ? "firewall-cmd --permanent --zone=trusted --add-interface='ty+' && firewall-cmd --reload"
                         : "ufw allow in on ty+ to any port 15353 proto udp; ufw route allow in on ty+"};
}

}  // namespace

std::vector<SmallSysctl> small_sysctls(const fs::path& root) {
  std::vector<SmallSysctl> out;
  for (const auto& each : kSysctls) {
    std::ifstream in(file_of(root, each.name));
    std::int64_t now = 0;
    // One that is not there belongs to a module that is not needed yet.
    if (!(in >> now) || now >= each.least || (now == 0 && each.zero_is_endless)) continue;
    out.push_back({&each, now});
  }
  return out;
}

std::vector<std::string> mend_sysctls(const fs::path& root, const std::vector<SmallSysctl>& small) {
  std::vector<std::string> wrong;
  std::string kept = text_at(root / kKept);
  for (const auto& [wanted, now] : small) {
    const auto file = file_of(root, wanted->name);
    std::ofstream(file) << wanted->least << '\n';
    std::int64_t is = 0;
    std::ifstream(file) >> is;
    if (is < wanted->least) wrong.push_back(fmt::format("{} stays {}: run this as root", wanted->name, is));
    const auto line = fmt::format("{} = {}\n", wanted->name, wanted->least);
    if (kept.find(line) == std::string::npos) kept += line;
  }
  std::error_code ignored;
  fs::create_directories((root / kKept).parent_path(), ignored);
  std::ofstream out(root / kKept);
  out << kept << std::flush;
  if (!out) wrong.push_back(fmt::format("/{} could not be written: after the next boot they are as before", kKept));
  return wrong;
}

std::vector<Check> host_checks(const fs::path& root, const json::value& info, const json::value& version) {
  std::vector<Check> out{sysctl_check(root), users_check(info)};
  if (auto resolver = resolver_check(root, version)) out.push_back(std::move(*resolver));
  if (auto other = other_firewalls(root)) out.push_back(std::move(*other));
  if (without_iptables(root)) {
    out.push_back(
        {Verdict::kWarn, "iptables",
         "the engine may not use it: machines with egress reach nobody, as nothing translates their addresses",
         "Take \"iptables\": false out of /etc/docker/daemon.json. Our own table holds without it."});
  }
  return out;
}

}  // namespace tiltyard::app
