// Where the server connects for somebody else, and where it does not.
#include "net/reach.h"

#include <gtest/gtest.h>

#include "net/client.h"
#include "net/testing.h"

namespace tiltyard::net {
namespace {

using namespace std::chrono_literals;

Result<> checked(const std::string& address, const std::vector<std::string>& allowed = {}) {
  return Reach::make(allowed)->check(asio::ip::make_address(address));
}

TEST(R6_6, NobodyHasTheServerCallItsOwnHost) {
  for (const auto* closed :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "ff02::1"}) {
    const auto refused = checked(closed);
    ASSERT_FALSE(refused) << closed;
    EXPECT_EQ(refused.error().reason, "target-refused");
    EXPECT_NE(refused.error().message.find("allow_targets"), std::string::npos);
  }
  for (const auto* open : {"10.10.10.10", "203.0.113.9", "2001:db8::1", "fd12::1"}) EXPECT_TRUE(checked(open)) << open;
}

TEST(R6_6, WhatTheConfigurationListsMayBeCalled) {
  EXPECT_TRUE(checked("127.0.0.1", {"127.0.0.1"}));
  EXPECT_TRUE(checked("::ffff:127.0.0.1", {"127.0.0.1"}));
  EXPECT_FALSE(checked("127.0.0.2", {"127.0.0.1"}));
  EXPECT_TRUE(checked("169.254.10.1", {"169.254.0.0/16"}));
  EXPECT_FALSE(Reach::make({"nowhere"}));
}

/// A name is refused by what it turns out to be: the address is looked at between the look-up and the connection.
TEST(R6_6, ANameIsRefusedByItsAddress) {
  const auto answers = [](http::testing::Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  };
  http::testing::Peer peer({answers, answers});
  net::Loops loops(1);
  const auto closed = Reach::make({}).value(), open = Reach::make({"127.0.0.0/8", "::1"}).value();
  for (const auto* host : {"localhost", "127.0.0.1"}) {
    for (const auto* reach : {&closed, &open}) {
      http::ClientOptions options;
      options.reach = reach;
      http::Target target;
      target.host = host;
      target.port = peer.port();
      http::testing::run(loops.home(), [&]() -> asio::awaitable<void> {
        http::Client client(target, options);
        http::Request request;
        request.method = "GET";
        request.target = "/";
        auto answer = co_await client.send(std::move(request), 5s);
        EXPECT_EQ(answer ? "answered" : answer.error().reason, reach == &open ? "answered" : "target-refused") << host;
      }());
    }
  }
}

}  // namespace
}  // namespace tiltyard::net
