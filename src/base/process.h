#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tiltyard {

/// A program that is started beside us: with nothing as its input, both outputs at `output`, in a process group of its
/// own, and with no other open file of ours than `file`. It is killed when the thread that started it ends, however
/// that comes.
struct Program {
  struct Account {
    uid_t user = 0;
    gid_t group = 0;
  };
  std::vector<std::string> command;      ///< the first is looked for on the PATH
  std::vector<std::string> environment;  ///< "NAME=value", all of it
  int output = -1;
  int file = -1;                   ///< set: the program has it as its descriptor 3
  std::uint64_t memory = 0;        ///< bytes of address space that each of its processes may have; 0: no limit
  std::optional<Account> account;  ///< whom it runs as, without any other group; needs CAP_SETUID and CAP_SETGID
  bool confined = false;           ///< no capabilities and no way to any, no core files, in the root folder
};

struct Process {
  pid_t pid = -1;
  int handle = -1;  ///< a pidfd: readable when it has ended; the caller closes it
};

/// Starts a program; it runs when this returns. Blocks for the time of a fork and an exec. Errors:
/// `program-unstartable`.
Result<Process> start_process(const Program& program);

/// Reaps a process that has ended or been killed (waits for it otherwise) and kills what is left of its group. The exit
/// code, or minus the number of the signal that ended it.
int reap_process(pid_t pid);

}  // namespace tiltyard
