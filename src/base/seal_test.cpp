// What is closed and opened again, and what is not; base64url.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/base64url.h"
#include "base/seal.h"
#include "base/test_folder.h"

namespace tiltyard {
namespace {

TEST(R10_5, WhatIsSealedOpensWithTheSameKeyAlone) {
  const TestFolder folder;
  const auto seal = Seal::open(folder.path(), "things");
  ASSERT_TRUE(seal);
  const auto closed = seal->close("a private key");
  EXPECT_EQ(closed.find("private"), std::string::npos);
  EXPECT_NE(closed, seal->close("a private key")) << "a nonce of its own each time";
  const auto again = Seal::open(folder.path(), "things");
  ASSERT_TRUE(again && again->open_text(closed));
  EXPECT_EQ(again->open_text(closed)->reveal(), "a private key");
  const auto other = Seal::open(folder.path(), "others");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->open_text(closed));
  auto bent = closed;
  bent.back() = bent.back() == '0' ? '1' : '0';
  for (const auto& bad : {bent, std::string(), std::string("00"), std::string("zz")})
    EXPECT_FALSE(seal->open_text(bad)) << bad;
  struct stat info{};
  ASSERT_EQ(::stat((folder.path() + "/things.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(R10_5, AKeyFileThatIsTooShortIsSaidAndNotReplaced) {
  const TestFolder folder;
  std::ofstream(folder.path() + "/things.key") << "short";
  const auto seal = Seal::open(folder.path(), "things");
  ASSERT_FALSE(seal);
  EXPECT_EQ(seal.error().reason, "things-key");
}

TEST(R10_5, AServerThatDiedAsItMadeTheKeyLeavesNothingInTheWay) {
  const TestFolder folder;
  std::ofstream(folder.path() + "/things.key.new") << "hal";
  const auto seal = Seal::open(folder.path(), "things");
  ASSERT_TRUE(seal);
  const auto again = Seal::open(folder.path(), "things");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->open_text(seal->close("x")));
  EXPECT_NE(::access((folder.path() + "/things.key.new").c_str(), F_OK), 0);
}

TEST(R2_2, Base64urlIsWithoutPaddingAndNothingElse) {
  // RFC 4648, 10, with the alphabet of section 5.
  EXPECT_EQ(base64url("foob"), "Zm9vYg");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
  EXPECT_EQ(from_base64url("Zm9vYg"), "foob");
  for (const auto* bad : {"", "Zm9vYg==", "Zm9 vYg", "+/8", "Z"}) EXPECT_FALSE(from_base64url(bad)) << bad;
}

}  // namespace
}  // namespace tiltyard
