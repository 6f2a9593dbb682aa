#include "farm/account.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>

namespace tiltyard::farm {
namespace {

namespace fs = std::filesystem;

/// systemd's DynamicUser takes from here, and no distribution gives these to anybody (systemd.io/UIDS-GIDS).
constexpr uid_t kFirst = 61184, kLast = 65519;

std::unexpected<Error> missing(std::string message) {
  return fail(Code::kUnavailable, "senders-account-missing", std::move(message));
}

bool may_change_user() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> ours{};
  if (::syscall(SYS_capget, &header, ours.data()) != 0) return false;
  const auto has = [&](unsigned right) { return (ours[right / 32].effective >> (right % 32) & 1U) != 0; };
  return has(CAP_SETUID) && has(CAP_SETGID) && has(CAP_KILL);
}

/// Who runs something on this machine at this moment.
std::set<uid_t> busy_accounts() {
  std::set<uid_t> out;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    struct stat info{};
    const auto name = at->path().filename().string();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }) &&
        ::stat(at->path().c_str(), &info) == 0)
      out.insert(info.st_uid);
  }
  return out;
}

Result<Program::Account> named(const std::string& user) {
  const auto* entry = ::getpwnam(user.c_str());
  if (entry == nullptr)
    return missing(
        fmt::format("Senders are not started: there is no account '{0}', which farm.senders_user names. Make it with "
                    "useradd --system --shell /usr/sbin/nologin {0}, or leave the key out.",
                    user));
  if (entry->pw_uid == 0 || entry->pw_uid == ::geteuid())
    return missing(
        fmt::format("Senders are not started: '{}', which farm.senders_user names, is {}; they need an account of "
                    "their own.",
                    user, entry->pw_uid == 0 ? "root's account" : "the server's own account"));
  return Program::Account{entry->pw_uid, entry->pw_gid};
}

}  // namespace

Result<Program::Account> sender_account(const std::string& user, const std::string& seed) {
  if (!may_change_user())
    return missing(
        "Senders are not started: they run under an account of their own, and this server may not change to one "
        "(it is not root, and lacks CAP_SETUID, CAP_SETGID and CAP_KILL). Run them beside it, by the unit "
        "deploy/tiltyard-sender@.service or with sender.pyz, and set senders.count to 0.");
  if (!user.empty()) return named(user);
  const auto busy = busy_accounts();
  const uid_t count = kLast - kFirst + 1;
  const auto begin = static_cast<uid_t>(std::hash<std::string>{}(seed) % count);
  for (uid_t step = 0; step < count; ++step) {
    const uid_t number = kFirst + (begin + step) % count;
    if (!busy.contains(number) && ::getpwuid(number) == nullptr && ::getgrgid(number) == nullptr)
      return Program::Account{number, number};
  }
  return missing(
      "Senders are not started: every user number from 61184 to 65519 is taken on this machine. Make an account for "
      "them and name it in farm.senders_user.");
}

}  // namespace tiltyard::farm
