#include "app/rights.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "observe/log.h"

namespace tiltyard::app {
namespace {

// SYS_PTRACE: whether the engine sees the same files is seen by its root. SYS_RESOURCE: pipes of the gateway.
constexpr std::array<int, 15> kNeeded{
    CAP_CHOWN,     CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,  CAP_FOWNER,     CAP_FSETID,
    CAP_KILL,      CAP_SETGID,       CAP_SETUID,           CAP_SETPCAP,    CAP_SETFCAP,
    CAP_NET_ADMIN, CAP_SYS_NICE,     CAP_NET_BIND_SERVICE, CAP_SYS_PTRACE, CAP_SYS_RESOURCE};

}  // namespace

void drop_rights(bool captures) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::geteuid() != 0) return;
  std::uint64_t kept = captures ? std::uint64_t{1} << CAP_NET_RAW : 0;
  for (const int right : kNeeded) kept |= std::uint64_t{1} << right;
  for (int right = 0; ::prctl(PR_CAPBSET_READ, right, 0, 0, 0) >= 0; ++right) {
    if (!(kept >> right & 1)) ::prctl(PR_CAPBSET_DROP, right, 0, 0, 0);
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  bool done = ::syscall(SYS_capget, &header, sets.data()) == 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto mask = static_cast<std::uint32_t>(kept >> (32 * i));
    sets[i].effective &= mask;
    sets[i].permitted &= mask;
    sets[i].inheritable = 0;
  }
  done = done && ::syscall(SYS_capset, &header, sets.data()) == 0;
  if (!done) log::warn("app", "rights that nobody needs could not be dropped", {{"cause", std::strerror(errno)}});
}

}  // namespace tiltyard::app
