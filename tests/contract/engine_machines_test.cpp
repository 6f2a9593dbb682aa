// What every engine promises about machines, networks and volumes.
#include <gmock/gmock.h>

#include "engine_contract.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

TEST_P(R14_2, FingerprintSaysWhatItIs) {
  const auto print = await(engine().fingerprint());
  ASSERT_TRUE(ok(print));
  EXPECT_FALSE(print->kind.empty());
  EXPECT_FALSE(print->version.empty());
  EXPECT_FALSE(print->api_version.empty());
  EXPECT_GT(print->cpus, 0);
  EXPECT_GT(print->memory, 0);
}

TEST_P(R14_2, MachineLivesThroughAllItsStates) {
  const auto handle = created(machine("m"));
  ASSERT_TRUE(ok(handle));
  auto state = [&] { return await(engine().inspect(*handle)).value().state; };
  EXPECT_EQ(state(), MachineState::kCreated);
  EXPECT_TRUE(ok(await(engine().start(*handle))));
  EXPECT_EQ(state(), MachineState::kRunning);
  EXPECT_TRUE(ok(await(engine().freezer()->pause(*handle))));
  EXPECT_EQ(state(), MachineState::kPaused);
  EXPECT_TRUE(ok(await(engine().freezer()->resume(*handle))));
  EXPECT_EQ(state(), MachineState::kRunning);
  EXPECT_TRUE(ok(await(engine().stop(*handle, 1s))));
  EXPECT_EQ(state(), MachineState::kExited);
  EXPECT_TRUE(ok(await(engine().destroy(*handle))));
  EXPECT_EQ(state(), MachineState::kAbsent);
}

TEST_P(R1_15, AThawedMachineRunsBeforeTheEngineSaysSo) {
  const auto handle = running(machine("m"));
  auto state = [&] { return await(engine().inspect(handle)).value().state; };
  EXPECT_TRUE(ok(await(engine().freezer()->thaw(handle)))) << "a machine that runs needs no thawing";
  EXPECT_EQ(state(), MachineState::kRunning);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
    EXPECT_EQ(state(), MachineState::kPaused);
    ASSERT_TRUE(ok(await(engine().freezer()->thaw(handle))));
    EXPECT_TRUE(ok(await(engine().freezer()->thaw(handle))));
    EXPECT_EQ(run(handle, {"echo", "awake"}).out, "awake\n");
    EXPECT_TRUE(ok(await(engine().freezer()->resume(handle))));
    EXPECT_EQ(state(), MachineState::kRunning);
    EXPECT_EQ(run(handle, {"echo", "still"}).out, "still\n");
  }
}

TEST_P(R1_15, ResumeBringsTheViewOfAThawedMachineUpToDate) {
  const auto handle = running(machine("m"));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  ASSERT_TRUE(ok(await(engine().freezer()->thaw(handle))));
  ASSERT_TRUE(ok(await(engine().freezer()->resume(handle))));
  EXPECT_TRUE(ok(await(engine().freezer()->resume(handle))));
  EXPECT_EQ(await(engine().inspect(handle)).value().state, MachineState::kRunning);
  EXPECT_EQ(run(handle, {"echo", "awake"}).out, "awake\n");
  // Thawed and paused again without a resume between: it stands still, whatever the engine thought meanwhile.
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  ASSERT_TRUE(ok(await(engine().freezer()->thaw(handle))));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  EXPECT_EQ(reason(await(engine().shell()->exec(handle, {{"true"}, {}, {}, {}}))), "engine-refused");
  ASSERT_TRUE(ok(await(engine().freezer()->resume(handle))));
  EXPECT_EQ(run(handle, {"echo", "awake"}).out, "awake\n");
}

TEST_P(R1_15, WhatIsPausedStartsStopsAndGoes) {
  const auto handle = running(machine("m"));
  auto state = [&] { return await(engine().inspect(handle)).value().state; };
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  EXPECT_TRUE(ok(await(engine().start(handle)))) << "to start a paused machine is to let it go on";
  EXPECT_EQ(state(), MachineState::kRunning);
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(ok(await(engine().stop(handle, 30s))));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 15s)
      << "a frozen program hears no signal: it must be thawed first";
  EXPECT_EQ(state(), MachineState::kExited);
  ASSERT_TRUE(ok(await(engine().start(handle))));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_EQ(state(), MachineState::kAbsent);
}

