#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <list>

#include "engine/fake/fake_engine.h"
#include "templates/templates.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A catalogue over a folder, with the engine in memory. A test says what it waits for; time passes only as long as
/// that is not so, and a minute is the end of patience.
class CatalogueTest : public testing::Test {
 protected:
  CatalogueTest() : engine(loop.get_executor()) {
    subscription = bus.subscribe(
        [this](const bus::Event& event) { events.push_back(std::string(event.kind->name) + " " + event.subject); });
  }

  void open(Options options = test_options()) {
    options.path = folder.path();
    catalogue = std::make_unique<Catalogue>(std::move(options), engines, bus, clock, loop.get_executor());
    auto begin = [](Catalogue& catalogue) -> asio::awaitable<void> {
      const auto loaded = co_await catalogue.load();
      EXPECT_TRUE(loaded);
      catalogue.run();
    };
    bool done = false;
    asio::co_spawn(loop, begin(*catalogue), [&done](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
      done = true;
    });
    until([&done] { return done; }, "the catalogue is loaded");
  }

  void TearDown() override {
    if (!catalogue) return;
    bool closed = false;
    asio::co_spawn(loop, catalogue->close(), [&closed](std::exception_ptr) { closed = true; });
    until([&closed] { return closed; }, "the catalogue is closed");
    catalogue.reset();
  }

  /// As the job does.
  void look_again() {
    bool looked = false;
    asio::co_spawn(loop, catalogue->look_again(), [&looked](std::exception_ptr) { looked = true; });
    until([&looked] { return looked; }, "the catalogue has looked again");
  }

  void until(const std::function<bool()>& holds, const std::string& what) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), patience) << "waited for: " << what << "\n" << shown();
      loop.restart();
      loop.run_one_for(std::chrono::milliseconds{200});
    }
  }

  void until_state(const std::string& id, State state) {
    until([&] { return state_of(id) == state; }, id + " has state " + std::to_string(static_cast<int>(state)));
  }

  std::optional<State> state_of(const std::string& id) const {
    const auto entry = catalogue->find(TemplateId(id));
    return entry ? std::optional(entry->state) : std::nullopt;
  }
  std::string reason_of(const std::string& id) const {
    return catalogue->find(TemplateId(id)).value_or(Entry{}).reason;
  }

  std::string shown() const {
    std::string out;
    for (const auto& entry : catalogue->list())
      out += entry.tmpl->id.str() + " " + std::to_string(static_cast<int>(entry.state)) + " " + entry.reason + "\n";
    return out;
  }

  void write_image_template(const std::string& name, const std::string& image) {
    folder.write(name + "/instance.toml", "image = \"" + image + "\"\nports = [80]\n");
  }
  void write_build_template(const std::string& name, const std::string& dockerfile) {
    folder.write(name + "/Dockerfile", dockerfile);
    folder.write(name + "/instance.toml", "ports = [80]\n");
  }

  TestFolder folder;
  asio::io_context loop;
  engine::FakeEngine engine;
  engine::Engines engines{engine};
  bus::Bus bus;
  SystemClock clock;
  std::vector<std::string> events;
  bus::Bus::Subscription subscription;
  std::unique_ptr<Catalogue> catalogue;
};

using R1_2_Catalogue = CatalogueTest;

TEST_F(R1_2_Catalogue, WhatIsThereIsReadyAfterLoading) {
  engine.add_image("x:1");
  write_image_template("here", "x:1");
  write_image_template("missing", "y:1");
  folder.write("wrong/compose.yaml", "services: {a: {image: x, privileged: true}}\n");
  folder.write("off/instance.toml", "image = \"x:1\"\nports=[80]\nactive = false\n");
  open();
  EXPECT_EQ(state_of("here"), State::kReady);
  EXPECT_EQ(state_of("missing"), State::kWaiting);
  EXPECT_THAT(reason_of("missing"), HasSubstr("templates.allow_pull"));
  EXPECT_EQ(state_of("wrong"), State::kBroken);
  EXPECT_THAT(reason_of("wrong"), HasSubstr("compose.yaml:1: \"privileged\" is refused"));
  EXPECT_EQ(state_of("off"), State::kInactive);
  EXPECT_EQ(catalogue->list().size(), 4u);
}

