// The Docker driver: the contract, hardening as seen from inside and outside, absences.
#include <gmock/gmock.h>
#include <net/if.h>

#include <filesystem>
#include <fstream>

#include "base/id.h"
#include "engine/docker/docker_engine.h"
#include "engine_docker_bench.h"
#include "net/client.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

INSTANTIATE_TEST_SUITE_P(Docker, R14_2, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R1_12, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R1_13, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R1_15, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R1_15_Docker, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R14_2_Docker, testing::Values(&make_docker), backend_name);
INSTANTIATE_TEST_SUITE_P(Docker, R1_5_Docker, testing::Values(&make_docker), backend_name);

/// The value behind "name:" in a file of lines, without blanks.
std::string line_of(const std::string& text, const std::string& name) {
  auto at = text.find(name + ":");
  if (at == std::string::npos) return {};
  at = text.find_first_not_of(" \t", at + name.size() + 1);
  return text.substr(at, text.find('\n', at) - at);
}

TEST_P(R1_5_Docker, MachineIsHardenedAsSeenFromInside) {
  MachineSpec spec = machine("m");
  spec.container().read_only = true;
  spec.resources.ulimits = {{"nofile", 1024, 1024}};
  spec.container().mounts = {{Mount::Kind::kTmpfs, "", "/scratch", false, 1 << 20, 01777}};
  const Handle handle = running(spec);
  const std::string status = run(handle, {"cat", "/proc/self/status"}).out;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(line_of(status, set), "0000000000000000") << set;
  }
  EXPECT_EQ(line_of(status, "NoNewPrivs"), "1");
  EXPECT_EQ(line_of(status, "Seccomp"), "2");
  EXPECT_THAT(run(handle, {"cat", "/proc/self/limits"}).out, testing::ContainsRegex("Max open files +1024 +1024"));
  EXPECT_NE(run(handle, {"sh", "-c", "echo x > /file"}).exit_code, 0) << "the root file system is read-only";
  EXPECT_EQ(run(handle, {"sh", "-c", "echo x > /scratch/file"}).exit_code, 0);
  const Ran pids =
      run(handle, {"sh", "-c", "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max"});
  EXPECT_EQ(pids.out, "64\n");
  const Ran memory =
      run(handle,
          {"sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"});
  EXPECT_EQ(memory.out, "67108864\n");
}

TEST_P(R1_5_Docker, OnlyTheNamedCapabilitiesAreKept) {
  MachineSpec spec = machine("m");
  spec.container().capabilities = {"CHOWN", "NET_BIND_SERVICE"};
  const Handle handle = running(spec);
  EXPECT_EQ(line_of(run(handle, {"cat", "/proc/self/status"}).out, "CapBnd"), "0000000000000401");
}

TEST_P(R1_5_Docker, MachineIsHardenedAsSeenByInspect) {
  const Handle handle = running(machine("m"));
  http::Target target;
  target.unix_path = daemon_socket();
  http::Client client(target);
  http::Request request;
  request.target = "/containers/" + handle.data + "/json";
  const auto answer = await(client.send(request, 5s));
  ASSERT_TRUE(ok(answer));
  const std::string& body = answer->body;
  for (const char* said :
       {R"("Privileged":false)", R"("CapDrop":["ALL"])", R"("SecurityOpt":["no-new-privileges"])", R"("PidsLimit":64)",
        R"("Memory":67108864)", R"("MemorySwap":67108864)", R"("NanoCpus":500000000)", R"("NetworkMode":"none")",
        R"("PublishAllPorts":false)", R"("PortBindings":null)", R"("max-size":"10485760")", R"("IpcMode":"private")",
        R"("PidMode":"")", R"("Binds":null)", R"("Devices":null)", R"("Type":"json-file")"}) {
    EXPECT_THAT(body, HasSubstr(said));
  }
  EXPECT_THAT(body, Not(HasSubstr("seccomp=unconfined")));
}

