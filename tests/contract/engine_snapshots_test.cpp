// What every engine promises that keeps snapshots.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/id.h"
#include "engine/snapshots.h"
#include "engine_contract.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::vector<std::string> references_of(const Result<std::vector<ImageEntry>>& listed, const std::string& snapshot) {
  std::vector<std::string> out;
  for (const auto& image : listed.value()) {
    const auto mark = image.labels.find(kLabelSnapshot);
    if (mark != image.labels.end() && mark->second == snapshot)
      out.insert(out.end(), image.references.begin(), image.references.end());
  }
  std::ranges::sort(out);
  return out;
}

TEST_P(R1_15, KeepsWhatWasAndGivesTheSameBytesAgain) {
  auto* const snapshots = snapshots_of(engine());
  ASSERT_NE(snapshots, nullptr);
  const Handle handle = running(machine("m"));
  ASSERT_TRUE(ok(await(engine().archives()->put_archive(handle, "/", tar_of("kept.txt", "as it was")))));
  const auto bytes = await(snapshots->own_bytes(handle));
  ASSERT_TRUE(ok(bytes));
  EXPECT_GE(*bytes, 9);

  const auto id = random_hex(8);
  const auto first = kSnapshotPrefix + id + ":m0", second = kSnapshotPrefix + id + ":m0-u";
  ASSERT_TRUE(ok(await(snapshots->take_snapshot(handle, first, id))));
  EXPECT_EQ(await(engine().inspect(handle)).value().state, MachineState::kRunning) << "it goes on";
  ASSERT_TRUE(ok(await(snapshots->name_snapshot(first, second))));
  EXPECT_THAT(references_of(await(snapshots->list_snapshots()), id), testing::ElementsAre(first, second));
  const auto builds = await(engine().images()->list_images());
  ASSERT_TRUE(ok(builds));
  for (const auto& image : *builds) EXPECT_FALSE(image.labels.contains(kLabelSnapshot)) << "no template's";

  // What changes afterwards is not in it.
  ASSERT_TRUE(ok(await(engine().archives()->put_archive(handle, "/", tar_of("kept.txt", "and as it is")))));
  auto spec = machine("of-it");
  spec.image = first;
  const auto held = created(spec);
  ASSERT_TRUE(ok(held));
  auto stream = await(snapshots->export_files(*held));
  ASSERT_TRUE(ok(stream));
  const auto whole = read_all(**stream);
  EXPECT_THAT(whole, HasSubstr("kept.txt"));
  EXPECT_THAT(whole, HasSubstr("as it was"));
  EXPECT_THAT(whole, testing::Not(HasSubstr("and as it is")));
  auto again = await(snapshots->export_files(*held));
  ASSERT_TRUE(ok(again));
  EXPECT_TRUE(read_all(**again) == whole) << "the same, byte for byte";

  // Each name holds it by itself; the last one of what a machine is made of stays.
  ASSERT_TRUE(ok(await(snapshots->drop_snapshot(second))));
  const auto used = await(snapshots->drop_snapshot(first));
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().reason, "image-in-use");
  ASSERT_TRUE(ok(await(engine().destroy(*held))));
  ASSERT_TRUE(ok(await(snapshots->drop_snapshot(first))));
  ASSERT_TRUE(ok(await(snapshots->drop_snapshot(first)))) << "gone already is success";
  EXPECT_THAT(references_of(await(snapshots->list_snapshots()), id), testing::IsEmpty());
}

TEST_P(R1_15, WhatSleepsGoesOnSleeping) {
  auto* const snapshots = snapshots_of(engine());
  const Handle handle = running(machine("m"));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  const auto id = random_hex(8);
  const auto name = kSnapshotPrefix + id + ":m0";
  ASSERT_TRUE(ok(await(snapshots->take_snapshot(handle, name, id))));
  EXPECT_EQ(await(engine().inspect(handle)).value().state, MachineState::kPaused);
  ASSERT_TRUE(ok(await(snapshots->drop_snapshot(name))));
}

TEST_P(R1_15, OfWhatIsNotThereThereIsNone) {
  auto* const snapshots = snapshots_of(engine());
  const auto missing = await(snapshots->take_snapshot(Handle{1, unique("nobody")}, "tiltyard/s-00:m0", "00"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, reason::kMachineMissing);
  EXPECT_EQ(await(snapshots->name_snapshot("tiltyard/s-00:m0", "tiltyard/s-00:m1")).error().reason,
            reason::kImageMissing);
  EXPECT_EQ(await(snapshots->export_files(Handle{1, unique("nobody")})).error().reason, reason::kMachineMissing);
}

}  // namespace
}  // namespace tiltyard::engine::contract
