#include "identity/identity.h"

#include <sodium.h>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "identity/ctfd.h"
#include "identity/oidc.h"
#include "identity/secrets.h"
#include "identity/state.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles = {
    {{Role::kPlayer, "player"}, {Role::kAuthor, "author"}, {Role::kOperator, "operator"}, {Role::kAdmin, "admin"}}};
constexpr std::size_t kMostNames = 10'000;
constexpr const char* kUnboundCtfd = "ctfd";  ///< its users' provider before the CTFd's address was part of it
constexpr Duration kSetupLinkFor = std::chrono::hours{24};

}  // namespace

std::string_view to_string(Role role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) return name;
  }
  return "player";
}

Result<Role> parse_role(std::string_view text) {
  for (const auto& [role, name] : kRoles) {
    if (name == text) return role;
  }
  return fail(Code::kInvalid, "invalid-body", "A role is player, author, operator or admin.");
}

const Principal& principal_of(const http::Request& request) {
  const auto* principal = std::any_cast<std::shared_ptr<const Principal>>(&request.principal);
  if (principal == nullptr || !*principal) throw std::logic_error("principal_of on a route that is open");
  return **principal;
}

bus::Actor actor_of(const http::Request& request) {
  const auto& who = principal_of(request);
  return {who.name, who.user.str(), request.client_address};
}

void set_principal(http::Request& request, std::shared_ptr<const Principal> principal) {
  request.principal = std::move(principal);
}

Principal make_principal(const sql::User& user, std::string strategy, std::string session) {
  Principal principal;
  principal.user = UserId(user.id);
  principal.name = user.name;
  if (!user.team_id.empty()) principal.team = TeamId(user.team_id);
  principal.team_name = user.team_name;
  principal.role = user.role;
  principal.kind = user.kind;
  principal.strategy = std::move(strategy);
  principal.session = std::move(session);
  principal.has_password = !user.password_hash.empty();
  principal.email = user.email;
  return principal;
}

bool Service::State::on(std::string_view strategy) const {
  // The link is how the first administrator gets in and how accounts are handed out: it cannot be switched off. The
  // admin token's sessions are bound to the token itself.
  if (strategy == "link" || strategy == "admin-token") return true;
  return std::ranges::find(options.strategies, strategy) != options.strategies.end();
}

Strategy* Service::State::strategy(std::string_view name) const {
  for (const auto& strategy : strategies) {
    if (strategy->name() == name) return strategy.get();
  }
  return nullptr;
}

Service::Service(Options options, store::Store& store, const Clock& clock, WorkerPool& hashing) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
  state_ = std::make_shared<State>(std::move(options), store, clock, hashing);
  auto& state = *state_;
  state.strategies.push_back(local_strategy(store, state.hasher, state.attempts, state.name_failures, state.devices));
  state.strategies.push_back(token_strategy(store, state.admin_token));
  state.strategies.push_back(address_strategy(state.hall));
  state.strategies.push_back(link_strategy(state.admin_token, state.options));
  if (!state.options.ctfd_url.empty()) {
    state.ctfd =
        std::make_shared<Ctfd>(state.options.ctfd_url, state.options.ctfd_token, state.options.ctfd_admins, clock);
    state.strategies.push_back(ctfd_strategy(*state.ctfd, state.outside_attempts));
  }
  for (const auto& [name, provider] : state.options.oidc) {
    auto reach = net::Reach::make(state.options.allow_targets).value();  // the configuration has been checked
    state.providers.emplace(name, std::make_shared<oidc::Provider>(name, provider, clock, std::move(reach)));
  }
  if (!state.providers.empty()) state.strategies.push_back(oidc_strategy(state.providers));
  state.service = std::make_shared<const Principal>(make_principal(service_user(), "admin-token", ""));
}

Service::~Service() = default;

asio::awaitable<Result<>> Service::prepare() {
  const auto kept = state_;
  auto& state = *kept;
  for (const auto& name : state.options.strategies) {
    if (state.strategy(name) == nullptr) {
      co_return fail(Code::kInvalid, "invalid-strategy",
                     "auth.strategies names \"" + name + "\", which there is not, or which is not configured.");
    }
  }
  auto proxies = Networks::parse(state.options.trusted_proxies);
  if (!proxies) co_return fail(std::move(proxies.error()));
  auto hall = Networks::parse(state.options.hall.empty() ? private_ranges() : state.options.hall);
  if (!hall) co_return fail(std::move(hall.error()));
  state.trusted_proxies = std::move(*proxies);
  state.hall = std::move(*hall);
  state.admin_token = state.options.admin_token;
  if (state.admin_token.empty()) {
    auto token = read_or_make_admin_token(state.options.data_folder);
    if (!token) co_return fail(std::move(token.error()));
    state.admin_token = std::move(*token);
  }
  state.devices.set_key(state.admin_token);
  const auto ctfd = state.ctfd ? state.ctfd->provider() : std::string();
  auto look = [ctfd](soci::session& session) -> Result<bool> {
    return sql::name_keys_are_old(session) || (!ctfd.empty() && sql::provider_is_known(session, kUnboundCtfd));
  };
  auto old = co_await state.store.read(std::move(look));
  if (!old) co_return fail(std::move(old.error()));
  if (!*old) co_return Result<>{};
  auto renew = [ctfd](soci::session& session) -> Result<> {
    if (sql::name_keys_are_old(session)) sql::renew_name_keys(session);
    if (!ctfd.empty()) sql::rename_provider(session, kUnboundCtfd, ctfd);
    return {};
  };
  co_return co_await state.store.write(std::move(renew));
}

