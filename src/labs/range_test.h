// A service over the fake engine, whose machines really answer on 127.64.0.0/12; store and gateway are the real ones.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/failpoint.h"
#include "bus/event_log.h"
#include "engine/fake/fake_engine.h"
#include "gateway/gateway.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "labs/hold.h"
#include "labs/service.h"
#include "labs/steps.h"
#include "templates/templates.h"

namespace tiltyard::labs {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Goes on by itself, as jobs need it, and further when it is turned.
class TurnedClock final : public Clock {
 public:
  TimePoint now() const override {
    return from_micros(kBegin + turned_.load()) +
           std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started_);
  }
  void advance(Duration by) { turned_ += by.count(); }

 private:
  static constexpr std::int64_t kBegin = 1'767'225'600'000'000;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> turned_ = 0;
};

class Range : public testing::Test {
 protected:
  Range() {
    char name[] = "/tmp/labs-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    add_template("one",
                 "name = \"One\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\ntimeout = 5\n");
    add_template("two", "name = \"Two\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\n");
    engine::FakeOptions options;
    options.images = {"test/one:1"};
    engine_ = std::make_unique<engine::FakeEngine>(loops_.home(), options);
    engines_ = engine::Engines(*engine_);
    store_ = std::move(*store::open("sqlite:" + (folder_ / "t.db").string()));
    EXPECT_TRUE(store_->migrate({{"labs", migrations()}, {"bus", bus::migrations()}, {"jobs", jobs::migrations()}}));
  }

  ~Range() override {
    if (service_) close();
    run(engine_->close());
    store_->close();
    loops_.stop();
    fs::remove_all(folder_);
  }

  void add_template(const std::string& id, const std::string& text) {
    fs::create_directories(folder_ / "templates" / id);
    std::ofstream(folder_ / "templates" / id / "instance.toml") << text;
  }

  /// A server's worth of parts over the same store and engine, as after a restart.
  void open(Options options = {}) {
    put_together(std::move(options));
    run(start());
  }

  void put_together(Options options = {}) {
    options.network_pool = "127.64.0.0/12";
    templates::Options where;
    where.path = (folder_ / "templates").string();
    where.watch = false;
    where.bounds = templates::standard_bounds();
    catalogue_ = std::make_unique<templates::Catalogue>(where, engines_, bus_, clock_, loops_.home());
    gateway::Options gate;
    gate.listen = "127.0.0.1:0";
    gateway_ = std::make_unique<gateway::Gateway>(loops_, gate);
    ASSERT_TRUE(gateway_->start());
    lanes_ = std::make_unique<gateway::PortLanes>(21000, 21999, [](std::uint16_t, Transport) { return true; });
    Steps steps;
    steps.push_back(network_step(engines_));
    steps.push_back(files_step(files_, (folder_ / "instances").string()));
    steps.push_back(volumes_step(engines_));
    steps.push_back(machines_step(engines_, (folder_ / "instances").string()));
    if (more_steps_) more_steps_(steps);
    steps.push_back(ready_step(engines_));
    steps.push_back(routes_step(*gateway_, *lanes_));
    jobs::Options working;
    working.look_every = 10ms;  // a clock that was turned is seen at once
    working.drain_for = 100ms;
    jobs_ = std::make_unique<jobs::Service>(working, jobs::Parts{loops_.home(), *store_, clock_});
    catalogue_->declare_jobs(*jobs_);
    offers_ = std::make_unique<templates::Offers>(*catalogue_, *store_, bus_, clock_);
    Parts parts{loops_.home(), *store_, engines_, *offers_, *lanes_, bus_, clock_, *jobs_};
    auto* gateway = gateway_.get();
    parts.presence.activity = [gateway](const InstanceId& id) -> std::optional<Activity> {
      const auto traffic = gateway->traffic(id);
      if (!traffic) return std::nullopt;
      return Activity{traffic->waiting > 0, traffic->last_activity};
    };
    parts.presence.set_asleep = [gateway](InstanceId id, bool asleep) {
      return gateway->set_asleep(std::move(id), asleep);
    };
    service_ = std::make_unique<Service>(options, parts, std::move(steps));
    gateway->on_wake([service = service_.get()](InstanceId id) { return service->wake(std::move(id)); });
  }

  void close() {
    run(end());
    forget();
  }

  void forget() {
    service_.reset();
    jobs_.reset();
    offers_.reset();
    catalogue_.reset();
    gateway_.reset();
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }

  asio::awaitable<void> start() {
    auto loaded = co_await catalogue_->load();
    EXPECT_TRUE(loaded);
    auto started = co_await service_->start();
    EXPECT_TRUE(started);
    auto working = co_await jobs_->start();
    EXPECT_TRUE(working);
    catalogue_->run();
    // Images are looked for behind the scenes.
    for (int i = 0; i < 500; ++i) {
      bool ready = true;
      for (const auto& entry : catalogue_->list()) ready = ready && entry.state == templates::State::kReady;
      if (ready) co_return;
      co_await sleep_for(10ms);
    }
    ADD_FAILURE() << "the templates did not become ready";
  }

  asio::awaitable<void> end() {
    co_await jobs_->close();
    co_await service_->close();
    co_await catalogue_->close();
    co_await gateway_->stop(100ms);
  }

  /// Whether the machine runs, within five seconds.
  asio::awaitable<bool> runs_again(std::string machine) {
    for (int i = 0; i < 500; ++i) {
      auto status = co_await engine_->inspect(engine::FakeEngine::handle_of(machine));
      if (status && status->state == engine::MachineState::kRunning) co_return true;
      co_await sleep_for(10ms);
    }
    co_return false;
  }

  static identity::Principal person(const std::string& name) {
    identity::Principal who;
    who.user = UserId(name);
    who.name = name;
    return who;
  }

  /// The first event of an instance tells that it was admitted: from then on isolation is missing.
  asio::awaitable<void> arm_after_admission() {
    subscription_ = bus_.subscribe([this](const bus::Event& event) {
      if (event.kind != events::kAsked) return;
      engine_->fail_next("ensure_isolation", Error{Code::kUnavailable, "isolation-missing", "No.", "", {}}, 100);
    });
    co_return;
  }

  Result<Instance> ask(const std::string& who, const std::string& tmpl) {
    return run(service_->request(person(who), TemplateId(tmpl), ""));
  }

  Instance wait(const InstanceId& id, bool until_final = false) {
    auto found = run(service_->wait(id, 20s, until_final));
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : Instance{};
  }

  Result<> stop(const InstanceId& id) {
    auto stopped = run(service_->stop(id, "user", ""));
    return stopped ? Result<>{} : Result<>(fail(std::move(stopped.error())));
  }

  /// Calls `work` on the home loop, where service and engine live.
  template <class Work>
  auto home(Work work) {
    const auto call = [](Work inner) -> asio::awaitable<decltype(work())> { co_return inner(); };
    return run(call(std::move(work)));
  }

  /// Looks every few milliseconds, on the home loop, until `holds` does.
  bool until(std::function<bool()> holds, std::chrono::milliseconds limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!home([&] { return at_one() && holds(); })) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }

  /// Looked at whenever a test waits for something: no instance is ever in a condition that cannot be.
  bool at_one() const {
    for (const auto& live : service_->all_live()) {
      EXPECT_EQ(contradiction(*live), "")
          << live->instance.id << " " << to_string(live->instance.state) << " " << to_string(live->work.doing());
    }
    return true;
  }

  std::size_t waiting(const char* tmpl) const {
    for (const auto& pool : service_->pools()) {
      if (pool.tmpl == TemplateId(tmpl)) return pool.filling == 0 ? pool.ready : 0;
    }
    return 0;
  }

  fs::path folder_;
  net::Loops loops_{1};
  TurnedClock clock_;
  bus::Bus bus_;
  bus::Bus::Subscription subscription_;
  WorkerPool files_{"files", 1};
  std::unique_ptr<engine::FakeEngine> engine_;
  engine::Engines engines_;  ///< as configured; a test changes it between two servers
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<templates::Catalogue> catalogue_;
  std::unique_ptr<templates::Offers> offers_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<gateway::PortLanes> lanes_;
  std::function<void(Steps&)> more_steps_;
  std::unique_ptr<jobs::Service> jobs_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::labs
