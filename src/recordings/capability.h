#pragma once

#include <memory>

#include "house/capability.h"
#include "recordings/events.h"
#include "recordings/recordings.h"

namespace tiltyard::recordings {

/// What terminals showed, where a template has it recorded.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "recordings"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return recordings::migrations(); }
  bus::EventKinds events() const override { return recordings::events::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  /// A switch would leave terminals that must be recorded without anybody who can see it.
  std::vector<house::Switch> switches() const override { return {}; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Recordings& service() { return *service_; }

 private:
  Options options_;
  std::unique_ptr<Recordings> service_;
};

}  // namespace tiltyard::recordings