asio::awaitable<Result<std::optional<Secret>>> Service::setup_link() {
  const auto state = state_;
  auto link = new_random_value();
  auto work = [hash = fingerprint(link.reveal()), now = state->clock.now()](soci::session& session) -> Result<bool> {
    if (sql::set_up(session)) return false;
    const auto admin = sql::admin_to_set_up(session, now);
    sql::insert_link(session, hash, admin.id, now, now + kSetupLinkFor);
    return true;
  };
  const auto made = co_await state->store.write(std::move(work));
  if (!made) co_return fail(made.error());
  if (!*made) co_return std::optional<Secret>();
  co_return std::optional<Secret>(std::move(link));
}

asio::awaitable<Result<>> Service::authorise(http::Request& request, const http::Route& route) {
  return authorise_request(state_, request, state_->routes->of(route).rights);
}

asio::awaitable<Result<>> Service::authorise(http::Request& request, house::Rights needs) {
  return authorise_request(state_, request, needs);
}

void Service::note_address(http::Request& request) const { identity::note_address(*state_, request); }

bool Service::is_proxy(const boost::asio::ip::address& peer) const { return state_->trusted_proxies.contains(peer); }

std::optional<std::string> Service::known_browser(const http::Request& request) const {
  const bool secure = came_over_tls(request, state_->trusted_proxies);
  auto device = state_->devices.read(request.cookie(device_cookie_name(secure)));
  if (!device) return std::nullopt;
  return std::move(device->name);
}

std::optional<boost::asio::ip::address> Service::client_address(const http::Request& request) const {
  return identity::client_address(request, state_->trusted_proxies);
}

void Service::add_routes(house::Routes& routes) {
  state_->routes = &routes;
  add_session_routes(state_, routes);
  add_me_routes(state_, routes);
  add_user_routes(state_, routes);
  add_oidc_routes(state_, routes);
  add_account_routes(state_, routes);
  add_team_routes(state_, routes);
  add_my_session_routes(state_, routes);
}

asio::awaitable<Result<std::map<std::string, OwnerName>>> Service::owner_names(std::vector<std::string> owners) {
  const auto state = state_;
  std::map<std::string, OwnerName> names;
  std::vector<std::string> unknown;
  for (const auto& owner : owners) {
    if (const auto known = state->names.find(owner); known != state->names.end()) {
      names.emplace(owner, known->second);
    } else if (names.emplace(owner, OwnerName{owner, false}).second) {
      unknown.push_back(owner);
    }
  }
  if (unknown.empty()) co_return names;
  const auto generation = state->cache.generation();
  auto work = [unknown](soci::session& session) -> Result<std::map<std::string, OwnerName>> {
    return sql::names_of(session, unknown);
  };
  auto read = co_await state->store.read(std::move(work));
  if (!read) co_return fail(std::move(read.error()));
  if (state->names.size() + read->size() > kMostNames) state->names.clear();
  for (auto& [owner, name] : *read) {
    // A rename while we read has moved the generation on; then the name is for this answer only.
    if (generation == state->cache.generation()) state->names.insert_or_assign(owner, name);
    names[owner] = std::move(name);
  }
  co_return names;
}

asio::awaitable<Result<std::string>> Service::display_name(std::string owner) {
  if (owner == kServiceId) co_return service_user().name;
  std::vector<std::string> one{owner};
  auto names = co_await owner_names(std::move(one));
  if (!names) co_return fail(std::move(names.error()));
  co_return names->at(owner).name;
}

asio::awaitable<Result<std::size_t>> Service::members(TeamId team) {
  auto work = [team](soci::session& session) -> Result<std::size_t> {
    return sql::members_of(session, team.str()).size();
  };
  co_return co_await state_->store.read(std::move(work));
}

void Service::limit(std::function<Limits(const Principal&)> limits) { state_->limits = std::move(limits); }

void Service::on_user_deleted(std::function<void(UserId)> hook) { state_->deleted_hooks.push_back(std::move(hook)); }

asio::awaitable<void> Service::close() {
  const auto state = state_;
  co_await state->gate.close();
}

}  // namespace tiltyard::identity
