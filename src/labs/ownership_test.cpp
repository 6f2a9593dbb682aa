#include "labs/ownership.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "labs/machine_spec.h"
#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

/// Two servers on one engine, under one namespace.
class OneEngine : public Range {
 protected:
  /// The engine goes by the real time, which must not be ahead of ours: a sweep spares what is young.
  OneEngine() { clock_.advance(std::chrono::hours{24 * 3650}); }

  Claimant neighbour() const { return {"other", "/srv/other/tiltyard.db", "/srv/other", "host"}; }

  /// What `who` says to the engine when it starts.
  Result<> claim(const Claimant& who) {
    jobs::Service work({}, jobs::Parts{loops_.home(), *store_, clock_});
    LabsStore rows(*store_, work);
    Ownership ownership(who, "fake", *engine_, rows);
    home([&] { engine_->act_as(who.server); });
    auto claimed = run(ownership.claim());
    home([&] { engine_->act_as("self"); });
    return claimed;
  }

  /// A machine of an instance that our database does not know. An empty server is one that does not say who it is.
  void make_machine(const std::string& server, const std::string& name, const std::string& instance) {
    engine::MachineSpec spec;
    spec.name = name;
    spec.image = "test/one:1";
    spec.labels = {{engine::kLabelInstance, instance}};
    home([&] { engine_->act_as(server); });
    EXPECT_TRUE(run(engine_->create(spec)));
    home([&] { engine_->act_as("self"); });
  }

  bool has_machine(const std::string& name) {
    return home([&] { return engine_->machine_spec(name) != nullptr; });
  }

  void leave() {
    run(end());
    run(service_->leave());
    forget();
  }
};

TEST_F(OneEngine, R1_12_ASweepLeavesWhatAnotherServerMade) {
  open();
  make_machine("other", "theirs", "one-nobody-1");
  make_machine("self", "orphan", "one-nobody-2");
  auto swept = run(service_->sweep(0s));
  ASSERT_TRUE(swept);
  EXPECT_EQ(*swept, 1u);
  EXPECT_TRUE(has_machine("theirs"));
  EXPECT_FALSE(has_machine("orphan"));
}

TEST_F(OneEngine, R1_12_ANamespaceBelongsToOneServer) {
  open();
  const auto refused = claim(neighbour());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "namespace-claimed");
  EXPECT_NE(refused.error().message.find("engine.namespace"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(run(service_->sweep(0s))) << "the first goes on";
}

TEST_F(OneEngine, R1_12_WhoLeavesWithNothingRunningGivesTheNamespaceBack) {
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  ASSERT_TRUE(stop(made->id));
  wait(made->id, true);
  leave();
  EXPECT_EQ(home([&] { return engine_->volume_count() + engine_->network_count(); }), 0u);
  open();
  EXPECT_FALSE(claim(neighbour())) << "a positive control: it is claimed again";
}

TEST_F(OneEngine, R1_13_AClaimOutlivesAServerWhoseInstancesRun) {
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  leave();
  open();
  EXPECT_FALSE(claim(neighbour()));
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning) << "and it is ours when we come back";
}

TEST_F(OneEngine, R1_12_WhereItsDatabaseWasAnotherNowAServerIsSurelyGone) {
  open();
  leave();
  ASSERT_TRUE(claim(neighbour()));
  make_machine("other", "left", "one-nobody-1");
  auto heir = neighbour();
  heir.server = "heir";
  heir.host = "another host";
  EXPECT_FALSE(claim(heir)) << "the same path elsewhere says nothing";
  EXPECT_TRUE(has_machine("left"));
  heir.host = "host";
  EXPECT_TRUE(claim(heir));
  EXPECT_FALSE(has_machine("left"));
}

TEST_F(OneEngine, R1_12_ACopyOfADatabaseIsToldFromOneThatWasMoved) {
  open();
  leave();
  auto original = neighbour();
  original.data = folder_.string();
  ASSERT_TRUE(claim(original));
  auto copy = original;
  copy.home = "/srv/copy/tiltyard.db";
  copy.data = "/srv/copy";
  const int lock = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  const auto refused = claim(copy);
  ASSERT_FALSE(refused) << "the original lives";
  EXPECT_EQ(refused.error().reason, "namespace-claimed");
  ::close(lock);
  EXPECT_TRUE(claim(copy));
}

TEST_F(OneEngine, R1_13_WhatAVersionWithoutIdentitiesMadeIsKnownByItsInstances) {
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  make_machine("", "unsaid", made->id.str());
  make_machine("", "stranger", "one-nobody-1");
  ASSERT_TRUE(run(service_->sweep(0s)));
  EXPECT_TRUE(has_machine("unsaid")) << "of a live instance of ours";
  EXPECT_TRUE(has_machine("stranger")) << "nobody says whose it is";
  const auto refused = claim(neighbour());
  ASSERT_FALSE(refused);
}

TEST_F(OneEngine, R1_13_TheFirstStartAfterAnUpgradeTakesOverAllThatSaysNoServer) {
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  ASSERT_TRUE(stop(made->id));
  wait(made->id, true);
  leave();
  make_machine("", "stranger", "one-nobody-1");
  EXPECT_FALSE(claim(Claimant{})) << "it may be of a server that runs";
  EXPECT_TRUE(has_machine("stranger"));
  make_machine("", "late", made->id.str());
  open();
  EXPECT_FALSE(has_machine("stranger"));
  EXPECT_FALSE(has_machine("late")) << "its instance has ended";
}

}  // namespace
}  // namespace tiltyard::labs
