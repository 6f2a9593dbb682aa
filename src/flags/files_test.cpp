// Flags: the files of instances, over the fake engine with the real store.
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <set>

#include "engine/docker/layer_files.h"
#include "flags/placing.h"
#include "flags/service_test.h"

namespace tiltyard::flags {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class R5_2_Files : public Flags {
 protected:
  /// A file of its machine's layer, as its archive makes it.
  fs::path in_layer(const std::shared_ptr<Box>& box, const std::string& target) {
    const auto layer = folder_ / ("layer-" + box->instance.id.str());
    fs::create_directories(layer);
    EXPECT_TRUE(engine::docker::unpack({layer, {}}, box->added["main"].archive));
    return layer.string() + target;
  }
  /// A machine of the fake engine with what its archive has.
  void add_machine(const std::shared_ptr<Box>& box) {
    engine::MachineSpec spec;
    spec.name = box->instance.id.str() + "-main";
    spec.image = "test/one:1";
    ASSERT_TRUE(run(engine_->create(spec)));
    const auto handle = engine::FakeEngine::handle_of(spec.name);
    ASSERT_TRUE(run(engine_->put_archive(handle, "/", box->added["main"].archive)));
    box->instance.plan.machines.push_back({"main", spec.name, {}, handle});
  }
  void bind_text(const std::string& target) {
    templates::BindSource bind;
    bind.path = target.substr(1);
    bind.target = target;
    bind.content = "x FLAG{box} y";
    main().binds.push_back(bind);
  }
};

TEST_F(R5_2_Files, OwnerModeTimesAndCapabilityAreKept) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  tmpl_->flag.base = "box";
  image({{"flag", Kind::kFile, "a FLAG{box} b FLAG{box}", 04750, 1234, 2345, 981173106, capability}});
  const auto live = instance("i1", "me");
  ASSERT_TRUE(run(step_->make(live)));
  const auto path = in_layer(live, "/flag");
  EXPECT_THAT(live->added["main"].mounts, IsEmpty()) << "an ordinary file, which its machine may move";
  const auto flag = *flag_of("me");
  EXPECT_EQ(live->offered.at("FLAG").reveal(), flag);
  EXPECT_EQ(read(path), "a " + flag + " b " + flag);
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, 1234u);
  EXPECT_EQ(facts.st_gid, 2345u);
  EXPECT_EQ(facts.st_mode & 07777, 04750u);
  EXPECT_EQ(facts.st_mtim.tv_sec, 981173106);
  char value[64];
  EXPECT_EQ(::getxattr(path.c_str(), "security.capability", value, sizeof value), 20);
  ASSERT_TRUE(run(step_->undo(live)));
  ASSERT_TRUE(run(step_->undo(live)));
}

TEST_F(R5_2_Files, WhatLiesInAMountIsMountedAndWritableWhereItsTemplateSays) {
  tmpl_->flag.file = "/run/flag";
  engine::Mount tmpfs;
  tmpfs.kind = engine::Mount::Kind::kTmpfs;
  tmpfs.target = "/run";
  main().container.mounts.push_back(tmpfs);
  const auto mount_of = [&](const std::string& id) {
    const auto live = instance(id, "me");
    EXPECT_TRUE(run(step_->make(live)));
    EXPECT_TRUE(live->added["main"].archive.empty());
    return live->added.begin()->second.mounts.front();
  };
  EXPECT_TRUE(mount_of("i1").read_only);
  tmpl_->flag.writable = true;
  tmpl_->hash = "writable";
  EXPECT_FALSE(mount_of("i2").read_only);
}

TEST_F(R5_2_Files, NothingThatAMachineLeftThereIsFollowedOrWaitedFor) {
  const auto target = folder_ / "target", link = folder_ / "link", pipe = folder_ / "pipe";
  std::ofstream(target) << "kept";
  fs::create_symlink(target, link);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
  FileFacts facts;
  facts.uid = ::geteuid();
  facts.gid = ::getegid();
  for (const auto& place : {link, pipe}) {
    const auto written = write_in_place(place.string(), "flag", facts);
    ASSERT_FALSE(written) << place;
    EXPECT_EQ(written.error().reason, "flag-file-refused");
    EXPECT_EQ(read_regular(place.string()), std::nullopt);
  }
  EXPECT_EQ(read(target.string()), "kept");
  EXPECT_EQ(read_regular(target.string()), "kept");
}

