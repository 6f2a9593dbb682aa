#include "labs/probe.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <thread>

namespace tiltyard::labs {
namespace {

using namespace std::chrono_literals;
using What = Heard::What;

/// Takes one connection and does with it what a test says.
class OneTime {
 public:
  template <class Serve>
  explicit OneTime(Serve serve) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this, serve] {
      const int got = ::accept(fd_, nullptr, nullptr);
      serve(got);
      ::close(got);
    });
  }
  ~OneTime() {
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void say(int to, std::string_view text) {
  EXPECT_EQ(::send(to, text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
}

std::string read_all_of_a_request(int from) {
  std::string got;
  char part[512];
  while (!got.contains("\r\n\r\n")) {
    const auto size = ::recv(from, part, sizeof(part), 0);
    if (size <= 0) break;
    got.append(part, static_cast<std::size_t>(size));
  }
  return got;
}

void wait_for_the_end(int from) {
  char part[512];
  while (::recv(from, part, sizeof(part), 0) > 0) {}
}

Heard ask_now(std::uint16_t port, std::chrono::milliseconds patience = 30s) {
  asio::io_context loop;
  auto heard = asio::co_spawn(loop, ask({"127.0.0.1", port, "main", "/"}, patience), asio::use_future);
  loop.run();
  return heard.get();
}

TEST(R1_9, EveryAnswerOfHttpIsOne) {
  for (const int status : {200, 302, 404, 500, 501, 503, 999}) {
    OneTime server([&](int peer) {
      EXPECT_TRUE(read_all_of_a_request(peer).starts_with("GET / HTTP/1.1\r\nHost: main\r\n"));
      say(peer, "HTTP/1.1 " + std::to_string(status) + " Whatever\r\n\r\n");
    });
    const auto heard = ask_now(server.port());
    EXPECT_EQ(heard.what, What::kHttp);
    EXPECT_EQ(heard.status, status);
  }
}

TEST(R1_9, WhoTalksFirstIsHeard) {
  OneTime server([](int peer) {
    say(peer, "say the word:\n");
    wait_for_the_end(peer);
  });
  const auto heard = ask_now(server.port());
  EXPECT_EQ(heard.what, What::kOther);
  EXPECT_EQ(words_of(heard), "it said \"say the word:\", which is no HTTP");
}

TEST(R1_9, AnAnswerMayComeByteByByte) {
  OneTime server([](int peer) {
    read_all_of_a_request(peer);
    // Nothing after the status: who has heard enough closes, and what comes after it may find nobody.
    for (const char c : std::string_view("HTTP/1.0 204")) say(peer, {&c, 1});
  });
  EXPECT_EQ(ask_now(server.port()).status, 204);
}

TEST(R1_9, SilenceIsToldFromAClosedDoorAndFromNobody) {
  {
    OneTime server([](int peer) { wait_for_the_end(peer); });
    EXPECT_EQ(ask_now(server.port(), 50ms).what, What::kSilence);
  }
  std::uint16_t port = 0;
  {
    OneTime server([](int peer) { read_all_of_a_request(peer); });
    port = server.port();
    EXPECT_EQ(ask_now(port).what, What::kClosed);
  }
  EXPECT_EQ(ask_now(port).what, What::kRefused);
}

TEST(R1_9, WhatIsMadeOfTheFirstBytes) {
  EXPECT_EQ(judge("HTTP/1.1 404: nothing", false).what, What::kHttp);
  EXPECT_EQ(judge("HTTP/1.1 404: nothing", false).status, 404);
  EXPECT_EQ(judge("HTTP/1.1\r\n", true).status, 0);
  EXPECT_EQ(judge("HTTP/1.1 2x0 OK", true).status, 0);
  EXPECT_EQ(judge("SSH-2.0-OpenSSH\r\n", true).what, What::kOther);
  EXPECT_EQ(judge("<html>", true).what, What::kOther);
  EXPECT_EQ(judge(std::string_view("\x15\x03\x01\x00\x02\x02\x0a", 7), true).what, What::kTls);
  EXPECT_EQ(judge("HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port", true).what,
            What::kTls);
  EXPECT_EQ(judge("HTTP/1.1 400 Bad Request\r\n\r\nNo host", true).what, What::kHttp);
  EXPECT_EQ(judge(std::string(4000, 'x'), true).first.size(), Heard::kFirstBytes);
}

}  // namespace
}  // namespace tiltyard::labs
