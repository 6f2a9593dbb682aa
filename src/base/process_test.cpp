// Programs that are started beside us: what they have, and what they must not have.
#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

namespace tiltyard {
namespace {

struct Ran {
  int code = 0;
  std::string output;
};

/// Runs a shell script to its end.
Ran run(const std::string& script, Program program = {}) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  program.command = {"sh", "-c", script};
  program.environment.emplace_back("PATH=/usr/bin:/bin");
  program.output = pipe[1];
  const auto process = start_process(program);
  ::close(pipe[1]);
  EXPECT_TRUE(process);
  Ran out;
  std::array<char, 4096> buffer;
  for (auto got = ::read(pipe[0], buffer.data(), buffer.size()); got > 0;
       got = ::read(pipe[0], buffer.data(), buffer.size())) {
    out.output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(pipe[0]);
  pollfd ended{process->handle, POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1);
  ::close(process->handle);
  out.code = reap_process(process->pid);
  return out;
}

TEST(R6_4, AProgramHasItsOutputsItsCodeAndNoInput) {
  const auto ran = run("read line || echo none; echo out; echo err >&2; exit 5");
  EXPECT_EQ(ran.output, "none\nout\nerr\n");
  EXPECT_EQ(ran.code, 5);
  EXPECT_EQ(run("kill -TERM $$").code, -15);
}

TEST(R6_4, AProgramHasNoFileAndNoVariableOfOurs) {
  ::setenv("TILTYARD_TOKEN", "secret", 1);
  const int leaky = ::memfd_create("not for others", 0);
  const auto ran = run("ls /proc/self/fd | tr '\\n' ' '; env");
  ::close(leaky);
  ::unsetenv("TILTYARD_TOKEN");
  EXPECT_TRUE(ran.output.starts_with("0 1 2 3 ")) << ran.output;  // 3 is what ls reads the folder by
  EXPECT_EQ(ran.output.find("secret"), std::string::npos);
}

TEST(R6_4, AFileIsHandedOverAsDescriptorThree) {
  Program program;
  program.file = ::memfd_create("given", MFD_CLOEXEC);
  ASSERT_EQ(::write(program.file, "hello", 5), 5);
  EXPECT_EQ(run("cat /proc/self/fd/3", program).output, "hello");
  ::close(program.file);
}

TEST(R6_4, AConfinedProgramOfAnotherAccountHasNoRights) {
  Program program;
  program.confined = true;
  if (::geteuid() == 0) program.account = Program::Account{65534, 65534};
  const auto ran = run("id -u; pwd; grep -E 'NoNewPrivs|Cap...:|Groups' /proc/self/status", program);
  if (program.account) {
    EXPECT_TRUE(ran.output.starts_with("65534\n/\n")) << ran.output;
    EXPECT_NE(ran.output.find("CapBnd:\t0000000000000000"), std::string::npos) << ran.output;
    EXPECT_NE(ran.output.find("Groups:\t \n"), std::string::npos) << ran.output;
  }
  for (const auto* kind : {"Eff", "Prm", "Inh", "Amb"})
    EXPECT_NE(ran.output.find("Cap" + std::string(kind) + ":\t0000000000000000"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("NoNewPrivs:\t1"), std::string::npos);
}

/// Whether a process is there and not merely waiting to be buried.
bool alive(const std::string& pid) {
  std::ifstream status("/proc/" + pid + "/stat");
  std::string state;
  for (int i = 0; i < 3 && status; ++i) status >> state;
  return status && state != "Z";
}

TEST(R6_4, WhatAProgramLeavesBehindIsKilled) {
  const auto ran = run("sleep 600 >/dev/null 2>&1 & echo $!");
  const auto pid = std::to_string(std::stoi(ran.output));
  // The signal is on its way when `run` returns; the kernel acts on it when the process is next given a core.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (alive(pid) && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_FALSE(alive(pid));
}

}  // namespace
}  // namespace tiltyard