TEST_P(R1_5_Docker, ForkBombStaysInItsLimit) {
  const Handle handle = running(machine("m"));
  const Ran bomb = run(handle, {"sh", "-c", "i=0; while [ $i -lt 300 ]; do sleep 20 & i=$((i+1)); done; echo all"});
  EXPECT_THAT(bomb.out, Not(HasSubstr("all")));
  EXPECT_LE(await(engine().stats(handle)).value().pids, 64);
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
}

TEST_P(R1_5_Docker, MemoryHogIsKilledAndSaid) {
  MachineSpec spec = machine("m");
  spec.resources.memory = 16 << 20;
  spec.container().init = false;
  spec.container().entrypoint =
      std::vector<std::string>{"/bin/sh", "-c", "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"};
  const Handle handle = running(spec);
  MachineStatus status;
  ASSERT_TRUE(loop_.until(
      [&] {
        status = await(engine().inspect(handle)).value();
        return status.state == MachineState::kExited;
      },
      30s));
  EXPECT_TRUE(status.out_of_memory);
  EXPECT_EQ(status.exit_code, 137);
}

TEST_P(R1_15_Docker, AFrozenMachineUsesNoCpuAndThawsWhileTheDaemonIsBusy) {
  MachineSpec spec = machine("m");
  spec.container().init = false;
  spec.container().entrypoint = std::vector<std::string>{"/bin/sh", "-c", "while true; do :; done"};
  const Handle handle = running(spec);
  const auto cpu = [&] { return await(engine().stats(handle)).value().cpu_nanos; };
  const auto grows_from = [&](std::int64_t before) { return loop_.until([&] { return cpu() > before; }, 30s); };
  ASSERT_TRUE(grows_from(cpu()));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  const auto frozen = cpu();
  loop_.turn(300ms);
  EXPECT_EQ(cpu(), frozen);
  relay().freeze(true);
  EXPECT_TRUE(ok(await(engine().freezer()->thaw(handle)))) << "the daemon, which hangs, is not asked";
  relay().freeze(false);
  EXPECT_TRUE(grows_from(frozen));
  EXPECT_TRUE(ok(await(engine().freezer()->resume(handle))));
  EXPECT_TRUE(grows_from(cpu())) << "the daemon's view is up to date, and the machine was not left frozen";
}

TEST_P(R1_15_Docker, AnotherProcessThawsAndResumesWhatThisOnePaused) {
  const Handle handle = running(machine("m"));
  ASSERT_TRUE(ok(await(engine().freezer()->pause(handle))));
  DockerOptions options;
  options.endpoint = "unix://" + daemon_socket();
  options.name_space = bench_->name_space();
  auto next = DockerEngine::make(loop_.executor(), options);
  ASSERT_TRUE(ok(next));
  EXPECT_TRUE(ok(await((*next)->freezer()->thaw(handle))));
  // A third one knows nothing of the thaw, and finds the daemon and the group at odds.
  EXPECT_EQ(await(engine().inspect(handle)).value().state, MachineState::kPaused);
  auto last = DockerEngine::make(loop_.executor(), options);
  EXPECT_TRUE(ok(await((*last)->resume(handle))));
  EXPECT_EQ(run(handle, {"echo", "awake"}).out, "awake\n");
  EXPECT_TRUE(ok(await(engine().freezer()->resume(handle))));
  for (auto* each : {next->get(), last->get()}) await(each->close());
}

