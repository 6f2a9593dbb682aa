#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include <time.h>
#include <future>

#include "net/loops.h"
#include "realtime/engine_packet.h"
#include "realtime/history.h"
#include "realtime/socket_io.h"
#include "realtime/socket_packet.h"

namespace tiltyard::realtime {
namespace {

using socket_io::Decoder;
using Step = Decoder::Step;

std::vector<Message> encoded(const std::string& text, const std::vector<std::string>& attachments = {}) {
  Decoder decoder;
  auto step = decoder.feed({false, text});
  for (const auto& bytes : attachments) step = decoder.feed({true, bytes});
  EXPECT_EQ(step, Step::kPacket) << text;
  return step == Step::kPacket ? socket_io::encode(decoder.take()) : std::vector<Message>();
}

TEST(R9_1, PacketsComeBackAsTheyCame) {
  for (const std::string text : {"0", "0{\"token\":\"x\"}", "0/custom,", "1", "1/custom,", "2[\"m\"]",
                                 "2/a/b,17[\"m\",1,{\"a\":[true,null]}]", "31[]", "3/x,7[\"y\"]"}) {
    const auto messages = encoded(text);
    ASSERT_EQ(messages.size(), 1U) << text;
    EXPECT_EQ(messages[0].data, text);
  }
  const auto messages = encoded(R"(52-["m",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])",
                                {"one", std::string("\0\xff", 2)});
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_TRUE(messages[2].binary);
  EXPECT_EQ(messages[2].data, std::string("\0\xff", 2));
}

TEST(R9_1, AttachmentsAreWaitedForAndNothingElseIsTakenMeanwhile) {
  Decoder decoder;
  EXPECT_EQ(decoder.feed({false, R"(52-["m",{"_placeholder":true,"num":0}])"}), Step::kMore);
  EXPECT_EQ(decoder.feed({true, "one"}), Step::kMore);
  EXPECT_EQ(decoder.feed({false, R"(2["m"])"}), Step::kBad);
  Decoder second;
  EXPECT_EQ(second.feed({true, "one"}), Step::kBad);
}

/// Takes everybody in, and notes what they say.
struct Listener final : socket_io::Namespace {
  asio::awaitable<Result<json::object>> admit(socket_io::SocketRef, json::object) override { co_return json::object(); }
  void on_connected(socket_io::SocketRef) override {}
  asio::awaitable<void> on_event(socket_io::SocketRef, socket_io::Event event) override {
    names += event.name;
    if (event.name == "last") heard.set_value();
    co_return;
  }
  void on_gone(socket_io::SocketRef, std::string_view) override {}
  std::string names;
  std::promise<void> heard;
};

struct Deaf final : Channel {
  const std::string& id() const override { return name; }
  void send(ParcelRef) override {}
  void send_alone(ParcelRef) override {}
  void trust() override {}
  void count_for(net::Holder) override {}
  void close(std::string_view reason) override { ended = reason; }
  bool closed() const override { return !ended.empty(); }
  std::shared_ptr<http::FrameSocket> wire() const override { return nullptr; }
  std::string name = "deaf", ended;
};

double seconds_of(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

TEST(R9_1, LargeWordsAreReadOffTheHomeLoopAndInTheirOrder) {
  net::Loops loops(1);
  Listener listener;
  socket_io::Server server(loops.home(), {});
  server.add("/", listener);
  auto channel = std::make_shared<Deaf>();
  std::shared_ptr<ChannelUser> user;
  const auto at_home = [&loops](auto work) {
    std::promise<double> done;
    asio::post(loops.home(), [&] {
      work();
      done.set_value(seconds_of(CLOCK_THREAD_CPUTIME_ID));
    });
    return done.get_future().get();
  };
  std::string large = R"(2["large")";
  while (large.size() < 900'000) large += ",[{}]";
  large += "]";
  at_home([&] { user = server.accept(channel, {}); });
  at_home([&] { user->on_message({false, "0"}); });
  const double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID), home = at_home([] {});
  at_home([&] {
    user->on_message({false, R"(2["first"])"});
    user->on_message({false, large});
    user->on_message({false, R"(2["last"])"});
  });
  listener.heard.get_future().get();
  const double home_took = at_home([] {}) - home, all_took = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all;
  EXPECT_LT(home_took, all_took / 2) << "seconds of the home loop's, of all";
  EXPECT_EQ(listener.names, "firstlargelast");
  // What waits to be read is bounded.
  at_home([&] {
    for (int i = 0; i < 3; ++i) user->on_message({false, large});
  });
  EXPECT_EQ(channel->ended, "flood");
  at_home([&] { user->on_closed("flood"); });
  asio::co_spawn(loops.home(), server.close(), asio::use_future).get();
  loops.stop();
}

TEST(R9_1, OneParcelServesBothTransports) {
  const auto parcel = parcel_of({{false, R"(51-["m",{"_placeholder":true,"num":0}])"}, {true, "\x01\x02\x03\x04"}});
  EXPECT_EQ(parcel->payload(),
            "451-[\"m\",{\"_placeholder\":true,\"num\":0}]\x1e"
            "bAQIDBA==");
  EXPECT_EQ(parcel->frames()->substr(0, 2), std::string("\x81\x27"));
  EXPECT_EQ(parcel->frames()->substr(parcel->size() - 6), std::string("\x82\x04\x01\x02\x03\x04"));
}

TEST(R9_1, Base64IsExact) {
  for (const std::string bytes : {"", "a", "ab", "abc", "abcd"})
    EXPECT_EQ(engine_io::from_base64(engine_io::to_base64(bytes)), bytes);
  EXPECT_EQ(engine_io::to_base64(std::string("\xfb\xff", 2)), "+/8=");
  for (const std::string_view bad : {"a", "ab", "abc", "ab=c", "a===", "====", "ab-_", "AB==", "QUJD\n"}) {
    const auto got = engine_io::from_base64(bad);
    EXPECT_FALSE(got.has_value() && engine_io::to_base64(*got) != bad) << bad;
  }
  EXPECT_FALSE(engine_io::from_base64("AB=="));
  EXPECT_FALSE(engine_io::from_base64("a==="));
}

TEST(R9_1, OffsetsOfAnotherEpochOrShapeMeanNothing) {
  const Position at{7, 9};
  EXPECT_EQ(parse_offset(offset_text("abcd1234", at), "abcd1234"), at);
  for (const std::string_view bad :
       {"", "abcd1234", "abcd1234.", "abcd1234.7", "abcd1234.7.", "abcd1234.7.9.1", "abcd1234.-7.9", "abcd1234.7.x",
        "abcd1234.99999999999999999999.1", "other123.7.9", "abcd1234 7.9"}) {
    EXPECT_FALSE(parse_offset(bad, "abcd1234")) << bad;
  }
}

TEST(R9_1, RoomsOfASessionAreReadAsTheyWereWritten) {
  const std::vector<KeptRoom> rooms{{"instances:mine", "owner/x", {5, 6}}, {"chat:lobby", "lobby", {7, 8}}};
  const auto back = rooms_of(rooms_json(rooms));
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].key, "owner/x");
  EXPECT_EQ(back[1].from, (Position{7, 8}));
}

}  // namespace
}  // namespace tiltyard::realtime
