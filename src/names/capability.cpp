#include "names/capability.h"

#include <algorithm>

#include "base/text.h"
#include "cli/words.h"
#include "house/ground.h"
#include "names/here.h"
#include "names/http.h"

namespace tiltyard::names {
namespace {

constexpr auto kTurn = "names.turn";
constexpr std::chrono::seconds kTurnEvery{1};

/// The host of a URL or of ADDRESS:PORT.
std::string host_in(std::string_view text) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  text = text.substr(0, text.find('/'));
  if (text.starts_with('[')) return {};
  return lower(text.substr(0, text.find(':')));
}

/// Hosts of the page and of the gateway: nothing at, below or above them is anybody's own.
std::vector<std::string> ours(const house::Site& site, const gateway::Options& gateway, const Options& options) {
  std::vector<std::string> hosts{host_in(site.public_url),   host_in(site.listen), lower(gateway.domain),
                                 lower(gateway.public_host), options.free_domain,  lower(options.target)};
  for (const auto& host : site.hosts) hosts.push_back(lower(host));
  std::erase_if(hosts, [](const std::string& host) {
    return host.empty() || host.find_first_not_of("0123456789.") == std::string::npos;
  });
  return hosts;
}

/// Whoever has a name below the page's host or above it could set its cookies or take its place.
Result<> check_free_domain(const house::Site& site, const gateway::Options& gateway, const std::string& domain) {
  if (domain.empty()) return {};
  const auto refuse = [&](const std::string& why) {
    return fail(Code::kInvalid, "names-domain", "names.free_domain cannot be " + domain + ": " + why);
  };
  if (domain == lower(gateway.domain) || at_or_below(lower(gateway.domain), domain))
    return refuse("instances' drawn names are there (gateway.domain).");
  std::vector<std::string> page{host_in(site.public_url), host_in(site.listen)};
  for (const auto& host : site.hosts) page.push_back(lower(host));
  for (const auto& host : page) {
    if (!host.empty() && (at_or_below(host, domain) || at_or_below(domain, host)))
      return refuse("the page is at " + host + ", and names beside, above or below it could reach its cookies.");
  }
  return {};
}

asio::awaitable<Result<jobs::Next>> turn(Service* service) {
  service->turn();
  co_return jobs::Next::done();
}

}  // namespace

Capability::Capability(identity::Capability& identity, labs::Capability& labs, certificates::Capability& certificates)
    : identity_(identity), labs_(labs), certificates_(certificates) {}
Capability::~Capability() = default;

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  return {
      Limiter{"name-ask", "Asking for names", Key::kTeam, {10, 10, 200}, kMinute},
      Limiter{"name-change", "Leading names elsewhere and dropping them", Key::kTeam, {20, 20, 1000}, kMinute},
      Limiter{"name-look", "Having the DNS looked into", Key::kTeam, {10, 20, 5000}, kMinute},
  };
}

/// Null: there is no authority to ask.
certificates::Wanted* Capability::wanted() const {
  return certificates_.options().directory.empty() ? nullptr : &certificates_.service();
}

std::string Capability::target() const {
  return lower(options_.target.empty() ? ground_->gateway.options().domain : options_.target);
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  options_.free_domain = lower(options_.free_domain);
  const auto& gateway = ground.gateway.options();
  if (auto good = check_free_domain(ground.site, gateway, options_.free_domain); !good) return good;
  auto* powerdns = certificates_.service().powerdns();
  if (options_.records && powerdns == nullptr)
    return fail(Code::kInvalid, "names-records", "names.records needs a PowerDNS: set powerdns.url and powerdns.key.");
  here_ = std::make_unique<Here>(Here::Parts{options_, labs_.service(), ground.gateway, ground.store,
                                             ground.certificates, powerdns, wanted(), target()});
  Site site{options_.free_domain, options_.own_domains, ours(ground.site, gateway, options_), options_.reserved};
  service_ = std::make_unique<Service>(options_, std::move(site),
                                       Service::Parts{ground.home, ground.store, ground.bus, ground.clock, *here_});
  jobs::Kind kind;
  kind.name = kTurn;
  kind.about =
      "Looks what has become of people's names: proofs, records that could not be written, rests that are over.";
  kind.handler = [service = service_.get()](jobs::Firing) { return turn(service); };
  ground.jobs.declare_poll(std::move(kind), kTurnEvery);
  identity_.service().on_user_deleted([this](UserId user) {
    gate_.spawn(ground_->home, "take back a deleted user's names", service_->forget(user.str()));
  });
  return {};
}

void Capability::routes(house::Routes& routes) {
  const auto& gateway = ground_->gateway;
  add_routes(routes, {*service_, labs_.service(), identity_.service(), wanted(), options_, target(),
                      std::string(gateway.scheme()), gateway.public_port()});
}

asio::awaitable<Result<>> Capability::start() { co_return co_await service_->start(); }

asio::awaitable<Result<>> Capability::open() {
  service_->begin();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  co_await gate_.close();
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::names