TEST_P(R14_2_Docker, WhoMayNotSignalItsProcessesHasTheMachineEndACommand) {
  const Handle handle = running(machine("m"));
  DockerOptions options;
  options.endpoint = "unix://" + daemon_socket();
  options.name_space = bench_->name_space();
  options.signals_from_host = false;
  auto afar = DockerEngine::make(loop_.executor(), options);
  ASSERT_TRUE(ok(afar));
  ExecSpec spec;
  spec.command = {"sh", "-c", "while :; do sleep 1; done"};
  auto session = await((*afar)->exec(handle, spec));
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(await((*session)->stop())));
  EXPECT_EQ(await((*session)->exit_code()).value_or(-1), 128 + 9);
  // One whose mark nobody in the machine can read any more goes on, and that is said.
  spec.command = {"sh", "-c", "exec env -i sleep 60"};
  auto hidden = await((*afar)->exec(handle, spec));
  ASSERT_TRUE(ok(hidden));
  ASSERT_TRUE(loop_.until(
      [&] { return run(handle, {"sh", "-c", "grep -l '^sleep.60' /proc/[0-9]*/cmdline"}).exit_code == 0; }, 30s));
  EXPECT_EQ(reason(await((*hidden)->stop())), "command-runs");
  await((*afar)->close());
}

TEST_P(R14_2_Docker, ASpawnOpensNoNewConnection) {
  // One connection, kept open, is enough for a spawn after the first call.
  ASSERT_TRUE(ok(await(engine().images()->find_image(bench_->image()))));
  const int before = docker().relay().connections();
  running(machine("m"));
  EXPECT_EQ(docker().relay().connections(), before) << "connections are kept open";
}

TEST_P(R14_2_Docker, DaemonThatHangsIsNoticedAndComesBack) {
  engine().run();
  ASSERT_TRUE(ok(await(engine().list())));
  docker().relay().freeze(true);
  EXPECT_TRUE(loop_.until([this] { return engine().away().has_value(); }, 10s));
  EXPECT_EQ(reason(await(engine().list())), "engine-away");
  docker().relay().freeze(false);
  EXPECT_TRUE(loop_.until([this] { return !engine().away(); }, 15s));
}

TEST_P(R14_2_Docker, EngineThatWasNeverThereIsAway) {
  DockerOptions options;
  options.endpoint = "unix:///tmp/no-such-engine-" + random_hex(4) + ".sock";
  auto made = DockerEngine::make(loop_.executor(), options);
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(reason(await((*made)->fingerprint())), "engine-away");
  EXPECT_EQ(reason(await((*made)->create(machine("m")))), "engine-away");
  EXPECT_TRUE((*made)->away());
  await((*made)->close());
  options.endpoint = "nonsense";
  EXPECT_FALSE(DockerEngine::make(loop_.executor(), options));
}

TEST_P(R14_2_Docker, OnlyOurOwnTemporaryTerminalLogsAreRaw) {
  MachineSpec spec = machine("m");
  spec.container().terminal = true;
  spec.container().entrypoint = std::vector<std::string>{"/bin/echo", "through a terminal"};
  const Handle handle = running(spec);
  ASSERT_TRUE(loop_.until([&] { return await(engine().inspect(handle)).value().state == MachineState::kExited; }, 10s));
  auto stream = await(engine().logs(handle, {}));
  ASSERT_TRUE(ok(stream));
  EXPECT_EQ(read_all(**stream), "through a terminal\r\n");
}

TEST_P(R14_2_Docker, ErrorOutputIsToldApart) {
  const Handle handle = running(machine("m"));
  const Ran ran = run(handle, {"sh", "-c", "echo out; echo err >&2"});
  EXPECT_EQ(ran.out, "out\n");
  EXPECT_EQ(ran.err, "err\n");
}

TEST_P(R14_2_Docker, AFullDiskIsToldAsSuchAndLeavesNothing) {
  // A volume of 64 KiB, into which the engine has to copy what the image has in /bin.
  http::Target target;
  target.unix_path = daemon_socket();
  http::Client client(target);
  const std::string volume = unique("full");
  http::Request make;
  make.method = "POST";
  make.target = "/volumes/create";
  make.headers.add("Content-Type", "application/json");
  make.body =
      R"({"Name":")" + volume + R"(","Driver":"local","DriverOpts":{"type":"tmpfs","device":"tmpfs","o":"size=64k"}})";
  const auto made = await(client.send(make, 5s));
  ASSERT_TRUE(ok(made));
  ASSERT_EQ(made->status, 201) << made->body;
  MachineSpec spec = machine("m");
  spec.container().mounts = {{Mount::Kind::kVolume, volume, "/bin", false, 0, 0}};
  auto handle = created(spec);
  // Where the engine copies at the start, the start says it.
  if (handle) EXPECT_EQ(reason(await(engine().start(*handle))), "engine-out-of-disk");
  else EXPECT_EQ(reason(handle), "engine-out-of-disk");
  if (handle) EXPECT_TRUE(ok(await(engine().destroy(*handle))));
  EXPECT_THAT(names(ResourceKind::kMachine), testing::IsEmpty());
  EXPECT_TRUE(ok(await(engine().destroy_volume(volume))));
}

