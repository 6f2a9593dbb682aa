#include "captures/pcapng.h"

#include <gtest/gtest.h>

namespace tiltyard::captures {
namespace {

std::string some_blocks(int packets) {
  std::string out;
  for (int i = 0; i < packets; ++i) pcapng::append(out, pcapng::Packet{0, 1'000'000'007ULL * i, 60, "frame of 11"});
  return out;
}

/// Byte for byte as the draft has it.
TEST(R2_7, APacketIsABlockOfItsOwn) {
  std::string out;
  pcapng::append(out, pcapng::Packet{1, 0x0000000200000003ULL, 9, "abcde"});
  const std::string expected(
      "\x06\0\0\0\x28\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x05\0\0\0\x09\0\0\0"
      "abcde\0\0\0\x28\0\0\0",
      40);
  EXPECT_EQ(out, expected);
}

TEST(R2_7, TheHeadNamesWhatIsCaptured) {
  const auto head = pcapng::header("Tiltyard 1", "of an instance", {{"front", "network n1", "tcp"}, {"back", "", ""}});
  const auto walk = pcapng::walk(head);
  EXPECT_EQ(walk.whole, head.size());
  EXPECT_FALSE(walk.broken);
  EXPECT_EQ(walk.packets, 0u);
  for (const char* text : {"Tiltyard 1", "of an instance", "front", "network n1", "back"})
    EXPECT_NE(head.find(text), std::string::npos) << text;
  EXPECT_EQ(head.substr(0, 4), "\x0a\x0d\x0d\x0a");
}

TEST(R2_7, ATornBlockIsNotCountedAsThere) {
  const auto blocks = some_blocks(3);
  for (std::size_t cut = 0; cut <= blocks.size(); ++cut) {
    const auto walk = pcapng::walk(std::string_view(blocks).substr(0, cut));
    EXPECT_EQ(walk.packets, cut / (blocks.size() / 3)) << cut;
    EXPECT_EQ(walk.whole, walk.packets * blocks.size() / 3) << cut;
    EXPECT_FALSE(walk.broken) << cut;
  }
}

TEST(R2_7, WhatIsNoBlockIsSeen) {
  auto blocks = some_blocks(2);
  const auto one = blocks.size() / 2;
  blocks[one + 4] = 3;  // no length that a block has
  EXPECT_TRUE(pcapng::walk(blocks).broken);
  blocks = some_blocks(2);
  blocks[blocks.size() - 4] ^= 4;  // the length behind it is another one
  const auto walk = pcapng::walk(blocks);
  EXPECT_TRUE(walk.broken);
  EXPECT_EQ(walk.whole, one);
}

TEST(R2_7, WhatIsMissingIsSaidInTheFile) {
  std::string out = some_blocks(1);
  pcapng::append(out, pcapng::Statistics{0, 5, 12, 7, "7 packets are missing"});
  std::vector<std::string> said;
  const auto walk = pcapng::walk(out, [&](std::string_view comment) { said.emplace_back(comment); });
  EXPECT_EQ(walk.whole, out.size());
  EXPECT_EQ(said, std::vector<std::string>{"7 packets are missing"});
}

}  // namespace
}  // namespace tiltyard::captures
