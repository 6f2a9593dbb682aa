// What imports must not do: overwrite, follow, swell, or leave half of something behind.
#include "imports/import_test.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>

#include "imports/ids.h"

namespace tiltyard::imports {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
namespace fs = std::filesystem;

constexpr char kDockerfile[] = "FROM tiltyard/busybox:1\nEXPOSE 8000\nCMD [\"httpd\", \"-f\", \"-p\", \"8000\"]\n";

std::string challenge_yml(const std::string& name, const std::string& more = {}) {
  return "name: \"" + name + "\"\ncategory: web\nvalue: 100\ntype: standard\nflags: [\"flag{x}\"]\nimage: .\n" + more;
}

class R1_16_Import : public testing::Test {
 protected:
  void challenge(const std::string& folder, const std::string& name, const std::string& more = {}) {
    write_file(from() / folder / "challenge.yml", challenge_yml(name, more));
    write_file(from() / folder / "Dockerfile", kDockerfile);
  }
  fs::path from() const { return folder_.at("event"); }
  fs::path into() const { return folder_.at("templates"); }
  ImportOptions options() const { return test_options(into()); }

  Report run(const ImportOptions& options) {
    auto report = import_challenges(from().string(), options);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : Report{};
  }
  Report run() { return run(options()); }
  Result<Report> run_zip(const std::vector<Packed>& entries) {
    pack(entries, folder_.at("a.zip"));
    return import_challenges(folder_.at("a.zip"), options());
  }
  /// Everything in the templates' folder but what is hidden.
  std::vector<std::string> templates() const {
    std::vector<std::string> out;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(into(), ignored)) {
      if (entry.path().filename() != ".import.lock") out.push_back(entry.path().filename().string());
    }
    std::ranges::sort(out);
    return out;
  }
  static std::string all_notes(const Report& report) { return report_text(report); }

  TestFolder folder_;
};

TEST_F(R1_16_Import, ASecondImportChangesOnlyWhatChanged) {
  challenge("a", "A");
  challenge("b", "B");
  EXPECT_EQ(run().items[0].state, Item::State::kNew);
  const auto before = fs::last_write_time(into() / "a" / "challenge.toml");
  write_file(from() / "b/challenge.yml", challenge_yml("B", "description: more\n"));
  const auto report = run();
  EXPECT_EQ(report.items[0].state, Item::State::kSame);
  EXPECT_EQ(report.items[1].state, Item::State::kUpdated);
  EXPECT_EQ(fs::last_write_time(into() / "a" / "challenge.toml"), before);
  EXPECT_THAT(text_of_file(into() / "b/challenge.toml"), HasSubstr("more"));
  EXPECT_THAT(templates(), testing::ElementsAre("a", "b"));
}

TEST_F(R1_16_Import, WhatWasChangedByHandStaysAndIsSaid) {
  challenge("a", "A");
  run();
  write_file(into() / "a/instance.toml", "timeout = 60\n" + text_of_file(into() / "a/instance.toml"));
  write_file(into() / "a/NOTES.md", "mine");
  auto report = run();
  EXPECT_EQ(report.items[0].state, Item::State::kSame);
  EXPECT_THAT(all_notes(report), HasSubstr("a/instance.toml: kept: changed by hand\n"));
  EXPECT_THAT(all_notes(report), HasSubstr("a/NOTES.md: kept: added by hand"));
  // The original changes, too: the hand's stays, and both are said.
  write_file(from() / "a/challenge.yml", challenge_yml("Another name"));
  report = run();
  EXPECT_THAT(all_notes(report), HasSubstr("a/instance.toml: kept: changed by hand and in the original; --replace"));
  EXPECT_THAT(text_of_file(into() / "a/instance.toml"), HasSubstr("timeout = 60"));
  EXPECT_THAT(text_of_file(into() / "a/challenge.toml"), HasSubstr("Another name"));
  EXPECT_EQ(text_of_file(into() / "a/NOTES.md"), "mine");
  auto replacing = options();
  replacing.replace = true;
  report = run(replacing);
  EXPECT_THAT(text_of_file(into() / "a/instance.toml"), AllOf(HasSubstr("Another name"), Not(HasSubstr("timeout"))));
  EXPECT_EQ(text_of_file(into() / "a/NOTES.md"), "mine");
}

