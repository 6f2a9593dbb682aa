#include "net/frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tiltyard::http {
namespace {

constexpr std::string_view kMask = "\x11\x22\x33\x44";

/// A frame as a client sends it.
std::string masked(std::uint8_t first, std::string_view payload) {
  std::string frame(1, static_cast<char>(first));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else if (payload.size() < 65536) {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(payload.size() >> 8));
    frame.push_back(static_cast<char>(payload.size() & 0xFF));
  } else {
    frame.push_back(static_cast<char>(0x80 | 127));
    for (int shift = 56; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
  }
  frame += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) frame.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  return frame;
}

struct Read {
  std::vector<FrameEvent> events;
  std::optional<std::uint16_t> wrong;
};

/// Fed in pieces of `step` bytes; 0: all at once.
Read read(std::string_view bytes, std::size_t step = 0, std::size_t limit = 1 << 20) {
  Read out;
  FrameReader reader(limit);
  if (step == 0) step = std::max<std::size_t>(1, bytes.size());
  for (std::size_t at = 0; at < bytes.size() && !out.wrong; at += step)
    out.wrong = reader.feed(bytes.substr(at, step), out.events);
  return out;
}

using Kind = FrameEvent::Kind;

TEST(R9_1, FramesOfEveryLengthAreReadHoweverTheyArriveInPieces) {
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 127UL, 65535UL, 65536UL, 70000UL}) {
    const std::string payload(size, 'x');
    for (const std::size_t step : {0UL, 1UL, 7UL}) {
      const auto got = read(masked(0x81, payload) + masked(0x82, payload), step);
      ASSERT_FALSE(got.wrong) << size;
      ASSERT_EQ(got.events.size(), 2U) << size;
      EXPECT_EQ(got.events[0].kind, Kind::kText);
      EXPECT_EQ(got.events[0].data, payload);
      EXPECT_EQ(got.events[1].kind, Kind::kBinary);
    }
  }
}

TEST(R9_1, FragmentsMakeOneMessageWithControlFramesBetweenThem) {
  const auto got = read(masked(0x01, "ab") + masked(0x89, "ping") + masked(0x00, "cd") + masked(0x80, "ef"));
  ASSERT_FALSE(got.wrong);
  ASSERT_EQ(got.events.size(), 2U);
  EXPECT_EQ(got.events[0].kind, Kind::kPing);
  EXPECT_EQ(got.events[0].data, "ping");
  EXPECT_EQ(got.events[1].data, "abcdef");
}

TEST(R9_1, WhatRfc6455ForbidsEndsWithItsCloseCode) {
  const auto code = [](std::string_view bytes, std::size_t limit = 100) {
    return read(bytes, 0, limit).wrong.value_or(0);
  };
  EXPECT_EQ(code(std::string("\x81\x02hi", 4)), kCloseProtocol) << "not masked";
  EXPECT_EQ(code(masked(0xC1, "hi")), kCloseProtocol) << "a reserved bit";
  EXPECT_EQ(code(masked(0x83, "hi")), kCloseProtocol) << "an unknown opcode";
  EXPECT_EQ(code(masked(0x80, "hi")), kCloseProtocol) << "goes on with nothing";
  EXPECT_EQ(code(masked(0x01, "a") + masked(0x81, "b")), kCloseProtocol) << "begins before the end";
  EXPECT_EQ(code(masked(0x09, "hi")), kCloseProtocol) << "a control frame in fragments";
  EXPECT_EQ(code(masked(0x89, std::string(126, 'x'))), kCloseProtocol) << "a long control frame";
  EXPECT_EQ(code(masked(0x88, "x")), kCloseProtocol) << "half a close code";
  EXPECT_EQ(code(masked(0x88, std::string("\x03\xED", 2))), kCloseProtocol) << "1005 is never sent";
  EXPECT_EQ(code(masked(0x81, "\xFF")), kCloseNotText) << "not UTF-8";
  EXPECT_EQ(code(masked(0x81, std::string(101, 'x'))), kCloseTooLarge);
  EXPECT_EQ(code(masked(0x01, std::string(60, 'x')) + masked(0x80, std::string(60, 'x'))), kCloseTooLarge)
      << "all fragments together";
  EXPECT_EQ(code(std::string("\x82\xFF\x80\0\0\0\0\0\0\0abcd", 14)), kCloseProtocol) << "a length with the highest bit";
  EXPECT_EQ(code(masked(0x81, std::string(100, 'x'))), 0);
}

TEST(R9_1, OwnFramesHaveTheShortestHead) {
  EXPECT_EQ(frame_of(Opcode::kText, "hi"), std::string("\x81\x02hi"));
  EXPECT_EQ(frame_head(Opcode::kBinary, 126), std::string("\x82\x7E\x00\x7E", 4));
  EXPECT_EQ(frame_head(Opcode::kBinary, 65536), std::string("\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10));
  EXPECT_EQ(close_payload(1008, std::string(200, 'x')).size(), 125U);
}

}  // namespace
}  // namespace tiltyard::http
