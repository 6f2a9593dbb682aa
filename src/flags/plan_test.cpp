// Where a template's flag goes, and what of its images works: plans, over the fake engine with the real store.
#include <soci/soci.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "flags/placing.h"
#include "flags/service_test.h"

namespace tiltyard::flags {
namespace {

using namespace std::string_literals;
using templates::SetUserId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class R5_2_Plan : public Flags {};

TEST_F(R5_2_Plan, HoldersBindsAndVariablesOfEveryMachine) {
  write("templates/box/flag.txt", "FLAG{box}");
  write("templates/box/conf/a.conf", "FLAG{box}");
  write("templates/box/conf/b.conf", "nothing");
  add_service("back", "test/two:1");
  image({{"one", Kind::kFile, "FLAG{box}"},
         {"hidden/two", Kind::kFile, "FLAG{box}"},
         {"three", Kind::kFile, "FLAG{other}"}});
  image({{"four", Kind::kFile, "FLAG{box}"}}, "test/two:1");
  main().binds.push_back({.path = "conf", .target = "/hidden"});
  main().binds.push_back({.path = "inline", .target = "/run/secrets/flag", .mode = 0400, .content = "is FLAG{box}"});
  main().container.environment = {"A=FLAG{box}", "B=none"};
  EXPECT_THAT(targets(), ElementsAre("main:/one", "main:/hidden/a.conf", "main:/run/secrets/flag", "back:/four"));
  EXPECT_EQ(plan()->environment.at("main").size(), 1u);
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(pool_kind(*tmpl_, *plan()).kind, labs::PoolKind::kNone);
}

TEST_F(R5_2_Plan, VolumesKeepWhatTheyHold) {
  tmpl_->flag.base = "box";
  image({{"data/flag", Kind::kFile, "FLAG{box}"}, {"data2", Kind::kFile, "FLAG{box}"}});
  main().volumes.push_back({"v", "/data/", false});
  EXPECT_THAT(targets(), ElementsAre("main:/data2"));
  EXPECT_THAT(problem(), HasSubstr("/data/flag of main"));
}

TEST_F(R5_2_Plan, TheSmallestBinaryDecidesForAll) {
  write("templates/box/flag.txt", "FLAG{long-base}");
  image({{"text", Kind::kFile, "FLAG{long-base}"},
         {"bin", Kind::kFile, "\0FLAG{long-base}\0\0\0\0\0\0\0\0\0\0\0x"s, 0755},
         {"wide", Kind::kFile, "\0FLAG{long-base}"s + std::string(90, '\0')}});
  EXPECT_EQ(plan()->shape.length(), 15u + 10);
  EXPECT_THAT(*flag_of("me"), MatchesRegex("FLAG\\{lo_[0-9a-f]+\\}"));
  EXPECT_EQ(pool_kind(*tmpl_, *plan()).kind, labs::PoolKind::kCreated) << "a program that runs cannot be written to";
  tmpl_->hash = "2";
  tmpl_->services[0].machine.image = "test/two:1";
  image({{"srv/bin", Kind::kFile, "\0FLAG{long-base}\0x"s}}, "test/two:1");
  EXPECT_THAT(problem(), testing::AllOf(HasSubstr("/srv/bin of main"), HasSubstr("at least 23")));
  EXPECT_EQ(run(service_->plan_of(tmpl_)).error().reason, "flags-broken");
}

TEST_F(R5_2_Plan, APromiseThatNothingKeepsIsNoticed) {
  write("templates/box/flag.txt", "FLAG{box}");
  EXPECT_THAT(problem(), HasSubstr("promises the flag FLAG{box}"));
  tmpl_->hash = "2";
  main().container.environment = {"A=${FLAG}"};
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(pool_kind(*tmpl_, *plan()).kind, labs::PoolKind::kNone);
}

TEST_F(R5_2_Plan, WhatAMachineHoldsWinsOverWhatIsHandedOut) {
  write("templates/box/dist/flag.txt", "FLAG{of_dist}");
  write("templates/box/service/secret.txt", "FLAG{real}");
  write("templates/box/conf/a.conf", "FLAG{bound}");
  image({{"www/secret.txt", Kind::kFile, "FLAG{real}"}});
  EXPECT_EQ(plan()->placeholder, "FLAG{real}");
  EXPECT_THAT(targets(), ElementsAre("main:/www/secret.txt"));
  EXPECT_EQ(problem(), "");
  const auto with = [&](const std::string& what) {
    tmpl_->hash = what;
    return plan()->placeholder;
  };
  fs::remove(folder_ / "templates/box/service/secret.txt");
  EXPECT_EQ(with("an image's own"), "FLAG{real}") << "what only an image holds wins as well";
  image({{"x", Kind::kFile, "none"}}, "test/two:1");
  main().machine.image = "test/two:1";
  main().binds.push_back({.path = "conf", .target = "/conf"});
  EXPECT_EQ(with("a bind"), "FLAG{bound}");
  main().binds.clear();
  main().container.environment = {"A=FLAG{of_dist}"};
  EXPECT_EQ(with("a variable"), "FLAG{of_dist}");
  fs::create_directories(folder_ / "templates/box/flag");
  write("templates/box/flag/flag.txt", "FLAG{first}");
  main().container.environment.clear();
  EXPECT_EQ(with("nothing"), "FLAG{first}") << "without a holder as before";
}

TEST_F(R5_2_Plan, AFlagThatGoesNowhereIsSaid) {
  image({{"x", Kind::kFile, "none"}});
  EXPECT_THAT(problem(), testing::AllOf(HasSubstr("no flag goes anywhere"), HasSubstr("nobody would find"),
                                        HasSubstr("[flag] variable = \"FLAG\"")));
  tmpl_->hash = "2";
  write("templates/box/start.sh", "echo ${GZCTF_FLAG}");
  EXPECT_THAT(problem(), HasSubstr("start.sh asks for GZCTF_FLAG: say [flag] variable = \"GZCTF_FLAG\""));
  for (const auto* how : {"off", "variable", "file", "words"}) {
    tmpl_->hash = how;
    tmpl_->dynamic_flags = how != "off"s;
    tmpl_->flag.variable = how == "variable"s ? "GZCTF_FLAG" : "";
    tmpl_->flag.file = how == "file"s ? "/flag" : "";
    main().container.environment.clear();
    if (how == "words"s) main().container.environment = {"A=${FLAG}"};
    EXPECT_EQ(problem(), "") << how;
  }
}

/// Programs that give rights, and what becomes of them.
class R1_5_Rights : public Flags {
 protected:
  R1_5_Rights() { tmpl_->flag.variable = "FLAG"; }
  std::string said(templates::SetUserId how) {
    tmpl_->hash += "+";
    main().set_user_id = how;
    return problem();
  }
  bool work() { return plan()->set_user_id.contains("main"); }
};
TEST_F(R1_5_Rights, AnImageThatHoldsThemGetsThemToWork) {
  image({{"bin/su", Kind::kFile, "x", 0755}, {"readflag", Kind::kFile, "x", 04644}, {"t/", Kind::kFolder, {}, 02755}});
  EXPECT_EQ(said(SetUserId::kAsImage), "") << "no program, and a folder that gives its group on";
  EXPECT_FALSE(work());
  image({{"bin/su", Kind::kFile, "x", 04755}, {"readflag", Kind::kFile, "x", 04711}}, "test/two:1");
  main().machine.image = "test/two:1";
  EXPECT_THAT(said(SetUserId::kAsImage), testing::AllOf(HasSubstr("/readflag"), HasSubstr("1 of its distribution")));
  EXPECT_TRUE(work());
  auto box = instance("i1", "me");
  ASSERT_TRUE(run(step_->make(box)));
  EXPECT_TRUE(box->added["main"].set_user_id);
  tmpl_->dynamic_flags = false;
  said(SetUserId::kAsImage);
  EXPECT_TRUE(work()) << "also where the image is looked into for nothing else";
}

TEST_F(R1_5_Rights, TheTemplateAndTheOperatorDecideFirst) {
  image({{"readflag", Kind::kFile, "x", 02755}, {"bin/mount", Kind::kFile, "x", 04755}});
  EXPECT_EQ(said(SetUserId::kNo), "");
  EXPECT_FALSE(work());
  EXPECT_EQ(said(SetUserId::kYes), "");
  EXPECT_TRUE(work());
  EXPECT_THAT(said(SetUserId::kForbidden), testing::AllOf(HasSubstr("/readflag"), HasSubstr("forbids")));
  EXPECT_FALSE(work());
  image({{"bin/mount", Kind::kFile, "x", 04755}}, "test/two:1");
  main().machine.image = "test/two:1";
  EXPECT_EQ(said(SetUserId::kForbidden), "") << "nobody misses what every Debian has";
  EXPECT_FALSE(work());
}

TEST_F(R1_5_Rights, AProgramWhoseFileCapabilityTheMachineHasNotStartsWithoutIt) {
  const std::string net_raw("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  image({{"usr/bin/ping", Kind::kFile, "ping", 0755, 0, 0, 1, net_raw}});
  main().container.capabilities = {"CHOWN"};
  said(SetUserId::kAsImage);
  EXPECT_TRUE(work());
  ASSERT_THAT(targets(), ElementsAre("main:/usr/bin/ping"));
  const auto& own = plan()->patches[0];
  EXPECT_EQ(own.facts.capability, std::string(1, '\0') + net_raw.substr(1)) << "permitted, and no longer demanded";
  EXPECT_EQ(own.facts.mode, 0755u);
  EXPECT_EQ(*patched(own, "", {"FLAG{x}", ""}), "ping");
  EXPECT_THAT(plan()->problems.front().message,
              testing::AllOf(HasSubstr("/usr/bin/ping"), HasSubstr("without NET_RAW")));
  main().container.read_only = true;
  said(SetUserId::kAsImage);
  EXPECT_THAT(targets(), IsEmpty());
  EXPECT_THAT(plan()->problems.front().message, HasSubstr("cannot be started"));
  main().container.capabilities = {"CHOWN", "NET_RAW"};
  said(SetUserId::kAsImage);
  EXPECT_EQ(plan()->problems.size(), 1u);
  EXPECT_THAT(problem(), HasSubstr("work here"));
  main().container.read_only = false;
  main().container.capabilities.clear();
  tmpl_->flag.variable.clear();
  said(SetUserId::kAsImage);
  EXPECT_THAT(plan()->problems.front().message, HasSubstr("no flag goes anywhere")) << "it holds no flag";
}

TEST_F(R1_5_Rights, WhatAVersionBeforeFoundServesUntilItIsLookedIntoAgain) {
  tmpl_->pool.max = 1;
  tmpl_->flag.variable.clear();
  tmpl_->flag.base = "box";
  image({{"readflag", Kind::kFile, "x", 04711}, {"flag", Kind::kFile, "FLAG{box}", 0400}});
  plan();
  reopen();
  auto forget = [](soci::session& sql) -> Result<> {
    std::string found;
    sql << "SELECT found FROM flag_images", soci::into(found);
    auto document = boost::json::parse(found);
    document.as_object().erase("programs");
    found = boost::json::serialize(document);
    sql << "UPDATE flag_images SET found = :found", soci::use(found);
    return {};
  };
  ASSERT_TRUE(run(store_->write(std::move(forget))));
  const auto before = run(service_->plan_of(tmpl_, Look::kForFlags));
  ASSERT_TRUE(before);
  EXPECT_FALSE((*before)->whole);
  EXPECT_EQ((*before)->patches.size(), 1u);
  EXPECT_EQ(engine_->calls("export_image"), 1) << "a pool goes on with what is known";
  EXPECT_EQ(service_->pool_kind_of(*tmpl_).kind, labs::PoolKind::kRunning);
  EXPECT_TRUE(work());
  EXPECT_EQ(engine_->calls("export_image"), 2);
  reopen();
  EXPECT_TRUE(work());
  EXPECT_EQ(engine_->calls("export_image"), 2) << "and then it is known";
}

TEST_F(R5_2_Plan, TheFlagFileMustBeAFile) {
  image({{"dir/", Kind::kFolder, {}},
         {"out", Kind::kSymlink, "../../x"},
         {"real/flag", Kind::kFile, "x", 0600, 5, 6},
         {"to", Kind::kSymlink, "real/flag"}});
  const auto with = [&](const std::string& file) {
    tmpl_->flag.file = file;
    tmpl_->hash += "+";
    return problem();
  };
  EXPECT_THAT(with("/dir"), HasSubstr("is a folder"));
  EXPECT_THAT(with("/out"), HasSubstr("leaves the image"));
  EXPECT_EQ(with("/to"), "");
  EXPECT_THAT(targets(), ElementsAre("main:/real/flag"));
  EXPECT_EQ(plan()->patches[0].facts.uid, 5u);
  EXPECT_EQ(with("/new/flag"), "");
  EXPECT_EQ(plan()->patches[0].facts.mode, 0444u);
  EXPECT_EQ(pool_kind(*tmpl_, *plan()).kind, labs::PoolKind::kRunning);
  tmpl_->flag.read_at_start = true;
  EXPECT_EQ(pool_kind(*tmpl_, *plan()).kind, labs::PoolKind::kCreated);
}

TEST_F(R5_2_Plan, AnImageIsLookedIntoOnceAlsoAfterARestart) {
  tmpl_->flag.base = "box";
  image({{"flag", Kind::kFile, "FLAG{box}", 0640, 1, 2, 77}});
  const auto before = plan();
  reopen();
  EXPECT_EQ(plan()->patches.at(0).facts, before->patches.at(0).facts);
  EXPECT_EQ(engine_->calls("export_image"), 1);
  reopen();
  fs::remove_all(folder_ / "flags");
  EXPECT_THAT(targets(), ElementsAre("main:/flag"));
  EXPECT_EQ(engine_->calls("export_image"), 2) << "what is gone is looked for again";
}

TEST_F(R5_2_Plan, AnImageThatGotAnotherIdIsLookedIntoAgain) {
  tmpl_->flag.base = "box";
  main().build.reset();
  image({{"flag", Kind::kFile, "FLAG{box}"}});
  EXPECT_THAT(targets(), ElementsAre("main:/flag"));
  engine_->add_image("test/one:1");
  image({{"other", Kind::kFile, "FLAG{box}"}});
  EXPECT_THAT(targets(), ElementsAre("main:/other"));
}

TEST_F(R5_2_Plan, AStreamThatIsCutIsTriedAgain) {
  tmpl_->flag.base = "box";
  image({{"flag", Kind::kFile, "FLAG{box}"}});
  engine_->fail_next("export_image", Error{Code::kUnavailable, "engine-lost", "Cut.", {}, {}});
  EXPECT_EQ(run(service_->plan_of(tmpl_)).error().reason, "engine-lost");
  EXPECT_THAT(targets(), ElementsAre("main:/flag"));
}

}  // namespace
}  // namespace tiltyard::flags
