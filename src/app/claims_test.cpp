// Pools with real flags: whatever happens in whatever order, nobody ever reads another owner's flag.
#include <random>
#include <set>

#include "bus/event_log.h"
#include "flags/step.h"
#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

constexpr char kPooled[] =
    "name = \"One\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\ntimeout = 5\n"
    "[flag]\nfile = \"/flag\"\nread = \"always\"\n[pool]\nmin = 2\nmax = 4\n";

class R1_14_Claims : public Range, public testing::WithParamInterface<unsigned> {
 protected:
  R1_14_Claims() {
    EXPECT_TRUE(store_->migrate({{"labs", migrations()},
                                 {"flags", flags::migrations()},
                                 {"bus", bus::migrations()},
                                 {"jobs", jobs::migrations()}}));
    add_template("one", kPooled);
    more_steps_ = [this](Steps& steps) {
      flags_ = std::make_unique<flags::Service>(
          flags::Options{"FLAG", (folder_ / "flags").string()},
          flags::Parts{*store_, engines_, *catalogue_, bus_, files_, clock_, loops_.home()});
      steps.push_back(flags::flags_step(*flags_, (folder_ / "instances").string()));
    };
  }

  ~R1_14_Claims() override { leave(); }

  void leave() {
    run(end());
    run(flags_->close());
    forget();
    flags_.reset();
  }

  /// What a visitor of the instance would read now.
  std::string page_of(const Instance& instance) const {
    if (instance.plan.machines.empty()) return {};
    const auto page = engine_->file(instance.plan.machines.front().name, "/flag").value_or("");
    return page.substr(0, page.find('\n'));
  }

  /// Of what is seen at one moment: each running instance shows its owner's flag, and none has ever shown another's.
  void look() {
    std::map<InstanceId, std::string> owners;
    std::map<InstanceId, std::string> pages;
    home([&] {
      for (const auto& live : service_->all_live()) {
        const auto& instance = live->instance;
        if (!live->free()) continue;
        pages.emplace(instance.id, page_of(instance));
        if (instance.state == InstanceState::kRunning) owners.emplace(instance.id, instance.owner);
      }
      return true;
    });
    for (const auto& [id, page] : pages) {
      auto owner = run(flags_->owner_of(page));
      ASSERT_TRUE(owner);
      if (*owner) shown_[id].insert((*owner)->owner);
      const auto known = owners.find(id);
      if (known == owners.end()) continue;
      if (known->second.empty()) EXPECT_FALSE(*owner) << "what waits shows the flag of " << (*owner)->owner;
      else
        EXPECT_TRUE(*owner && (*owner)->owner == known->second)
            << id.str() << " is " << known->second << "'s and shows " << page;
    }
    for (const auto& [id, seen] : shown_) EXPECT_LE(seen.size(), 1u) << id.str() << " has shown two owners' flags";
  }

  std::unique_ptr<flags::Service> flags_;
  std::map<InstanceId, std::set<std::string>> shown_;  ///< every owner whose flag it was ever seen with
};

TEST_P(R1_14_Claims, NobodyReadsAnotherOwnersFlag) {
  std::mt19937 random(GetParam());
  const auto pick = [&random](std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
  };
  const std::vector<std::string> people{"ann", "bob", "cat", "dan"};
  int version = 0;
  open();
  ASSERT_TRUE(until([this] { return waiting("one") == 2; }));
  const auto first = ask("ann", "one");
  ASSERT_TRUE(first && first->pool == PoolRole::kClaimed);
  for (int step = 0; step < 30; ++step) {
    switch (pick(8)) {
      case 0:
      case 1:
      case 2: {
        std::vector<std::future<Result<Instance>>> asked;
        for (std::size_t i = pick(4) + 1; i > 0; --i) {
          auto work = service_->request(person(people[pick(people.size())]), TemplateId("one"), "");
          asked.push_back(asio::co_spawn(loops_.home(), std::move(work), asio::use_future));
        }
        for (auto& one : asked) one.get();
        break;
      }
      case 3:
      case 4: {
        const auto all = home([&] { return service_->all_live(); });
        if (!all.empty()) (void)stop(all[pick(all.size())]->instance.id);
        break;
      }
      case 5:
        clock_.advance(std::chrono::seconds{pick(2) == 0 ? 600 : 4000});
        break;
      case 6:
        home([&] {
          const auto all = service_->all_live();
          if (!all.empty() && !all[0]->instance.plan.machines.empty())
            engine_->lose_machine(all[0]->instance.plan.machines[0].name);
        });
        break;
      case 7:
        if (pick(2) == 0) {
          leave();
          open();
        } else {
          add_template("one", "description = \"v" + std::to_string(++version) + "\"\n" + kPooled);
          run([this]() -> asio::awaitable<void> { co_await catalogue_->reload(TemplateId("one")); }());
        }
        break;
    }
    look();
    if (HasFatalFailure()) return;
  }
}