TEST_F(R1_2_Catalogue, AChallengeWithNothingToStartIsNoTemplate) {
  engine.add_image("x:1");
  folder.write("files/challenge.toml", "name = \"Only files\"\n");
  write_image_template("both", "x:1");
  folder.write("both/challenge.toml", "name = \"A machine, too\"\n");
  open();
  EXPECT_FALSE(state_of("files"));
  EXPECT_EQ(state_of("both"), State::kReady);
}

TEST_F(R1_2_Catalogue, ImagesAreBuiltOncePerContent) {
  write_build_template("one", "FROM scratch\n");
  open();
  until_state("one", State::kReady);
  EXPECT_EQ(engine.calls("build"), 1);
  folder.write("one/instance.toml", "ports = [80]\nname = \"Renamed\"\n");
  until([&] { return catalogue->find(TemplateId("one"))->tmpl->name == "Renamed"; }, "the new name");
  until_state("one", State::kReady);
  folder.write("one/.dockerignore", "instance.toml\n.dockerignore\n");
  until([&] { return engine.calls("build") == 3; }, "a build of what changed");
  until_state("one", State::kReady);
}

TEST_F(R1_2_Catalogue, AnEditIsSeenHoweverTheEditorWrites) {
  engine.add_image("x:1");
  write_image_template("t", "x:1");
  open();
  const auto running = catalogue->find(TemplateId("t"))->tmpl;
  folder.write("t/instance.toml~", "image = \"x:1\"\nports = [81]\n");
  std::filesystem::rename(folder.at("t/instance.toml~"), folder.at("t/instance.toml"));
  until([&] { return catalogue->find(TemplateId("t"))->tmpl->endpoints.at(0).port == 81; }, "the renamed file");
  EXPECT_EQ(running->endpoints.at(0).port, 80) << "who holds the old one keeps it";
  folder.write("t/instance.toml", "image = \"x:1\"\nports = [82]\n");
  until([&] { return catalogue->find(TemplateId("t"))->tmpl->endpoints.at(0).port == 82; },
        "the file written in place");
  folder.write("t/instance.toml", "image = \n");
  until_state("t", State::kBroken);
  EXPECT_THAT(reason_of("t"), HasSubstr("instance.toml:1: "));
  folder.write("t/instance.toml", "image = \"x:1\"\nports = [83]\n");
  until_state("t", State::kReady);
}

TEST_F(R1_2_Catalogue, FoldersComeAndGo) {
  engine.add_image("x:1");
  open();
  EXPECT_TRUE(catalogue->list().empty());
  write_image_template("late", "x:1");
  until_state("late", State::kReady);
  folder.write("late/deep/er/file", "x");
  write_image_template("other", "x:1");
  std::filesystem::rename(folder.at("other"), folder.at("moved"));
  until_state("moved", State::kReady);
  folder.remove("late");
  until([&] { return !state_of("late"); }, "the folder to be gone");
  EXPECT_THAT(events, testing::Contains("template.gone late"));
  EXPECT_THAT(events, testing::Contains("template.changed moved"));
}

TEST_F(R1_2_Catalogue, AFileDeepInABuildContextCounts) {
  write_build_template("t", "FROM scratch\nCOPY a /\n");
  folder.write("t/a/b/c", "one");
  open();
  until_state("t", State::kReady);
  const std::string first = catalogue->find(TemplateId("t"))->tmpl->services[0].machine.image;
  folder.write("t/a/b/c", "two");
  until([&] { return catalogue->find(TemplateId("t"))->tmpl->services[0].machine.image != first; },
        "a new content hash");
  until_state("t", State::kReady);
  EXPECT_EQ(engine.calls("build"), 2);
}

