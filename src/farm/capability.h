#pragma once

#include <memory>

#include "farm/events.h"
#include "farm/farm.h"
#include "farm/measures.h"
#include "house/capability.h"
#include "realtime/realtime.h"

namespace tiltyard::farm {

class GrpcServer;
class Supervisor;

/// The flag farm, with its gRPC and the senders that the server starts.
class Capability final : public house::Capability, public realtime::HasRooms, public identity::HasCredential {
 public:
  Capability();
  ~Capability() override;

  std::string_view name() const override { return "farm"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return farm::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  bus::EventKinds events() const override { return farm::events::kAll; }
  metrics::Metrics measures() const override { return farm::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> drain() override;
  asio::awaitable<void> close() override;

  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;
  std::shared_ptr<const identity::Principal> principal(const http::Request& request,
                                                       const http::Route& route) const override;

 private:
  Result<> start_outside();

  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace tiltyard::farm
