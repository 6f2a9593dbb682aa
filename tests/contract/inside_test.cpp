// The program in machines of the real engine: how it gets there, and that it runs there.
#include <gmock/gmock.h>

#include "engine_docker_bench.h"
#include "inside/inside.h"

namespace tiltyard::engine::contract {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class R3_6_Inside : public EngineSuite {};
INSTANTIATE_TEST_SUITE_P(Docker, R3_6_Inside, testing::Values(&make_docker), backend_name);

TEST_P(R3_6_Inside, TheProgramIsPutThereOnceAndRunsWithoutAnythingOfTheMachines) {
  const auto handle = running(machine("m"));
  const auto path = await(inside::ensure(engine(), handle));
  ASSERT_TRUE(ok(path));
  EXPECT_EQ(*path, inside::path());
  EXPECT_EQ(run(handle, {*path, "hello"}).out, "tiltyard-inside\n");
  const auto stamp = run(handle, {"sh", "-c", "stat -c %i:%Z " + *path}).out;
  EXPECT_EQ(await(inside::ensure(engine(), handle)).value_or("no"), *path);
  EXPECT_EQ(run(handle, {"sh", "-c", "stat -c %i:%Z " + *path}).out, stamp) << "it was there already";
  // SSH_FXP_INIT of version 3, and SSH_FXP_VERSION in return.
  const std::string init("\0\0\0\5\1\0\0\0\3", 9);
  const auto answered = run(handle, {*path, "sftp"}, init);
  EXPECT_EQ(answered.exit_code, 0) << answered.err;
  ASSERT_GT(answered.out.size(), 9u);
  EXPECT_EQ(answered.out.substr(4, 5), std::string("\2\0\0\0\3", 5));
  EXPECT_THAT(answered.out, HasSubstr("limits@openssh.com"));
}

TEST_P(R3_6_Inside, AChangedProgramIsPutThereAgain) {
  const auto handle = running(machine("m"));
  ASSERT_TRUE(ok(await(inside::ensure(engine(), handle))));
  run(handle, {"sh", "-c", "rm " + inside::path() + "; echo no program >" + inside::path()});
  ASSERT_TRUE(ok(await(inside::ensure(engine(), handle))));
  EXPECT_EQ(run(handle, {inside::path(), "hello"}).out, "tiltyard-inside\n");
}

TEST_P(R3_6_Inside, WhereTheRootCannotBeWrittenItFindsAFolder) {
  auto spec = machine("m");
  spec.container().read_only = true;
  const auto closed = running(spec);
  EXPECT_EQ(reason(await(inside::ensure(engine(), closed))), "inside-unplaced");
  auto roomy = machine("n");
  roomy.container().read_only = true;
  Mount memory;
  memory.kind = Mount::Kind::kTmpfs;
  memory.target = "/run";
  memory.tmpfs_options = "exec";
  roomy.container().mounts = {memory};
  const auto handle = running(roomy);
  const auto path = await(inside::ensure(engine(), handle));
  ASSERT_TRUE(ok(path));
  EXPECT_THAT(*path, StartsWith("/run/"));
  EXPECT_EQ(run(handle, {*path, "hello"}).out, "tiltyard-inside\n");
  EXPECT_EQ(await(inside::ensure(engine(), handle)).value_or("no"), *path);
}

}  // namespace
}  // namespace tiltyard::engine::contract
