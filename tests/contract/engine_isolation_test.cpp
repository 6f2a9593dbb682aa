// What a machine reaches and what reaches it: tried from inside machines, with targets of our own making.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <cstdlib>

#include "base/id.h"
#include "engine/isolation/firewall.h"
#include "engine/isolation/nft.h"
#include "engine_docker_bench.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::HasSubstr;

class R1_5_Isolation : public EngineSuite {
 protected:
  /// A running machine with a small web server on port 80, which listens.
  Handle server(const std::string& what, const NetworkSpec& net, const std::string& where) {
    MachineSpec spec = machine(what);
    spec.container().entrypoint = std::vector<std::string>{"/bin/httpd", "-f", "-p", "80", "-h", "/etc"};
    spec.networks = {{net.name, where, {}}};
    Handle handle = running(spec);
    EXPECT_TRUE(loop_.until([&] { return reaches(handle, "127.0.0.1"); }, 60s));
    return handle;
  }
  NetworkSpec made(NetworkSpec spec) {
    EXPECT_TRUE(ok(await(engine().create_network(spec))));
    return spec;
  }
  /// Whether a program inside gets an answer from there within `limit` seconds. Who should not get one is not given
  /// long; who should has the time that a busy host takes.
  bool reaches(const Handle& from, const std::string& where, int port = 80, int limit = 2) {
    const std::string command = fmt::format("echo GET / | nc -w {} {} {}", limit, where, port);
    return !run(from, {"sh", "-c", command}).out.empty();
  }
  bool meets(const Handle& from, const std::string& where, int port = 80) { return reaches(from, where, port, 30); }
  /// Whether the host opens a connection there.
  bool host_reaches(const std::string& where, int port = 80) {
    return std::system(fmt::format("timeout 30 bash -c 'exec 3<>/dev/tcp/{}/{}' 2>/dev/null", where, port).c_str()) ==
           0;
  }
};
INSTANTIATE_TEST_SUITE_P(Docker, R1_5_Isolation, testing::Values(&make_docker), backend_name);

/// A network namespace of the test's own, joined to this host by a pair of interfaces: somebody out there, with an
/// address that looks public and several that are not, on each of which a port answers.
class Outside {
 public:
  Outside() : name_("et" + random_hex(3)) {
    sh("ip netns add " + name_);
    sh("ip link add " + name_ + "h type veth peer name " + name_ + "n");
    sh("ip link set " + name_ + "n netns " + name_);
    sh("ip addr add 11.77.0.1/30 dev " + name_ + "h");
    sh("ip link set " + name_ + "h up");
    in("ip link set lo up; ip link set " + name_ + "n up; ip addr add 11.77.0.2/30 dev " + name_ +
       "n; ip route add default via 11.77.0.1");
    for (const char* address : kClosed) {
      in(std::string("ip addr add ") + address + "/32 dev lo");
      sh(std::string("ip route add ") + address + "/32 via 11.77.0.2");
    }
    in("sh -c 'busybox httpd -p 0.0.0.0:8099 -h /proc/sys/kernel'");
  }
  ~Outside() {
    for (const char* address : kClosed) sh(std::string("ip route del ") + address + "/32 via 11.77.0.2");
    sh("ip netns pids " + name_ + " | xargs -r kill -9; ip netns del " + name_ + "; ip link del " + name_ +
       "h 2>/dev/null || true");
  }
  int in(const std::string& command) { return sh("ip netns exec " + name_ + " sh -c \"" + command + "\""); }
  static int sh(const std::string& command) { return std::system(command.c_str()); }

  static constexpr const char* kPublic = "11.77.0.2";
  static constexpr const char* kClosed[] = {"10.191.7.7", "172.30.7.7", "192.168.177.7", "100.64.7.7", "169.254.177.7"};

 private:
  std::string name_;
};

TEST_P(R1_5_Isolation, NeighboursOnASharedBridgeDoNotMeet) {
  const NetworkSpec net = made(network("n", 0, true));
  const Handle a = server("a", net, address(0, 4)), b = server("b", net, address(0, 5));
  EXPECT_TRUE(host_reaches(address(0, 4))) << "the host itself must reach machines";
  EXPECT_TRUE(host_reaches(address(0, 5)));
  EXPECT_FALSE(reaches(a, address(0, 5)));
  EXPECT_FALSE(reaches(b, address(0, 4)));
}

