#include "farm/sploit/runs.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace tiltyard::farm::sploit {
namespace {

constexpr std::size_t kLongestLine = 64 * 1024;
/// What is kept of a piece of an overlong line, so that a flag on its edge is found in the next piece.
constexpr std::size_t kOverlap = 1024;

}  // namespace

struct Runs::Run {
  int id = 0, process = -1, output = -1;
  pid_t pid = 0;
  Steady::time_point began;
  std::optional<Steady::time_point> deadline;
  bool timed_out = false;
  std::string line;

  ~Run() {
    if (output >= 0) ::close(output);
    if (process >= 0) ::close(process);
  }
};

Runs::Runs(Sink sink) : sink_(std::move(sink)) {}

Runs::~Runs() { kill_all(); }

Result<int> Runs::start(Program program, std::optional<Steady::time_point> deadline) {
  std::array<int, 2> output{};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) {
    return fail(Code::kExhausted, "program-unstartable",
                fmt::format("{} cannot be started: {}", program.command.front(), std::strerror(errno)));
  }
  program.output = output[1];
  auto process = start_process(program);
  ::close(output[1]);
  auto run = std::make_unique<Run>();
  run->output = output[0];
  if (!process) return fail(std::move(process.error()));
  run->id = next_id_++;
  run->pid = process->pid;
  run->process = process->handle;
  run->began = Steady::now();
  run->deadline = deadline;
  ::fcntl(run->output, F_SETFL, O_NONBLOCK);
  runs_.push_back(std::move(run));
  return runs_.back()->id;
}

std::vector<Ended> Runs::wait(Steady::time_point until, int wake) {
  const auto now = Steady::now();
  for (const auto& run : runs_) {
    if (run->deadline && *run->deadline <= now && !run->timed_out) {
      run->timed_out = true;
      ::kill(-run->pid, SIGKILL);
    } else if (run->deadline && !run->timed_out) {
      until = std::min(until, *run->deadline);
    }
  }
  std::vector<pollfd> polls{{wake, POLLIN, 0}};
  for (const auto& run : runs_) {
    polls.push_back({run->output, POLLIN, 0});
    polls.push_back({run->process, POLLIN, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  if (::poll(polls.data(), polls.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000))) <= 0) return {};
  std::vector<Ended> out;
  std::vector<std::unique_ptr<Run>> alive;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    auto& run = runs_[i];
    if (polls[1 + 2 * i].revents != 0) read(*run);
    if (polls[2 + 2 * i].revents != 0) {
      out.push_back(reap(*run));
    } else {
      alive.push_back(std::move(run));
    }
  }
  runs_ = std::move(alive);
  return out;
}

std::vector<Ended> Runs::kill_all() {
  std::vector<Ended> out;
  for (const auto& run : runs_) ::kill(-run->pid, SIGKILL);
  for (const auto& run : runs_) out.push_back(reap(*run));
  runs_.clear();
  return out;
}

Ended Runs::reap(Run& run) {
  // What it has started and left behind goes too: it would hold the pipe, memory and the opponents' connections.
  const int code = reap_process(run.pid);
  read(run);
  if (!run.line.empty()) sink_(run.id, run.line);
  run.line.clear();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - run.began);
  return {run.id, code, run.timed_out, took};
}

void Runs::read(Run& run) {
  // A bound, so that one that never stops writing does not keep the others waiting; more than a pipe holds, so that
  // after the end of a program all of it is read.
  std::array<char, 64 * 1024> buffer;
  for (int pieces = 0; pieces < 32 && run.output >= 0; ++pieces) {
    const auto got = ::read(run.output, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      ::close(run.output);
      run.output = -1;
      return;
    }
    feed(run, {buffer.data(), static_cast<std::size_t>(got)});
    if (static_cast<std::size_t>(got) < buffer.size()) return;
  }
}

void Runs::feed(Run& run, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    run.line += bytes.substr(0, end);
    if (end != std::string_view::npos) {
      sink_(run.id, run.line);
      run.line.clear();
      bytes.remove_prefix(end + 1);
      continue;
    }
    if (run.line.size() > kLongestLine) {
      sink_(run.id, run.line);
      run.line.erase(0, run.line.size() - kOverlap);
    }
    return;
  }
}

}  // namespace tiltyard::farm::sploit
