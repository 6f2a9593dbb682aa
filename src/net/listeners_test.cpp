#include "net/listeners.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace tiltyard::net {
namespace {

struct Socket {
  int fd = -1;
  std::uint16_t port = 0;
  ~Socket() { ::close(fd); }
};

void listen_on(Socket& out, std::uint32_t address) {
  out.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(address);
  ASSERT_EQ(::bind(out.fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  ASSERT_EQ(::listen(out.fd, 1), 0);
  socklen_t size = sizeof(at);
  ASSERT_EQ(::getsockname(out.fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
  out.port = ntohs(at.sin_port);
}

TEST(R1_9, WhatListensIsSeenWithoutAConnection) {
  Socket loopback, all;
  listen_on(loopback, INADDR_LOOPBACK);
  listen_on(all, INADDR_ANY);
  const auto seen = listeners_of(::getpid());
  if (!seen) GTEST_SKIP() << "only root sees it";
  const auto heard = [&](const char* address, std::uint16_t port) {
    return std::ranges::any_of(*seen, [&](const Listener& one) { return hears(one, address, port); });
  };
  EXPECT_TRUE(heard("127.0.0.1", loopback.port));
  EXPECT_FALSE(heard("10.1.2.3", loopback.port));
  EXPECT_TRUE(heard("10.1.2.3", all.port));
  EXPECT_NE(std::ranges::find(*seen, Listener{"127.0.0.1", loopback.port, false, 0}), seen->end());
  ::shutdown(all.fd, SHUT_RD);  // no listener any more
  const auto after = listeners_of(::getpid());
  ASSERT_TRUE(after);
  EXPECT_FALSE(std::ranges::any_of(*after, [&](const Listener& one) { return one.port == all.port; }));
}

TEST(R2_8, WhatWaitsIsSeenOfBothProtocolsWithItsProgram) {
  Socket tcp, udp;
  listen_on(tcp, INADDR_ANY);
  udp.fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(udp.fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  socklen_t size = sizeof(at);
  ASSERT_EQ(::getsockname(udp.fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
  const auto seen = waiting_in(::getpid());
  ASSERT_TRUE(seen) << "the own namespace is seen without any right";
  const auto find = [&](std::uint16_t port, bool is_udp) {
    return std::ranges::find_if(*seen, [&](const Waiting& one) { return one.at.port == port && one.udp == is_udp; });
  };
  const auto stream = find(tcp.port, false), datagram = find(ntohs(at.sin_port), true);
  ASSERT_NE(stream, seen->end());
  EXPECT_EQ(stream->at.address, "0.0.0.0");
  EXPECT_EQ(stream->program, "net_test");
  ASSERT_NE(datagram, seen->end());
  EXPECT_EQ(datagram->at.address, "127.0.0.1");
  EXPECT_EQ(datagram->program, "net_test");
  EXPECT_TRUE(std::ranges::is_sorted(*seen, {}, [](const Waiting& one) { return one.at.port; }));
  // One that is connected waits for nobody else.
  ASSERT_EQ(::connect(udp.fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  const auto after = waiting_in(::getpid());
  ASSERT_TRUE(after);
  EXPECT_FALSE(
      std::ranges::any_of(*after, [&](const Waiting& one) { return one.udp && one.at.port == ntohs(at.sin_port); }));
}

TEST(R1_9, WhatTakesDatagramsIsSeenAndWhatIsConnectedIsNot) {
  Socket all, loopback, connected;
  const auto open = [](Socket& out, std::uint32_t address) {
    out.fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(address);
    ASSERT_EQ(::bind(out.fd, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
    socklen_t size = sizeof(at);
    ASSERT_EQ(::getsockname(out.fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
    out.port = ntohs(at.sin_port);
  };
  open(all, INADDR_ANY);
  open(loopback, INADDR_LOOPBACK);
  open(connected, INADDR_LOOPBACK);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(all.port);
  ASSERT_EQ(::connect(connected.fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const auto seen = datagram_listeners_of(::getpid());
  if (!seen) GTEST_SKIP() << "only root sees it";
  const auto heard = [&](const char* address, std::uint16_t port) {
    return std::ranges::any_of(*seen, [&](const Listener& one) { return hears(one, address, port); });
  };
  EXPECT_TRUE(heard("10.1.2.3", all.port));
  EXPECT_TRUE(heard("127.0.0.1", loopback.port));
  EXPECT_FALSE(heard("10.1.2.3", loopback.port));
  EXPECT_FALSE(heard("127.0.0.1", connected.port));
}

TEST(R1_9, AListenerOfTheOtherFamilyHearsUnlessItSaysNo) {
  EXPECT_TRUE(hears({"::", 80, false}, "10.1.2.3", 80));
  EXPECT_FALSE(hears({"::", 80, true}, "10.1.2.3", 80));
  EXPECT_TRUE(hears({"10.1.2.3", 80, false}, "10.1.2.3", 80));
  EXPECT_FALSE(hears({"127.0.0.1", 80, false}, "10.1.2.3", 80));
  EXPECT_FALSE(hears({"0.0.0.0", 80, false}, "10.1.2.3", 81));
}

TEST(R1_9, NobodysNamespaceIsNotSeen) {
  EXPECT_FALSE(listeners_of(0));
  EXPECT_FALSE(listeners_of(-1));
  EXPECT_FALSE(listeners_of(std::int64_t{1} << 40));
  EXPECT_FALSE(waiting_in(0));
  EXPECT_FALSE(waiting_in(std::int64_t{1} << 40));
}

}  // namespace
}  // namespace tiltyard::net
