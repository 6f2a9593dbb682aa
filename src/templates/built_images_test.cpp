#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "bus/event_log.h"
#include "engine/fake/fake_engine.h"
#include "templates/built_images.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using Fate = BuiltImage::Fate;

struct RunningImages final : HasFacts {
  void add_facts(const Template&, boost::json::object&) const override {}
  void add_images(std::set<std::string>& images) const override { images.insert(running.begin(), running.end()); }
  std::set<std::string> running;
};

/// Two templates with a build each over the engine in memory, and a clock that can be turned.
class BuiltImagesTest : public testing::Test {
 protected:
  BuiltImagesTest() : engine_(loop_.get_executor(), engine_options()) {
    store_ = std::move(*store::open("sqlite:" + folder_.at("test.db")));
    EXPECT_TRUE(store_->migrate({{"bus", bus::migrations()}}));
    options_.path = folder_.at("templates");
    options_.watch = false;
    for (const char* name : {"one", "two"}) write(name, "FROM scratch\n");
    catalogue_ = std::make_unique<Catalogue>(options_, engines_, bus_, clock_, loop_.get_executor());
    built_ = std::make_unique<BuiltImages>(
        BuiltImages::Parts{options_, *catalogue_, engines_, *store_, clock_, {&running_}});
    EXPECT_TRUE(await(catalogue_->load()));
    catalogue_->run();
    until_ready("one");
    until_ready("two");
    engine::ImageInfo theirs;  // of another server on the same engine, and on a base of ours
    theirs.labels = {{engine::kLabelNamespace, "theirs"}, {engine::kLabelTemplate, "one"}, {engine::kLabelBase, "1"}};
    engine_.add_image("tiltyard/t-one-theirs:1", theirs);
  }
  ~BuiltImagesTest() override { await(catalogue_->close()); }

  static engine::FakeOptions engine_options() {
    engine::FakeOptions options;
    options.images = {"tiltyard/t-strange-main:1", "somebody/else:1"};
    return options;
  }

  template <class T>
  T await(asio::awaitable<T> work) {
    auto future = asio::co_spawn(loop_, std::move(work), asio::use_future);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (future.wait_for(std::chrono::seconds{0}) != std::future_status::ready &&
           std::chrono::steady_clock::now() < patience) {
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds{200});
    }
    return future.get();
  }

  void write(const std::string& name, const std::string& dockerfile) {
    folder_.write("templates/" + name + "/Dockerfile", dockerfile);
    folder_.write("templates/" + name + "/instance.toml", "ports = [80]\n");
  }
  void until_ready(const std::string& name) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (catalogue_->find(TemplateId(name)).value_or(Entry{}).state != State::kReady) {
      ASSERT_LT(std::chrono::steady_clock::now(), patience) << name;
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds{200});
    }
  }
  void change(const std::string& name, const std::string& dockerfile) {
    write(name, dockerfile);
    EXPECT_TRUE(await(catalogue_->reload(TemplateId(name))));
    until_ready(name);
  }
  std::string image_of(const std::string& name) {
    return catalogue_->find(TemplateId(name))->tmpl->services[0].machine.image;
  }
  std::vector<std::pair<std::string, Fate>> fates(const std::vector<BuiltImage>& images) {
    std::vector<std::pair<std::string, Fate>> out;
    for (const auto& image : images) out.emplace_back(image.reference, image.fate);
    return out;
  }
  auto look() { return fates(await(built_->look())); }
  auto collect(bool at_once = false) { return fates(await(built_->collect(at_once, {}))); }

  TestFolder folder_;
  asio::io_context loop_;
  engine::FakeEngine engine_;
  engine::Engines engines_{engine_};
  bus::Bus bus_;
  ManualClock clock_{TimePoint{std::chrono::hours{24 * 365 * 50}}};
  std::unique_ptr<store::Store> store_;
  RunningImages running_;
  Options options_ = test_options();
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<BuiltImages> built_;
};

