#include "labs/machine_text.h"

#include <gtest/gtest.h>

namespace tiltyard::labs {
namespace {

TEST(R1_9, WhatAMachineSaysIsTextAndNoCommand) {
  EXPECT_EQ(plain("\x1b[91mmv: can't\x1b[0m\r\n\ttwo"), "mv: can't\n\ttwo");
  EXPECT_EQ(plain("\x1b]0;owned\x07ok \x1b]2;x\x1b\\end"), "ok end");
  EXPECT_EQ(plain("10%\r20%"), "10%\n20%");
  EXPECT_EQ(plain("a\x07\x7f\xc2\x9b"), "a???");
  EXPECT_EQ(plain("\xe2\x80\xae"
                  "evil"),
            "?evil");
  EXPECT_EQ(plain("grün \xe2\x82\xac"), "grün €");
}

TEST(R1_9, BytesThatAreNoTextBecomeTheReplacementCharacter) {
  EXPECT_EQ(plain("\xff\xfe"), "\uFFFD\uFFFD");
  EXPECT_EQ(plain("\xc0\xaf"), "\uFFFD\uFFFD");
  EXPECT_EQ(plain("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(plain("cut \xe2\x82"), "cut \uFFFD\uFFFD");
  EXPECT_EQ(plain("\x1b"), "");
  EXPECT_EQ(plain("\x1b["), "");
}

TEST(R1_9, OneLineIsCutAtACharacter) {
  EXPECT_EQ(plain_line("say the word:\n> ", 60), "say the word: >");
  EXPECT_EQ(plain_line("äää", 3), "ä…");
  EXPECT_EQ(plain_line("", 10), "");
}

}  // namespace
}  // namespace tiltyard::labs