TEST_P(R1_13, EveryMachineVerbCanBeRepeated) {
  const MachineSpec spec = machine("m");
  const auto first = created(spec);
  ASSERT_TRUE(ok(first));
  const std::string id = await(engine().inspect(*first)).value().engine_id;
  const auto second = created(spec);
  ASSERT_TRUE(ok(second));
  EXPECT_EQ(*first, *second);
  EXPECT_TRUE(ok(await(engine().start(*first))));
  EXPECT_TRUE(ok(await(engine().start(*first))));
  EXPECT_TRUE(ok(created(spec)));
  EXPECT_EQ(await(engine().inspect(*first)).value().engine_id, id) << "a second create made another machine";
  EXPECT_TRUE(ok(await(engine().freezer()->pause(*first))));
  EXPECT_TRUE(ok(await(engine().freezer()->pause(*first))));
  EXPECT_TRUE(ok(await(engine().freezer()->resume(*first))));
  EXPECT_TRUE(ok(await(engine().freezer()->resume(*first))));
  EXPECT_TRUE(ok(await(engine().stop(*first, 1s))));
  EXPECT_TRUE(ok(await(engine().stop(*first, 1s))));
  EXPECT_TRUE(ok(await(engine().destroy(*first))));
  EXPECT_TRUE(ok(await(engine().destroy(*first))));
  EXPECT_TRUE(ok(await(engine().stop(*first, 1s)))) << "what is gone does not run";
}

TEST_P(R1_13, NetworksAndVolumesCanBeMadeAndRemovedTwice) {
  const NetworkSpec spec = network("n", 0, false);
  EXPECT_TRUE(ok(await(engine().create_network(spec))));
  EXPECT_TRUE(ok(await(engine().create_network(spec))));
  EXPECT_THAT(names(ResourceKind::kNetwork), ElementsAre(spec.name));
  EXPECT_TRUE(ok(await(engine().create_volume(unique("v"), spec.labels))));
  EXPECT_TRUE(ok(await(engine().create_volume(unique("v"), spec.labels))));
  EXPECT_THAT(names(ResourceKind::kVolume), ElementsAre(unique("v")));
  EXPECT_TRUE(ok(await(engine().destroy_network(spec.name))));
  EXPECT_TRUE(ok(await(engine().destroy_network(spec.name))));
  EXPECT_TRUE(ok(await(engine().destroy_volume(unique("v")))));
  EXPECT_TRUE(ok(await(engine().destroy_volume(unique("v")))));
}

TEST_P(R1_13, MachineOfAnOlderSpecIsMadeAnew) {
  MachineSpec spec = machine("m");
  const auto first = created(spec);
  ASSERT_TRUE(ok(first));
  const std::string id = await(engine().inspect(*first)).value().engine_id;
  spec.container().environment = {"CHANGED=yes"};
  const auto second = created(spec);
  ASSERT_TRUE(ok(second));
  EXPECT_NE(await(engine().inspect(*second)).value().engine_id, id);
  EXPECT_THAT(names(ResourceKind::kMachine), ElementsAre(spec.name));
}

TEST_P(R1_13, LostAnswersAreMadeGoodByAskingAgain) {
  const MachineSpec spec = machine("m");
  bench_->lose_answer("create");
  EXPECT_EQ(reason(created(spec)), "engine-lost");
  const auto found = await(engine().recover(spec.name));
  ASSERT_TRUE(ok(found));
  ASSERT_TRUE(found->has_value()) << "the lost create did make the machine";
  const std::string id = await(engine().inspect(**found)).value().engine_id;
  const auto again = created(spec);
  ASSERT_TRUE(ok(again));
  EXPECT_EQ(await(engine().inspect(*again)).value().engine_id, id) << "made twice";
  bench_->lose_answer("start");
  EXPECT_EQ(reason(await(engine().start(*again))), "engine-lost");
  EXPECT_TRUE(ok(await(engine().start(*again))));
  bench_->lose_answer("destroy");
  // An engine may send a removal again by itself; either way the next answer is good.
  EXPECT_THAT(reason(await(engine().destroy(*again))), testing::AnyOf("engine-lost", "ok"));
  EXPECT_TRUE(ok(await(engine().destroy(*again))));
  EXPECT_THAT(names(ResourceKind::kMachine), IsEmpty());
  const NetworkSpec net = network("n", 0, true);
  bench_->lose_answer("create_network");
  EXPECT_EQ(reason(await(engine().create_network(net))), "engine-lost");
  EXPECT_TRUE(ok(await(engine().create_network(net))));
  EXPECT_THAT(names(ResourceKind::kNetwork), ElementsAre(net.name));
}

