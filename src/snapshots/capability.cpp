#include "snapshots/capability.h"

#include "config/keys.h"
#include "house/ground.h"
#include "snapshots/http.h"
#include "snapshots/words.h"

namespace tiltyard::snapshots {
namespace {

/// Makes nothing: with an instance's machines go their snapshots, once none is made of them any more.
class SnapshotsStep final : public labs::Step {
 public:
  explicit SnapshotsStep(std::function<Service&()> service) : service_(std::move(service)) {}

  std::string name() const override { return "snapshots"; }
  std::vector<std::string> before() const override { return {"machines"}; }
  asio::awaitable<Result<>> make(labs::SpawnRef) override { co_return Result<>{}; }
  asio::awaitable<Result<>> undo(labs::SpawnRef spawn) override { return service_().let_go(spawn->facts().id); }

 private:
  std::function<Service&()> service_;
};

}  // namespace

void Capability::keys(config::Keys& keys) {
  keys.section("snapshots", "Machines' file systems, kept as they were and given out whole.")
      .number("per_instance", options_.per_instance, 0, 100,
              "Snapshots of an instance at once. 0: nobody takes any, and nothing is exported.")
      .bytes("bytes", options_.bytes, 1 << 20, std::uint64_t{1} << 50,
             "What all snapshots of an instance together may hold beside what its machines were made of.")
      .number("exports_at_once", options_.exports_at_once, 1, 1000,
              "File systems that are given out at the same time: each keeps the engine's disk busy.");
}

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  constexpr std::chrono::minutes kMinute{1};
  return {{"snapshot-change", "Taking and removing snapshots", Key::kTeam, {6, 6, 500}, kMinute},
          {"snapshot-export", "Getting whole file systems", Key::kUser, {20, 30, 1000}, kMinute}};
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(
      options_, Parts{ground.home, ground.store, ground.clock, ground.jobs, ground.engines, labs_.service()});
  service_->declare_jobs();
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_, labs_); }

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

labs::Steps Capability::steps(const std::string&) {
  labs::Steps steps;
  steps.push_back(std::make_unique<SnapshotsStep>([this]() -> Service& { return *service_; }));
  return steps;
}

}  // namespace tiltyard::snapshots
