#include "tls/files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "tls/testing.h"

namespace tiltyard::tls {
namespace {

using ::testing::HasSubstr;
using testing::make;
using testing::Wishes;

class R2_2_CertificateFiles : public ::testing::Test {
 protected:
  FilePair files(const std::string& name) { return {path(name + ".pem"), path(name + ".key"), {}, false}; }
  std::string path(const std::string& name) { return folder_.path() + "/" + name; }
  void write(const std::string& name, const testing::Made& made) {
    replace(path(name + ".pem"), made.chain);
    replace(path(name + ".key"), made.key.reveal());
  }
  /// As tools do that renew: the new file takes the place of the old.
  static void replace(const std::string& path, const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  }
  std::string problem(const std::string& source) {
    for (const auto& each : shelf_.list()) {
      if (each.source == source) return each.problem;
    }
    return "not there";
  }

  TestFolder folder_;
  SystemClock clock_;
  Certificates shelf_{clock_};
};

TEST_F(R2_2_CertificateFiles, AreTakenUpWhenTheyChangeOnceBothFit) {
  const auto first = make("DNS:a.example"), second = make("DNS:b.example");
  write("web", first);
  Files watched(shelf_, {{"web", files("web")}});
  watched.look();
  EXPECT_EQ(problem("web"), "");
  const auto before = shelf_.find("a.example");
  ASSERT_TRUE(before);
  watched.look();
  EXPECT_EQ(shelf_.find("a.example"), before) << "what has not changed is not read again";
  replace(path("web.pem"), second.chain);
  watched.look();
  EXPECT_THAT(problem("web"), HasSubstr("not that of the certificate"));
  EXPECT_EQ(shelf_.find("a.example"), before) << "the old one serves until the key has come too";
  replace(path("web.key"), second.key.reveal());
  watched.look();
  EXPECT_EQ(problem("web"), "");
  EXPECT_TRUE(shelf_.find("b.example"));
  EXPECT_FALSE(shelf_.find("a.example"));
}

TEST_F(R2_2_CertificateFiles, WhatIsWrongIsSaidWhileTheOthersWork) {
  write("good", make("DNS:good.example"));
  write("expired", make(Wishes{.names = {"DNS:old.example"}, .from_seconds = -100, .to_seconds = -10}));
  write("stranger", make("DNS:else.example"));
  write("wild", make("DNS:*.range.example"));
  write("mixed", make("DNS:mixed.example"));
  replace(path("mixed.key"), make("DNS:mixed.example").key.reveal());
  auto stranger = files("stranger"), wild = files("wild");
  stranger.names = {"ctf.example"};
  wild.names = {"web.range.example"};
  Files watched(shelf_, {{"good", files("good")},
                         {"expired", files("expired")},
                         {"stranger", stranger},
                         {"wild", wild},
                         {"mixed", files("mixed")},
                         {"missing", files("missing")}});
  watched.look();
  EXPECT_EQ(problem("good"), "");
  EXPECT_EQ(problem("wild"), "") << "a wildcard is for the names below it";
  EXPECT_TRUE(shelf_.find("good.example"));
  EXPECT_THAT(problem("expired"), HasSubstr("expired"));
  EXPECT_EQ(problem("stranger"), "It is not for ctf.example, but for else.example.");
  EXPECT_THAT(problem("mixed"), HasSubstr("not that of the certificate"));
  EXPECT_THAT(problem("missing"), HasSubstr(path("missing.pem")));
  write("missing", make("DNS:late.example"));
  watched.look();
  EXPECT_EQ(problem("missing"), "");
  EXPECT_TRUE(shelf_.find("late.example"));
  std::filesystem::remove(path("good.pem"));
  watched.look();
  EXPECT_THAT(problem("good"), HasSubstr("good.pem"));
  EXPECT_TRUE(shelf_.find("good.example")) << "a file that is gone takes nothing down";
}

}  // namespace
}  // namespace tiltyard::tls