TEST_F(R1_16_Import, ATemplateThatWasNotImportedIsNotOverwritten) {
  challenge("a", "A");
  write_file(into() / "a/instance.toml", "image = \"mine\"\n");
  const auto report = run();
  EXPECT_EQ(report.items[0].state, Item::State::kRefused);
  EXPECT_THAT(all_notes(report), HasSubstr("there is a template of this id that was not imported"));
  EXPECT_EQ(text_of_file(into() / "a/instance.toml"), "image = \"mine\"\n");
  EXPECT_FALSE(fs::exists(into() / "a/challenge.toml"));
}

TEST_F(R1_16_Import, ADryRunWritesNothing) {
  challenge("a", "A");
  auto dry = options();
  dry.dry = true;
  const auto report = run(dry);
  EXPECT_EQ(report.items[0].state, Item::State::kNew);
  EXPECT_FALSE(fs::exists(into()));
}

TEST_F(R1_16_Import, TheOriginalIsOnlyReadAlsoWhereTheResultLiesInIt) {
  challenge("a", "A");
  ImportOptions inside = options();
  inside.into = (from() / "templates").string();
  run(inside);
  const auto report = run(inside);
  ASSERT_EQ(report.items.size(), 1u);
  EXPECT_EQ(report.items[0].state, Item::State::kSame);
  EXPECT_EQ(text_of_file(from() / "a/challenge.yml"), challenge_yml("A"));
}

TEST_F(R1_16_Import, TwoOfOneSaidIdAreRefusedWithBothNamed) {
  for (const auto* name : {"one", "two"}) {
    write_file(from() / name / "challenge.yaml", "id: same\nname: x\ncategory: web\nports: [80]\n");
    write_file(from() / name / "Dockerfile", kDockerfile);
  }
  const auto report = run();
  EXPECT_THAT(all_notes(report),
              AllOf(HasSubstr("one/challenge.yaml:1: refused: the id \"same\" is also that of two"),
                    HasSubstr("two/challenge.yaml:1: refused: the id \"same\" is also that of one")));
  EXPECT_THAT(templates(), IsEmpty());
}

TEST_F(R1_16_Import, NamesThatCollideGetIdsThatStay) {
  challenge("web/baby", "Baby");
  EXPECT_EQ(run().items[0].id, "baby");
  challenge("pwn/baby", "Baby");
  const auto report = run();
  EXPECT_EQ(report.items[0].id, "pwn-baby");
  EXPECT_EQ(report.items[1].id, "baby");
  EXPECT_EQ(report.items[1].state, Item::State::kSame);
}

TEST(R1_16_Ids, AreMadeByARule) {
  EXPECT_EQ(id_of("Log in, please!"), "log-in-please");
  EXPECT_EQ(id_of("Crème brûlée"), "creme-brulee");
  EXPECT_EQ(id_of("签到"), "c-" + digest("签到", 10));
  EXPECT_EQ(id_of("Привет web"), "web-" + digest("Привет web", 6));
  EXPECT_EQ(id_of(""), "c-" + digest("", 10));
  EXPECT_LE(id_of(std::string(300, 'a')).size(), 40u);
  EXPECT_NE(id_of(std::string(300, 'a')), id_of(std::string(301, 'a')));
}

TEST_F(R1_16_Import, WhoRequiresWhoRequiresHimIsRefused) {
  challenge("a", "A", "requirements: [B]\n");
  challenge("b", "B", "requirements: [A]\n");
  challenge("c", "C", "requirements: [C]\n");
  challenge("d", "D", "requirements: [Nobody]\n");
  const auto text = all_notes(run());
  EXPECT_THAT(text, HasSubstr("which requires it in turn"));
  EXPECT_THAT(text, HasSubstr("it requires itself"));
  EXPECT_THAT(text, HasSubstr("requires \"Nobody\": there is not one challenge"));
}