TEST_P(R1_5_Isolation, MachinesOfOneInstanceMeetAndThoseOfAnotherDoNot) {
  const NetworkSpec one = made(network("one", 0, false)), two = made(network("two", 1, false));
  const NetworkSpec out = made(network("out", 2, false, true));
  const Handle a = server("a", one, address(0, 4));
  server("b", one, address(0, 5));
  server("c", two, address(1, 4));
  const Handle d = server("d", out, address(2, 4));
  EXPECT_TRUE(meets(a, address(0, 5))) << "machines of one instance share a network";
  EXPECT_FALSE(reaches(a, address(1, 4)));
  EXPECT_FALSE(reaches(a, address(2, 4)));
  EXPECT_FALSE(reaches(d, address(0, 4))) << "from an egress network";
  EXPECT_FALSE(reaches(d, address(1, 4)));
}

TEST_P(R1_5_Isolation, HostServicesAreOutOfReach) {
  asio::io_context context;
  tcp::acceptor listener(context, tcp::endpoint(tcp::v4(), 0));
  const int port = listener.local_endpoint().port();
  const NetworkSpec inner = made(network("inner", 0, true)), outer = made(network("outer", 1, true, true));
  const Handle a = server("a", inner, address(0, 4)), b = server("b", outer, address(1, 4));
  ASSERT_TRUE(host_reaches(inner.gateway, port)) << "the service does listen";
  // A connection is all that is tried: the listener says nothing, so an open port ends by nc's own limit with status 0.
  auto connects = [&](const Handle& from, const std::string& where) {
    return run(from, {"sh", "-c", "nc -w 2 " + where + " " + std::to_string(port) + " -e /bin/true && echo connected"})
        .out;
  };
  EXPECT_EQ(connects(a, inner.gateway), "");
  EXPECT_EQ(connects(b, outer.gateway), "");
  EXPECT_EQ(connects(b, inner.gateway), "");
  EXPECT_EQ(connects(b, "172.17.0.1"), "");
}

TEST_P(R1_5_Isolation, EgressReachesPublicAddressesAndNoOthers) {
  Outside outside;
  const NetworkSpec inner = made(network("inner", 0, false)), outer = made(network("outer", 1, false, true));
  const Handle a = server("a", inner, address(0, 4)), b = server("b", outer, address(1, 4));
  EXPECT_FALSE(reaches(a, Outside::kPublic, 8099)) << "no egress unless allowed";
  EXPECT_TRUE(meets(b, Outside::kPublic, 8099)) << "egress where it is allowed";
  for (const char* closed : Outside::kClosed) {
    EXPECT_TRUE(host_reaches(closed, 8099)) << closed << " answers the host";
    EXPECT_FALSE(reaches(b, closed, 8099)) << closed;
    EXPECT_FALSE(reaches(a, closed, 8099)) << closed;
  }
  EXPECT_FALSE(reaches(b, "169.254.169.254")) << "the metadata address";
  // Nor does somebody out there open a connection to a machine, though the way is known.
  outside.in("ip route add " + outer.subnet + " via 11.77.0.1");
  EXPECT_NE(outside.in("echo GET / | timeout 3 busybox nc -w 2 " + address(1, 4) + " 80 | grep -q HTTP"), 0);
}

TEST_P(R1_5_Isolation, NothingStartsWithoutTheTable) {
  isolation::FirewallOptions options;
  options.nft = "/no/such/nft";
  isolation::Firewall firewall(loop_.executor(), options);
  EXPECT_EQ(reason(await(firewall.ensure())), "isolation-missing");
  EXPECT_FALSE(firewall.in_force());
  await(firewall.close());
}

/// A table of the test's own, so that no server's real one is harmed.
class R1_5_Firewall : public testing::Test {
 protected:
  R1_5_Firewall() : table_("tiltyard_test_" + random_hex(4)) {
    isolation::FirewallOptions options;
    options.table = table_;
    firewall_ = std::make_unique<isolation::Firewall>(loop_.executor(), options);
  }
  void TearDown() override {
    loop_.await(firewall_->close());
    (void)isolation::run_nft("nft", "delete table inet " + table_, {});
  }
  std::string listing() { return isolation::run_nft("nft", "--terse list table inet " + table_, {}).value_or(""); }
  bool repaired(const std::string& before) {
    return loop_.until([&] { return firewall_->in_force() && listing() == before; }, 1s);
  }