TEST_F(R1_2_Catalogue, ABaseImageIsWaitedFor) {
  write_build_template("t", "ARG V=12\nFROM tiltyard/debian:$V\n");
  open();
  EXPECT_EQ(state_of("t"), State::kWaiting);
  EXPECT_THAT(reason_of("t"), HasSubstr("tiltyard/debian:12"));
  engine.add_image("tiltyard/debian:12");
  look_again();
  until_state("t", State::kReady);
  EXPECT_EQ(engine.calls("build"), 1);
}

TEST_F(R1_2_Catalogue, WhatOneServiceBuildsIsThereBeforeAnotherStartsFromIt) {
  folder.write("t/base/Dockerfile", "FROM scratch\nRUN much\n");
  folder.write("t/app/Dockerfile", "FROM acme/base\n");
  folder.write("t/compose.yaml",
               "services:\n  app: {build: app, ports: [80]}\n  base: {build: base, image: acme/base}\n");
  open();
  until_state("t", State::kReady);
  EXPECT_EQ(engine.calls("build"), 2);
  bool done = false;
  asio::co_spawn(loop, catalogue->reload(std::nullopt), [&done](std::exception_ptr, Result<>) { done = true; });
  until([&done] { return done; }, "the templates are read again");
  until_state("t", State::kReady);
  EXPECT_EQ(engine.calls("build"), 2) << "it knows what it was built on, because that was there first";
}

TEST_F(R1_2_Catalogue, AMisspeltImageOfOurOwnIsToldFromOneThatIsStillToCome) {
  engine::ImageInfo base;
  base.labels[engine::kLabelBase] = "1";
  engine.add_image("tiltyard/busybox:1", base);
  write_build_template("t", "FROM tiltyard/busybx:1\n");
  write_image_template("u", "tiltyard/busybox:2");
  open();
  EXPECT_EQ(state_of("t"), State::kWaiting);
  EXPECT_THAT(reason_of("t"), HasSubstr("did you mean \"tiltyard/busybox:1\"?"));
  EXPECT_THAT(reason_of("u"), HasSubstr("did you mean \"tiltyard/busybox:1\"?"));
}

TEST_F(R1_2_Catalogue, AChangedBaseImageIsBuiltOnAnew) {
  engine.add_image("tiltyard/debian:12");
  write_build_template("t", "FROM tiltyard/debian:12\n");
  open();
  until_state("t", State::kReady);
  const auto again = [&] {
    bool done = false;
    asio::co_spawn(loop, catalogue->reload(std::nullopt), [&done](std::exception_ptr, Result<>) { done = true; });
    until([&done] { return done; }, "the templates are read again");
    until_state("t", State::kReady);
  };
  again();
  EXPECT_EQ(engine.calls("build"), 1);
  engine.add_image("tiltyard/debian:12");  // another id
  again();
  EXPECT_EQ(engine.calls("build"), 2);
  again();
  EXPECT_EQ(engine.calls("build"), 2);
}

TEST_F(R1_2_Catalogue, WhatAnEngineCannotBuildIsSaidByTheLineBeforeItIsTried) {
  engine.know_syntax(102);
  write_build_template("t", "FROM scratch\nCOPY --link --exclude=*.md . /\n");
  write_build_template("older",
                       "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY --link --chmod=755 . /\nRUN <<E\nx\nE\n");
  open();
  EXPECT_EQ(state_of("t"), State::kBroken);
  EXPECT_EQ(
      reason_of("t"),
      "Dockerfile:2: COPY --exclude needs BuildKit with Dockerfile syntax 1.19 (Docker 29 and later); this engine "
      "has 1.2");
  until_state("older", State::kReady);
  EXPECT_EQ(engine.calls("build"), 1);
}

TEST_F(R1_2_Catalogue, AFailedBuildSaysWhyAndIsTriedAgainOnChange) {
  write_build_template("t", "FROM scratch\nRUN false\n");
  open();
  until_state("t", State::kBroken);
  EXPECT_THAT(reason_of("t"), HasSubstr("non-zero code"));
  folder.write("t/Dockerfile", "FROM scratch\n");
  until_state("t", State::kReady);
}

