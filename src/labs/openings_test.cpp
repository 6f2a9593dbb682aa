// Endpoints that come and go while their instance is up, over the fake engine and the real gateway and store.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

sockaddr_in at(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

/// A program of the test's own at a machine's address, which greets everybody.
class Greeter {
 public:
  Greeter(const std::string& address, std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int one = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const auto where = at(address, port);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0) << address << " " << port;
    ::listen(fd_, 16);
    thread_ = std::thread([fd = fd_] {
      for (int one; (one = ::accept(fd, nullptr, nullptr)) >= 0; ::close(one)) ::send(one, "hello", 5, MSG_NOSIGNAL);
    });
  }
  ~Greeter() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

 private:
  int fd_;
  std::thread thread_;
};

/// What comes from there; empty where nobody listens or nothing comes.
std::string heard(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const auto where = at("127.0.0.2", port);
  std::string said(5, '\0');
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
      ::recv(fd, said.data(), said.size(), MSG_WAITALL) != 5)
    said.clear();
  ::close(fd);
  return said;
}

class R2_8_Openings : public Range {
 protected:
  ~R2_8_Openings() override { arm_failpoints(""); }

  Instance running() {
    auto made = ask("ann", "one");
    EXPECT_TRUE(made);
    auto instance = wait(made->id);
    EXPECT_EQ(instance.state, InstanceState::kRunning);
    until([&, this] { return service_->live(instance.id)->free(); });
    return instance;
  }
  Result<PlannedEndpoint> open_port(const InstanceId& id, std::uint16_t port, EndpointKind kind = EndpointKind::kTcp,
                                    std::string machine = "") {
    return run(service_->open_endpoint(id, Opening{"", std::move(machine), port, kind}, "ann"));
  }
  Result<> close_port(const InstanceId& id, const std::string& name) {
    return run(service_->close_endpoint(id, name, "ann"));
  }
  /// Names of the endpoints, as the row on disk has them.
  std::vector<std::string> row(const InstanceId& id) {
    std::vector<std::string> names;
    for (const auto& one : run(service_->store().find(id)).value()->plan.endpoints) names.push_back(one.name);
    return names;
  }
  std::size_t lanes_in_use() {
    return home([this] { return lanes_->in_use(); });
  }
};

using Names = std::vector<std::string>;

TEST_F(R2_8_Openings, AnOpenedPortLetsPlayersThroughUntilItIsClosed) {
  open();
  const auto instance = running();
  const Greeter greeter(instance.plan.endpoints[0].address, 9000);
  auto opened = open_port(instance.id, 9000);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->name, "main-9000");
  EXPECT_TRUE(opened->opened);
  EXPECT_EQ(heard(opened->port), "hello");
  EXPECT_EQ(row(instance.id), (Names{"web", "main-9000"}));
  ASSERT_TRUE(close_port(instance.id, "main-9000"));
  EXPECT_EQ(heard(opened->port), "");
  EXPECT_EQ(row(instance.id), Names{"web"});
  EXPECT_EQ(lanes_in_use(), 0u);
}

TEST_F(R2_8_Openings, APageGetsAHostOfItsOwn) {
  open();
  const auto instance = running();
  auto opened = open_port(instance.id, 9000, EndpointKind::kHttp);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->port, 0);
  const auto hosts = hosts_of(instance, *opened);
  ASSERT_EQ(hosts.size(), 1u);
  EXPECT_NE(hosts, hosts_of(instance, instance.plan.endpoints[0]));
}

TEST_F(R2_8_Openings, WhatIsItsOwnersAloneIsNotOpenedToEverybodyByAnotherPort) {
  add_template(
      "own",
      "image = \"test/one:1\"\n[[endpoint]]\nname = \"web\"\nport = 8000\nkind = \"tcp\"\nowner_only = \"prompt\"\n"
      "[ready]\ninterval = 50\n");
  open();
  auto made = ask("ann", "own");
  ASSERT_TRUE(made);
  const auto instance = wait(made->id);
  until([&, this] { return service_->live(instance.id)->free(); });
  auto opened = open_port(instance.id, 9000, EndpointKind::kHttp);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->door, Door::kOwner);
  const auto other = running();
  auto usual = open_port(other.id, 9000, EndpointKind::kHttp);
  ASSERT_TRUE(usual) << usual.error().message;
  EXPECT_EQ(usual->door, Door::kUnsaid) << "as the range has it";
}

