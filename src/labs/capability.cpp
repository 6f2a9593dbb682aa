#include "labs/capability.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "cli/words.h"
#include "house/ground.h"
#include "labs/http.h"
#include "labs/machine_calls.h"
#include "labs/measures.h"
#include "labs/reasons.h"
#include "labs/rooms.h"
#include "labs/steps.h"
#include "labs/words.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "recordings/capability.h"

namespace tiltyard::labs {
namespace {

/// This server as the engine is to know it.
Claimant claimant_of(const house::Ground& ground) {
  namespace fs = std::filesystem;
  Claimant self;
  self.server = ground.identity;
  self.data = ground.data;
  constexpr std::string_view kFile = "sqlite:", kAuthority = "://";
  const auto url = ground.database.url.substr(0, ground.database.url.find('?'));
  if (url.starts_with(kFile)) {
    self.home = fs::absolute(url.substr(kFile.size())).lexically_normal().string();
  } else {
    // Without what signs in to it.
    const auto signs_in = url.rfind('@');
    self.home = url.substr(signs_in != std::string::npos ? signs_in + 1 : url.find(kAuthority) + kAuthority.size());
  }
  std::string machine;
  std::ifstream("/etc/machine-id") >> machine;
  std::array<char, 65> host{};
  if (machine.empty() && ::gethostname(host.data(), host.size() - 1) == 0) machine = host.data();
  // Two containers have a host name, and paths, in common more easily than a process namespace.
  std::error_code error;
  self.host = machine + " " + fs::read_symlink("/proc/self/ns/pid", error).string();
  return self;
}

/// Who keeps the instances' own files; null: we do.
std::shared_ptr<const privileged::Files> apart_files(const house::Ground& ground) {
  for (const auto* one : ground.offering<privileged::HasFiles>()) {
    if (auto files = one->files()) return files;
  }
  return nullptr;
}

/// One capability at most has a say in what machines are made of.
HasImages* images_of(const house::Ground& ground) {
  const auto offering = ground.offering<HasImages>();
  return offering.empty() ? nullptr : offering.front();
}

/// The steps of a spawn, with those of the capabilities that join it; what waits for what, they say themselves.
Steps steps_of(house::Ground& ground, const Options& options, const std::vector<HasSteps*>& joining,
               const std::string& folder) {
  const auto apart = apart_files(ground);
  Steps steps;
  steps.push_back(network_step(ground.engines));
  steps.push_back(files_step(ground.files, folder, apart));
  for (auto* one : joining) {
    for (auto& step : one->steps(folder)) steps.push_back(std::move(step));
  }
  steps.push_back(volumes_step(ground.engines));
  steps.push_back(
      machines_step(ground.engines, apart ? apart->folder() : folder, options.stop_grace, images_of(ground)));
  steps.push_back(ready_step(ground.engines));
  steps.push_back(solve_step(ground.engines, options.trial));
  steps.push_back(routes_step(ground.gateway, ground.lanes));
  return steps;
}

/// A kind of pool that all who join the spawn can live with: each kind makes less than the one before.
PoolChoice choose(const std::vector<HasSteps*>& joining, const templates::Template& tmpl) {
  PoolChoice least;
  for (auto* one : joining) {
    auto choice = one->pool_choice(tmpl);
    if (choice.kind < least.kind) least = std::move(choice);
  }
  return least;
}

void count(const Service& service) {
  std::map<std::string, double> states;
  for (const auto* word : {"queued", "preparing", "starting", "running", "paused", "stopping"}) states[word] = 0;
  for (const auto& live : service.all_live()) {
    if (live->instance.pool != PoolRole::kWaiting) states[std::string(to_string(live->instance.state))] += 1;
  }
  for (const auto& pool : service.pools()) {
    const std::vector<std::string> labels{pool.tmpl.str()};
    metrics::gauge(measures::kPoolReady, labels).set(static_cast<double>(pool.ready));
    metrics::gauge(measures::kPoolTarget, labels).set(static_cast<double>(pool.target));
  }
  for (const auto& [word, number] : states) metrics::gauge(measures::kInstances, {word}).set(number);
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  constexpr std::chrono::hours kHour{1};
  return {
      Limiter{"stream-open", "Opening the stream of news", Key::kUser, {20, 30, 5000}, kMinute},
      Limiter{"instance-start", "Starting instances", Key::kTeam, {10, 10, 0}, kMinute},
      Limiter{
          "instance-start-hourly", "Starting instances, over the hour and the day", Key::kTeam, {60, 60, 500}, kHour},
      Limiter{"instance-extend", "Extending leases", Key::kTeam, {20, 20, 0}, kMinute},
      Limiter{"instance-stop", "Stopping instances", Key::kTeam, {30, 30, 0}, kMinute},
      Limiter{"exec", "Running a command in a machine", Key::kUser, {30, 60, 5000}, kMinute},
      Limiter{"terminal-open", "Opening a shell in a machine", Key::kUser, {15, 20, 1000}, kMinute},
      Limiter{"logs-read", "Reading a machine's output", Key::kUser, {30, 60, 10'000}, kMinute},
  };
}

void Capability::words(cli::Words& words) {
  add_instances(words);
  add_shell(words);
  add_usage(words);
  words.advise(reason::kInstanceUnknown, "See yours: tiltyard ls");
  words.advise(reason::kInstanceExists, "Show it: tiltyard show {instance_id}");
  words.advise("limit-reached", "See what runs: tiltyard ls. End one: tiltyard stop ID");
  words.advise("not-extendable-yet", "Try again {extendable_at}.");
  words.advise(reason::kMachineUnknown, "See its machines: tiltyard show ID");
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  joining_ = ground.offering<HasSteps>();
  auto* gateway = &ground.gateway;
  Parts needs{ground.home,  ground.store, ground.engines, templates_.offers(),
              ground.lanes, ground.bus,   ground.clock,   ground.jobs};
  needs.presence.activity = [gateway](const InstanceId& id) -> std::optional<Activity> {
    const auto traffic = gateway->traffic(id);
    if (!traffic) return std::nullopt;
    return Activity{traffic->waiting > 0, traffic->last_activity};
  };
  needs.presence.set_asleep = [gateway](InstanceId id, bool asleep) {
    return gateway->set_asleep(std::move(id), asleep);
  };
  needs.may_start = [vetoes = ground.offering<HasVeto>()]() -> Result<> {
    for (const auto* one : vetoes) {
      if (auto allowed = one->may_start(); !allowed) return allowed;
    }
    return {};
  };
  options_.claimant = claimant_of(ground);
  options_.pool_choice = [this](const templates::Template& tmpl) { return choose(joining_, tmpl); };
  service_ =
      std::make_unique<Service>(options_, needs, steps_of(ground, options_, joining_, ground.data + "/instances"));
  gateway->on_wake([labs = service_.get()](InstanceId id) { return labs->wake(std::move(id)); });
  const int most = static_cast<int>(options_.instances_per_owner);
  identity_.service().limit([most](const identity::Principal&) { return identity::Limits{most, most}; });
  identity_.service().on_user_deleted([this](UserId user) {
    gate_.spawn(ground_->home, "stop a deleted user's instances", user_gone(std::move(user)));
  });
  metrics::on_collect([labs = service_.get()] { count(*labs); });
  return {};
}

asio::awaitable<void> Capability::user_gone(UserId user) {
  for (const auto& live : service_->all_live()) {
    if (live->instance.owner == user.str()) co_await service_->stop(live->instance.id, "admin", "");
  }
  for (auto* one : joining_) {
    auto forgotten = co_await one->forget(user.str());
    if (!forgotten)
      log::warn("labs", "not all of a deleted user is gone",
                {{"user", user.str()}, {"cause", forgotten.error().cause}});
  }
}

void Capability::add_facts(const templates::Template& tmpl, boost::json::object& view) const {
  labs::add_facts(*service_, tmpl.id, view);
}

void Capability::add_images(std::set<std::string>& images) const {
  for (const auto& live : service_->all_live()) {
    if (!live->tmpl) continue;
    for (std::size_t i = 0; i < live->tmpl->image_users(); ++i) images.insert(live->tmpl->image_user(i).machine.image);
  }
}

PublicAddress Capability::address() const {
  const auto& gateway = ground_->gateway.options();
  PublicAddress address;
  address.domain = gateway.domain;
  address.tcp_host = gateway::tcp_host(gateway);
  address.port = ground_->gateway.public_port();
  address.tls_port = ground_->gateway.public_tls_port();
  address.scheme = ground_->gateway.scheme();
  address.owner_only = gateway.owner_only;
  return address;
}

void Capability::routes(house::Routes& routes) {
  http_ = std::make_shared<const HttpParts>(HttpParts{*service_, templates_, ground_->engines, ground_->bus,
                                                      ground_->clock, address(), options_, ground_->home, gate_,
                                                      ground_->offering<recordings::Capability>().front()->service()});
  open_ = std::make_shared<Open>();
  add_routes(routes, http_, open_);
}

asio::awaitable<Result<Shell>> Capability::open_shell(ShellWish wish) {
  return labs::open_shell(http_, open_, std::move(wish));
}

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes&) { return rooms_of({*service_, address()}); }

asio::awaitable<Result<>> Capability::start() { co_return co_await service_->start(); }

asio::awaitable<void> Capability::close() {
  co_await gate_.close();
  if (!service_) co_return;
  co_await service_->close();
  co_await service_->leave();
}

}  // namespace tiltyard::labs