TEST_F(R1_2_Catalogue, ABuildIsTriedAgainWhenTheEngineComesBack) {
  write_build_template("t", "FROM scratch\n");
  engine.fail_next("build", Error{Code::kExhausted, "engine-out-of-disk", "The engine has no room left.", {}, {}});
  open();
  until_state("t", State::kBroken);
  EXPECT_THAT(reason_of("t"), HasSubstr("no room left"));
  engine.go_away();
  look_again();
  EXPECT_EQ(state_of("t"), State::kBroken);
  engine.come_back();
  look_again();
  until_state("t", State::kReady);
}

TEST_F(R1_2_Catalogue, RebuildMakesItsImagesAgain) {
  write_build_template("t", "FROM scratch\n");
  open();
  until_state("t", State::kReady);
  ASSERT_TRUE(catalogue->rebuild(TemplateId("t")));
  until([&] { return engine.calls("build") == 2; }, "the second build");
  until_state("t", State::kReady);
  const auto unknown = catalogue->rebuild(TemplateId("nobody"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, "template-unknown");
}

TEST_F(R1_2_Catalogue, TheSmallestBuildGoesFirst) {
  write_build_template("a-big", "FROM scratch\nRUN one\nRUN two\n");
  write_build_template("b-small", "FROM scratch\n");
  std::vector<std::string> order;
  const auto watch = bus.subscribe([&](const bus::Event& event) {
    const auto entry = catalogue ? catalogue->find(TemplateId(event.subject)) : std::nullopt;
    if (entry && entry->state == State::kReady) order.push_back(event.subject);
  });
  open();
  until([&] { return order.size() >= 2; }, "both");
  EXPECT_THAT(order, ElementsAre("b-small", "a-big"));
}

TEST_F(R1_2_Catalogue, TheSecondFolderOfAnIdIsBrokenUntilTheFirstGoes) {
  engine.add_image("x:1");
  write_image_template("one", "x:1");
  folder.write("two/instance.toml", "id = \"one\"\nimage = \"x:1\"\nports = [81]\n");
  open();
  ASSERT_EQ(catalogue->list().size(), 2u);
  EXPECT_EQ(state_of("one"), State::kReady);
  EXPECT_EQ(catalogue->find(TemplateId("one"))->tmpl->endpoints.at(0).port, 80);
  for (const auto& entry : catalogue->list()) {
    if (entry.state != State::kBroken) continue;
    EXPECT_NE(entry.reason.find("\"one\" and \"two\""), std::string::npos) << entry.reason;
  }
  folder.remove("one");
  until([&] { return catalogue->list().size() == 1 && state_of("one") == State::kReady; }, "the second to take over");
  EXPECT_EQ(catalogue->find(TemplateId("one"))->tmpl->endpoints.at(0).port, 81);
}

TEST_F(R1_2_Catalogue, ProgressIsToldWhileAnImageIsMade) {
  write_build_template("t", "FROM scratch\nCOPY Dockerfile /\n");
  engine.hold("build");
  open();
  until([&] { return catalogue->find(TemplateId("t"))->build.has_value(); }, "the build to begin");
  EXPECT_EQ(state_of("t"), State::kBuilding);
  engine.release("build");
  until_state("t", State::kReady);
  EXPECT_FALSE(catalogue->find(TemplateId("t"))->build);
}

TEST_F(R1_2_Catalogue, ReloadReadsWithoutWatching) {
  engine.add_image("x:1");
  Options options = test_options();
  options.watch = false;
  open(options);
  write_image_template("new", "x:1");
  auto reload = [](Catalogue& catalogue) -> asio::awaitable<Result<>> {
    co_return co_await catalogue.reload(TemplateId("new"));
  };
  std::optional<Result<>> outcome;
  asio::co_spawn(loop, reload(*catalogue), [&](std::exception_ptr, Result<> result) { outcome = std::move(result); });
  until([&] { return outcome.has_value(); }, "the reload");
  EXPECT_TRUE(*outcome);
  EXPECT_EQ(state_of("new"), State::kReady);
}

}  // namespace
}  // namespace tiltyard::templates
