#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "realtime/engine_packet.h"
#include "realtime/history.h"
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