TEST_F(R5_2_Files, AClaimWritesIntoTheSameInodes) {
  tmpl_->flag.base = "box";
  bind_text("/text");
  bind_text("/more");
  auto live = instance("i2", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(live)));
  const auto nobodys = live->offered.at("FLAG").reveal();
  EXPECT_EQ(nobodys.size(), flag_of("me")->size());
  EXPECT_NE(nobodys, *flag_of("me"));
  EXPECT_EQ(*run(service_->owner_of(nobodys)), std::nullopt);
  struct stat before{}, after{};
  ::stat(file_of(live, "/text").c_str(), &before);
  reopen();
  const auto again = instance("i2", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(again)));
  EXPECT_EQ(again->offered.at("FLAG").reveal(), nobodys) << "also after a restart";

  live->instance.owner = "me";
  live->instance.pool = labs::PoolRole::kClaimed;
  for (int times = 0; times < 2; ++times) {
    ASSERT_TRUE(run(step_->claim(live)));
    const auto flag = *flag_of("me");
    EXPECT_EQ(live->offered.at("FLAG").reveal(), flag);
    EXPECT_EQ(read(file_of(live, "/text")), "x " + flag + " y");
    ::stat(file_of(live, "/text").c_str(), &after);
    EXPECT_EQ(after.st_ino, before.st_ino);
    EXPECT_EQ(after.st_mode, before.st_mode);
  }
  EXPECT_EQ(live->added["main"].mounts.size(), 2u) << "a repeated step adds nothing twice";
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "instances" / "i2")) {
    if (entry.is_regular_file()) EXPECT_FALSE(read(entry.path()).contains(nobodys)) << entry.path();
  }
}

TEST_F(R5_2_Files, AClaimRewritesTheMachinesOwnFiles) {
  tmpl_->flag.base = "box";
  image({{"text", Kind::kFile, "x FLAG{box} y", 0640, 12, 34, 981173106},
         {"bin", Kind::kFile, "\0FLAG{box}"s + std::string(40, '\0') + "end"}});
  const auto live = instance("i7", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(live)));
  const auto nobodys = live->offered.at("FLAG").reveal();
  add_machine(live);
  const auto file = [&](const std::string& path) { return engine_->file("i7-main", path).value_or("none"); };
  ASSERT_EQ(file("/text"), "x " + nobodys + " y");
  const auto kept = flags_kept_step(*service_, (folder_ / "instances").string());
  ASSERT_TRUE(run(kept->make(live)));
  live->instance.owner = "me";
  live->instance.pool = labs::PoolRole::kClaimed;
  for (int times = 0; times < 2; ++times) {
    ASSERT_TRUE(run(step_->claim(live)));
    const auto flag = *flag_of("me");
    EXPECT_EQ(file("/text"), "x " + flag + " y");
    EXPECT_EQ(file("/bin"), "\0"s + flag + std::string(49 - flag.size(), '\0') + "end");
  }
  EXPECT_FALSE(fs::exists(folder_ / "instances" / "i7" / "flags" / "waiting"));
}

TEST_F(R5_2_Files, AMachineOfBeforeWhoseFilesAreMountedIsClaimedAsItIs) {
  tmpl_->flag.base = "box";
  image({{"text", Kind::kFile, "x FLAG{box} y"}, {"more", Kind::kFile, "FLAG{box}"}});
  const auto live = instance("i8", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(live)));
  const auto old = folder_ / "instances" / "i8" / "flags";
  for (const auto* name : {"0", "1"}) std::ofstream(old / name) << live->offered.at("FLAG").reveal();
  live->instance.owner = "me";
  live->instance.pool = labs::PoolRole::kClaimed;
  ASSERT_TRUE(run(step_->claim(live)));
  const auto flag = *flag_of("me");
  const std::set<std::string> now{read(old / "0"), read(old / "1")};
  EXPECT_EQ(now, (std::set<std::string>{"x " + flag + " y", flag}));
  EXPECT_EQ(engine_->calls("rewrite"), 0);
}

