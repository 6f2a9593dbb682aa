#include "base/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace tiltyard {
namespace {

constexpr int kFile = 3, kFailure = 4;  ///< descriptors of the child

/// Everything of the child that needs memory, made before the fork.
struct Prepared {
  explicit Prepared(const Program& from) : program(from) {
    for (const auto& word : from.command) command.push_back(const_cast<char*>(word.c_str()));
    for (const auto& entry : from.environment) environment.push_back(const_cast<char*>(entry.c_str()));
    command.push_back(nullptr);
    environment.push_back(nullptr);
  }
  const Program& program;
  std::vector<char*> command, environment;
  pid_t parent = ::getpid();
};

bool limit(int what, std::uint64_t to) {
  const rlimit both{to, to};
  return ::setrlimit(static_cast<__rlimit_resource_t>(what), &both) == 0;
}

bool set_files(const Program& program, int failure) {
  // First out of the way of the descriptors that they are put on.
  const int null = ::fcntl(::open("/dev/null", O_RDONLY), F_DUPFD, 64);
  const int output = ::fcntl(program.output, F_DUPFD, 64);
  const int file = program.file < 0 ? -1 : ::fcntl(program.file, F_DUPFD, 64);
  failure = ::fcntl(failure, F_DUPFD, 64);
  if (null < 0 || output < 0 || failure < 0 || (program.file >= 0 && file < 0)) return false;
  if (::dup2(null, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0 || ::dup3(failure, kFailure, O_CLOEXEC) < 0)
    return false;
  if (file >= 0 ? ::dup2(file, kFile) < 0 : ::close(kFile) != 0 && errno != EBADF) return false;
  return ::syscall(SYS_close_range, kFailure + 1, ~0U, 0) == 0;
}

/// What could still be won: nothing, once this has run before the change of user.
bool confine() {
  if (!limit(RLIMIT_CORE, 0) || ::chdir("/") != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  // Refused without CAP_SETPCAP; then the bit above is what keeps a program of more rights from giving them.
  for (unsigned long right = 0; ::prctl(PR_CAPBSET_DROP, right, 0, 0, 0) == 0;) ++right;
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

bool become_account(const Program::Account& account) {
  const auto [user, group] = account;
  return ::setgroups(0, nullptr) == 0 && ::setresgid(group, group, group) == 0 && ::setresuid(user, user, user) == 0;
}

/// The kernel takes them away with user 0 only: who has changed from another account has them still.
bool drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  return ::syscall(SYS_capset, &header, none.data()) == 0;
}

bool set_rights(const Prepared& from) {
  const auto& program = from.program;
  if (program.memory != 0 && !limit(RLIMIT_AS, program.memory)) return false;
  if (program.confined && !confine()) return false;
  if (program.account && !become_account(*program.account)) return false;
  if (program.confined && !drop_capabilities()) return false;
  // After the change of user, which takes it away; and our parent may have gone meanwhile.
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == from.parent;
}

/// Between fork and exec: nothing but system calls. Writes errno to the pipe and ends when something does not work.
[[noreturn]] void become(const Prepared& from, int failure) {
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_DFL);
  const bool files = set_files(from.program, failure);
  if (files && set_rights(from)) ::execvpe(from.command[0], from.command.data(), from.environment.data());
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(files ? kFailure : failure, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Result<Process> start_process(const Program& program) {
  std::array<int, 2> failure{};
  int error = ::pipe2(failure.data(), O_CLOEXEC) == 0 ? 0 : errno;
  Process out;
  if (error == 0) {
    const Prepared prepared(program);
    out.pid = ::fork();
    if (out.pid == 0) become(prepared, failure[1]);
    if (out.pid < 0) error = errno;
    ::close(failure[1]);
    // Ends without a word as soon as the program runs.
    if (out.pid > 0 && ::read(failure[0], &error, sizeof error) != sizeof error) error = 0;
    ::close(failure[0]);
  }
  if (error == 0) {
    out.handle = static_cast<int>(::syscall(SYS_pidfd_open, out.pid, 0));
    if (out.handle < 0) error = errno;
  }
  if (error == 0) return out;
  if (out.pid > 0) {
    ::kill(out.pid, SIGKILL);
    ::waitpid(out.pid, nullptr, 0);
  }
  return fail(Code::kInvalid, "program-unstartable",
              fmt::format("{} cannot be started: {}", program.command.front(), std::strerror(error)));
}

int reap_process(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {}
  ::kill(-pid, SIGKILL);
  return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

}  // namespace tiltyard