  Loop loop_;
  std::string table_;
  std::unique_ptr<isolation::Firewall> firewall_;
};

TEST_F(R1_5_Firewall, IsPutRightWithinASecond) {
  ASSERT_TRUE(ok(loop_.await(firewall_->ensure())));
  ASSERT_TRUE(firewall_->in_force());
  const std::string before = listing();
  ASSERT_THAT(before, HasSubstr("hook forward"));
  for (const std::string& harm :
       {"delete table inet " + table_, "flush table inet " + table_, "flush chain inet " + table_ + " input",
        "insert rule inet " + table_ + " input accept", "flush chain inet " + table_ + " outward",
        "add rule inet " + table_ + " outward ip daddr 10.0.0.1 accept"}) {
    ASSERT_TRUE(ok(isolation::run_nft("nft", harm, {}))) << harm;
    EXPECT_TRUE(loop_.until([&] { return listing() == before; }, 1s)) << harm;
    EXPECT_TRUE(repaired(before)) << harm;
  }
}

TEST_F(R1_5_Firewall, OthersTablesDoNotConcernUs) {
  ASSERT_TRUE(ok(loop_.await(firewall_->ensure())));
  const std::string other = table_ + "_other";
  ASSERT_TRUE(ok(isolation::run_nft("nft", "add table inet " + other, {})));
  ASSERT_TRUE(ok(isolation::run_nft("nft", "delete table inet " + other, {})));
  loop_.turn(50ms);
  EXPECT_TRUE(firewall_->in_force());
}

TEST_F(R1_5_Firewall, TwoServersShareOneTable) {
  ASSERT_TRUE(ok(loop_.await(firewall_->ensure())));
  isolation::FirewallOptions options;
  options.table = table_;
  options.limits.connections = 77;
  isolation::Firewall second(loop_.executor(), options);
  ASSERT_TRUE(ok(loop_.await(second.ensure())));
  EXPECT_TRUE(loop_.until([&] { return firewall_->in_force() && second.in_force(); }, 2s));
  const std::string before = listing();
  EXPECT_THAT(before, HasSubstr("ct count over 77")) << "the limits of the one that began last";
  loop_.turn(300ms);
  EXPECT_EQ(listing(), before) << "the other one does not mind";
  ASSERT_TRUE(ok(isolation::run_nft("nft", "delete table inet " + table_, {})));
  EXPECT_TRUE(loop_.until(
      [&] {
        return firewall_->in_force() && second.in_force() &&
               isolation::without_numbers(listing()) == isolation::without_numbers(before);
      },
      2s));
  loop_.await(second.close());
}

TEST_F(R1_5_Firewall, LookingCostsMicroseconds) {
  ASSERT_TRUE(ok(loop_.await(firewall_->ensure())));
  auto many = [](isolation::Firewall* firewall) -> asio::awaitable<int> {
    int good = 0;
    for (int i = 0; i < 1000; ++i) {
      const auto ensured = co_await firewall->ensure();
      good += ensured ? 1 : 0;
    }
    co_return good;
  };
  auto best = 1h + 0us;
  for (int round = 0; round < 5; ++round) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(loop_.await(many(firewall_.get())), 1000);
    best =
        std::min(best, std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun));
  }
  RecordProperty("microseconds", std::to_string(static_cast<double>(best.count()) / 1000));
  EXPECT_LT(best, 50ms) << "1000 calls";
}

TEST_F(R1_5_Firewall, NoStartWhenBridgedTrafficEscapesTheHooks) {
  isolation::FirewallOptions options;
  options.table = table_;
  options.bridge_hook = "/no/such/switch";
  isolation::Firewall blind(loop_.executor(), options);
  EXPECT_EQ(reason(loop_.await(blind.ensure())), "isolation-missing");
  loop_.await(blind.close());
}

}  // namespace
}  // namespace tiltyard::engine::contract
