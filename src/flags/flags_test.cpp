// Flags: their texts, and whose they are, over the fake engine with the real store.

#include <set>

#include "base/parallel.h"
#include "flags/folder_scan.h"
#include "flags/service_test.h"

namespace tiltyard::flags {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

class R5_1 : public Folder {
 protected:
  std::string base(const FolderLimits& limits = {}) const {
    const auto found = find_bases(folder_.string(), "FLAG", limits);
    return found.empty() ? "none" : found.front().text + " in " + found.front().file;
  }
};

TEST_F(R5_1, FlagsHaveTheShapeOfTheRow) {
  EXPECT_THAT(draw_flag({"FLAG", "base", "0123456789abcdef"}).reveal(), MatchesRegex("FLAG\\{base_[0-9a-f]+\\}"));
  EXPECT_EQ(draw_flag({"FLAG", "base", "0123456789abcdef"}).reveal().size(), 5 + 4 + 1 + 16 + 1);
  EXPECT_THAT(draw_flag({"HTB", std::nullopt, "ab"}).reveal(), MatchesRegex("HTB\\{[ab]+\\}"));
  EXPECT_EQ(draw_flag({"HTB", std::nullopt, "ab"}).reveal().size(), 4 + 32 + 1);
  std::set<char> seen;
  std::set<std::string> flags;
  for (int i = 0; i < 200; ++i) {
    const auto flag = draw_flag({"F", std::nullopt, "xyz"}).reveal();
    flags.insert(flag);
    seen.insert(flag.begin() + 2, flag.end() - 1);
  }
  EXPECT_EQ(seen, (std::set<char>{'x', 'y', 'z'}));
  EXPECT_EQ(flags.size(), 200u);
}

TEST_F(R5_1, TheBaseIsCutUntilFlagsFit) {
  const Shape shape{"FLAG", "a-long-base", "0123456789abcdef"};
  EXPECT_EQ(fit(shape, 100)->base, "a-long-base");
  EXPECT_EQ(fit(shape, shape.length() - 3)->base, "a-long-b");
  EXPECT_EQ(fit(shape, 23)->base, "");
  EXPECT_THAT(draw_flag(*fit(shape, 23)).reveal(), MatchesRegex("FLAG\\{_[0-9a-f]+\\}"));
  EXPECT_EQ(fit(shape, 22), std::nullopt);
}

TEST_F(R5_1, OnlyPrintableTextInBracesIsAPlaceholder) {
  EXPECT_THAT(find_placeholders("x FLAG{one} FLAG{two} FLAG{one}", "FLAG"), ElementsAre("FLAG{one}", "FLAG{two}"));
  EXPECT_THAT(find_placeholders("FLAG{} FLAG{a\nb} FLAG{FLAG{in}} FLAG{never", "FLAG"), ElementsAre("FLAG{in}"));
  EXPECT_THAT(find_placeholders("FLAG{" + std::string(101, 'x') + "}", "FLAG"), IsEmpty());
  EXPECT_THAT(find_placeholders("FLAG{a\0b} FLAG{c}"s, "FLAG"), ElementsAre("FLAG{c}"));
  EXPECT_THAT(find_placeholders("${FLAG} FLAG", "FLAG"), IsEmpty());
}

TEST_F(R5_1, FlagFilesComeFirstThenConfigurationThenSources) {
  write("src/main.py", "FLAG{source}");
  EXPECT_EQ(base(), "FLAG{source} in src/main.py");
  write("deep/down/settings.yml", "FLAG{settings}");
  EXPECT_EQ(base(), "FLAG{settings} in deep/down/settings.yml");
  write("Dockerfile", "ENV A=FLAG{docker}");
  EXPECT_EQ(base(), "FLAG{docker} in Dockerfile");
  write("the-flag-of-it.md", "FLAG{named}");
  EXPECT_EQ(base(), "FLAG{named} in the-flag-of-it.md");
  write("web/flag.txt", "FLAG{file}\n");
  EXPECT_EQ(base(), "FLAG{file} in web/flag.txt");
  write("flag", "nothing here");
  EXPECT_EQ(base(), "FLAG{file} in web/flag.txt");
}

TEST_F(R5_1, WhatIsHandedOutOrCallsItselfFakeComesLast) {
  write("dist/flag.txt", "FLAG{of_dist}");
  EXPECT_EQ(base(), "FLAG{of_dist} in dist/flag.txt") << "it is all that there is";
  write("flag.txt", "FLAG{fake_for_testing}");
  EXPECT_EQ(base(), "FLAG{fake_for_testing} in flag.txt");
  write("service/main.py", "print('FLAG{real}')");
  EXPECT_EQ(base(), "FLAG{real} in service/main.py");
}

TEST_F(R5_1, VariablesOfOtherPlatformsAreSeen) {
  const auto asked = [&] {
    const auto found = find_asked_variable(folder_.string());
    return found ? found->text + " by " + found->file : "none";
  };
  write("README.md", "It is in $GZCTF_FLAG.");
  write("names", "The FLAG is yours. GZCTF_FLAGS are many.");
  write("my.sh", "echo $FLAGS ${MYFLAG} 'FLAGS'");
  EXPECT_EQ(asked(), "none");
  for (const auto* text :
       {"echo $FLAG", "echo ${FLAG:-x}", "os.environ['FLAG']", "getenv(\"FLAG\")", "process.env.FLAG;"}) {
    write("start", text);
    EXPECT_EQ(asked(), "FLAG by start") << text;
  }
  write("start.sh", "f=${FLAG:-${GZCTF_FLAG:-not_set}}");
  EXPECT_EQ(asked(), "GZCTF_FLAG by start.sh");
}

TEST_F(R5_1, LinksAndWhatIsTooMuchAreNotRead) {
  write("../" + folder_.filename().string() + "-outside", "FLAG{outside}");
  const fs::path outside = folder_.string() + "-outside";
  fs::create_symlink(outside, folder_ / "flag.txt");
  fs::create_symlink("/", folder_ / "root");
  EXPECT_EQ(base(), "none");
  write("big.py", std::string(2000, 'x') + "FLAG{big}");
  FolderLimits limits;
  limits.file_bytes = 1000;
  EXPECT_EQ(base(limits), "none");
  EXPECT_EQ(base(), "FLAG{big} in big.py");
  limits = {};
  limits.depth = 1;
  fs::remove(folder_ / "big.py");
  write("a/b/c.py", "FLAG{deep}");
  EXPECT_EQ(base(limits), "none");
  fs::remove(outside);
}

class R5_1_Kept : public Flags {};

TEST_F(R5_1_Kept, TheSameOwnerAndTemplateAlwaysGetTheSame) {
  write("templates/box/flag.txt", "FLAG{box}");
  image({{"flag.txt", Kind::kFile, "FLAG{box}"}});
  const auto mine = flag_of("me");
  ASSERT_TRUE(mine) << mine.error().reason << ": " << mine.error().message << " " << mine.error().cause;
  EXPECT_THAT(*mine, MatchesRegex("FLAG\\{box_[0-9a-f]+\\}"));
  EXPECT_NE(*flag_of("you"), *mine);
  EXPECT_EQ(*flag_of("me"), *mine);
  reopen();
  EXPECT_EQ(*flag_of("me"), *mine);
  tmpl_->hash = "2";
  tmpl_->flag_prefix = "OTHER";
  EXPECT_EQ(*flag_of("me"), *mine) << "a flag that was given stays";
  const auto found = run(service_->owner_of(*mine));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->owner, "me");
  EXPECT_EQ((*found)->tmpl, tmpl_->id);
  EXPECT_EQ(*run(service_->owner_of("FLAG{box_0000000000000000}")), std::nullopt);
  EXPECT_EQ(flag_of("").error().reason, "owner-missing");
}

