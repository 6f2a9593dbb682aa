#include "desktop/rfb.h"

#include <gmock/gmock.h>

#include <random>

namespace tiltyard::desktop::rfb {
namespace {

using namespace std::string_literals;

std::string bytes_of(const Challenge& challenge) { return {challenge.begin(), challenge.end()}; }

// Files of vncpasswd hold the password under a key that everybody knows: "password" is db d8 3c fd 72 7a 14 58 there.
TEST(R3_2, AnswersAreThoseOfVncAuthentication) {
  const std::string key{23, 82, 107, 6, 35, 78, 88, 7};
  Challenge challenge{};
  std::ranges::copy("passwordpassword"s, challenge.begin());
  const auto half = "\xdb\xd8\x3c\xfd\x72\x7a\x14\x58"s;
  EXPECT_EQ(bytes_of(answer_to(challenge, key)), half + half);
  EXPECT_EQ(answer_to(challenge, "12345678"), answer_to(challenge, "123456789"));
  EXPECT_NE(answer_to(challenge, "1234567"), answer_to(challenge, "12345678"));
}

struct Example {
  std::string message;
  bool passes;
};

std::vector<Example> examples() {
  return {
      {"\0"s + std::string(19, 'p'), true},                   // SetPixelFormat
      {"\2\0\0\2"s + std::string(8, 'e'), true},              // SetEncodings
      {"\3\1\0\0\0\0\5\0\3\0"s, true},                        // FramebufferUpdateRequest
      {"\4\1\0\0\0\0\0a"s, false},                            // KeyEvent
      {"\5\1\0\1\0\1"s, false},                               // PointerEvent
      {"\5\x81\0\1\0\1\1"s, false},                           // with more than seven buttons
      {"\6\0\0\0\0\0\0\3abc"s, false},                        // ClientCutText
      {"\6\0\0\0\xff\xff\xff\xfc"s + "\0\0\0\1"s, false},     // an extended clipboard's
      {"\x96\1"s + std::string(8, '\0'), true},               // EnableContinuousUpdates
      {"\xf8\0\0\0\0\0\0\1\2ab"s, true},                      // ClientFence
      {"\xfa\0\1\2"s, false},                                 // XVP
      {"\xfb\0\4\0\3\0\1\0"s + std::string(16, 's'), false},  // SetDesktopSize
      {"\xff\0\0\1\0\0\0a\0\0\0\x1e"s, false},                // QEMU's extended key
      {"\6\0\0\0\0\0\0\0"s, false},                           // an empty text
      {"\2\0\0\0"s, true},                                    // no encodings
  };
}

TEST(R3_5, WhoWatchesAsksForPicturesAndDoesNothingElse) {
  for (const auto& [message, passes] : examples()) {
    Watching one;
    EXPECT_EQ(*one.filter(message), passes ? message : "") << static_cast<int>(message[0] & 0xff);
    EXPECT_EQ(*one.filter("\3\1\0\0\0\0\5\0\3\0"s), "\3\1\0\0\0\0\5\0\3\0"s)
        << "what follows is read from its beginning";
  }
}

TEST(R3_5, WhoWatchesDoesNothingElseHoweverItsBytesAreCut) {
  std::string all, expected;
  for (const auto& [message, passes] : examples()) {
    all += message;
    if (passes) expected += message;
  }
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Watching watching;
    std::string passed;
    for (std::string_view rest = all; !rest.empty();) {
      const auto size = std::min<std::size_t>(rest.size(), round == 0 ? 1 : 1 + random() % 40);
      passed += *watching.filter(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(passed, expected);
  }
}

TEST(R3_5, AMessageOfUnknownLengthEndsTheView) {
  for (const auto& unknown : {"\1"s, "\x07"s, "\x64"s, "\xff\1"s, "\xfc"s}) {
    Watching watching;
    const auto passed = watching.filter(unknown);
    ASSERT_FALSE(passed) << static_cast<int>(unknown[0] & 0xff);
    EXPECT_EQ(passed.error().reason, "rfb-unknown");
  }
}

}  // namespace
}  // namespace tiltyard::desktop::rfb
