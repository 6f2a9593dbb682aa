// Who may go into a machine, by what, and for how long.
#include <sodium/crypto_generichash.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "bus/event_log.h"
#include "grants/grants.h"
#include "grants/store.h"
#include "labs/events.h"
#include "observe/log.h"

namespace tiltyard::grants {
namespace {

constexpr std::chrono::seconds kLookEvery{5};  ///< for news that got lost

/// What the row keeps of a secret of 128 random bits: nothing to guess from.
std::string hash_of(std::string_view secret) {
  std::array<unsigned char, 32> out;
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
                     nullptr, 0);
  return hex(out);
}

GrantRow row_of(const UserId& user, const std::string& token, const Way& way) {
  return {hash_of(token), user.str(), way.instance.str(), way.machine, way.kind, std::string(to_string(way.right)), {}};
}

std::unexpected<Error> unknown() { return fail(Code::kNotFound, "instance-unknown", "There is no such instance."); }

/// The machine that is meant, by its name in the template.
Result<std::string> machine_of(const labs::Instance& instance, const std::string& wanted) {
  const auto& plan = instance.plan;
  auto name = wanted;
  if (name.empty() && !plan.endpoints.empty()) name = plan.endpoints.front().machine;
  for (const auto& machine : plan.machines) {
    if (name.empty() || machine.service == name) return machine.service;
  }
  return fail(Code::kNotFound, "machine-unknown",
              fmt::format("The instance has no machine '{}'.", wanted.substr(0, 60)));
}

bool is_end(const bus::Event& event) {
  using namespace labs::events;
  return event.kind == kStopping || event.kind == kEnding || event.kind == kStopped || event.kind == kExpired ||
         event.kind == kFailed;
}

}  // namespace

std::string_view to_string(Right right) { return right == Right::kWatch ? "watch" : "control"; }

std::optional<Right> right_named(std::string_view word) {
  if (word == "watch") return Right::kWatch;
  if (word == "control") return Right::kControl;
  return std::nullopt;
}

struct Service::Open {
  Opened opened;
  bool ended = false;  ///< on the home loop
  std::shared_ptr<void> listed = {};
};

Service::Service(Parts parts) : parts_(parts), look_(parts_.home) {}

asio::awaitable<Result<Admission>> Service::admit(identity::Principal who, Way way) {
  auto found = co_await parts_.labs.find(way.instance);
  if (!found) co_return fail(std::move(found.error()));
  if (!*found) co_return unknown();
  auto& instance = **found;
  const bool owns = who.owner() == instance.owner;
  if (!owns && !who.staff()) co_return unknown();
  if (!labs::is_up(instance.state) && instance.state != labs::InstanceState::kStarting) {
    co_return fail(Code::kConflict, "instance-not-running",
                   "The instance does not run; its machines cannot be reached.");
  }
  auto machine = machine_of(instance, way.machine);
  if (!machine) co_return fail(std::move(machine.error()));
  way.machine = std::move(*machine);
  std::string via = owns ? instance.owner : std::string();
  co_return Admission{std::move(instance), std::move(way), std::move(via)};
}

asio::awaitable<Result<Grant>> Service::issue(identity::Principal who, Way way) {
  auto admission = co_await admit(who, std::move(way));
  if (!admission) co_return fail(std::move(admission.error()));
  const auto now = parts_.clock.now();
  Grant grant{random_hex(16), std::move(admission->way), now + kRedeemWithin};
  auto row = row_of(who.user, grant.token, grant.way);
  row.ends_at = grant.ends_at;
  auto work = [row = std::move(row), now](soci::session& sql) -> Result<> {
    sql::add_grant(sql, row, now);
    return {};
  };
  auto done = co_await parts_.store.write(std::move(work), store::Order::kLoose);
  if (!done) co_return fail(std::move(done.error()));
  co_return grant;
}

asio::awaitable<Result<>> Service::redeem(UserId user, std::string token, Way way) {
  auto wanted = row_of(user, token, way);
  auto work = [hash = wanted.hash](soci::session& sql) -> Result<std::optional<GrantRow>> {
    return sql::take_grant(sql, hash);
  };
  auto taken = co_await parts_.store.write(std::move(work), store::Order::kLoose);
  if (!taken) co_return fail(std::move(taken.error()));
  if (*taken) wanted.ends_at = (*taken)->ends_at;
  if (*taken && **taken == wanted && parts_.clock.now() < wanted.ends_at) co_return Result<>{};
  co_return fail(Code::kForbidden, "grant-over",
                 fmt::format("This grant lets nobody in: it was used, is older than {} seconds, or is for somebody or "
                             "something else. Ask for another.",
                             kRedeemWithin.count()));
}