TEST_F(R2_8_Openings, ItIsThereAgainAfterARestartAndEndsWithItsInstance) {
  open();
  const auto instance = running();
  const Greeter greeter(instance.plan.endpoints[0].address, 9000);
  auto opened = open_port(instance.id, 9000);
  ASSERT_TRUE(opened) << opened.error().message;
  close();
  open();
  ASSERT_TRUE(until([&, this] { return service_->live(instance.id)->free(); }));
  EXPECT_EQ(heard(opened->port), "hello");
  EXPECT_EQ(lanes_in_use(), 1u);
  ASSERT_TRUE(stop(instance.id));
  wait(instance.id, true);
  EXPECT_EQ(heard(opened->port), "");
  EXPECT_TRUE(until([this] { return lanes_->in_use() == 0; }));
}

TEST_F(R2_8_Openings, OneThatSleepsGetsItsPortAndWakesByIt) {
  add_template("day", "image = \"test/one:1\"\nports = [8000]\npause_after = \"1h\"\n[ready]\ninterval = 50\n");
  open();
  auto made = ask("ann", "day");
  ASSERT_TRUE(made);
  const auto instance = wait(made->id);
  const Greeter greeter(instance.plan.endpoints[0].address, 9000);
  until([&, this] { return service_->live(instance.id)->free(); });
  ASSERT_TRUE(run(service_->pause(instance.id)));
  auto opened = open_port(instance.id, 9000);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(run(service_->find(instance.id)).value()->state, InstanceState::kPaused);
  EXPECT_EQ(heard(opened->port), "hello");
  EXPECT_EQ(run(service_->find(instance.id)).value()->state, InstanceState::kRunning);
}

TEST_F(R2_8_Openings, WhatFailsOnTheWayIsTakenBack) {
  open();
  const auto instance = running();
  for (const char* place : {"labs.port.row.before", "labs.port.row.after"}) {
    arm_failpoints(std::string(place) + "=error");
    EXPECT_FALSE(open_port(instance.id, 9000)) << place;
    arm_failpoints("");
    EXPECT_TRUE(until([&, this] { return service_->live(instance.id)->free(); }));
    EXPECT_EQ(row(instance.id), Names{"web"}) << place;
    EXPECT_EQ(lanes_in_use(), 0u) << place;
  }
  EXPECT_TRUE(open_port(instance.id, 9000)) << "nothing of the tries is in its way";
}

TEST_F(R2_8_Openings, ACloseThatFailsLeavesItOpen) {
  open();
  const auto instance = running();
  const Greeter greeter(instance.plan.endpoints[0].address, 9000);
  auto opened = open_port(instance.id, 9000);
  ASSERT_TRUE(opened) << opened.error().message;
  arm_failpoints("labs.port.close.before=error");
  EXPECT_FALSE(close_port(instance.id, opened->name));
  arm_failpoints("");
  EXPECT_EQ(heard(opened->port), "hello");
  EXPECT_EQ(row(instance.id), (Names{"web", "main-9000"}));
}

TEST_F(R2_8_Openings, ACloseThatIsWrittenDownGivesThePortBackThoughTheGatewayWasNotTold) {
  open();
  const auto instance = running();
  auto opened = open_port(instance.id, 9000);
  ASSERT_TRUE(opened) << opened.error().message;
  arm_failpoints("labs.port.close.after=error");
  EXPECT_FALSE(close_port(instance.id, opened->name));
  arm_failpoints("");
  EXPECT_EQ(row(instance.id), Names{"web"});
  EXPECT_TRUE(until([this] { return lanes_->in_use() == 0; }));
}

