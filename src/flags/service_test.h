#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <fstream>

#include "bus/event_log.h"
#include "engine/fake/fake_engine.h"
#include "flags/box_test.h"
#include "flags/flags.h"
#include "flags/step.h"
#include "flags/tar_test.h"
#include "net/loops.h"

/// The service of flags over the fake engine with the real store, for tests.
namespace tiltyard::flags {

namespace fs = std::filesystem;
using testing_tar::Entry;
using testing_tar::image_of;
using testing_tar::tar_of;
using Kind = Entry::Kind;

inline std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Folder : public testing::Test {
 protected:
  Folder() {
    char name[] = "/tmp/flags-test-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~Folder() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  fs::path folder_;
};

/// The service with everything below it, and a template of one machine whose image holds what a test puts in.
class Flags : public Folder {
 protected:
  Flags() {
    engine::FakeOptions options;
    options.images = {"test/one:1", "test/two:1"};
    engine_ = std::make_unique<engine::FakeEngine>(loops_.home(), options);
    store_ = std::move(*store::open("sqlite:" + (folder_ / "t.db").string()));
    EXPECT_TRUE(store_->migrate({{"flags", migrations()}, {"bus", bus::migrations()}}));
    fs::create_directories(folder_ / "templates" / "box");
    templates::Options where;
    where.path = (folder_ / "templates").string();
    where.watch = false;
    where.bounds = templates::standard_bounds();
    catalogue_ = std::make_unique<templates::Catalogue>(where, engines_, bus_, clock_, loops_.home());
    open();
    tmpl_ = std::make_shared<templates::Template>();
    tmpl_->id = TemplateId("box");
    tmpl_->folder = (folder_ / "templates" / "box").string();
    tmpl_->hash = "1";
    add_service("main", "test/one:1");
    tmpl_->flag.machine = "main";
  }
  ~Flags() override {
    close();
    run(catalogue_->close());
    run(engine_->close());
    store_->close();
    loops_.stop();
  }

  void open() {
    engines_ = engine::Engines(*engine_);
    service_ = std::make_unique<Service>(Options{"FLAG", (folder_ / "flags").string()},
                                         Parts{*store_, engines_, *catalogue_, bus_, files_, clock_, loops_.home()});
    step_ = flags_step(*service_, (folder_ / "instances").string());
  }
  void close() {
    run(service_->close());
    step_.reset();
    service_.reset();
  }
  void reopen() {
    close();
    open();
  }

  void add_service(const std::string& name, const std::string& image) {
    templates::Service service;
    service.name = name;
    service.machine.image = image;
    service.build.emplace();
    tmpl_->services.push_back(std::move(service));
  }
  templates::Service& main() { return tmpl_->services[0]; }
  void image(const std::vector<Entry>& entries, const std::string& reference = "test/one:1") {
    engine_->set_image_tar(reference, image_of({tar_of(entries)}));
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }

  Result<std::string> flag_of(const std::string& owner) {
    auto flag = run(service_->flag_of(owner, tmpl_));
    if (!flag) return fail(flag.error());
    return flag->reveal();
  }
  std::shared_ptr<const Plan> plan() {
    auto found = run(service_->plan_of(tmpl_));
    EXPECT_TRUE(found) << (found ? "" : found.error().reason + " " + found.error().message);
    return found ? *found : std::make_shared<const Plan>();
  }
  std::vector<std::string> targets() {
    std::vector<std::string> out;
    for (const auto& patch : plan()->patches) out.push_back(patch.service + ":" + patch.target);
    return out;
  }
  std::string problem() {
    auto found = run(service_->plan_of(tmpl_));
    if (!found) return found.error().message;
    return (*found)->problems.empty() ? "" : (*found)->problems.back().message;
  }

  std::shared_ptr<Box> instance(const std::string& id, const std::string& owner,
                                labs::PoolRole pool = labs::PoolRole::kNone) {
    auto box = std::make_shared<Box>();
    box->instance.id = InstanceId(id);
    box->instance.owner = owner;
    box->instance.pool = pool;
    box->tmpl = tmpl_;
    return box;
  }
  static fs::path file_of(const std::shared_ptr<Box>& box, const std::string& target) {
    for (const auto& mount : box->added["main"].mounts) {
      if (mount.target == target) return mount.source;
    }
    return {};
  }

  net::Loops loops_{1};
  WorkerPool files_{"files", 2};
  bus::Bus bus_;
  SystemClock clock_;
  std::unique_ptr<engine::FakeEngine> engine_;
  engine::Engines engines_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<templates::Catalogue> catalogue_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<labs::Step> step_;
  std::shared_ptr<templates::Template> tmpl_;
};

}  // namespace tiltyard::flags