TEST_F(R1_16_Import, AYamlBombIsRefusedWithItsPlace) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int j = 0; j < 9; ++j) bomb += fmt::format("{}*a{}", j ? "," : "", i - 1);
    bomb += "]\n";
  }
  write_file(from() / "a/challenge.yml", bomb);
  const auto report = run();
  EXPECT_THAT(report.notes,
              Contains(AllOf(Field(&Note::kind, Note::Kind::kRefused), Field(&Note::file, "a/challenge.yml"))));
  EXPECT_THAT(templates(), IsEmpty());
}

TEST_F(R1_16_Import, LinksThatLeadOutAreNotFollowed) {
  write_file(folder_.at("secret"), "flag{host}");
  challenge("a", "A", "files: [secret]\n");
  fs::create_symlink("../../secret", from() / "a/secret");
  challenge("b", "B");
  fs::create_symlink("/etc/passwd", from() / "b/data");
  fs::create_directory_symlink(folder_.path(), from() / "c");
  auto keeping = options();
  keeping.keep_broken = true;
  const auto report = run(keeping);
  ASSERT_EQ(report.items.size(), 2u);
  EXPECT_EQ(report.items[0].state, Item::State::kRefused);
  EXPECT_THAT(all_notes(report), HasSubstr("a/challenge.yml:7: refused: the file \"secret\" is not there"));
  EXPECT_TRUE(fs::is_symlink(into() / "b/source/data"));
}

TEST_F(R1_16_Import, NamesOfFilesDoNotLeadOutOfTheResult) {
  write_file(from() / "a/challenge.yaml",
             "name: A\nflag: x\nprovide:\n  - {file: out, as: ../../../evil}\n  - {file: out, as: ..}\n");
  write_file(from() / "a/out", "x");
  const auto report = run();
  EXPECT_THAT(all_notes(report),
              HasSubstr("a/challenge.yaml:5: refused: the file \"out\" cannot have the name \"..\""));
  write_file(from() / "a/challenge.yaml", "name: A\nflag: x\nprovide:\n  - {file: out, as: ../../../evil}\n");
  run();
  EXPECT_EQ(text_of_file(into() / "a/files/evil"), "x");
  EXPECT_FALSE(fs::exists(folder_.at("evil")));
}

TEST_F(R1_16_Import, AFileThatIsTooLargeIsRefusedWithTheOption) {
  challenge("a", "A");
  write_file(from() / "a/huge", "x");
  fs::resize_file(from() / "a/huge", std::uintmax_t{5} << 30);  // with a hole: it takes no room
  const auto report = run();
  EXPECT_THAT(all_notes(report), HasSubstr("a/huge: refused: 5 GiB, more than --max-file, 1 GiB"));
  EXPECT_THAT(templates(), IsEmpty());
}

TEST_F(R1_16_Import, HolesAreCopiedAsHoles) {
  challenge("a", "A");
  write_file(from() / "a/disk", "begin");
  fs::resize_file(from() / "a/disk", std::uintmax_t{64} << 20);
  run();
  struct stat info{};
  ASSERT_EQ(::stat((into() / "a/source/disk").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 64 << 20);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
}

TEST_F(R1_16_Import, ArchivesThatSlipAreRefusedWhole) {
  const Packed good{"a/challenge.yml", challenge_yml("A"), ""}, build{"a/Dockerfile", kDockerfile, ""};
  for (const auto& bad : std::vector<Packed>{{"../evil", "x", ""},
                                             {"/etc/evil", "x", ""},
                                             {"a/../../evil", "x", ""},
                                             {"a/link", "", "../../.."},
                                             {"a/link", "", "/etc"},
                                             {"A/Challenge.yml", "x", ""},
                                             {"a/\x01", "x", ""}}) {
    const auto report = run_zip({good, build, bad});
    ASSERT_FALSE(report) << bad.name;
    EXPECT_EQ(report.error().reason, "archive-refused");
    EXPECT_THAT(templates(), IsEmpty());
  }
  const auto through = run_zip({good, build, {"a/x", "", "."}, {"a/x/evil", "x", ""}});
  EXPECT_FALSE(through);
  const auto fine = run_zip({good, build, {"a/ok", "", "Dockerfile"}});
  ASSERT_TRUE(fine) << fine.error().message;
  EXPECT_THAT(templates(), testing::ElementsAre("a"));
}

TEST_F(R1_16_Import, AnArchiveThatSwellsIsRefused) {
  const auto report = run_zip({{"a/zeros", std::string(80 << 20, '\0'), ""}});
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("200 times its size"));
  write_file(folder_.at("b.zip"), "no archive at all");
  EXPECT_FALSE(import_challenges(folder_.at("b.zip"), options()));
}

