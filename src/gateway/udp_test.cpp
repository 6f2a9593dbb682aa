#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <set>

#include "gateway/doors.h"
#include "gateway/testing.h"
#include "gateway/udp_port.h"

namespace tiltyard::gateway::testing {
namespace {

sockaddr_in loopback(int last, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(0x7f000000u | static_cast<unsigned>(last));
  at.sin_port = htons(port);
  return at;
}

/// A player's socket, connected to a port of the gateway.
class Caller {
 public:
  explicit Caller(std::uint16_t port, int from = 1) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const auto here = loopback(from, 0), there = loopback(1, port);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
  }
  Caller(Caller&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Caller() {
    if (fd_ >= 0) ::close(fd_);
  }
  void send(std::string_view bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  /// What comes next; "(nothing)" after `limit`.
  std::string read(std::chrono::milliseconds limit = 20s) {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(limit.count())) <= 0) return "(nothing)";
    std::string bytes(65536, '\0');
    const auto got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
  }
  /// The same question until it is answered: datagrams may be lost.
  std::string ask(std::string_view question) {
    for (int tries = 0; tries < 40; ++tries) {
      send(question);
      if (auto answer = read(500ms); answer != "(nothing)" && !answer.empty()) return answer;
    }
    return "(nothing)";
  }

 private:
  int fd_;
};

/// A machine's service: `answer` says what goes back for each datagram.
class Service {
 public:
  using Answer = std::function<std::vector<std::string>(std::string_view bytes)>;
  explicit Service(Answer answer) : answer_(std::move(answer)), fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const auto here = loopback(1, 0);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    const timeval often{0, 50'000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof often);
    thread_ = std::thread([this] { serve(); });
  }
  ~Service() {
    ending_ = true;
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_of(fd_); }
  std::size_t heard() const { return heard_.load(); }
  /// Those who have asked, as the machine sees them.
  std::size_t clients() {
    const std::lock_guard lock(mutex_);
    return clients_.size();
  }

 private:
  void serve() {
    std::string bytes(65536, '\0');
    while (!ending_) {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const auto got = ::recvfrom(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) continue;
      ++heard_;
      {
        const std::lock_guard lock(mutex_);
        clients_.insert(from.sin_port);
      }
      for (const auto& one : answer_({bytes.data(), static_cast<std::size_t>(got)}))
        ::sendto(fd_, one.data(), one.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  Answer answer_;
  int fd_;
  std::atomic<bool> ending_{false};
  std::atomic<std::size_t> heard_{0};
  std::mutex mutex_;
  std::set<std::uint16_t> clients_;
  std::thread thread_;
};

Service::Answer udp_echo() {
  return [](std::string_view bytes) { return std::vector{std::string(bytes)}; };
}

class R2_3_Udp : public GatewayTest {
 protected:
  R2_3_Udp() = default;
  explicit R2_3_Udp(Options options) : GatewayTest(std::move(options)) {}

  std::uint16_t publish_udp(const std::string& instance, std::uint16_t machine_port, const std::string& owner = {}) {
    // Another program may take the port between the look and the publication: then the next one serves.
    for (int i = 0; i < 20; ++i) {
      const auto port = free_port();
      const Route route{EndpointKind::kUdp, "dns", {}, port, "127.0.0.1", machine_port};
      if (run(gateway_->publish(InstanceId(instance), {route}, owner))) return port;
    }
    ADD_FAILURE() << "no port could be opened";
    return 0;
  }
  Traffic traffic(const std::string& instance) { return *gateway_->traffic(InstanceId(instance)); }
  static Options with(const std::function<void(Options&)>& change) {
    auto options = small_options();
    change(options);
    return options;
  }
};

TEST_F(R2_3_Udp, EachClientHasItsOwnAnswers) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  std::vector<Caller> callers;
  for (int i = 0; i < 20; ++i) callers.emplace_back(port, 1 + i % 3);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < callers.size(); ++i) {
      const auto said = "hello from " + std::to_string(i);
      EXPECT_EQ(callers[i].ask(said), said);
    }
  }
  EXPECT_EQ(machine.clients(), 20u) << "a socket for each client";
  const auto seen = traffic("one");
  EXPECT_EQ(seen.connections, 20u);
  EXPECT_EQ(seen.open, 20u);
  EXPECT_GE(seen.bytes_in, 60 * 12u);
  EXPECT_GE(seen.bytes_out, 60 * 12u);
  EXPECT_NE(seen.last_activity, std::chrono::steady_clock::time_point{});
}

TEST_F(R2_3_Udp, EmptyAndLargeDatagramsStayWhatTheyAre) {
  Service machine([](std::string_view bytes) { return std::vector{std::to_string(bytes.size())}; });
  const auto port = publish_udp("one", machine.port());
  Caller caller(port);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1472}, std::size_t{9000}, std::size_t{65507}})
    EXPECT_EQ(caller.ask(std::string(size, 'x')), std::to_string(size));
}