asio::awaitable<Result<Admission>> Service::enter(http::Request request, Way way) {
  const auto who = identity::principal_of(request);
  auto admission = co_await admit(who, std::move(way));
  if (!admission) co_return fail(std::move(admission.error()));
  auto token = request.query_value("grant");
  if (token.empty()) {
    // A browser sends a cookie whoever made it ask, and a log may have kept the address: neither is enough.
    if (request.headers.has("Authorization")) co_return admission;
    co_return fail(Code::kForbidden, "grant-needed",
                   "Ask for a grant first (POST /api/v1/instances/ID/grants), and send it as ?grant=…; or send an "
                   "Authorization header.");
  }
  auto good = co_await redeem(who.user, std::move(token), admission->way);
  if (!good) co_return fail(std::move(good.error()));
  co_return admission;
}

std::shared_ptr<void> Service::begin(Opened opened) {
  const auto open = std::make_shared<Open>(Open{std::move(opened)});
  const auto& [who, admission, end, still] = open->opened;
  labs::Sessions::Facts facts{admission.instance.id, new_ulid(), admission.way.machine,
                              admission.way.kind,    who.user,   who.name,
                              parts_.clock.now()};
  open->listed = parts_.labs.sessions().list({std::move(facts), end});
  const std::lock_guard lock(listed_->mutex);
  const auto key = ++listed_->last;
  listed_->open.emplace(key, open);
  auto leave = [listed = listed_, open, key](void*) {
    {
      const std::lock_guard again(listed->mutex);
      listed->open.erase(key);
    }
    open->listed.reset();
  };
  look_.set();  // what was lost while it was being opened
  return {open.get(), std::move(leave)};
}

std::vector<std::shared_ptr<Service::Open>> Service::all_open() const {
  const std::lock_guard lock(listed_->mutex);
  std::vector<std::shared_ptr<Open>> all;
  for (const auto& [key, open] : listed_->open) all.push_back(open);
  return all;
}

void Service::open() {
  listener_ = parts_.store.listen(bus::kRightsChannel, parts_.home, [this](const store::News&) { look_.set(); });
  subscription_ = parts_.bus.subscribe([this](const bus::Event& event) { on_event(event); });
  gate_.spawn(parts_.home, "follow who may stay in machines", follow());
}

asio::awaitable<void> Service::close() {
  listener_.reset();
  subscription_.reset();
  co_await gate_.close();
}

void Service::on_event(const bus::Event& event) {
  if (!is_end(event)) return;
  for (const auto& open : all_open()) {
    if (open->opened.admission.instance.id.str() == event.subject)
      gate_.spawn(parts_.home, "end what is open in an instance that ends", throw_out(open));
  }
}

asio::awaitable<void> Service::throw_out(std::shared_ptr<Open> open) {
  if (std::exchange(open->ended, true)) co_return;
  auto ended = co_await open->opened.end();
  if (!ended) {
    open->ended = false;  // looked at again
    log::warn("grants", "what somebody has open cannot be ended; it is tried again",
              {{"reason", ended.error().reason}, {"instance", open->opened.admission.instance.id.str()}});
  }
}

asio::awaitable<bool> Service::may_stay(std::shared_ptr<Open> open) {
  if (open->opened.still) {
    auto still = open->opened.still();
    if (!co_await std::move(still)) co_return false;
  }
  auto again = co_await admit(open->opened.who, open->opened.admission.way);
  // A database that does not answer is no reason to cut anybody off.
  co_return again.has_value() || again.error().code == Code::kUnavailable || again.error().code == Code::kInternal;
}

asio::awaitable<void> Service::follow() {
  while (true) {
    look_.reset();
    for (const auto& open : all_open()) {
      const bool stays = open->ended || co_await may_stay(open);
      if (!stays) co_await throw_out(open);
    }
    co_await look_.wait_for(kLookEvery);
  }
}

}  // namespace tiltyard::grants