TEST_F(R1_16_Import, WhatCannotBeStartedIsNotWritten) {
  write_file(from() / "a/docker-compose.yml", "services:\n  a:\n    image: x\n    privileged: true\n");
  auto report = run();
  EXPECT_EQ(report.items[0].state, Item::State::kRefused);
  EXPECT_THAT(all_notes(report), HasSubstr("a/source/docker-compose.yml:4: error: "));
  EXPECT_THAT(templates(), IsEmpty());
  auto keeping = options();
  keeping.keep_broken = true;
  report = run(keeping);
  EXPECT_EQ(report.items[0].state, Item::State::kNew);
  EXPECT_THAT(templates(), testing::ElementsAre("a"));
}

TEST_F(R1_16_Import, FlagsOfTheFileThatSaysThemAreNotInTheImage) {
  challenge("a", "A");
  run();
  EXPECT_FALSE(fs::exists(into() / "a/source/challenge.yml"));
  EXPECT_TRUE(fs::exists(into() / "a/source/Dockerfile"));
  EXPECT_FALSE(fs::exists(into() / "a/source/challenge.toml"));
}

TEST_F(R1_16_Import, OfAFolderWhoseDescriptionCannotBeReadNothingIsTaken) {
  write_file(from() / "one" / "challenge.yml", "name: Leaky: the sequel\nflags: [\"flag{secret}\"]\nimage: .\n");
  write_file(from() / "one" / "Dockerfile", "FROM tiltyard/busybox:1\nCOPY . /www\nEXPOSE 8000\n");
  write_file(from() / "one" / "inner" / "Dockerfile", kDockerfile);
  const auto report = run();
  EXPECT_THAT(templates(), IsEmpty());
  EXPECT_THAT(all_notes(report), HasSubstr("one/challenge.yml:1: refused"));
}

TEST_F(R1_16_Import, WhatAKilledImportLeftIsRemoved) {
  challenge("a", "A");
  write_file(into() / ".import-abcdef/a/half", "x");
  run();
  EXPECT_FALSE(fs::exists(into() / ".import-abcdef"));
  EXPECT_THAT(templates(), testing::ElementsAre("a"));
}

TEST_F(R1_16_Import, AnOriginalThatIsGoneIsSaid) {
  challenge("a", "A");
  challenge("b", "B");
  run();
  fs::remove_all(from() / "b");
  EXPECT_THAT(all_notes(run()), HasSubstr("b: kept: its original b is gone"));
  EXPECT_TRUE(fs::exists(into() / "b"));
}

TEST_F(R1_16_Import, OurOwnTemplatesAreCopiedAsTheyAre) {
  write_file(from() / "mine/instance.toml",
             "name = \"Mine\"\nimage = \"tiltyard/busybox:1\"\nports = [80]\n[limits]\npids = 32\n");
  write_file(from() / "mine/challenge.toml", "[value]\npoints = 5\n");
  const auto report = run();
  EXPECT_EQ(report.items[0].format, "tiltyard");
  EXPECT_EQ(text_of_file(into() / "mine/instance.toml"), text_of_file(from() / "mine/instance.toml"));
  EXPECT_EQ(text_of_file(into() / "mine/challenge.toml"), "[value]\npoints = 5\n");
}

}  // namespace
}  // namespace tiltyard::imports
