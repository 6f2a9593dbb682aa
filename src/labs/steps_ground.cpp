// The steps that lay the ground for machines: networks and volumes.
#include "labs/machine_spec.h"
#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

class NetworkStep final : public Step {
 public:
  explicit NetworkStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "network"; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    // Fails closed: without our firewall table nothing starts.
    auto& engine = engines_.of(spawn->plan().engine);
    auto isolated = co_await engine.ensure_isolation();
    if (!isolated) co_return isolated;
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : spawn->plan().networks) {
      works.push_back(create(&engine, network->spec, labels_of(spawn->facts())));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    auto& engine = engines_.of(spawn->plan().engine);
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : spawn->plan().networks) {
      known_.erase({&engine, network->spec.name});
      if (!network->spec.shared) works.push_back(engine.destroy_network(network->spec.name));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

 private:
  asio::awaitable<Result<>> create(engine::Engine* engine, engine::NetworkSpec spec, engine::Labels labels) {
    // A shared network belongs to no instance, and is there from the first spawn on: asking the engine each time would
    // cost every spawn a call. Whatever goes away makes us look again.
    if (spec.shared && known_.contains({engine, spec.name})) co_return Result<>{};
    if (spec.shared) spec.labels = {{kLabelShared, "true"}};
    else spec.labels = std::move(labels);
    const auto network = spec.name;
    const bool shared = spec.shared;
    auto created = co_await engine->create_network(std::move(spec));
    if (created && shared) known_.insert({engine, network});
    co_return created;
  }

  engine::Engines& engines_;
  std::set<std::pair<engine::Engine*, std::string>> known_;
};

class VolumesStep final : public Step {
 public:
  explicit VolumesStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "volumes"; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : spawn->plan().volumes) {
      works.push_back(engines_.of(spawn->plan().engine).create_volume(volume, labels_of(spawn->facts())));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : spawn->plan().volumes)
      works.push_back(engines_.of(spawn->plan().engine).destroy_volume(volume));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

 private:
  engine::Engines& engines_;
};

}  // namespace

std::unique_ptr<Step> network_step(engine::Engines& engines) { return std::make_unique<NetworkStep>(engines); }
std::unique_ptr<Step> volumes_step(engine::Engines& engines) { return std::make_unique<VolumesStep>(engines); }

}  // namespace tiltyard::labs
