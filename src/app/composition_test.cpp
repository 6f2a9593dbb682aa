// What a server is put together from: nothing is declared twice, and the page of routes is true.
#include "app/composition.h"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/measured.h"
#include "house/checks.h"

namespace tiltyard::app {
namespace {

namespace asio = boost::asio;

house::asio::awaitable<Result<http::Response>> nothing(http::Request) { co_return http::Response::empty(204); }

/// One more capability, which claims what others have.
class Doubled final : public house::Capability {
 public:
  enum class What { kRoute, kUnlimited, kLimiter, kMigration, kMetric, kSwitch, kName };
  explicit Doubled(What what) : what_(what) {}

  std::string_view name() const override { return what_ == What::kName ? "farm" : "doubled"; }
  std::vector<store::Migration> migrations() const override {
    if (what_ != What::kMigration) return {};
    return {{"of mine", "CREATE TABLE mine (id INTEGER);\nCREATE TABLE farm_log (id INTEGER)"}};
  }
  std::vector<limits::Limiter> limiters() const override {
    if (what_ != What::kLimiter) return {};
    return {{"exec", "mine", limits::Key::kUser, {1, 1, 0}}};
  }
  metrics::Metrics measures() const override {
    static constexpr metrics::Metric kMine{
        .name = "tiltyard_jobs", .kind = metrics::Kind::kGauge, .unit = "jobs", .help = "mine"};
    static constexpr const metrics::Metric* kAll[] = {&kMine};
    return what_ == What::kMetric ? metrics::Metrics(kAll) : metrics::Metrics();
  }
  std::vector<house::Switch> switches() const override {
    if (what_ != What::kSwitch) return {};
    return {{"labs", "mine", false}};
  }
  void routes(house::Routes& routes) override {
    if (what_ == What::kRoute) routes.add("GET", "/api/v1/me", {house::Access::kOpen}, {"list-read"}, nothing);
    if (what_ == What::kUnlimited) routes.add("GET", "/api/v1/mine", {house::Access::kOpen}, {}, nothing);
  }

 private:
  What what_;
};

std::string refusal(Doubled::What what) {
  auto all = capabilities();
  all.push_back(std::make_unique<Doubled>(what));
  const auto page = routes_page(std::move(all));
  return page ? std::string() : page.error().message;
}

TEST(R7_6, WhatTwoCapabilitiesDeclareStopsTheStartWithBothNames) {
  using enum Doubled::What;
  EXPECT_EQ(refusal(kRoute), "Routes: the route GET /api/v1/me is declared by identity and by doubled.");
  EXPECT_EQ(refusal(kUnlimited),
            "Routes: the route GET /api/v1/mine of doubled names no rate limiter, nor why it needs none.");
  EXPECT_EQ(refusal(kLimiter), "The limiter exec is declared by labs and by doubled.");
  EXPECT_EQ(refusal(kMigration), "The table farm_log is declared by farm and by doubled.");
  EXPECT_EQ(refusal(kMetric), "The metric tiltyard_jobs is declared by jobs and by doubled.");
  EXPECT_EQ(refusal(kSwitch), "The switch labs is declared by labs and by doubled.");
  EXPECT_EQ(refusal(kName), "The capability farm is declared by farm and by farm.");
}

/// Those that all share, and those of each capability.
TEST(R7_6, TheTableOfLimitersIsSound) {
  const auto all = capabilities();
  const auto limiters = house::limiters_of(all, limits::standard_limiters());
  ASSERT_TRUE(limiters) << limiters.error().message;
  for (const auto& limiter : *limiters) {
    EXPECT_FALSE(limiter.about.empty());
    EXPECT_GE(limiter.standard.burst, 1);
    EXPECT_GE(limiter.standard.rate, 1);
    if (limiter.standard.per_day > 0) EXPECT_GE(limiter.standard.per_day, limiter.standard.burst) << limiter.name;
    EXPECT_GE(limiter.window, std::chrono::seconds{60});
  }
  EXPECT_GE(limiters->size(), 20U);
}

/// The page of the documentation, made anew when UPDATE_DOCS is set.
std::string page(const std::string& name, const std::string& made) {
  const auto path = std::string(TILTYARD_SOURCE_DIR) + "/docs/" + name;
  if (std::getenv("UPDATE_DOCS") != nullptr) std::ofstream(path) << made;
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Rooms ask by it who may come in, and are declared before the last routes are.
TEST(R7_2, ARouteThatWasFoundIsTheSameOneWhateverIsAddedAfterIt) {
  asio::io_context loop;
  http::Router router(loop.get_executor());
  house::Routes routes(router);
  const auto add = [&routes](const std::string& pattern) {
    routes.add("GET", pattern, {house::Access::kOpen}, {"list-read"}, nothing);
  };
  add("/api/v1/first");
  const auto* first = routes.find("GET", "/api/v1/first");
  for (int i = 0; i < 1000; ++i) add("/api/v1/" + std::to_string(i));
  EXPECT_EQ(routes.find("GET", "/api/v1/first"), first);
}

/// After a change of a declaration: UPDATE_DOCS=1 app_test --gtest_filter='*RoutesIsTrue'
TEST(R7_1, ThePageOfRoutesIsTrue) {
  const auto made = routes_page(capabilities());
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(page("routes.md", *made), *made);
}

/// The same for metrics: UPDATE_DOCS=1 app_test --gtest_filter='*MetricsIsTrue'
TEST(R10_1, ThePageOfMetricsIsTrue) {
  const auto all = measured(capabilities());
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_GT(all->size(), 50U);
  const auto made = house::markdown(*all);
  EXPECT_EQ(page("metrics.md", made), made);
}

}  // namespace
}  // namespace tiltyard::app
