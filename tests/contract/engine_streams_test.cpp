// What every engine promises about logs, commands, archives, builds and figures.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/id.h"
#include "engine_contract.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A folder with a Dockerfile that is gone after the test.
class Folder {
 public:
  explicit Folder(const std::string& dockerfile)
      : path_(std::filesystem::temp_directory_path() / ("engine-" + random_hex(6))) {
    std::filesystem::create_directories(path_);
    write("Dockerfile", dockerfile);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& content) { std::ofstream(path_ / name) << content; }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST_P(R14_2, LogsAreReadBack) {
  MachineSpec spec = machine("m");
  spec.container().entrypoint = std::vector<std::string>{"/bin/echo"};
  spec.container().command = std::vector<std::string>{"hello", "from", "inside"};
  const Handle handle = running(spec);
  ASSERT_TRUE(loop_.until([&] { return await(engine().inspect(handle)).value().state == MachineState::kExited; }, 10s));
  auto stream = await(engine().logs(handle, {}));
  ASSERT_TRUE(ok(stream));
  EXPECT_EQ(read_all(**stream), "hello from inside\n");
  auto stamped = await(engine().logs(handle, {1, false, true}));
  ASSERT_TRUE(ok(stamped));
  EXPECT_THAT(read_all(**stamped), testing::MatchesRegex("20..-..-..T.*Z hello from inside\n"));
  auto followed = await(engine().logs(handle, {-1, true, false}));
  ASSERT_TRUE(ok(followed));
  EXPECT_EQ(read_all(**followed), "hello from inside\n") << "a followed log ends with its machine";
}

TEST_P(R14_2, FollowedLogIsClosedFromOurSide) {
  const Handle handle = running(machine("m"));
  auto stream = await(engine().logs(handle, {10, true, false}));
  ASSERT_TRUE(ok(stream));
  (*stream)->close();
  const auto end = await((*stream)->read());
  ASSERT_TRUE(ok(end));
  EXPECT_EQ(*end, "");
}

TEST_P(R14_2, CommandsRunInAMachine) {
  const Handle handle = running(machine("m"));
  const Ran echoed = run(handle, {"echo", "one", "two"});
  EXPECT_EQ(echoed.out, "one two\n");
  EXPECT_EQ(echoed.err, "");
  EXPECT_EQ(echoed.exit_code, 0);
  EXPECT_EQ(run(handle, {"false"}).exit_code, 1);
  EXPECT_EQ(run(handle, {"sh", "-c", "exit 42"}).exit_code, 42);
  const Ran copied = run(handle, {"cat"}, "there and back");
  EXPECT_EQ(copied.out, "there and back");
  EXPECT_EQ(copied.exit_code, 0);
  EXPECT_NE(run(handle, {"/no/such/program"}).exit_code, 0);
}

TEST_P(R14_2, CommandThatNeverEndsIsStoppedAndIsGoneFromItsMachine) {
  const Handle handle = running(machine("m"));
  ExecSpec spec;
  // Its child must go as well, and neither of them obeys a friendly signal.
  spec.command = {"sh", "-c", "trap '' TERM HUP; (trap '' TERM HUP; while :; do sleep 1; done) & echo on; wait"};
  auto session = await(engine().shell()->exec(handle, spec));
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(await((*session)->stop())));
  const auto code = await((*session)->exit_code());
  ASSERT_TRUE(ok(code));
  EXPECT_EQ(*code, 128 + 9);
  EXPECT_TRUE(ok(await((*session)->stop()))) << "what has ended stays ended";
}

TEST_P(R14_2, CommandWithATerminal) {
  const Handle handle = running(machine("m"));
  ExecSpec spec;
  spec.command = {"cat"};
  spec.terminal = true;
  spec.columns = 100;
  spec.rows = 30;
  auto session = await(engine().shell()->exec(handle, spec));
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(await((*session)->resize(120, 40))));
  EXPECT_TRUE(ok(await((*session)->write("typed\n"))));
  std::string seen;
  while (!seen.contains("typed")) {
    const auto chunk = await((*session)->read());
    ASSERT_TRUE(ok(chunk));
    ASSERT_FALSE(chunk->data.empty());
    seen += chunk->data;
  }
  (*session)->close();
}

TEST_P(R14_2, CommandIsRefusedWhereNothingRuns) {
  const auto handle = created(machine("m"));
  ASSERT_TRUE(ok(handle));
  ExecSpec spec;
  spec.command = {"true"};
  EXPECT_EQ(reason(await(engine().shell()->exec(*handle, spec))), "engine-refused");
}

