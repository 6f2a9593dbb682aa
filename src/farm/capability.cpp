#include "farm/capability.h"

#include <fstream>
#include <iterator>

#include "farm/grpc/server.h"
#include "farm/sploit/attack.h"
#include "farm/supervisor.h"
#include "house/ground.h"
#include "identity/scopes.h"

namespace tiltyard::farm {
namespace {

constexpr std::chrono::milliseconds kPace{250};

/// Empty when there is no such file; that TLS needs it has been said by then.
std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Whoever may read the farm's figures; while there is no farm, there is no room.
asio::awaitable<Result<std::string>> admit(const Service* farm, const house::Declared* same, identity::Principal who,
                                           std::string rest) {
  if (!rest.empty() || !farm->on()) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  if (!identity::may_call(who, same->rights)) co_return fail(Code::kForbidden, "forbidden", "This room is for staff.");
  co_return std::string();
}

asio::awaitable<Result<boost::json::value>> snapshot(const Service* farm) {
  const auto totals = farm->totals();
  boost::json::object out{{"total", totals.total()}};
  for (std::size_t i = 0; i < kStatuses; ++i) out[to_string(static_cast<Status>(i))] = totals.by_status[i];
  co_return out;
}

}  // namespace

Capability::Capability() = default;
Capability::~Capability() = default;

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  return {
      Limiter{"farm",
              "Flags in, leases, verdicts, and all that exploits and senders ask of the flag farm",
              Key::kAddress,
              {100'000, 1'000'000, 0},
              kMinute,
              true},
  };
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  options_.data_folder = ground.data;
  options_.allow_targets = ground.site.allow_targets;
  service_ = std::make_unique<Service>(
      options_, Parts{ground.home, ground.store, ground.bus, ground.clock, ground.files, ground.jobs});
  return {};
}

void Capability::routes(house::Routes& routes) { service_->add_routes(routes); }

asio::awaitable<Result<>> Capability::start() { co_return co_await service_->start(); }

asio::awaitable<Result<>> Capability::open() {
  if (!service_->on()) co_return Result<>{};
  co_return start_outside();
}

Result<> Capability::start_outside() {
  const auto& site = ground_->site;
  const auto& listen = options_.grpc_listen;
  if (!listen.empty()) {
    grpc_ = std::make_unique<GrpcServer>(*service_, ground_->home);
    if (auto started = grpc_->start({listen, site.tls_certificate, site.tls_key}); !started) return started;
  }
  SupervisorOptions options;
  options.farm_url = ground_->local_url();
  options.data_folder = ground_->data;
  options.program = ground_->asset("sender.pyz").value_or("");
  options.certificate = text_of(site.tls_certificate);
  options.user = options_.senders_user;
  options.allow_targets = options_.allow_targets;
  supervisor_ = std::make_unique<Supervisor>(*service_, ground_->home, ground_->files, std::move(options));
  supervisor_->run();
  return {};
}

/// Senders first, then gRPC: both before the HTTP server, which senders report to.
asio::awaitable<void> Capability::drain() {
  if (supervisor_) co_await supervisor_->close();
  if (grpc_) co_await grpc_->stop();
  if (service_) service_->stop_waiting();
}

void Capability::words(cli::Words& words) { sploit::add_attack(words); }

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes& routes) {
  realtime::RoomKind kind;
  kind.name = "farm";
  kind.event = "snapshot";
  kind.admit = [farm = service_.get(), same = routes.find("GET", "/api/v1/farm/stats")](identity::Principal who,
                                                                                        std::string rest) {
    return admit(farm, same, std::move(who), std::move(rest));
  };
  kind.snapshot = [farm = service_.get()](std::string) { return snapshot(farm); };
  kind.pace = kPace;
  return {std::move(kind)};
}

std::shared_ptr<const identity::Principal> Capability::principal(const http::Request& request,
                                                                 const http::Route& route) const {
  return service_->principal(request, route);
}

}  // namespace tiltyard::farm