class R1_14_Passwords : public R1_14_Claims {
 protected:
  R1_14_Passwords() {
    add_template(
        "one", std::string(kPooled) + "[credentials]\nuser = \"player\"\nper_owner = true\nfile = \"/run/password\"\n");
  }

  /// What the machine would read.
  std::string password_in(const InstanceId& id) {
    std::string found;
    home([&] {
      for (const auto& live : service_->all_live()) {
        if (live->instance.id != id || live->instance.plan.machines.empty()) continue;
        found = engine_->file(live->instance.plan.machines.front().name, "/run/password").value_or("");
      }
    });
    return found.substr(0, found.find('\n'));
  }
};

TEST_P(R1_14_Passwords, EachClaimHasItsOwnAndThePoolsIsGone) {
  open();
  ASSERT_TRUE(until([this] { return waiting("one") == 2; }));
  std::map<InstanceId, std::string> of_the_pool;
  home([&] {
    for (const auto& live : service_->all_live()) {
      ASSERT_TRUE(live->instance.credentials);
      of_the_pool[live->instance.id] = live->instance.credentials->password.reveal();
    }
  });
  ASSERT_EQ(of_the_pool.size(), 2u);
  std::set<std::string> passwords;
  for (const auto& [id, password] : of_the_pool) {
    EXPECT_EQ(password_in(id), password);
    passwords.insert(password);
  }
  std::map<InstanceId, std::string> owned;
  for (const auto* who : {"ann", "bob"}) {
    auto claimed = ask(who, "one");
    ASSERT_TRUE(claimed);
    ASSERT_TRUE(of_the_pool.contains(claimed->id));
    ASSERT_TRUE(claimed->credentials);
    EXPECT_EQ(claimed->credentials->user, "player");
    const auto password = claimed->credentials->password.reveal();
    EXPECT_EQ(password.size(), 16u);
    EXPECT_TRUE(passwords.insert(password).second) << "the pool's, or another owner's";
    EXPECT_EQ(password_in(claimed->id), password);
    owned[claimed->id] = password;
    std::error_code none;
    for (const auto& file : fs::recursive_directory_iterator(folder_ / "instances" / claimed->id.str(), none)) {
      if (!file.is_regular_file()) continue;
      std::ifstream in(file.path());
      const std::string text(std::istreambuf_iterator<char>(in), {});
      EXPECT_EQ(text.find(of_the_pool[claimed->id]), std::string::npos) << file.path();
    }
  }
  leave();
  open();
  for (const auto& [id, password] : owned) {
    const auto again = wait(id);
    ASSERT_TRUE(again.credentials) << "after a restart";
    EXPECT_EQ(again.credentials->password.reveal(), password);
    EXPECT_EQ(password_in(id), password);
  }
}

INSTANTIATE_TEST_SUITE_P(One, R1_14_Passwords, testing::Values(1u));
INSTANTIATE_TEST_SUITE_P(Seeds, R1_14_Claims, testing::Range(1u, 11u));

}  // namespace
}  // namespace tiltyard::labs