TEST_P(R14_2_Docker, BindOfOneFileIsRewrittenInPlace) {
  const std::string path = (std::filesystem::temp_directory_path() / ("flag-" + random_hex(6))).string();
  std::ofstream(path) << "before";
  MachineSpec spec = machine("m");
  spec.container().mounts = {{Mount::Kind::kBind, path, "/etc/flag", true, 0, 0}};
  const Handle handle = running(spec);
  EXPECT_EQ(run(handle, {"cat", "/etc/flag"}).out, "before");
  std::ofstream(path, std::ios::in | std::ios::out) << "behind";
  EXPECT_EQ(run(handle, {"cat", "/etc/flag"}).out, "behind");
  EXPECT_NE(run(handle, {"sh", "-c", "echo x > /etc/flag"}).exit_code, 0);
  std::filesystem::remove(path);
}

TEST_P(R14_2_Docker, HealthIsReported) {
  MachineSpec spec = machine("m");
  HealthCheck check;
  check.test = {"CMD", "/bin/true"};
  check.interval = 1s;
  spec.container().health = check;
  const Handle handle = running(spec);
  EXPECT_TRUE(loop_.until([&] { return await(engine().inspect(handle)).value().health == Health::kHealthy; }, 15s));
}

TEST_P(R14_2_Docker, NetworkOfAnEarlierServerIsTakenOver) {
  const NetworkSpec spec = network("n", 0, true);
  // Its bridge was called by the server's namespace and a number then.
  const auto made_with_bridge = [&](const std::string& bridge) {
    return tell_daemon(loop_, "POST", "/networks/create",
                       R"({"Name":")" + spec.name + R"(","CheckDuplicate":true,"Driver":"bridge","Internal":true,)" +
                           R"("IPAM":{"Driver":"default","Config":[{"Subnet":")" + spec.subnet + R"(","Gateway":")" +
                           spec.gateway + R"("}]},"Options":{"com.docker.network.bridge.name":")" + bridge +
                           R"(","com.docker.network.bridge.enable_icc":"false"},)" +
                           R"("Labels":{"tiltyard.managed":"true","tiltyard.spec":"0123","tiltyard.namespace":")" +
                           bench_->name_space() + R"("}})");
  };
  const std::string old = "tys-" + random_hex(3);
  ASSERT_EQ(made_with_bridge(old), 201);
  EXPECT_TRUE(ok(await(engine().create_network(spec))));
  EXPECT_NE(::if_nametoindex(old.c_str()), 0u) << "it was made anew under those who use it";
  MachineSpec guest = machine("m");
  guest.networks = {{spec.name, address(0, 4), {}}};
  const Handle handle = running(guest);
  EXPECT_TRUE(ok(await(engine().create_network(spec))));
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_TRUE(ok(await(engine().destroy_network(spec.name))));

  // A bridge that the firewall table does not guard as the specification wants it is not kept.
  const std::string open = "tyse-" + random_hex(3);
  ASSERT_EQ(made_with_bridge(open), 201);
  EXPECT_TRUE(ok(await(engine().create_network(spec))));
  EXPECT_EQ(::if_nametoindex(open.c_str()), 0u);
}