TEST_P(R1_12, StrangersAreLeftAlone) {
  const std::string name = unique("theirs");
  bench_->add_stranger(name);
  MachineSpec spec = machine("theirs");
  EXPECT_EQ(reason(created(spec)), "name-taken");
  EXPECT_EQ(reason(await(engine().create_volume(name, {}))), "name-taken");
  const auto found = await(engine().recover(name));
  ASSERT_TRUE(ok(found));
  EXPECT_FALSE(found->has_value());
  EXPECT_THAT(names(ResourceKind::kMachine), IsEmpty());
  EXPECT_THAT(names(ResourceKind::kVolume), IsEmpty());
  bench_->remove_stranger(name);
}

TEST_P(R1_12, AnotherInstanceOfOursKeepsItsMachine) {
  const MachineSpec spec = machine("m");
  ASSERT_TRUE(ok(created(spec)));
  MachineSpec other = spec;
  other.labels[kLabelInstance] = "another";
  EXPECT_EQ(reason(created(other)), "name-taken");
}

TEST_P(R14_2, MachinesThatItDoesNotRunAreRefusedAtOnce) {
  MachineSpec spec = machine("m");
  spec.kind = Vm{};
  const auto refused = await(engine().create(spec));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "engine-cannot");
  EXPECT_THAT(refused.error().message, testing::HasSubstr(engine().name()));
  EXPECT_FALSE(await(engine().recover(spec.name)).value());
  spec.kind = machine("m").kind;
  EXPECT_TRUE(ok(created(spec)));
}

TEST_P(R14_2, MissingImageAndMissingCommandAreToldApart) {
  MachineSpec spec = machine("m");
  spec.image = "tiltyard-test/no-such-image:1";
  EXPECT_EQ(reason(created(spec)), "image-missing");
  const auto image = await(engine().images()->find_image(spec.image));
  ASSERT_TRUE(ok(image));
  EXPECT_FALSE(image->has_value());
  spec.image = bench_->image();
  spec.container().init = false;
  spec.container().entrypoint = std::vector<std::string>{"/no/such/program"};
  const auto handle = created(spec);
  ASSERT_TRUE(ok(handle));
  EXPECT_EQ(reason(await(engine().start(*handle))), "machine-did-not-start");
  EXPECT_TRUE(ok(await(engine().destroy(*handle))));
}

TEST_P(R14_2, VerbsOnAMissingMachineSayMachineMissing) {
  const Handle nobody{1, unique("nobody")};
  EXPECT_EQ(reason(await(engine().start(nobody))), "machine-missing");
  EXPECT_EQ(reason(await(engine().freezer()->pause(nobody))), "machine-missing");
  EXPECT_EQ(reason(await(engine().freezer()->resume(nobody))), "machine-missing");
  EXPECT_EQ(reason(await(engine().freezer()->thaw(nobody))), "machine-missing");
  EXPECT_EQ(reason(await(engine().stats(nobody))), "machine-missing");
  EXPECT_EQ(reason(await(engine().logs(nobody, {}))), "machine-missing");
  EXPECT_EQ(reason(await(engine().shell()->exec(nobody, {{"true"}, {}, {}, {}}))), "machine-missing");
}

TEST_P(R1_12, ListFindsAllKindsWithTheirLabels) {
  const auto before = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()) - 2s;
  const NetworkSpec net = network("n", 0, true);
  ASSERT_TRUE(ok(await(engine().create_network(net))));
  ASSERT_TRUE(ok(await(engine().create_volume(unique("v"), {{kLabelInstance, unique("instance")}}))));
  MachineSpec spec = machine("m");
  spec.networks = {{net.name, address(0, 5), {}}};
  const Handle handle = running(spec);
  const auto listed = await(engine().list());
  ASSERT_TRUE(ok(listed));
  ASSERT_EQ(listed->size(), 3u);
  for (const auto& resource : *listed) {
    EXPECT_EQ(resource.labels.at(kLabelManaged), "true") << resource.name;
    EXPECT_EQ(resource.labels.at(kLabelNamespace), bench_->name_space()) << resource.name;
    EXPECT_EQ(resource.labels.at(kLabelInstance), unique("instance")) << resource.name;
    EXPECT_GE(resource.created_at, before) << resource.name;
    if (resource.kind != ResourceKind::kMachine) continue;
    EXPECT_EQ(resource.state, MachineState::kRunning);
    EXPECT_EQ(resource.handle, handle) << "the one that create returned";
    EXPECT_EQ(await(engine().recover(spec.name)).value(), handle);
  }
}

