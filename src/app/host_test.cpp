// What doctor says of a host: a folder stands for its root.
#include "app/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include <fstream>
#include <sstream>

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using Verdict = Check::Verdict;

class R1_5_Host : public testing::Test {
 protected:
  R1_5_Host() {
    char name[] = "/tmp/host-test-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~R1_5_Host() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string read(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(root_ / path).rdbuf();
    return out.str();
  }
  /// The check of that name; one without a name where there is none.
  Check check(const std::string& name, const std::string& info = "{}", const std::string& version = "{}") {
    for (auto& each : host_checks(root_, boost::json::parse(info), boost::json::parse(version))) {
      if (each.name == name) return each;
    }
    return {};
  }

  fs::path root_;
};

TEST_F(R1_5_Host, NumbersThatAreTooSmallAreNamedAndSetWithLeave) {
  write("proc/sys/net/ipv4/neigh/default/gc_thresh3", "1024\n");
  write("proc/sys/kernel/pid_max", "4194304\n");
  write("proc/sys/fs/pipe-user-pages-soft", "0\n");
  const auto said = check("sysctls");
  EXPECT_EQ(said.verdict, Verdict::kWarn);
  EXPECT_THAT(said.detail, HasSubstr("gc_thresh3 is 1024, should be 65536"));
  EXPECT_THAT(said.todo, HasSubstr("--fix"));
  const auto small = small_sysctls(root_);
  ASSERT_EQ(small.size(), 1u) << "0 pages are as many as one likes, and what is not there belongs to no module";
  EXPECT_TRUE(mend_sysctls(root_, small).empty());
  EXPECT_EQ(read("proc/sys/net/ipv4/neigh/default/gc_thresh3"), "65536\n");
  EXPECT_EQ(read("etc/sysctl.d/60-tiltyard.conf"), "net.ipv4.neigh.default.gc_thresh3 = 65536\n");
  EXPECT_EQ(check("sysctls").verdict, Verdict::kOk);
  EXPECT_TRUE(mend_sysctls(root_, {}).empty());
  EXPECT_EQ(read("etc/sysctl.d/60-tiltyard.conf"), "net.ipv4.neigh.default.gc_thresh3 = 65536\n");
}

TEST_F(R1_5_Host, WhatCannotBeSetIsSaid) {
  write("proc/sys/kernel/pid_max", "32768\n");
  const auto small = small_sysctls(root_);
  fs::remove_all(root_ / "proc");
  EXPECT_THAT(mend_sysctls(root_, small), Contains(HasSubstr("kernel.pid_max stays 0")));
}

TEST_F(R1_5_Host, UsersOfMachinesAreSaid) {
  EXPECT_EQ(check("users").verdict, Verdict::kWarn);
  EXPECT_THAT(check("users").todo, HasSubstr("userns-remap"));
  EXPECT_EQ(check("users", R"({"SecurityOptions":["name=seccomp,profile=default","name=userns"]})").verdict,
            Verdict::kOk);
  EXPECT_EQ(check("users", R"({"SecurityOptions":["name=rootless"]})").verdict, Verdict::kFail);
}

TEST_F(R1_5_Host, AResolverOfTheHostsOwnIsSaidOfOldEngines) {
  write("etc/resolv.conf", "# made by somebody\nsearch example\nnameserver 192.0.2.7\n");
  EXPECT_EQ(check("resolver").name, "");
  write("etc/resolv.conf", "search example\nnameserver 127.0.0.53\noptions edns0\n");
  EXPECT_EQ(check("resolver", "{}", R"({"Version":"20.10.24+dfsg1"})").verdict, Verdict::kWarn);
  EXPECT_EQ(check("resolver", "{}", R"({"Version":"25.0.4"})").verdict, Verdict::kWarn);
  EXPECT_EQ(check("resolver", "{}", R"({"Version":"25.0.5"})").verdict, Verdict::kOk);
  EXPECT_EQ(check("resolver", "{}", R"({"Version":"28.2.2"})").verdict, Verdict::kOk);
}

TEST_F(R1_5_Host, OtherFirewallsAreNamedWithWhatToDo) {
  EXPECT_EQ(check("ufw").name, "");
  write("etc/ufw/ufw.conf", "# comment\nENABLED=no\n");
  EXPECT_EQ(check("ufw").name, "");
  write("etc/ufw/ufw.conf", "# comment\nENABLED=yes\n");
  EXPECT_EQ(check("ufw").verdict, Verdict::kWarn);
  write("proc/817/comm", "firewalld\n");
  EXPECT_EQ(check("firewalld").verdict, Verdict::kWarn);
  EXPECT_THAT(check("firewalld").todo, HasSubstr("firewall-cmd"));
}

TEST_F(R1_5_Host, AnEngineWithoutIptablesIsNamed) {
  write("etc/docker/daemon.json", "{\"iptables\": true}");
  EXPECT_EQ(check("iptables").name, "");
  write("etc/docker/daemon.json", "{\"iptables\": false}");
  EXPECT_EQ(check("iptables").verdict, Verdict::kWarn);
}

}  // namespace
}  // namespace tiltyard::app