TEST_F(R5_2_Files, WhatMovesItsFlagWaitsWithoutBeingStarted) {
  tmpl_->flag.base = "box";
  image({{"text", Kind::kFile, "FLAG{box}"}});
  const auto live = instance("i9", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(live)));
  EXPECT_EQ(service_->pool_kind_of(*tmpl_).kind, labs::PoolKind::kRunning);
  live->added["main"].archive.clear();
  engine::MachineSpec spec;
  spec.name = "i9-main";
  spec.image = "test/one:1";
  ASSERT_TRUE(run(engine_->create(spec)));
  live->instance.plan.machines.push_back({"main", spec.name, {}, engine::FakeEngine::handle_of(spec.name)});
  const auto kept = flags_kept_step(*service_, (folder_ / "instances").string());
  EXPECT_EQ(run(kept->make(live)).error().reason, "file-moved");
  EXPECT_EQ(service_->pool_kind_of(*tmpl_).kind, labs::PoolKind::kCreated);
}

TEST_F(R5_2_Files, WhatAPlayerWroteStays) {
  tmpl_->flag.base = "box";
  bind_text("/text");
  bind_text("/more");
  image({{"layer", Kind::kFile, "FLAG{box}"}});
  const auto live = instance("i3", "me");
  ASSERT_TRUE(run(step_->make(live)));
  EXPECT_FALSE(live->added["main"].archive.empty());
  live->added["main"].archive.clear();
  std::ofstream(file_of(live, "/text")) << "mine";
  fs::remove(file_of(live, "/more"));
  live->instance.started_at = clock_.now();
  ASSERT_TRUE(run(step_->make(live)));
  EXPECT_EQ(read(file_of(live, "/text")), "mine");
  EXPECT_EQ(read(file_of(live, "/more")), "x " + *flag_of("me") + " y");
  EXPECT_TRUE(live->added["main"].archive.empty()) << "what was in its layer is the player's";
}

TEST_F(R5_2_Files, AFlagInTheEnvironmentIsNotClaimed) {
  tmpl_->flag.variable = "THE_FLAG";
  const auto live = instance("i4", "me");
  ASSERT_TRUE(run(step_->make(live)));
  EXPECT_THAT(live->added["main"].environment, ElementsAre("THE_FLAG=" + *flag_of("me")));
  EXPECT_EQ(run(step_->claim(live)).error().reason, "flag-in-environment");
}

TEST_F(R5_2_Files, ARemoteEngineGetsThemAsAnArchive) {
  engine::FakeOptions options;
  options.images = {"test/one:1", "test/two:1"};
  options.local = false;
  close();
  auto local = std::exchange(engine_, std::make_unique<engine::FakeEngine>(loops_.home(), options));
  open();
  tmpl_->flag.file = "/flag";
  const auto live = instance("i5", "me");
  ASSERT_TRUE(run(step_->make(live)));
  EXPECT_THAT(live->added["main"].mounts, IsEmpty());
  EXPECT_THAT(live->added["main"].archive, HasSubstr(*flag_of("me")));
  const auto waits = instance("i6", "", labs::PoolRole::kWaiting);
  ASSERT_TRUE(run(step_->make(waits)));
  EXPECT_THAT(waits->added["main"].archive, Not(HasSubstr(*flag_of("me"))));
  engine::MachineSpec spec;
  spec.name = "i6-main";
  spec.image = "test/one:1";
  ASSERT_TRUE(run(engine_->create(spec)));
  waits->instance.plan.machines.push_back({"main", spec.name, {}, engine::FakeEngine::handle_of(spec.name)});
  waits->instance.owner = "me";
  waits->instance.pool = labs::PoolRole::kClaimed;
  ASSERT_TRUE(run(step_->claim(waits)));
  EXPECT_THAT(engine_->file(spec.name, "/flag").value_or(""), HasSubstr(*flag_of("me")));
  close();
  run(engine_->close());
  engine_ = std::move(local);
  open();
}

TEST_F(R5_2_Files, AFlagThatDoesNotFitTheBinaryIsAnError) {
  std::string content = "\0FLAG{box}\0\0\0x"s;
  EXPECT_EQ(replace_binary(content, "FLAG{box}", "FLAG{much-too-long}").error().reason, "flag-does-not-fit");
  ASSERT_TRUE(replace_binary(content, "FLAG{box}", "FLAG{12345}"));
  EXPECT_EQ(content, "\0FLAG{12345}\0x"s);
  content = "FLAG{box}FLAG{box}\0"s;
  ASSERT_TRUE(replace_binary(content, "FLAG{box}", "F{1}"));
  EXPECT_EQ(content, "F{1}\0\0\0\0\0F{1}\0\0\0\0\0\0"s);
}

}  // namespace
}  // namespace tiltyard::flags