TEST_P(R14_2, AddressesAreThoseOfOurPlan) {
  const NetworkSpec net = network("n", 0, false);
  ASSERT_TRUE(ok(await(engine().create_network(net))));
  MachineSpec spec = machine("m");
  spec.networks = {{net.name, address(0, 9), {"web"}}};
  const auto made = await(engine().create(spec));
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(made->addresses.at(net.name), address(0, 9));
  EXPECT_EQ(await(engine().create(spec)).value().addresses, made->addresses) << "also of a machine that is there";
  ASSERT_TRUE(ok(await(engine().start(made->handle))));
  EXPECT_EQ(await(engine().inspect(made->handle)).value().addresses.at(net.name), address(0, 9));
  MachineSpec twin = machine("twin");
  twin.networks = spec.networks;
  const auto second = created(twin);
  EXPECT_EQ(second ? reason(await(engine().start(*second))) : reason(second), "address-taken");
}

TEST_P(R14_2, SeveralNetworksAtOnce) {
  const NetworkSpec front = network("front", 0, false), back = network("back", 1, false),
                    third = network("third", 2, false);
  for (const auto& net : {front, back, third}) ASSERT_TRUE(ok(await(engine().create_network(net))));
  MachineSpec spec = machine("m");
  spec.networks = {{front.name, address(0, 4), {}}, {back.name, address(1, 4), {}}, {third.name, address(2, 4), {}}};
  const Handle handle = running(spec);
  const auto status = await(engine().inspect(handle));
  ASSERT_TRUE(ok(status));
  EXPECT_EQ(status->addresses.at(front.name), address(0, 4));
  EXPECT_EQ(status->addresses.at(back.name), address(1, 4));
  EXPECT_EQ(status->addresses.at(third.name), address(2, 4));
}

TEST_P(R14_2, OverlappingAddressesAreRefused) {
  ASSERT_TRUE(ok(await(engine().create_network(network("a", 0, false)))));
  EXPECT_EQ(reason(await(engine().create_network(network("b", 0, false)))), "address-taken");
}

TEST_P(R1_12, NetworkGoesEvenWithAMachineOnIt) {
  const NetworkSpec net = network("n", 0, false);
  ASSERT_TRUE(ok(await(engine().create_network(net))));
  MachineSpec spec = machine("m");
  spec.networks = {{net.name, address(0, 5), {}}};
  running(spec);
  EXPECT_TRUE(ok(await(engine().destroy_network(net.name))));
  EXPECT_THAT(names(ResourceKind::kNetwork), IsEmpty());
}

TEST_P(R14_2, VolumeInUseIsNotRemoved) {
  ASSERT_TRUE(ok(await(engine().create_volume(unique("v"), {}))));
  MachineSpec spec = machine("m");
  spec.container().mounts = {{Mount::Kind::kVolume, unique("v"), "/data", false, 0, 0}};
  const Handle handle = running(spec);
  EXPECT_EQ(reason(await(engine().destroy_volume(unique("v")))), "engine-busy");
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_TRUE(ok(await(engine().destroy_volume(unique("v")))));
}

TEST_P(R14_2, ExitOfTheProgramIsSeen) {
  MachineSpec spec = machine("m");
  spec.container().entrypoint = std::vector<std::string>{"/bin/sh", "-c", "exit 7"};
  watch();
  const Handle handle = running(spec);
  EXPECT_TRUE(told(spec.name, Happening::kDied));
  const auto status = await(engine().inspect(handle));
  ASSERT_TRUE(ok(status));
  EXPECT_EQ(status->state, MachineState::kExited);
  EXPECT_EQ(status->exit_code, 7);
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_TRUE(told(spec.name, Happening::kDestroyed));
}

}  // namespace
}  // namespace tiltyard::engine::contract