using R1_2_BuiltImages = BuiltImagesTest;

TEST_F(R1_2_BuiltImages, WhatNoTemplateNeedsGoesWhenItsTimeHasCome) {
  const std::string old = image_of("one"), other = image_of("two");
  EXPECT_EQ(look(), (std::vector<std::pair<std::string, Fate>>{{old, Fate::kNeeded}, {other, Fate::kNeeded}}));
  EXPECT_TRUE(collect(true).empty());
  change("one", "FROM scratch\nENV X=1\n");
  EXPECT_THAT(collect(), ElementsAre(std::pair(old, Fate::kStays)));
  clock_.advance(options_.keep_unneeded - std::chrono::seconds{1});
  EXPECT_THAT(collect(), ElementsAre(std::pair(old, Fate::kStays)));
  clock_.advance(std::chrono::seconds{1});
  EXPECT_THAT(collect(), ElementsAre(std::pair(old, Fate::kGone)));
  EXPECT_TRUE(collect().empty());
  EXPECT_FALSE(await(engine_.find_image(old))->has_value());
  for (const auto& image : {image_of("one"), other, std::string("tiltyard/t-strange-main:1"),
                            std::string("somebody/else:1"), std::string("tiltyard/t-one-theirs:1")})
    EXPECT_TRUE(await(engine_.find_image(image))->has_value()) << image << " is needed, or not ours";
}

TEST_F(R1_2_BuiltImages, WhatIsNeededAgainStays) {
  const std::string old = image_of("one");
  change("one", "FROM scratch\nENV X=1\n");
  const std::string newer = image_of("one");
  EXPECT_THAT(collect(), ElementsAre(std::pair(old, Fate::kStays)));
  clock_.advance(std::chrono::hours{20});
  change("one", "FROM scratch\n");
  EXPECT_THAT(collect(), ElementsAre(std::pair(newer, Fate::kStays)));
  change("one", "FROM scratch\nENV X=2\n");
  EXPECT_EQ(collect().size(), 2u);
  clock_.advance(std::chrono::hours{5});
  EXPECT_THAT(collect(), testing::UnorderedElementsAre(std::pair(newer, Fate::kStays), std::pair(old, Fate::kStays)))
      << "its time began anew";
}

TEST_F(R1_2_BuiltImages, WhatRunsKeepsItsImageAndADeletedTemplateDoesNot) {
  const std::string one = image_of("one"), two = image_of("two");
  running_.running = {one};
  folder_.remove("templates/one");
  folder_.remove("templates/two");
  EXPECT_TRUE(await(catalogue_->reload(std::nullopt)));
  EXPECT_THAT(collect(true), ElementsAre(std::pair(two, Fate::kGone)));
  // What the engine knows and we do not: a machine of somebody else's.
  running_.running.clear();
  engine::MachineSpec spec;
  spec.name = "m";
  spec.image = one;
  const auto made = await(engine_.create(spec));
  ASSERT_TRUE(made);
  EXPECT_THAT(collect(true), ElementsAre(std::pair(one, Fate::kInUse)));
  EXPECT_TRUE(await(engine_.destroy(made->handle)));
  EXPECT_THAT(collect(true), ElementsAre(std::pair(one, Fate::kGone)));
}

TEST_F(R1_2_BuiltImages, WithoutATimeNothingGoesByItself) {
  const std::string old = image_of("one");
  options_.keep_unneeded = std::chrono::seconds{0};
  change("one", "FROM scratch\nENV X=1\n");
  collect();
  clock_.advance(std::chrono::hours{24 * 400});
  EXPECT_THAT(collect(), ElementsAre(std::pair(old, Fate::kStays)));
  EXPECT_THAT(collect(true), ElementsAre(std::pair(old, Fate::kGone)));
}

}  // namespace
}  // namespace tiltyard::templates
