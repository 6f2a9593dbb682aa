#pragma once

#include <memory>

#include "certificates/capability.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "labs/capability.h"
#include "names/events.h"
#include "names/names.h"

namespace tiltyard::names {

class Here;

/// Names that people give their instances: free ones below a domain of the operator, and domains of their own.
class Capability final : public house::Capability {
 public:
  Capability(identity::Capability& identity, labs::Capability& labs, certificates::Capability& certificates);
  ~Capability() override;

  std::string_view name() const override { return "names"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return names::migrations(); }
  bus::EventKinds events() const override { return names::events::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

 private:
  std::string target() const;
  certificates::Wanted* wanted() const;

  identity::Capability& identity_;
  labs::Capability& labs_;
  certificates::Capability& certificates_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Here> here_;
  std::unique_ptr<Service> service_;
  Gate gate_{"names capability"};
};

}  // namespace tiltyard::names
