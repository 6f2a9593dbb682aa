#pragma once

#include <memory>
#include <unordered_map>

#include "access/contacts.h"
#include "access/measures.h"
#include "base/gate.h"
#include "gateway/contacts.h"
#include "gateway/gateway.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "labs/capability.h"

namespace tiltyard::access {

struct Options {
  bool log = true;
  std::size_t sample = 100;  ///< one of so many further contacts is noted; 0: none
  int keep_days = 90;
};

/// Who came to which endpoint first, and when: the gateway's log of contacts, for evidence.
class Capability final : public house::Capability {
 public:
  Capability(identity::Capability& identity, labs::Capability& labs) : identity_(identity), labs_(labs) {}

  std::string_view name() const override { return "access"; }
  void keys(config::Keys& keys) override;
  std::vector<store::Migration> migrations() const override { return access::migrations(); }
  metrics::Metrics measures() const override { return access::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<void> close() override;

  /// Who came to an owner's instances of a template, the first one first, as far as it is written down by now; nullopt:
  /// nothing is.
  asio::awaitable<Result<std::optional<std::vector<Seen>>>> seen(std::string owner, TemplateId tmpl);

 private:
  asio::awaitable<Result<>> note(const identity::Principal* who);
  asio::awaitable<void> remember(std::int64_t visitor, std::string user);
  void come();
  asio::awaitable<void> write_soon();
  asio::awaitable<void> write_down();
  asio::awaitable<Result<jobs::Next>> forget_old();

  identity::Capability& identity_;
  labs::Capability& labs_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Contacts> contacts_;
  /// Users by the number that the gateway's passes have for them, of those who have been here since the start.
  std::unordered_map<std::int64_t, std::string> people_;
  bool writing_ = false, closing_ = false;
  Gate gate_{"access log"};
};

}  // namespace tiltyard::access
