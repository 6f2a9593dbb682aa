// Who orders when: one order at a time whoever asks, what is refused, what is kept.
#include <soci/soci.h>

#include "base/test_folder.h"
#include "certificates/certificates.h"
#include "certificates/rows.h"
#include "gateway/gateway.h"
#include "jobs/testing.h"
#include "tls/certificates.h"

namespace tiltyard::certificates {
namespace {

using namespace std::chrono_literals;
using jobs::testing::Backend;
using jobs::testing::Database;

/// A CA that is not there: every attempt to order fails at once, and is counted in the row.
Options nobody_answers() {
  Options options;
  options.directory = "https://127.0.0.1:1/directory";
  options.names = {"site.test", "*.play.site.test"};
  options.dns = DnsBy::kPowerDns;
  return options;
}

/// One server of a database, with a loop of its own.
struct Node {
  Node(const Database& database, const TestFolder& folder, std::string name, Options its_options)
      : options(std::move(its_options)), store(database.open()), gateway(loops, {.domain = "play.site.test"}) {
    EXPECT_TRUE(store->migrate(
        {{"jobs", jobs::migrations()}, {"bus", bus::migrations()}, {"certificates", certificates::migrations()}}));
    jobs::Options of_jobs;
    of_jobs.node = std::move(name);
    of_jobs.look_every = 100ms;
    of_jobs.drain_for = 500ms;
    jobs = std::make_unique<jobs::Service>(std::move(of_jobs), jobs::Parts{loops.home(), *store, clock});
    service = std::make_unique<Service>(
        options, Parts{loops.home(), *store, *jobs, clock, gateway, shelf, folder.path(), "play.site.test"});
    EXPECT_TRUE(service->prepare());
    EXPECT_TRUE(run(service->start()));
    EXPECT_TRUE(run(jobs->start()));
  }
  ~Node() {
    run(jobs->close());
    store->close();
    loops.stop();
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops.home(), std::move(work), asio::use_future).get();
  }
  std::vector<Standing> list() { return run(service->list()).value_or(std::vector<Standing>()); }
  std::optional<Row> row(std::string name) {
    auto work = [name](soci::session& sql) -> Result<std::optional<Row>> { return rows::find(sql, name); };
    return run(store->read(std::move(work))).value_or(std::nullopt);
  }
  long long failures() {
    auto work = [](soci::session& sql) -> Result<long long> {
      long long count = 0;
      sql << "select count(*) from events where kind = 'certificate.failed'", soci::into(count);
      return count;
    };
    return run(store->read(std::move(work))).value_or(-1);
  }
  std::string want(std::string name, std::vector<std::string> names) {
    auto work = [this, name, names](soci::session& sql) { return service->want(sql, name, names); };
    const auto done = run(store->write(std::move(work)));
    return done ? "" : done.error().reason;
  }

  Options options;
  net::Loops loops{1};
  SystemClock clock;
  std::unique_ptr<store::Store> store;
  tls::Certificates shelf{clock};
  gateway::Gateway gateway;
  std::unique_ptr<jobs::Service> jobs;
  std::unique_ptr<Service> service;
};

bool until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

TEST(R2_2, TwoServersOfADatabaseOrderOnce) {
  const Database database(Backend::kPostgresql);
  const TestFolder folder;
  Node a(database, folder, "a", nobody_answers()), b(database, folder, "b", nobody_answers());
  for (auto* node : {&a, &b}) EXPECT_TRUE(node->run(node->service->open()));
  ASSERT_TRUE(until([&] { return a.failures() > 0; }));
  // Each of them gets to work through whatever waits for it now.
  for (auto* node : {&a, &b}) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(node->run(node->service->open()));
  }
  const auto waits = [&] {
    const auto page = a.run(a.jobs->list({}));
    return page && page->jobs.size() == 1 && page->jobs.front().due > a.clock.now() + 10s;
  };
  ASSERT_TRUE(until(waits)) << "one job, which comes again later";
  EXPECT_EQ(a.failures(), 1) << "a second try before its time, or by the other one, would be another";
  EXPECT_EQ(a.row("site")->progress.tries, 1);
}

TEST(R2_2, WhatIsWantedIsCheckedBeforeAnybodyIsAsked) {
  const Database database(Backend::kSqlite);
  const TestFolder folder;
  Node node(database, folder, "a", nobody_answers());
  EXPECT_EQ(node.want("own", {"i1.play.site.test"}), "certificate-instance") << "instances share the wildcard";
  EXPECT_EQ(node.want("own", {"*.play.site.test"}), "certificate-instance");
  EXPECT_EQ(node.want("own", {}), "certificate-name");
  EXPECT_EQ(node.want("own", {"no name"}), "certificate-name");
  EXPECT_EQ(node.want("site", {"own.test"}), "certificate-name") << "the configuration's";
  EXPECT_EQ(node.want("own", std::vector<std::string>(101, "a.test")), "") << "all the same";
  EXPECT_EQ(node.want("own", {"Own.Test", "own.test"}), "");
  const auto row = node.row("own");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->names, std::vector<std::string>{"own.test"});
  Options off;
  Node without(database, folder, "b", off);
  EXPECT_EQ(without.want("other", {"other.test"}), "certificates-off");
}

TEST(R2_2, AFailureIsToldAndWhatIsWithdrawnIsNotShown) {
  const Database database(Backend::kSqlite);
  const TestFolder folder;
  Node node(database, folder, "a", nobody_answers());
  std::atomic<int> told{0};
  node.service->on_change([&](const std::string& name) { told += name == "own"; });
  EXPECT_EQ(node.want("own", {"own.test"}), "");
  ASSERT_TRUE(until([&] { return told > 0; }));
  auto standing = node.run(node.service->standing("own"));
  ASSERT_TRUE(standing && *standing);
  EXPECT_EQ((*standing)->state, "failing");
  EXPECT_NE((*standing)->error.find("does not answer"), std::string::npos);
  EXPECT_GT((*standing)->next_try, node.clock.now());
  auto drop = [&](soci::session& sql) { return node.service->withdraw(sql, "own"); };
  EXPECT_TRUE(node.run(node.store->write(std::move(drop))));
  standing = node.run(node.service->standing("own"));
  EXPECT_TRUE(standing && !*standing);
  EXPECT_TRUE(node.list().empty());
  EXPECT_EQ(node.run(node.service->renew("own", {})).error().reason, "certificate-unknown");
  EXPECT_EQ(node.want("own", {"own.test"}), "") << "and back again";
  EXPECT_EQ(node.list().size(), 1U);
}

}  // namespace
}  // namespace tiltyard::certificates