TEST_F(R2_3_Udp, TcpAndUdpOfOneNumberAreTwoPorts) {
  Service machine(udp_echo());
  Machine page([](Peer& peer) { peer.send("tcp"); });
  for (int tries = 0;; ++tries) {
    ASSERT_LT(tries, 20);
    const auto port = free_port();
    const std::vector<Route> routes{{EndpointKind::kTcp, "t", {}, port, "127.0.0.1", page.port()},
                                    {EndpointKind::kUdp, "u", {}, port, "127.0.0.1", machine.port()}};
    if (!run(gateway_->publish(InstanceId("both"), routes))) continue;
    EXPECT_EQ(Peer::connect(port).read_exactly(3), "tcp");
    EXPECT_EQ(Caller(port).ask("udp"), "udp");
    EXPECT_FALSE(gateway_->port_free(port, Transport::kUdp));
    withdraw("both");
    EXPECT_TRUE(gateway_->port_free(port, Transport::kUdp));
    return;
  }
}

TEST_F(R2_3_Udp, APortThatSomebodyHasIsBusy) {
  Service other(udp_echo());
  const Route route{EndpointKind::kUdp, "u", {}, other.port(), "127.0.0.1", 9};
  const auto done = run(gateway_->publish(InstanceId("one"), {route}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, "port-busy");
  EXPECT_FALSE(gateway_->port_free(other.port(), Transport::kUdp));
}

TEST_F(R2_3_Udp, WithdrawnNothingPassesAnyMore) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  Caller caller(port);
  ASSERT_EQ(caller.ask("in"), "in");
  withdraw("one");
  const auto before = machine.heard();
  caller.send("after");
  caller.read(100ms);  // nobody listens: the kernel says so
  EXPECT_EQ(machine.heard(), before);
  // Published again, it serves the same client.
  const Route route{EndpointKind::kUdp, "dns", {}, port, "127.0.0.1", machine.port()};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route})));
  EXPECT_EQ(caller.ask("again"), "again");
}

TEST_F(R2_3_Udp, PublishedAnewTheSameWayGoesOnAndAnotherBeginsAnew) {
  Service machine(udp_echo()), other([](std::string_view) { return std::vector<std::string>{"other"}; });
  const auto port = publish_udp("one", machine.port());
  Caller caller(port);
  ASSERT_EQ(caller.ask("in"), "in");
  Route route{EndpointKind::kUdp, "dns", {}, port, "127.0.0.1", machine.port()};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route})));
  EXPECT_EQ(caller.ask("on"), "on");
  EXPECT_EQ(traffic("one").connections, 1u);
  route.machine_port = other.port();
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route})));
  EXPECT_EQ(caller.ask("elsewhere"), "other");
  EXPECT_EQ(traffic("one").open, 1u);
}

TEST_F(R2_3_Udp, WhoSleepsIsWokenByTheFirstDatagram) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  std::atomic<int> woken{0};
  gateway_->on_wake([&](InstanceId) -> asio::awaitable<Result<>> {
    ++woken;
    co_return Result<>{};
  });
  ASSERT_TRUE(run(gateway_->set_asleep(InstanceId("one"), true)));
  Caller caller(port), another(port);
  caller.send("good");
  caller.send("morning");
  another.send("hello");
  EXPECT_EQ(caller.read(), "good");
  EXPECT_EQ(caller.read(), "morning");
  EXPECT_EQ(another.read(), "hello");
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(traffic("one").waiting, 0u);
}

class R2_3_UdpWake : public R2_3_Udp {
 protected:
  R2_3_UdpWake() : R2_3_Udp(with([](Options& options) { options.wake_timeout = 300ms; })) {}
};

