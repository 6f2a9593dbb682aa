#include "certificates/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/process.h"

namespace tiltyard::certificates {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kMostPrinted = 64 * 1024, kMostTold = 300;

/// Closed at its end.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

int memory_file(const std::string& text) {
  const int fd = ::memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return -1;
  std::size_t done = 0;
  while (done < text.size()) {
    const auto wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

/// Until the program has closed its output; false at the deadline.
bool read_until(int fd, Steady::time_point until, std::string& out) {
  std::array<char, 4096> piece;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now()).count();
    if (left <= 0) return false;
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    const auto got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    if (out.size() < kMostPrinted) out.append(piece.data(), static_cast<std::size_t>(got));
  }
}

std::string end_of(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.size() > kMostTold) text.erase(0, text.size() - kMostTold);
  for (char& c : text) {
    if (c < ' ' || c >= 0x7F) c = ' ';
  }
  return text;
}

Result<std::string> run(std::vector<std::string> command, const std::string& input,
                        std::chrono::milliseconds deadline) {
  const auto name = command.front();
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail(Code::kExhausted, "program-unstartable", name + " cannot be started.", std::strerror(errno));
  File output(ends[0]), output_in(ends[1]);
  const File file(input.empty() ? -1 : memory_file(input));
  Program program;
  program.command = std::move(command);
  const char* path = std::getenv("PATH");
  program.environment = {"PATH=" + std::string(path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path), "LC_ALL=C"};
  program.output = output_in.get();
  program.file = file.get();
  const auto until = Steady::now() + deadline;
  auto started = start_process(program);
  if (!started) return fail(std::move(started.error()));
  const File handle(started->handle);
  output_in.close();
  std::string printed;
  const bool ended = read_until(output.get(), until, printed);
  if (!ended) ::kill(-started->pid, SIGKILL);
  const int code = reap_process(started->pid);
  if (!ended) return fail(Code::kTimeout, "program-failed", fmt::format("{} took too long.", name), end_of(printed));
  if (code != 0)
    return fail(Code::kUnavailable, "program-failed",
                fmt::format("{} ended with {}: {}", name, code, end_of(std::move(printed))));
  return printed;
}

}  // namespace

asio::awaitable<Result<std::string>> run_program(WorkerPool& pool, std::vector<std::string> command, std::string input,
                                                 std::chrono::milliseconds deadline) {
  auto work = [command = std::move(command), input = std::move(input), deadline]() mutable {
    return run(std::move(command), input, deadline);
  };
  co_return co_await offload(pool, std::move(work));
}

}  // namespace tiltyard::certificates