TEST_P(R14_2, ArchivesGoIntoMachinesThatRunOrDoNot) {
  const auto handle = created(machine("m"));
  ASSERT_TRUE(ok(handle));
  const std::string content(200'000, 'x');
  EXPECT_TRUE(ok(await(engine().archives()->put_archive(*handle, "/etc", tar_of("flag.txt", content)))));
  ASSERT_TRUE(ok(await(engine().start(*handle))));
  EXPECT_TRUE(ok(await(engine().archives()->put_archive(*handle, "/etc", tar_of("second.txt", "2")))));
  EXPECT_EQ(run(*handle, {"cat", "/etc/flag.txt"}).out, content);
  EXPECT_EQ(run(*handle, {"cat", "/etc/second.txt"}).out, "2");
  EXPECT_NE(run(*handle, {"cat", "/etc/third.txt"}).exit_code, 0);
}

TEST_P(R14_2, StatsAreOfTheMachine) {
  const Handle handle = running(machine("m"));
  const auto stats = await(engine().stats(handle));
  ASSERT_TRUE(ok(stats));
  EXPECT_GT(stats->cpu_nanos, 0);
  EXPECT_GT(stats->memory, 0);
  EXPECT_EQ(stats->memory_limit, 64 << 20);
  EXPECT_GE(stats->pids, 1);
}

TEST_P(R14_2, BuildShowsItsStepsAndTheImageIsFound) {
  Folder folder("FROM scratch\nCOPY greeting /greeting\nEXPOSE 8080\n");
  folder.write("greeting", "hello");
  BuildSpec spec;
  spec.context = folder.path();
  spec.tag = unique("built") + ":1";
  spec.labels = {{"tiltyard.content", "abc"}};
  std::vector<BuildProgress> seen;
  const auto built =
      await(engine().images()->build(spec, [&](BuildProgress progress) { seen.push_back(std::move(progress)); }));
  ASSERT_TRUE(ok(built));
  EXPECT_THAT(seen,
              testing::Contains(testing::AllOf(testing::Field(&BuildProgress::step, 2),
                                               testing::Field(&BuildProgress::text, HasSubstr("COPY greeting")))));
  EXPECT_GE(seen.back().steps, 3);
  const auto found = await(engine().images()->find_image(spec.tag));
  ASSERT_TRUE(ok(found));
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->id, built->id);
  EXPECT_EQ((*found)->labels.at("tiltyard.content"), "abc");
  EXPECT_THAT((*found)->exposed_ports, testing::ElementsAre(8080));
  bench_->remove_image(spec.tag);
}

TEST_P(R14_2, BuildsOfOursAreListedAndGoUnlessAMachineIsMadeOfThem) {
  const Folder folder("FROM " + bench_->image() + "\nENV WHOSE=" + bench_->name_space() + "\n");
  BuildSpec spec;
  spec.context = folder.path();
  spec.tag = unique("kept") + ":1";
  spec.labels = {{kLabelTemplate, "kept"}};
  ASSERT_TRUE(ok(await(engine().images()->build(spec, {}))));
  const auto listed = await(engine().images()->list_images());
  ASSERT_TRUE(ok(listed));
  EXPECT_THAT(*listed, testing::Contains(testing::Field(&ImageEntry::references, testing::Contains(spec.tag))));
  for (const auto& entry : *listed) {
    const auto space = entry.labels.find(kLabelNamespace);
    EXPECT_TRUE(space == entry.labels.end() || space->second == bench_->name_space()) << entry.id;
  }
  MachineSpec user = machine("user");
  user.image = spec.tag;
  const auto made = created(user);
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(reason(await(engine().images()->remove_image(spec.tag))), "image-in-use");
  EXPECT_TRUE(ok(await(engine().destroy(*made))));
  EXPECT_TRUE(ok(await(engine().images()->remove_image(spec.tag))));
  EXPECT_TRUE(ok(await(engine().images()->remove_image(spec.tag)))) << "gone already is success";
  const auto found = await(engine().images()->find_image(spec.tag));
  ASSERT_TRUE(ok(found));
  EXPECT_FALSE(found->has_value());
}

TEST_P(R14_2, FailingBuildSaysWhy) {
  const Folder folder("FROM " + bench_->image() + "\nRUN false\n");
  BuildSpec spec;
  spec.context = folder.path();
  spec.tag = unique("broken") + ":1";
  spec.network = false;
  const auto built = await(engine().images()->build(spec, {}));
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().reason, "build-failed");
  EXPECT_THAT(built.error().message, HasSubstr("non-zero code"));
  EXPECT_THAT(built.error().message, HasSubstr("RUN false"));
  spec.dockerfile = "Elsewhere";
  EXPECT_EQ(reason(await(engine().images()->build(spec, {}))), "build-failed");
  spec.context = "/no/such/folder";
  EXPECT_EQ(reason(await(engine().images()->build(spec, {}))), "build-failed");
}

TEST_P(R14_2, ImagesComeOutAsTar) {
  auto stream = await(engine().images()->export_image(bench_->image()));
  ASSERT_TRUE(ok(stream));
  const std::string tar = read_all(**stream);
  EXPECT_THAT(tar, HasSubstr("manifest.json"));
  EXPECT_THAT(tar, HasSubstr("\"Layers\""));
  EXPECT_EQ(reason(await(engine().images()->export_image("test/no-such-image:1"))), "image-missing");
}

}  // namespace
}  // namespace tiltyard::engine::contract