asio::awaitable<Result<>> ask(Service* service, std::shared_ptr<const templates::Template> tmpl,
                              std::set<std::string>* out) {
  auto flag = co_await service->flag_of("me", tmpl);
  if (!flag) co_return fail(std::move(flag.error()));
  out->insert(flag->reveal());
  co_return Result<>{};
}

TEST_F(R5_1_Kept, ManyAtOnceGetTheSame) {
  std::set<std::string> seen;
  std::vector<asio::awaitable<Result<>>> works;
  for (int i = 0; i < 20; ++i) works.push_back(ask(service_.get(), tmpl_, &seen));
  for (const auto& result : run(all_of(std::move(works)))) EXPECT_TRUE(result);
  EXPECT_EQ(seen.size(), 1u);
  EXPECT_EQ(engine_->calls("export_image"), 1);
}

TEST_F(R5_1_Kept, WithoutABaseThereAre32) {
  EXPECT_THAT(*flag_of("me"), MatchesRegex("FLAG\\{[0-9a-f]+\\}"));
  EXPECT_EQ(flag_of("me")->size(), 4 + 2 + 32);
  tmpl_->id = TemplateId("other");
  tmpl_->flag_prefix = "HTB";
  tmpl_->flag.alphabet = "xy";
  tmpl_->flag.base = "given";
  EXPECT_THAT(*flag_of("me"), MatchesRegex("HTB\\{given_[xy]+\\}"));
}

TEST_F(R5_1_Kept, TheBaseMayBeInAnImageOnly) {
  image({{"a.txt", Kind::kFile, "FLAG{first}"}, {"srv/flag", Kind::kFile, "FLAG{named}"}});
  EXPECT_THAT(*flag_of("me"), HasSubstr("FLAG{named_"));
}

TEST_F(R5_1_Kept, SwitchedOffItIsTheTextItself) {
  write("templates/box/flag.txt", "FLAG{box}");
  image({{"flag.txt", Kind::kFile, "FLAG{box}"}});
  tmpl_->dynamic_flags = false;
  EXPECT_EQ(*flag_of("me"), "FLAG{box}");
  EXPECT_THAT(targets(), IsEmpty());
  fs::remove(folder_ / "templates/box/flag.txt");
  tmpl_->id = TemplateId("bare");
  engine_->set_image_tar("test/one:1", "");
  tmpl_->services[0].machine.image = "test/two:1";
  EXPECT_EQ(*flag_of("me"), "");
}

TEST_F(R5_1_Kept, AnAlphabetThatIsUsedUpIsAnError) {
  auto twice = [](const char* owner, FlagStore store) -> asio::awaitable<Result<Secret>> {
    co_return co_await store.find_or_insert(
        owner, TemplateId("t"), [] { return Secret("FLAG{one}"); }, "", TimePoint{});
  };
  EXPECT_TRUE(run(twice("a", FlagStore(*store_))));
  EXPECT_TRUE(run(twice("a", FlagStore(*store_)))) << "the same owner's is read, not made";
  EXPECT_EQ(run(twice("b", FlagStore(*store_))).error().reason, "flags-used-up");
}

}  // namespace
}  // namespace tiltyard::flags
