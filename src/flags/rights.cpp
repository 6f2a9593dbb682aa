#include "flags/rights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

namespace tiltyard::flags {
namespace {

using templates::Problem;
using templates::SetUserId;

constexpr std::uint32_t kSetUserId = 04000, kSetGroupId = 02000, kExecutable = 0111, kGroupExecutable = 010;
constexpr std::size_t kNamed = 6;

/// By their numbers (linux/capability.h).
constexpr std::array<std::string_view, 41> kCapabilities{"CHOWN",
                                                         "DAC_OVERRIDE",
                                                         "DAC_READ_SEARCH",
                                                         "FOWNER",
                                                         "FSETID",
                                                         "KILL",
                                                         "SETGID",
                                                         "SETUID",
                                                         "SETPCAP",
                                                         "LINUX_IMMUTABLE",
                                                         "NET_BIND_SERVICE",
                                                         "NET_BROADCAST",
                                                         "NET_ADMIN",
                                                         "NET_RAW",
                                                         "IPC_LOCK",
                                                         "IPC_OWNER",
                                                         "SYS_MODULE",
                                                         "SYS_RAWIO",
                                                         "SYS_CHROOT",
                                                         "SYS_PTRACE",
                                                         "SYS_PACCT",
                                                         "SYS_ADMIN",
                                                         "SYS_BOOT",
                                                         "SYS_NICE",
                                                         "SYS_RESOURCE",
                                                         "SYS_TIME",
                                                         "SYS_TTY_CONFIG",
                                                         "MKNOD",
                                                         "LEASE",
                                                         "AUDIT_WRITE",
                                                         "AUDIT_CONTROL",
                                                         "SETFCAP",
                                                         "MAC_OVERRIDE",
                                                         "MAC_ADMIN",
                                                         "SYSLOG",
                                                         "WAKE_ALARM",
                                                         "BLOCK_SUSPEND",
                                                         "AUDIT_READ",
                                                         "PERFMON",
                                                         "BPF",
                                                         "CHECKPOINT_RESTORE"};

/// What Debian, Alpine and their kin bring along in nearly every image.
constexpr std::array<std::string_view, 20> kOfDistributions{"su",          "mount",
                                                            "umount",      "passwd",
                                                            "chsh",        "chfn",
                                                            "newgrp",      "gpasswd",
                                                            "chage",       "expiry",
                                                            "sg",          "wall",
                                                            "write",       "bsd-write",
                                                            "unix_chkpwd", "ssh-agent",
                                                            "bbsuid",      "pam_timestamp_check",
                                                            "ssh-keysign", "dbus-daemon-launch-helper"};

std::uint32_t word_at(const std::string& bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = 4; i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

bool of_distribution(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string_view folder = std::string_view(path).substr(0, slash),
                         name = std::string_view(path).substr(slash + 1);
  const bool usual = folder == "/bin" || folder == "/sbin" || folder.starts_with("/usr/bin") ||
                     folder.starts_with("/usr/sbin") || folder.starts_with("/usr/lib");
  return usual && std::ranges::find(kOfDistributions, name) != kOfDistributions.end();
}

/// What one image has of them, for people.
struct Programs {
  std::vector<std::string> own;  ///< beside what every image of its distribution has
  std::size_t usual = 0;

  explicit Programs(const ImageScan& scan) {
    for (const auto& program : *scan.programs) {
      if (of_distribution(program.path)) ++usual;
      else own.push_back(program.path);
    }
  }
  bool none() const { return own.empty() && usual == 0; }
  std::string text() const {
    const auto named = std::min(own.size(), kNamed);
    std::string out = fmt::format("{}", fmt::join(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(named), ", "));
    if (own.size() > named) out += fmt::format(" and {} more", own.size() - named);
    if (usual > 0) out += fmt::format("{}{} of its distribution, such as su", out.empty() ? "" : ", ", usual);
    return out;
  }
};

/// One image's programs and what becomes of them, for the services that say the same.
using Said = std::map<std::pair<Problem::Severity, std::string>, std::vector<std::string>>;

void say(const templates::Service& service, const Programs& programs, Plan& plan, Said& said) {
  const auto tell = [&](Problem::Severity severity, std::string_view what) {
    said[{severity, fmt::format(fmt::runtime(what), programs.text())}].push_back(service.name);
  };
  switch (service.set_user_id) {
    case SetUserId::kAsImage:
      if (programs.none()) return;
      plan.set_user_id.insert(service.name);
      return tell(
          Problem::Severity::kNote,
          "set-user-ID programs work here ({}): no no-new-privileges, and the same capabilities as any machine. "
          "setuid = false in instance.toml switches them off");
    case SetUserId::kYes:
      plan.set_user_id.insert(service.name);
      return;
    case SetUserId::kNo:
      return;
    case SetUserId::kForbidden:
      if (programs.own.empty()) return;
      return tell(
          Problem::Severity::kWarning,
          "{} will give nobody any rights: this site forbids set-user-ID programs (templates.setuid). What needs "
          "them cannot be solved; an operator can allow \"setuid\" for this template");
  }
}

/// Programs that would not start, and those that start all the same since the machine has one of its own.
void say_of_reach(const templates::Service& service, const ImageScan& scan, Plan& plan) {
  for (const auto& program : *scan.programs) {
    const auto missing = out_of_reach(program.facts.capability, service.container.capabilities);
    if (missing.empty()) continue;
    const bool starts = std::ranges::any_of(plan.patches, [&](const Patch& patch) {
      return patch.service == service.name && patch.target == program.path;
    });
    if (starts) {
      plan.problems.push_back(
          {Problem::Severity::kNote, "", 0,
           fmt::format("{} of {} runs without {}, which its file capability asks for and the machine has not",
                       program.path, service.name, fmt::join(missing, ", "))});
      continue;
    }
    plan.problems.push_back(
        {Problem::Severity::kWarning, "", 0,
         fmt::format(
             "{} of {} cannot be started: its file capability asks for {}, which the machine has not. Take the "
             "capability off in the Dockerfile (RUN setcap -r {}), or have an operator allow \"cap:{}\" and say "
             "cap_add",
             program.path, service.name, fmt::join(missing, ", "), program.path, missing.front())});
  }
}

}  // namespace

bool gives_rights(const FileFacts& facts) {
  if (!facts.capability.empty()) return true;
  const bool user = (facts.mode & kSetUserId) != 0 && (facts.mode & kExecutable) != 0;
  // Without the group's right to execute the bit once meant mandatory locking, and gives nothing.
  const bool group = (facts.mode & kSetGroupId) != 0 && (facts.mode & kGroupExecutable) != 0;
  return user || group;
}

std::vector<std::string> out_of_reach(const std::string& capability, const std::vector<std::string>& kept) {
  // struct vfs_cap_data: magic with the effective bit, then permitted and inheritable, low words first; the first
  // version has one word of each.
  std::vector<std::string> missing;
  if (capability.size() < 12 || (word_at(capability, 0) & 1) == 0) return missing;
  std::uint64_t permitted = word_at(capability, 4);
  if (capability.size() >= 20) permitted |= static_cast<std::uint64_t>(word_at(capability, 12)) << 32;
  for (std::size_t i = 0; i < 64; ++i) {
    if ((permitted >> i & 1) == 0) continue;
    const std::string name = i < kCapabilities.size() ? std::string(kCapabilities[i]) : std::to_string(i);
    if (std::ranges::find(kept, name) == kept.end()) missing.push_back(name);
  }
  return missing;
}

std::string without_demand(std::string capability) {
  if (!capability.empty()) capability[0] = static_cast<char>(capability[0] & ~1);
  return capability;
}

void settle_rights(const std::vector<templates::Service>& services, const std::vector<ImageFacts>& images, Plan& plan) {
  Said said;
  for (std::size_t i = 0; i < services.size(); ++i) {
    const auto& service = services[i];
    if (service.container.privileged_by_operator) continue;  // it has everything
    if (!images[i].scan || !images[i].scan->programs) {
      if (service.set_user_id == SetUserId::kYes) plan.set_user_id.insert(service.name);
      continue;
    }
    say(service, Programs(*images[i].scan), plan, said);
    say_of_reach(service, *images[i].scan, plan);
  }
  for (const auto& [what, names] : said) {
    plan.problems.push_back({what.first, "", 0, fmt::format("{}: {}", fmt::join(names, ", "), what.second)});
  }
}

}  // namespace tiltyard::flags