TEST_F(R2_3_UdpWake, LittleIsHeldAndNothingReachesAMachineThatCannotBeWoken) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  ASSERT_TRUE(run(gateway_->set_asleep(InstanceId("one"), true)));
  Caller caller(port);
  for (int i = 0; i < 20; ++i) caller.send("knock");
  EXPECT_TRUE(eventually([&] { return traffic("one").bytes_in == 100; }));
  EXPECT_TRUE(eventually([&] { return traffic("one").open == 0 && traffic("one").waiting == 0; }));
  EXPECT_EQ(machine.heard(), 0u);
  // Who comes when it is awake again gets through, without what was lost.
  ASSERT_TRUE(run(gateway_->set_asleep(InstanceId("one"), false)));
  EXPECT_EQ(caller.ask("up?"), "up?");
}

class R2_3_UdpIdle : public R2_3_Udp {
 protected:
  R2_3_UdpIdle() : R2_3_Udp(with([](Options& options) { options.udp_idle_timeout = 200ms; })) {}
};

TEST_F(R2_3_UdpIdle, AFlowEndsWhenNothingComes) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  Caller caller(port);
  ASSERT_EQ(caller.ask("one"), "one");
  EXPECT_TRUE(eventually([&] { return traffic("one").open == 0; }));
  ASSERT_EQ(caller.ask("two"), "two");
  EXPECT_EQ(machine.clients(), 2u);
}

// Four forged datagrams do not pay for ten minutes.
TEST_F(R2_3_UdpIdle, WhoHasLongSaidNothingIsNotFlooded) {
  std::atomic<bool> over = false;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto here = loopback(1, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  std::atomic<int> sent = 0;
  std::thread machine([&] {  // answers, and goes on sending to who has asked for all
    sockaddr_in from{};
    for (bool all = false; !over;) {
      pollfd wait{fd, POLLIN, 0};
      ::poll(&wait, 1, 1);
      char bytes[16];
      socklen_t size = sizeof from;
      const auto got = ::recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
      if (got > 0 && bytes[0] == 'a') all = true;
      const std::string answer(all ? 1000 : 2, 'A');
      if (got > 0 || all)
        ::sendto(fd, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), sizeof from);
      if (all) ++sent;
    }
  });
  Caller caller(publish_udp("one", port_of(fd)));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(caller.ask("?"), "AA");
  caller.send("all");
  const auto begun = std::chrono::steady_clock::now();
  const auto passed = [begun] { return std::chrono::steady_clock::now() - begun; };
  int came = 0;
  while (passed() < 30s && (sent < 600 || passed() < 2s)) came += caller.read(10ms) == "(nothing)" ? 0 : 1;
  over = true;
  machine.join();
  EXPECT_LT(came, sent / 2) << "what came in the first 200 ms, and what an address has for nothing";
  ::close(fd);
}

// Whoever may be forged gets three times what came, and what its address has for nothing; then no more.
TEST_F(R2_3_Udp, AForgedAddressIsNotFlooded) {
  constexpr std::size_t kSize = 1000, kAnswers = 200;
  Service machine([](std::string_view) { return std::vector(kAnswers, std::string(kSize, 'A')); });
  const auto port = publish_udp("one", machine.port());
  Caller forged(port);
  forged.send("x");
  std::size_t came = 0;
  // It is silent after what is allowed; a slow machine may earn it a few more.
  while (forged.read(1s) != "(nothing)") came += kSize + 28;
  EXPECT_GE(came, 15 * (kSize + 28));
  EXPECT_LE(came, 16 * 1024 + 3 * 29 + 30 * 4096u);
  EXPECT_LT(came, kAnswers * kSize / 2);
  // Another address has its own.
  Caller honest(port, 9);
  honest.send("x");
  EXPECT_EQ(honest.read().size(), kSize);
}

TEST_F(R2_3_Udp, WhoGoesOnAskingIsAnsweredInFull) {
  Service machine([](std::string_view bytes) {
    return bytes == "all" ? std::vector(50, std::string(1400, 'A')) : std::vector<std::string>{"ok"};
  });
  const auto port = publish_udp("one", machine.port());
  Caller caller(port);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(caller.ask("?"), "ok");
  caller.send("all");
  std::size_t came = 0;
  while (came < 50 && caller.read(20s).size() == 1400) ++came;
  EXPECT_EQ(came, 50u);
}

