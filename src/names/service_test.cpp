// The service over a real store, with surroundings that do what a test says.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <set>
#include <thread>

#include "base/test_folder.h"
#include "bus/event_log.h"
#include "names/names.h"
#include "net/loops.h"

namespace tiltyard::names {
namespace {

using namespace std::chrono_literals;

/// What is there outside, and what has been done, in order.
class Fake final : public Outside {
 public:
  std::map<std::string, Target> instances;
  std::set<std::string> records_there, routes, wanted;
  std::map<std::string, Check::Is> proofs;  ///< by token
  std::vector<std::string> done;
  bool with_records = true, dns_broken = false, powerdns_away = false;
  std::string next_instance;

  Target target(const Name& name) const override {
    const auto found = instances.find(name.instance.str());
    return found == instances.end() ? Target::kGone : found->second;
  }
  std::optional<InstanceId> successor(const Name&) const override {
    return next_instance.empty() ? std::nullopt : std::optional(InstanceId(next_instance));
  }
  asio::awaitable<Result<>> route(Name name) override {
    routes.insert(name.host + ">" + name.instance.str() + "/" + name.endpoint);
    done.push_back("route");
    co_return Result<>{};
  }
  asio::awaitable<Result<>> unroute(std::string host) override {
    std::erase_if(routes, [&](const auto& route) { return route.starts_with(host + ">"); });
    done.push_back("unroute");
    co_return Result<>{};
  }
  bool records() const override { return with_records; }
  asio::awaitable<Result<>> write_record(std::string host) override {
    if (powerdns_away) co_return fail(Code::kUnavailable, "dns-away", "PowerDNS does not answer.");
    records_there.insert(host);
    done.push_back("record");
    co_return Result<>{};
  }
  asio::awaitable<Result<>> drop_record(std::string host) override {
    if (powerdns_away) co_return fail(Code::kUnavailable, "dns-away", "PowerDNS does not answer.");
    records_there.erase(host);
    done.push_back("no record");
    co_return Result<>{};
  }
  bool certificates(const Name&) const override { return true; }
  asio::awaitable<Result<>> want_certificate(Name name) override {
    wanted.insert(name.host);
    done.push_back("want");
    co_return Result<>{};
  }
  asio::awaitable<Result<>> release_certificate(std::string host) override {
    wanted.erase(host);
    done.push_back("release");
    co_return Result<>{};
  }
  asio::awaitable<Seen> look(Name name) override {
    const auto found = proofs.find(name.token);
    const auto is = dns_broken ? Check::Is::kUnknown : found == proofs.end() ? Check::Is::kBad : found->second;
    co_return Seen{{is, "looked"}, {Check::Is::kGood, "leads here"}};
  }
};

class R2_6_Service : public ::testing::Test {
 protected:
  R2_6_Service() {
    store_ = std::move(*store::open("sqlite:" + folder_.at("t.db")));
    EXPECT_TRUE(store_->migrate({{"names", migrations()}, {"bus", bus::migrations()}}));
    options_.per_owner = 3;
    outside_.instances = {{"i1", Target::kUp}, {"i2", Target::kUp}};
    open();
  }
  ~R2_6_Service() override {
    run(service_->close());
    store_->close();
    loops_.stop();
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  template <class Work>
  auto on_home(Work work) {
    return asio::post(loops_.home(), asio::use_future(std::move(work))).get();
  }
  /// As after a restart, also one that came in the middle of something.
  void open() {
    if (service_) run(service_->close());
    Site site{"free.test", true, {"page.test", "free.test"}, {}};
    service_ = std::make_unique<Service>(options_, std::move(site),
                                         Service::Parts{loops_.home(), *store_, bus_, clock_, outside_});
    ASSERT_TRUE(run(service_->start()));
    on_home([this] { service_->begin(); });
  }

  bool eventually(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (!on_home(holds)) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  Result<Name> ask(std::string typed, std::string owner = "ada", std::string instance = "i1", bool follow = false) {
    return run(service_->ask(std::move(typed), {InstanceId(instance), TemplateId("t"), "web", follow},
                             {owner, owner, bus::Actor(owner)}));
  }
  std::string reason(std::string typed, std::string owner = "ada") {
    const auto asked = ask(std::move(typed), std::move(owner));
    return asked ? "(good)" : asked.error().reason;
  }
  std::optional<Name> find(const NameId& id) {
    return on_home([&] {
      const auto* found = service_->find(id);
      return found ? std::optional(*found) : std::nullopt;
    });
  }
  bool becomes(const NameId& id, State state) {
    return eventually([&] {
      const auto* found = service_->find(id);
      return found && found->state == state;
    });
  }
  bool goes(const NameId& id) {
    return eventually([&] { return service_->find(id) == nullptr; });
  }
  void end(const std::string& instance) {
    on_home([&] {
      outside_.instances.erase(instance);
      service_->turn();
    });
  }
  TestFolder folder_;
  net::Loops loops_{1};
  std::unique_ptr<store::Store> store_;
  bus::Bus bus_;
  ManualClock clock_{TimePoint{Duration{1'800'000'000'000'000}}};
  Options options_;
  Fake outside_;
  std::unique_ptr<Service> service_;
};

TEST_F(R2_6_Service, AFreeNameIsServedAndTakenBackInOrder) {
  const auto name = ask("my-app");
  ASSERT_TRUE(name) << name.error().message;
  EXPECT_EQ(name->state, State::kHeld);
  ASSERT_TRUE(eventually([&] { return outside_.wanted.contains("my-app.free.test"); }));
  EXPECT_EQ(outside_.done, (std::vector<std::string>{"route", "record", "want"}));
  EXPECT_TRUE(outside_.routes.contains("my-app.free.test>i1/web"));
  outside_.done.clear();
  ASSERT_TRUE(run(service_->drop(name->id, {})));
  ASSERT_TRUE(becomes(name->id, State::kResting));
  EXPECT_EQ(outside_.done, (std::vector<std::string>{"no record", "unroute", "release"}));
  EXPECT_TRUE(outside_.records_there.empty() && outside_.routes.empty() && outside_.wanted.empty());
}

TEST_F(R2_6_Service, WhereItPointedBeforeItIsTakenBackToo) {
  const auto name = ask("my-app");
  ASSERT_TRUE(eventually([&] { return outside_.wanted.size() == 1; }));
  on_home([&] { outside_.instances["i2"] = Target::kComing; });
  ASSERT_TRUE(run(service_->point(name->id, {InstanceId("i2"), TemplateId("t"), "web", false})));
  end("i2");
  ASSERT_TRUE(becomes(name->id, State::kResting));
  EXPECT_EQ(on_home([&] { return outside_.routes; }), std::set<std::string>{}) << "i1 is still there, the name is not";
}

TEST_F(R2_6_Service, ItGoesWithItsInstance) {
  const auto name = ask("my-app");
  ASSERT_TRUE(eventually([&] { return outside_.wanted.size() == 1; }));
  end("i1");
  ASSERT_TRUE(becomes(name->id, State::kResting));
  EXPECT_TRUE(outside_.records_there.empty() && outside_.routes.empty());
}

TEST_F(R2_6_Service, OrGoesOnToTheNextOne) {
  const auto name = ask("my-app", "ada", "i1", true);
  ASSERT_TRUE(eventually([&] { return outside_.wanted.size() == 1; }));
  end("i1");
  ASSERT_TRUE(eventually([&] { return outside_.records_there.empty() && outside_.routes.empty(); }));
  EXPECT_EQ(find(name->id)->state, State::kHeld);
  EXPECT_EQ(reason("my-app", "bob"), "name-taken") << "it is still hers";
  on_home([&] {
    outside_.next_instance = "i2";
    service_->turn();
  });
  ASSERT_TRUE(eventually([&] { return outside_.routes.contains("my-app.free.test>i2/web"); }));
  ASSERT_TRUE(eventually([&] { return outside_.records_there.contains("my-app.free.test"); }));
}

TEST_F(R2_6_Service, ARestKeepsOthersOutAndItsOwnerNot) {
  const auto name = ask("my-app");
  ASSERT_TRUE(run(service_->drop(name->id, {})));
  ASSERT_TRUE(becomes(name->id, State::kResting));
  EXPECT_EQ(reason("my-app", "bob"), "name-taken");
  EXPECT_EQ(reason("rny-app", "bob"), "name-taken") << "nor what looks like it";
  const auto again = ask("my-app");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(find(name->id));
  ASSERT_TRUE(run(service_->drop(again->id, {})));
  ASSERT_TRUE(becomes(again->id, State::kResting));
  clock_.advance(options_.rest);
  on_home([&] { service_->turn(); });
  ASSERT_TRUE(goes(again->id));
  EXPECT_EQ(reason("my-app", "bob"), "(good)");
}

TEST_F(R2_6_Service, LimitsDoublesAndLookAlikesAreRefused) {
  ASSERT_TRUE(ask("modern"));
  EXPECT_EQ(reason("modern"), "name-yours");
  EXPECT_EQ(reason("modern", "bob"), "name-taken");
  EXPECT_EQ(reason("m0dem", "bob"), "name-taken");
  EXPECT_EQ(reason("m0dem"), "(good)") << "one's own may look alike";
  EXPECT_EQ(reason("third"), "(good)");
  EXPECT_EQ(reason("fourth"), "names-full");
  EXPECT_EQ(reason("fourth", "bob"), "(good)");
}

TEST_F(R2_6_Service, OfTwoWhoAskAtOnceOneHasIt) {
  auto one = asio::co_spawn(
      loops_.home(), service_->ask("my-app", {InstanceId("i1"), TemplateId("t"), "web", false}, {"ada", "ada", {}}),
      asio::use_future);
  auto two = asio::co_spawn(
      loops_.home(), service_->ask("my-app", {InstanceId("i2"), TemplateId("t"), "web", false}, {"bob", "bob", {}}),
      asio::use_future);
  const bool first = one.get().has_value(), second = two.get().has_value();
  EXPECT_NE(first, second);
}

TEST_F(R2_6_Service, AnOwnDomainIsHeldOnceItIsProved) {
  const auto name = ask("www.example.org");
  ASSERT_TRUE(name) << name.error().message;
  EXPECT_EQ(name->state, State::kAsked);
  EXPECT_EQ(name->token.size(), 32u);
  ASSERT_TRUE(eventually([&] { return service_->find(name->id)->ownership.is == Check::Is::kBad; }));
  EXPECT_TRUE(outside_.routes.empty());
  on_home([&] { outside_.proofs[name->token] = Check::Is::kGood; });
  const auto looked = run(service_->look(name->id));
  ASSERT_TRUE(looked) << looked.error().message;
  EXPECT_EQ(looked->state, State::kHeld);
  ASSERT_TRUE(eventually([&] { return outside_.wanted.contains("www.example.org"); }));
  EXPECT_TRUE(outside_.records_there.empty()) << "its records are its owner's";
  ASSERT_TRUE(run(service_->drop(name->id, {})));
  ASSERT_TRUE(goes(name->id));
  EXPECT_TRUE(outside_.routes.empty());
}

TEST_F(R2_6_Service, OfTwoWhoClaimADomainTheFirstProofWinsAndTheOtherIsTold) {
  const auto ada = ask("www.example.org", "ada"), bob = ask("www.example.org", "bob", "i2");
  ASSERT_TRUE(ada && bob);
  EXPECT_NE(ada->token, bob->token);
  on_home([&] { outside_.proofs[bob->token] = Check::Is::kGood; });
  ASSERT_TRUE(run(service_->look(bob->id)));
  EXPECT_EQ(find(bob->id)->state, State::kHeld);
  ASSERT_TRUE(eventually([&] { return !service_->find(ada->id)->problem.empty(); }));
  // Her proof changes nothing while his stands, nor while the DNS does not answer.
  on_home([&] { outside_.proofs[ada->token] = Check::Is::kGood; });
  ASSERT_TRUE(run(service_->look(ada->id)));
  EXPECT_EQ(find(ada->id)->state, State::kAsked);
  EXPECT_EQ(find(bob->id)->state, State::kHeld);
  // The domain has a new owner: his record is gone.
  on_home([&] { outside_.proofs.erase(bob->token); });
  ASSERT_TRUE(run(service_->look(ada->id)));
  ASSERT_TRUE(goes(bob->id));
  ASSERT_TRUE(run(service_->look(ada->id)));
  EXPECT_EQ(find(ada->id)->state, State::kHeld);
  ASSERT_TRUE(eventually([&] { return outside_.routes == std::set<std::string>{"www.example.org>i1/web"}; }));
}

TEST_F(R2_6_Service, WithoutAnAnswerOfTheDnsNobodyLosesADomain) {
  const auto name = ask("www.example.org");
  on_home([&] { outside_.proofs[name->token] = Check::Is::kGood; });
  ASSERT_TRUE(run(service_->look(name->id)));
  on_home([&] { outside_.dns_broken = true; });
  ASSERT_TRUE(run(service_->look(name->id)));
  EXPECT_EQ(find(name->id)->state, State::kHeld);
  EXPECT_EQ(find(name->id)->ownership.is, Check::Is::kUnknown);
}

TEST_F(R2_6_Service, WhatFailsIsSaidAndTriedAgain) {
  on_home([&] { outside_.powerdns_away = true; });
  const auto name = ask("my-app");
  ASSERT_TRUE(eventually([&] { return service_->find(name->id)->problem == "PowerDNS does not answer."; }));
  EXPECT_TRUE(outside_.routes.contains("my-app.free.test>i1/web"));
  on_home([&] { outside_.powerdns_away = false; });
  ASSERT_TRUE(eventually([&] {
    service_->turn();
    return outside_.wanted.contains("my-app.free.test") && service_->find(name->id)->problem.empty();
  }));
}

TEST_F(R2_6_Service, ARestartGoesOnWhereTheLastOneStopped) {
  on_home([&] { outside_.powerdns_away = true; });
  const auto name = ask("my-app");
  ASSERT_TRUE(eventually([&] { return service_->find(name->id)->record == Record::kMaybe; }));
  on_home([&] { outside_.powerdns_away = false; });
  outside_.routes.clear();
  open();
  ASSERT_TRUE(eventually([&] { return outside_.wanted.contains("my-app.free.test"); }));
  EXPECT_TRUE(outside_.records_there.contains("my-app.free.test"));
  EXPECT_TRUE(outside_.routes.contains("my-app.free.test>i1/web"));
  // The record could not be dropped, and the instance ended while nobody looked.
  on_home([&] { outside_.powerdns_away = true; });
  ASSERT_TRUE(run(service_->drop(name->id, {})));
  run(service_->close());
  service_.reset();
  outside_.powerdns_away = false;
  outside_.instances.clear();
  open();
  ASSERT_TRUE(becomes(name->id, State::kResting));
  EXPECT_TRUE(outside_.records_there.empty() && outside_.wanted.empty());
}

TEST_F(R2_6_Service, ALostAnswerOfTheStoreLeavesOneHolder) {
  const auto name = ask("my-app");
  ASSERT_TRUE(name);
  auto twin = *name;
  twin.id = NameId(new_ulid());
  twin.owner = "bob";
  NameRows rows(*store_);
  EXPECT_EQ(run(rows.put(twin)).error().reason, "name-taken") << "the table itself has one holder";
}

TEST_F(R2_6_Service, PointingLeadsItElsewhere) {
  const auto name = ask("my-app");
  ASSERT_TRUE(eventually([&] { return outside_.wanted.size() == 1; }));
  ASSERT_TRUE(run(service_->point(name->id, {InstanceId("i2"), TemplateId("t"), "admin", true})));
  ASSERT_TRUE(eventually([&] { return outside_.routes.contains("my-app.free.test>i2/admin"); }));
  EXPECT_TRUE(find(name->id)->follow);
}

TEST_F(R2_6_Service, ADomainWhoseInstanceHasEndedWaitsToBeLedElsewhere) {
  const auto name = ask("www.example.org");
  end("i1");
  on_home([&] { outside_.proofs[name->token] = Check::Is::kGood; });
  const auto looked = run(service_->look(name->id));
  ASSERT_TRUE(looked);
  EXPECT_EQ(looked->state, State::kAsked);
  EXPECT_FALSE(looked->problem.empty());
  ASSERT_TRUE(run(service_->point(name->id, {InstanceId("i2"), TemplateId("t"), "web", false})));
  ASSERT_TRUE(eventually([&] {
    service_->turn();
    return outside_.routes.contains("www.example.org>i2/web");
  }));
}

TEST_F(R2_6_Service, WhoIsGoneHasNoNames) {
  const auto mine = ask("my-app"), own = ask("www.example.org"), bobs = ask("other", "bob");
  ASSERT_TRUE(eventually([&] { return outside_.wanted.size() == 2; }));
  run(service_->forget("ada"));
  ASSERT_TRUE(becomes(mine->id, State::kResting));
  ASSERT_TRUE(goes(own->id));
  EXPECT_EQ(find(bobs->id)->state, State::kHeld);
}

}  // namespace
}  // namespace tiltyard::names