TEST_F(R2_8_Openings, AStopThatComesMeanwhileFollows) {
  open();
  const auto instance = running();
  arm_failpoints("labs.port.row.after=hold");
  auto opening = asio::co_spawn(loops_.home(), service_->open_endpoint(instance.id, Opening{"", "", 9000}, "ann"),
                                asio::use_future);
  ASSERT_TRUE(until([&] { return failpoint_passes("labs.port.row.after") > 0; }));
  ASSERT_TRUE(stop(instance.id));
  arm_failpoints("");
  opening.get();
  EXPECT_EQ(wait(instance.id, true).state, InstanceState::kStopped);
  EXPECT_TRUE(until([this] { return lanes_->in_use() == 0 && gateway_->published().empty(); }));
}

TEST_F(R2_8_Openings, APortThatSomebodyElseHasIsReplacedAndTheOthersStay) {
  open();
  const auto instance = running();
  auto first = open_port(instance.id, 9000);
  ASSERT_TRUE(first) << first.error().message;
  const auto next = home([&, this] {
    const auto port = lanes_->allocate("ann", "one", 9001, std::nullopt).value();
    lanes_->release(port);
    return port;
  });
  // A lane's cursor has moved on by now: the next one is the neighbour's.
  std::vector<std::unique_ptr<Greeter>> others;
  for (int i = 0; i < 3; ++i) {
    const auto port = static_cast<std::uint16_t>(next + i);
    if (port != first->port) others.push_back(std::make_unique<Greeter>("127.0.0.2", port));
  }
  auto second = open_port(instance.id, 9001);
  ASSERT_TRUE(second) << second.error().message;
  const auto row = run(service_->store().find(instance.id)).value()->plan;
  EXPECT_EQ(row.endpoints[1].port, first->port);
  EXPECT_EQ(row.endpoints[2].port, second->port);
  EXPECT_EQ(heard(second->port), "") << "it is not one of those that others have, which would greet";
}

TEST_F(R2_8_Openings, ThePortOfOneNumberOverUdpIsAnotherOne) {
  open();
  const auto instance = running();
  auto tcp = open_port(instance.id, 9000);
  auto udp = open_port(instance.id, 9000, EndpointKind::kUdp);
  ASSERT_TRUE(tcp && udp);
  EXPECT_EQ(udp->name, "main-9000-udp");
  EXPECT_EQ(udp->port, tcp->port) << "outside as well";
  EXPECT_EQ(row(instance.id), (Names{"web", "main-9000", "main-9000-udp"}));
  ASSERT_TRUE(close_port(instance.id, "main-9000-udp"));
  EXPECT_EQ(row(instance.id), (Names{"web", "main-9000"}));
  EXPECT_EQ(lanes_in_use(), 1u);
}

TEST_F(R2_8_Openings, WhatCannotBeOpenedIsToldWhy) {
  open();
  const auto instance = running();
  const auto why = [](const auto& result) { return result ? std::string() : result.error().reason; };
  EXPECT_EQ(why(open_port(instance.id, 8000)), "port-open");
  EXPECT_EQ(why(open_port(instance.id, 9000, EndpointKind::kTcp, "db")), "machine-unknown");
  EXPECT_EQ(why(open_port(InstanceId("one-00000000-00000000"), 9000)), "instance-unknown");
  EXPECT_EQ(why(close_port(instance.id, "web")), "endpoint-fixed");
  EXPECT_EQ(why(close_port(instance.id, "main-9000")), "endpoint-unknown");
  for (std::uint16_t port = 9000; port < 9063; ++port) {
    ASSERT_EQ(why(open_port(instance.id, port, EndpointKind::kHttp)), "") << port;
  }
  EXPECT_EQ(why(open_port(instance.id, 9063, EndpointKind::kHttp)), "too-many-endpoints");
  ASSERT_TRUE(stop(instance.id));
  EXPECT_NE(why(open_port(instance.id, 9000)), "");
}

}  // namespace
}  // namespace tiltyard::labs
