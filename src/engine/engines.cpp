#include "engine/engines.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

/// In the place of an engine that rows name and nobody configures: away, for as long as this process lives.
class MissingEngine final : public Engine {
 public:
  explicit MissingEngine(std::string name) : name_(std::move(name)) {}

  const std::string& name() const override { return name_; }
  std::optional<Error> away() const override {
    return Error{Code::kUnavailable,
                 reason::kAway,
                 "The engine " + name_ + " is not configured; what is on it waits until it is again.",
                 {},
                 {}};
  }
  asio::awaitable<Result<Fingerprint>> fingerprint() override { co_return gone(); }
  asio::awaitable<Result<>> ensure_isolation() override { co_return gone(); }
  asio::awaitable<Result<>> create_network(NetworkSpec) override { co_return gone(); }
  asio::awaitable<Result<>> destroy_network(std::string) override { co_return gone(); }
  asio::awaitable<Result<std::vector<UsedRange>>> used_ranges() override { co_return gone(); }
  asio::awaitable<Result<>> create_volume(std::string, Labels) override { co_return gone(); }
  asio::awaitable<Result<>> destroy_volume(std::string) override { co_return gone(); }
  asio::awaitable<Result<Created>> create(MachineSpec) override { co_return gone(); }
  asio::awaitable<Result<>> start(Handle) override { co_return gone(); }
  asio::awaitable<Result<>> stop(Handle, std::chrono::milliseconds) override { co_return gone(); }
  asio::awaitable<Result<>> destroy(Handle) override { co_return gone(); }
  asio::awaitable<Result<MachineStatus>> inspect(Handle) override { co_return gone(); }
  asio::awaitable<Result<std::optional<Handle>>> recover(std::string) override { co_return gone(); }
  asio::awaitable<Result<std::vector<Resource>>> list() override { co_return gone(); }
  asio::awaitable<Result<Stats>> stats(Handle) override { co_return gone(); }
  asio::awaitable<Result<std::unique_ptr<ByteStream>>> logs(Handle, LogOptions) override { co_return gone(); }
  Images* images() override { return nullptr; }
  Shell* shell() override { return nullptr; }
  Archives* archives() override { return nullptr; }
  Freezer* freezer() override { return nullptr; }
  Disks* disks() override { return nullptr; }
  Subscription on_event(Subscribers::OnEvent) override { return nullptr; }
  void run() override {}
  asio::awaitable<void> close() override { co_return; }

 private:
  std::unexpected<Error> gone() const { return fail(*away()); }

  std::string name_;
};

}  // namespace

Engine& Engines::of(const std::string& name) {
  if (name.empty()) return of(chosen_);
  if (const auto found = all_.find(name); found != all_.end()) return *found->second;
  auto& missing = missing_[name];
  if (!missing) missing = std::make_shared<MissingEngine>(name);
  return *missing;
}

void Engines::run() {
  for (const auto& [name, engine] : all_) engine->run();
}

asio::awaitable<void> Engines::close() {
  for (const auto& [name, engine] : all_) co_await engine->close();
}

}  // namespace tiltyard::engine
