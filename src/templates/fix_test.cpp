// What `templates lint --fix` writes, and what it leaves alone.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "templates/fix.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

FixedFolder fix(const TestFolder& folder, const std::string& name = "t") {
  return fix_folder(folder.at(name), test_options());
}

TEST(R1_2, AMisspeltKeyOfInstanceTomlIsWrittenAsItIsMeant) {
  TestFolder folder;
  folder.write("t/instance.toml",
               "# prots = old\nimage = \"x\"\nprots = [80] # prots\n[limts]\n\"memroy\" = \"64m\"\n");
  const auto out = fix(folder);
  EXPECT_EQ(content(folder.at("t/instance.toml")),
            "# prots = old\nimage = \"x\"\nports = [80] # prots\n[limits]\n\"memroy\" = \"64m\"\n");
  EXPECT_THAT(out.fixed, ElementsAre(Field(&Fixed::line, 3), Field(&Fixed::line, 4)));
  // What only shows once the table has its name is the next round's.
  EXPECT_THAT(problems_text(out.read), HasSubstr("did you mean \"memory\""));
  EXPECT_FALSE(fix(folder).read.broken());
  EXPECT_THAT(content(folder.at("t/instance.toml")), HasSubstr("\"memory\" = \"64m\""));
  EXPECT_THAT(fix(folder).fixed, IsEmpty());
}

TEST(R1_3, AMisspeltKeyOfAComposeFileIsWrittenAsItIsMeantWithItsLineEnds) {
  TestFolder folder;
  folder.write("t/compose.yaml", "services:\r\n  a:\r\n    image: x\r\n    enviroment: {enviroment: 1}\r\n");
  EXPECT_THAT(fix(folder).fixed, IsEmpty()) << "twice in its line: which one is meant is not for us to say";
  folder.write("t/compose.yaml", "services:\r\n  a:\r\n    image: x\r\n    enviroment: {A: 1}\r\n    prots: [80]\r\n");
  const auto out = fix(folder);
  EXPECT_FALSE(out.read.broken()) << problems_text(out.read);
  EXPECT_EQ(content(folder.at("t/compose.yaml")),
            "services:\r\n  a:\r\n    image: x\r\n    environment: {A: 1}\r\n    ports: [80]\r\n");
}

TEST(R1_3, AKeyThatTheMapHasAlreadyIsNotWrittenTwice) {
  TestFolder folder;
  const std::string text = "services:\n  a:\n    image: x\n    ports: [80]\n    prots: [81]\n";
  folder.write("t/compose.yaml", text);
  EXPECT_THAT(fix(folder).fixed, IsEmpty());
  EXPECT_EQ(content(folder.at("t/compose.yaml")), text);
}

TEST(R1_3, AnUnsetVariableIsSaidToBeEmptyOnce) {
  TestFolder folder;
  folder.write("t/compose.yaml", "services:\n  a: {image: x, ports: [80], environment: {A: $ONE, B: $ONE, C: $TWO}}\n");
  folder.write("t/.env", "ZERO=0");
  const auto out = fix(folder);
  EXPECT_EQ(content(folder.at("t/.env")), "ZERO=0\nONE=\nTWO=\n");
  EXPECT_FALSE(says(out.read, "is not set"));
}

TEST(R1_3, ARestartThatNobodyHearsIsTakenOut) {
  TestFolder folder;
  folder.write("t/compose.yaml",
               "services:\n  a:\n    image: x\n    ports: [80]\n    restart: always\n    deploy:\n      "
               "restart_policy: {condition: none}\n");
  EXPECT_FALSE(says(fix(folder).read, "is not heard"));
  EXPECT_EQ(content(folder.at("t/compose.yaml")),
            "services:\n  a:\n    image: x\n    ports: [80]\n    deploy:\n      restart_policy: {condition: none}\n");
}

TEST(R1_2, AFolderThatIsNoIdGetsOneSaid) {
  TestFolder folder;
  folder.write("Gitea 1.4/instance.toml", "# ours\n\nimage = \"x\"\nports = [80]\n");
  folder.write("Bare 1/Dockerfile", "FROM scratch\nEXPOSE 80\n");
  EXPECT_THAT(fix(folder, "Gitea 1.4").read.problems, IsEmpty());
  EXPECT_EQ(content(folder.at("Gitea 1.4/instance.toml")),
            "# ours\n\nid = \"gitea-1-4\"\nimage = \"x\"\nports = [80]\n");
  EXPECT_THAT(fix(folder, "Bare 1").fixed, ElementsAre(Field(&Fixed::what, "id = \"bare-1\"")));
  EXPECT_EQ(content(folder.at("Bare 1/instance.toml")), "id = \"bare-1\"\n");
}

TEST(R1_2, FilesOutsideOfTheFolderAreNeverWritten) {
  TestFolder folder;
  folder.write("secret", "services:\n  a: {image: x, prots: [80]}\n");
  folder.write("t/compose.yaml", "services:\n  a: {image: x, ports: [80], environment: {A: $ONE}}\n");
  std::filesystem::create_symlink("../secret", folder.at("t/.env"));
  fix(folder);
  EXPECT_EQ(content(folder.at("secret")), "services:\n  a: {image: x, prots: [80]}\n");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.at("t/.env")));
}

TEST(R1_2, AFileThatIsWrittenKeepsItsModeAndItsOwner) {
  TestFolder folder;
  folder.write("t/compose.yaml", "services:\n  a:\n    image: x\n    prots: [80]\n");
  const auto path = folder.at("t/compose.yaml");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  // Only root can have a file of somebody else's to mend.
  const bool root = ::geteuid() == 0;
  if (root) ASSERT_EQ(::chown(path.c_str(), 12345, 54321), 0);
  ASSERT_THAT(fix(folder).fixed, ElementsAre(Field(&Fixed::line, 4)));
  struct stat now{};
  ASSERT_EQ(::stat(path.c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 07777u, 0640u);
  EXPECT_EQ(now.st_uid, root ? 12345u : ::geteuid());
  if (root) EXPECT_EQ(now.st_gid, 54321u);
}

TEST(R1_2, WhatMakesMoreErrorsThanThereWereIsTakenBack) {
  TestFolder folder;
  // "prot" is meant for "ports" by its letters, and its value is none.
  const std::string text = "services:\n  a:\n    image: x\n    prots: {a: 1, b: 2, c: [}\n";
  folder.write("t/compose.yaml", text);
  fix(folder);
  EXPECT_EQ(content(folder.at("t/compose.yaml")), text);
  const std::string more = "services:\n  a:\n    image: x\n    prots: [\"x\", \"y\", \"z\"]\n";
  folder.write("t/compose.yaml", more);
  const auto out = fix(folder);
  EXPECT_EQ(content(folder.at("t/compose.yaml")), more);
  EXPECT_THAT(out.failed, ElementsAre(HasSubstr("more errors than before")));
}

}  // namespace
}  // namespace tiltyard::templates