TEST_F(R2_3_Udp, AnOwnersDoorOpensToTheOwnersAddress) {
  Service machine(udp_echo());
  std::uint16_t port = 0;
  for (int tries = 0; port == 0 && tries < 20; ++tries) {
    const auto free = free_port();
    Route route{EndpointKind::kUdp, "dns", {}, free, "127.0.0.1", machine.port()};
    route.door = Door::kOwner;
    if (run(gateway_->publish(InstanceId("one"), {route}, "ada"))) port = free;
  }
  Caller owner(port, 7), stranger(port, 8);
  const auto ada = party_of("ada");
  const auto now = millis_now();
  run(gateway_->doors().know("ada", asio::ip::make_address("127.0.0.7"), {ada, 0, now, now + 3'600'000}));
  EXPECT_EQ(owner.ask("mine"), "mine");
  stranger.send("let me in");
  ASSERT_EQ(owner.ask("still"), "still") << "and by then the stranger's has been looked at";
  EXPECT_EQ(traffic("one").open, 1u);
  run(gateway_->doors().revoke(ada));
  EXPECT_EQ(traffic("one").open, 0u);
}

TEST(R2_3_Allowances, FillAgainByTime) {
  auto allowances = std::make_unique<Allowances>();
  Instant now = Clock::now();
  EXPECT_TRUE(allowances->take(7, 16 * 1024, now));
  EXPECT_FALSE(allowances->take(7, 1, now));
  EXPECT_FALSE(allowances->take(7, 4097, now + 1s));
  EXPECT_TRUE(allowances->take(7, 4096, now + 1s));
  EXPECT_FALSE(allowances->take(7, 16 * 1024 + 1, now + 1h)) << "never more than is there";
  EXPECT_TRUE(allowances->take(7, 16 * 1024, now + 1h));
}

class R2_3_UdpFull : public R2_3_Udp {
 protected:
  R2_3_UdpFull()
      : R2_3_Udp(with([](Options& options) {
          options.max_udp_flows = 40;
          options.max_udp_flows_per_instance = 30;
          options.max_udp_flows_per_address = 10;
          options.quiet = 1h;
        })) {}
};

TEST_F(R2_3_UdpFull, TheOldestGoFirstAndNobodyWhoIsThere) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  Caller there(port, 2);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(there.ask("?"), "?");
  std::vector<Caller> callers;
  for (int i = 0; i < 60; ++i) {
    callers.emplace_back(port, 10);
    ASSERT_EQ(callers.back().ask("x"), "x") << "whoever comes is served";
    ASSERT_LE(traffic("one").open, 11u) << "no more of one address than it may have";
  }
  for (int i = 0; i < 60; ++i) {
    callers.emplace_back(port, 20 + i);
    ASSERT_EQ(callers.back().ask("x"), "x");
    ASSERT_LE(traffic("one").open, 30u);
  }
  EXPECT_EQ(there.ask("still"), "still");
  const auto connections = traffic("one").connections;
  EXPECT_EQ(there.ask("here"), "here");
  EXPECT_EQ(traffic("one").connections, connections) << "its flow was never dropped";
}

TEST_F(R2_3_UdpFull, OnePortsCrowdGivesWayToAnother) {
  Service machine(udp_echo());
  const auto crowded = publish_udp("one", machine.port()), other = publish_udp("two", machine.port());
  std::vector<Caller> callers;
  for (int i = 0; i < 90; ++i) {
    callers.emplace_back(crowded, 20 + i);
    callers.back().send("x");
  }
  ASSERT_TRUE(eventually([&] { return traffic("one").open == 30; }));
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back(other, 120 + i);
    EXPECT_EQ(callers.back().ask("x"), "x");
  }
}

// Row 2.3's bad input: they cost what a datagram costs, and who is there goes on.
TEST_F(R2_3_Udp, AHundredThousandSourcesDoNotHurt) {
  Service machine(udp_echo());
  const auto port = publish_udp("one", machine.port());
  Caller there(port, 2);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(there.ask("?"), "?");
  const auto target = loopback(1, port);
  for (int address = 3; address < 103; ++address) {
    for (int i = 0; i < 1000; i += 250) {
      std::vector<int> sockets;
      for (int j = 0; j < 250; ++j) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const auto here = loopback(address, static_cast<std::uint16_t>(20'000 + i + j));
        if (::bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0)
          ::sendto(fd, "flood", 5, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&target), sizeof target);
        sockets.push_back(fd);
      }
      for (const int fd : sockets) ::close(fd);
    }
    if (address % 20 == 0) ASSERT_EQ(there.ask("still"), "still");
  }
  EXPECT_LE(traffic("one").open, 1000u);
  EXPECT_EQ(there.ask("there"), "there");
  Caller newcomer(port, 200);
  EXPECT_EQ(newcomer.ask("new"), "new");
}

}  // namespace
}  // namespace tiltyard::gateway::testing