/// Links go into the image as links, and what they lead to on this host does not; a Dockerfile that is left out is read
/// and not copied.
TEST_P(R14_2_Docker, ALinkOfTheContextIsSentAsALink) {
  const auto folder = std::filesystem::temp_directory_path() / ("context-" + random_hex(6));
  std::filesystem::create_directories(folder / "sub");
  std::ofstream(folder / "Dockerfile") << "FROM " << bench_->image() << R"end(
COPY . /context
RUN test "$(busybox readlink /context/out)" = ../../etc/hostname && test -L /context/sub/none \
 && test "$(busybox readlink /context/absolute)" = /etc/hostname && test "$(echo /context/* /context/.[!.]*)" = \
    "/context/absolute /context/out /context/sub /context/.[!.]*"
)end";
  std::ofstream(folder / ".dockerignore") << "Dockerfile\n.dockerignore\n";
  std::filesystem::create_symlink("../../etc/hostname", folder / "out");
  std::filesystem::create_symlink("/etc/hostname", folder / "absolute");
  std::filesystem::create_symlink("nowhere", folder / "sub" / "none");
  BuildSpec spec;
  spec.context = folder.string();
  spec.tag = unique("links") + ":1";
  const auto built = await(engine().images()->build(spec, {}));
  EXPECT_TRUE(built) << (built ? "" : built.error().message);
  bench_->remove_image(spec.tag);
  std::filesystem::remove(folder / "Dockerfile");
  std::filesystem::create_symlink("../" + folder.filename().string() + "-2", folder / "Dockerfile");
  std::ofstream(folder.string() + "-2") << "FROM scratch\nCOPY . /\n";
  const auto outside = await(engine().images()->build(spec, {}));
  EXPECT_EQ(reason(outside), "build-failed");
  std::filesystem::remove_all(folder);
  std::filesystem::remove(folder.string() + "-2");
}

/// BuildKit takes the context in the body, without a session; its own way of telling how it goes is read.
TEST_P(R14_2_Docker, BuildKitBuildsWhatIsSentBesideTheContext) {
  if (engine().images()->dockerfile_syntax() == 0) (void)await(engine().fingerprint());
  if (engine().images()->dockerfile_syntax() < 102) GTEST_SKIP() << "this engine has no BuildKit";
  const auto folder = std::filesystem::temp_directory_path() / ("context-" + random_hex(6));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "file") << "f";
  BuildSpec spec;
  spec.context = folder.string();
  spec.tag = unique("kit") + ":1";
  spec.buildkit = true;
  spec.below = "context";
  // New each time: BuildKit keeps what a step made, and does not say again what it said.
  spec.texts = {{"texts/1/run", "#!/bin/sh\necho made >&2 # " + random_hex(6) + "\n", 0755}};
  spec.labels = {{"tiltyard.content", "abc"}};
  spec.network = false;
  const std::string head = "FROM " + bench_->image() + "\nCOPY --chmod=444 context/ /all/\n";
  spec.dockerfile_text =
      head + "RUN --mount=type=bind,source=texts/1,target=/t /t/run && test \"$(echo /all/*)\" = /all/file\n";
  std::vector<std::string> said;
  const auto built =
      await(engine().images()->build(spec, [&](BuildProgress progress) { said.push_back(progress.text); }));
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(built->labels.at("tiltyard.content"), "abc");
  EXPECT_THAT(said, testing::Contains("made"));
  EXPECT_THAT(said, testing::Contains(HasSubstr("COPY --chmod=444")));
  bench_->remove_image(spec.tag);
  spec.dockerfile_text = head + "RUN --mount=type=cache,target=/c printf '\\033[91mno\\033[0m\\n'; exit 3\n";
  const auto failed = await(engine().images()->build(spec, {}));
  EXPECT_EQ(reason(failed), "build-failed");
  EXPECT_THAT(failed.error().message, HasSubstr("exit code: 3"));
  EXPECT_THAT(failed.error().message, HasSubstr("\nno\n"));
  EXPECT_THAT(failed.error().message, testing::Not(HasSubstr("\x1B")));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tiltyard::engine::contract
