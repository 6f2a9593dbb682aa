#include "desktop/sign_in.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <gmock/gmock.h>

#include <deque>

#include "desktop/rfb.h"

namespace tiltyard::desktop {
namespace {

using namespace std::string_literals;

struct Met {
  Result<> result;
  std::string heard;  ///< by the server
};

/// What comes of a server that says this, whatever it hears.
Met meet(const std::string& says, const std::string& password) {
  asio::io_context loop;
  asio::local::stream_protocol::socket ours(loop), theirs(loop);
  asio::local::connect_pair(ours, theirs);
  asio::write(theirs, asio::buffer(says));
  theirs.shutdown(asio::local::stream_protocol::socket::shutdown_send);
  Met met;
  auto server = std::make_shared<http::Transport>(http::Transport::Socket(std::move(ours)));
  auto work = [](std::shared_ptr<http::Transport> at, Secret secret, Result<>* into) -> asio::awaitable<void> {
    *into = co_await sign_in(at, std::move(secret));
    at->close();
  };
  asio::co_spawn(loop, work(server, Secret(password), &met.result), asio::detached);
  loop.run();
  boost::system::error_code ended;
  asio::read(theirs, asio::dynamic_buffer(met.heard), ended);
  return met;
}

std::string reason_of(const Met& met) { return met.result ? "" : met.result.error().reason; }

const std::string kVersion8 = "RFB 003.008\n", kOk(4, '\0'), kAsked = "0123456789abcdef";

std::string proof(const std::string& password) {
  rfb::Challenge challenge{};
  std::ranges::copy(kAsked, challenge.begin());
  const auto answer = rfb::answer_to(challenge, password);
  return {answer.begin(), answer.end()};
}

TEST(R3_2, TheServerSignsInWithTheTemplatesPassword) {
  const auto met = meet(kVersion8 + "\3\x13\1\2"s + kAsked + kOk, "secret");
  EXPECT_EQ(reason_of(met), "");
  EXPECT_EQ(met.heard, kVersion8 + "\2" + proof("secret"));
}

TEST(R3_2, WithoutAPasswordNoneIsShown) {
  const auto met = meet(kVersion8 + "\2\2\1"s + kOk, "");
  EXPECT_EQ(reason_of(met), "");
  EXPECT_EQ(met.heard, kVersion8 + "\1");
}

TEST(R3_2, OlderServersAreSignedInAtAsTheyKnowIt) {
  auto met = meet("RFB 003.003\n\0\0\0\2"s + kAsked + kOk, "secret");
  EXPECT_EQ(reason_of(met), "");
  EXPECT_EQ(met.heard, "RFB 003.003\n" + proof("secret"));
  met = meet("RFB 003.003\n\0\0\0\1"s, "");
  EXPECT_EQ(reason_of(met), "");
  met = meet("RFB 003.007\n\1\1"s, "");
  EXPECT_EQ(reason_of(met), "");
  EXPECT_EQ(met.heard, "RFB 003.007\n\1");
  met = meet("RFB 003.889\n\1\1"s + kOk, "");
  EXPECT_EQ(reason_of(met), "");
  EXPECT_EQ(met.heard, kVersion8 + "\1");
}

TEST(R3_2, WhatAServerRefusesIsSaid) {
  auto met = meet(kVersion8 + "\1\2"s + kAsked + "\0\0\0\1\0\0\0\5wrong"s, "other");
  EXPECT_EQ(reason_of(met), "desktop-password");
  EXPECT_EQ(met.result.error().cause, "wrong");
  EXPECT_EQ(reason_of(meet("RFB 003.003\n\0\0\0\2"s + kAsked + "\0\0\0\1"s, "other")), "desktop-password");
  EXPECT_EQ(reason_of(meet(kVersion8 + "\1\2"s, "")), "desktop-password");
  met = meet(kVersion8 + "\0\0\0\0\4busy"s, "");
  EXPECT_EQ(reason_of(met), "desktop-foreign");
  EXPECT_EQ(met.result.error().cause, "busy");
  EXPECT_EQ(reason_of(meet(kVersion8 + "\1\x13"s, "x")), "desktop-foreign");
}

TEST(R3_2, WhatIsNoVncServerIsLeft) {
  for (const auto& garbage : {"SSH-2.0-OpenSSH_9\r\n"s, "RFB 000.000\n"s, "RFB 003.0x8\n"s, "RFB 004.001\n"s})
    EXPECT_EQ(reason_of(meet(garbage, "")), "desktop-foreign") << garbage;
  const auto whole = kVersion8 + "\1\2"s + kAsked + kOk;
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(reason_of(meet(whole.substr(0, size), "secret")), "desktop-lost") << size;
  EXPECT_EQ(meet(kVersion8 + "\0\x7f\xff\xff\xff"s, "").result.error().cause, "") << "endless words are not read";
}

/// A WebSocket whose client says these messages, one after the other.
struct Scripted final : http::WebSocket {
  std::deque<Message> says;
  std::string heard;

  asio::awaitable<Result<Message>> read() override {
    if (says.empty()) co_return fail(Code::kCancelled, "closed", "");
    auto next = std::move(says.front());
    says.pop_front();
    co_return next;
  }
  asio::awaitable<Result<>> write(Message message) override {
    heard += message.data;
    co_return Result<>{};
  }
  asio::awaitable<void> close(std::uint16_t, std::string) override { co_return; }
};

struct Let {
  Result<> result;
  std::string heard, rest;
};

Let let(std::deque<http::WebSocket::Message> says) {
  asio::io_context loop;
  auto socket = std::make_shared<Scripted>();
  socket->says = std::move(says);
  Let out;
  auto work = [](std::shared_ptr<Viewer> viewer, Let* into) -> asio::awaitable<void> {
    into->result = co_await let_in(viewer);
    if (into->result) into->rest = (co_await viewer->some()).value_or("");
  };
  asio::co_spawn(loop, work(std::make_shared<Viewer>(socket), &out), asio::detached);
  loop.run();
  out.heard = socket->heard;
  return out;
}

TEST(R3_2, ABrowserIsAskedForNothing) {
  const auto heard = kVersion8 + "\1\1"s + kOk;
  const auto apart = let({{true, kVersion8}, {true, "\1"}, {true, "\0"s}, {true, "\3rest"}});
  EXPECT_TRUE(apart.result);
  EXPECT_EQ(apart.heard, heard);
  EXPECT_EQ(apart.rest, "\3rest");
  const auto joined = let({{true, kVersion8 + "\1\1\3re"s}});
  EXPECT_TRUE(joined.result);
  EXPECT_EQ(joined.heard, heard);
  EXPECT_EQ(joined.rest, "\3re") << "what came with it is not lost";
}

TEST(R3_2, AViewerThatSpeaksOtherwiseIsLeft) {
  const auto reason = [](std::deque<http::WebSocket::Message> says) {
    return let(std::move(says)).result.error().reason;
  };
  EXPECT_EQ(reason({{true, "RFB 003.003\n"}}), "desktop-viewer");
  EXPECT_EQ(reason({{true, "GET / HTTP/1."}}), "desktop-viewer");
  EXPECT_EQ(reason({{false, kVersion8}}), "desktop-viewer");
  EXPECT_EQ(reason({{true, kVersion8 + "\2"}}), "desktop-viewer");
  EXPECT_EQ(reason({{true, kVersion8}}), "closed");
}

}  // namespace
}  // namespace tiltyard::desktop
