// The steps that lay the ground for machines: networks, files, volumes.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "labs/machine_spec.h"
#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

namespace fs = std::filesystem;

class NetworkStep final : public Step {
 public:
  explicit NetworkStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "network"; }

  asio::awaitable<Result<>> make(LiveRef live) override {
    // Fails closed: without our firewall table nothing starts.
    auto& engine = engines_.of(live->instance.plan.engine);
    auto isolated = co_await engine.ensure_isolation();
    if (!isolated) co_return isolated;
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : live->instance.plan.networks) {
      works.push_back(create(&engine, network->spec, labels_of(live->instance)));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(LiveRef live) override {
    auto& engine = engines_.of(live->instance.plan.engine);
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : live->instance.plan.networks) {
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

class FilesStep final : public Step {
 public:
  FilesStep(WorkerPool& pool, std::string folder) : pool_(pool), folder_(std::move(folder)) {}

  std::string name() const override { return "files"; }

  asio::awaitable<Result<>> make(LiveRef live) override {
    std::vector<templates::BindSource> copies;
    if (!live->tmpl) co_return Result<>{};  // it ran before: its files are there
    for (const auto& service : live->tmpl->services) {
      for (const auto& bind : service.binds) {
        if (needs_own_copy(bind)) copies.push_back(bind);
      }
    }
    if (copies.empty()) co_return Result<>{};
    const auto target = files_of(folder_, live->instance.id);
    auto work = [copies = std::move(copies), source = live->tmpl->folder, target] {
      return copy(copies, source, target);
    };
    co_return co_await offload(pool_, std::move(work));
  }

  asio::awaitable<Result<>> undo(LiveRef live) override {
    const auto target = files_of(folder_, live->instance.id);
    // Most instances have none: no hop to the pool for them.
    std::error_code none;
    if (!fs::exists(target, none)) co_return Result<>{};
    auto work = [target]() -> Result<> {
      std::error_code error;
      fs::remove_all(target, error);
      if (error)
        return fail(Code::kInternal, "files-stay", "The instance's files could not be removed.", error.message());
      return {};
    };
    co_return co_await offload(pool_, std::move(work));
  }

 private:
  static Result<> copy(const std::vector<templates::BindSource>& copies, const fs::path& source,
                       const fs::path& target) {
    std::error_code error;
    for (const auto& bind : copies) {
      const fs::path to = target / copy_name(bind);
      // A repeated make finds what is there and leaves it: the player may have written to it already.
      if (fs::exists(to, error)) continue;
      fs::create_directories(to.parent_path(), error);
      const fs::path beside = to.string() + ".part";
      fs::remove_all(beside, error);
      if (bind.content) {
        std::ofstream(beside, std::ios::binary) << *bind.content;
        if (fs::file_size(beside, error) != bind.content->size()) return cannot(bind.path, error);
      } else {
        fs::copy(source / bind.path, beside, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
        if (error) return cannot(bind.path, error);
      }
      if (bind.mode >= 0) fs::permissions(beside, static_cast<fs::perms>(bind.mode), error);
      fs::rename(beside, to, error);
      if (error) return cannot(bind.path, error);
    }
    return {};
  }

  static Result<> cannot(const std::string& path, const std::error_code& error) {
    const bool full = error == std::errc::no_space_on_device;
    return fail(full ? Code::kExhausted : Code::kInternal, full ? "disk-full" : "files-not-copied",
                fmt::format("'{}' of the template could not be copied for the instance.", path), error.message());
  }

  WorkerPool& pool_;
  std::string folder_;
};

class VolumesStep final : public Step {
 public:
  explicit VolumesStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "volumes"; }

  asio::awaitable<Result<>> make(LiveRef live) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : live->instance.plan.volumes) {
      works.push_back(engines_.of(live->instance.plan.engine).create_volume(volume, labels_of(live->instance)));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(LiveRef live) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : live->instance.plan.volumes)
      works.push_back(engines_.of(live->instance.plan.engine).destroy_volume(volume));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

 private:
  engine::Engines& engines_;
};

}  // namespace

std::unique_ptr<Step> network_step(engine::Engines& engines) { return std::make_unique<NetworkStep>(engines); }
std::unique_ptr<Step> files_step(WorkerPool& pool, std::string folder) {
  return std::make_unique<FilesStep>(pool, std::move(folder));
}
std::unique_ptr<Step> volumes_step(engine::Engines& engines) { return std::make_unique<VolumesStep>(engines); }

}  // namespace tiltyard::labs
