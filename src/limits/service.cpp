#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "jobs/jobs.h"
#include "limits/fields.h"
#include "limits/limits.h"
#include "limits/measures.h"
#include "limits/store.h"
#include "net/text.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::limits {
namespace {

constexpr const char* kChanged = "limits_changed";
constexpr std::chrono::seconds kLookEvery{1};

std::int64_t steady_micros() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

const metrics::Gauge& degraded_gauge() {
  static const auto gauge = metrics::gauge(measures::kDegraded);
  return gauge;
}

metrics::Counter refusals_of(const Limiter& limiter) {
  return metrics::counter(measures::kRefused, {std::string(limiter.name)});
}

std::int64_t times(std::int64_t number, double factor, std::int64_t most) {
  return std::clamp<std::int64_t>(std::llround(static_cast<double>(number) * factor), 1, most);
}

std::string_view subject_of(const Caller& caller, Key key) {
  switch (key) {
    case Key::kAddress:
      return caller.address;
    case Key::kName:
      return caller.name;
    case Key::kToken:
      if (!caller.token.empty()) return caller.token;
      break;
    case Key::kTeam:
      if (!caller.team.empty()) return caller.team;
      break;
    case Key::kUser:
      break;
  }
  return caller.user.empty() ? std::string_view(caller.address) : std::string_view(caller.user);
}

}  // namespace

std::string address_share(const asio::ip::address& address) {
  if (address.is_v4()) return http::address_text(address);
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return asio::ip::make_address_v6(bytes).to_string() + "/64";
}

/// The quotas of one request, in a fixed place.
struct Service::Charges {
  std::array<Charge, kMostCharges> all;
  std::array<std::size_t, kMostCharges> limiter{};
  std::size_t size = 0;

  std::span<const Charge> span(std::size_t from = 0) const { return {all.data() + from, size - from}; }
};

Service::Service(asio::any_io_executor home, Options options, store::Store& store, bus::Redis* redis)
    : home_(std::move(home)),
      options_(std::move(options)),
      store_(store),
      memory_(options_.capacity),
      redis_(redis),
      live_(options_.limiters.size()) {
  if (!options_.micros) options_.micros = steady_micros;
  if (redis_ != nullptr) shared_.emplace(*redis_, options_.prefix);
  for (std::size_t i = 0; i < live_.size(); ++i) set(i, limiters()[i].standard);
  degraded_gauge().set(0);
  for (const auto& limiter : limiters()) refusals_.emplace_back(refusals_of(limiter)).add(0);
}

Service::~Service() = default;

void Service::set(std::size_t limiter, const Rates& rates) {
  Rates scaled = rates;
  scaled.burst = times(rates.burst, options_.factor, kMostRate);
  scaled.rate = times(rates.rate, options_.factor, kMostRate);
  if (rates.per_day > 0) scaled.per_day = times(rates.per_day, options_.factor, kMostPerDay);
  const Quota brief = limiters()[limiter].short_quota(scaled);
  const Quota day = scaled.per_day > 0 ? Limiter::daily_quota(scaled) : Quota{};
  Live& live = live_[limiter];
  live.interval = brief.interval;
  live.tolerance = brief.tolerance;
  live.day_interval = day.interval;
  live.day_tolerance = day.tolerance;
}

Rates Service::rates(std::size_t limiter) const {
  const auto changed = changes_.find(limiter);
  return changed == changes_.end() ? limiters()[limiter].standard : changed->second;
}

asio::awaitable<Result<>> Service::load() {
  listener_ = store_.listen(kChanged, home_, [this](const store::News&) {
    gate_.spawn(home_, "read changed limits", read_changes_of_others(this));
  });
  co_return co_await read_changes();
}

asio::awaitable<void> Service::read_changes_of_others(Service* self) {
  auto read = co_await self->read_changes();
  if (!read)
    log::warn("limits", "changed limits could not be read",
              {{"reason", read.error().reason}, {"cause", read.error().cause}});
}

namespace {

/// News do not reach a server that shares an SQLite file with another, and are lost where the way to the database was.
asio::awaitable<Result<jobs::Next>> look(Service* limits) {
  auto read = co_await limits->read_changes();
  if (!read) co_return fail(std::move(read.error()));
  co_return jobs::Next::done();
}

}  // namespace

void Service::declare_jobs(jobs::Service& jobs) {
  jobs::Kind kind;
  kind.name = "limits.look";
  kind.about = "Takes up limits that another server of the database has changed.";
  kind.handler = [this](jobs::Firing) { return look(this); };
  jobs.declare_poll(std::move(kind), kLookEvery);
}

asio::awaitable<Result<>> Service::read_changes() {
  const auto began = edition_;
  auto kept = co_await store_.read(sql::read_changes);
  if (!kept) co_return fail(std::move(kept.error()));
  // Changed here meanwhile: what was read may be from before.
  if (began != edition_) co_return Result<>{};
  std::map<std::size_t, Rates> changes;
  for (const auto& [name, rates] : *kept) {
    // A limiter that an older version had is no trouble.
    if (const auto place = find(name)) changes[*place] = rates;
  }
  if (changes == changes_) co_return Result<>{};
  changes_ = std::move(changes);
  for (std::size_t limiter = 0; limiter < limiters().size(); ++limiter) set(limiter, rates(limiter));
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::change(std::size_t limiter, std::optional<Rates> rates, std::string actor) {
  const std::string name(limiters()[limiter].name);
  auto work = [name, rates, actor](soci::session& session) -> Result<> {
    store::notify(session, kChanged, name);
    return sql::write_change(session, name, rates, actor);
  };
  ++edition_;
  auto written = co_await store_.write(std::move(work));
  ++edition_;
  if (!written) co_return written;
  if (rates) changes_[limiter] = *rates;
  else changes_.erase(limiter);
  set(limiter, this->rates(limiter));
  log::info("limits", "a limiter was changed", {{"limiter", name}, {"by", actor}});
  co_return Result<>{};
}

void Service::bind(const http::Router& router) {
  routes_.clear();
  for (const auto& from : router.routes()) {
    Route& route = routes_.emplace_back();
    route.open = from.access == http::Access::kOpen;
    for (const auto name : from.limits) {
      const auto place = find(name);
      if (!place)
        throw std::logic_error(
            fmt::format("{} {} names a limiter \"{}\", which there is not", from.method, from.pattern, name));
      (limiters()[*place].key == Key::kAddress ? route.early : route.late).push_back(*place);
    }
    if ((route.early.size() + route.late.size()) * 2 > kMostCharges) {
      throw std::logic_error(fmt::format("{} {} has too many limiters", from.method, from.pattern));
    }
  }
}

std::optional<std::size_t> Service::find(std::string_view name) const {
  const auto found = std::ranges::find(limiters(), name, &Limiter::name);
  if (found == limiters().end()) return std::nullopt;
  return static_cast<std::size_t>(found - limiters().begin());
}

bool Service::counts(std::size_t route, Key key) const {
  return std::ranges::any_of(routes_[route].late,
                             [this, key](std::size_t limiter) { return limiters()[limiter].key == key; });
}

void Service::add(Charges& to, std::size_t limiter, std::string_view subject, std::int64_t factor) const {
  const Live& live = live_[limiter];
  const auto put = [&](bool daily, std::int64_t interval, std::int64_t tolerance) {
    Quota quota{interval, tolerance};
    // As many times as often: the same reach ahead in smaller steps.
    if (factor > 1)
      quota = {std::max<std::int64_t>(1, interval / factor),
               std::max<std::int64_t>(1, interval / factor) * quota.burst() * factor};
    to.limiter[to.size] = limiter;
    to.all[to.size++] = Charge{limiters()[limiter].name, subject, daily, quota};
  };
  constexpr auto kRelaxed = std::memory_order_relaxed;
  put(false, live.interval.load(kRelaxed), live.tolerance.load(kRelaxed));
  if (const auto day = live.day_interval.load(kRelaxed); day > 0)
    put(true, day, std::max(day, live.day_tolerance.load(kRelaxed)));
}

namespace {

/// The quota that makes the caller wait longest.
std::size_t worst(std::span<const Charge> charges, const Outcome& outcome) {
  std::size_t place = 0;
  std::int64_t longest = -1;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    if (const auto wait = charges[i].quota.wait(outcome.debt[i]); wait > longest) {
      longest = wait;
      place = i;
    }
  }
  return place;
}

Error refusal(const Charge& charge, std::int64_t debt) {
  const std::int64_t seconds = std::max<std::int64_t>(1, (charge.quota.wait(debt) + 999'999) / 1'000'000);
  return Error{Code::kLimited,
               "rate-limited",
               fmt::format("That is more than this server takes at once. Try again in {} s.", seconds),
               {},
               {}}
      .with("limiter", std::string(charge.limiter))
      .with("limit", std::to_string(charge.quota.burst()))
      .with("retry_after_s", std::to_string(seconds));
}

}  // namespace

std::optional<http::Response> Service::guard(std::size_t route, std::string_view address) {
  if (routes_[route].early.empty()) return std::nullopt;
  Charges charges;
  for (const std::size_t limiter : routes_[route].early) add(charges, limiter, address, 1);
  const Outcome outcome = memory_.take(charges.span(), options_.micros());
  if (outcome.allowed) return std::nullopt;
  const std::size_t place = worst(charges.span(), outcome);
  refusals_[charges.limiter[place]].add();
  auto response = http::problem(refusal(charges.all[place], outcome.debt[place]));
  for (auto& [name, value] : fields(charges.span(), outcome)) response.headers.add(std::move(name), std::move(value));
  return response;
}

/// In Redis all quotas at once; in memory those by address are charged already, by guard().
asio::awaitable<Outcome> Service::take(const Charges& charges, std::size_t first_late) {
  if (shared_ && !degraded_) {
    auto outcome = co_await shared_->take(charges.span());
    if (outcome) {
      // So that this server goes on from here should Redis go away.
      if (outcome->allowed) memory_.follow(charges.span(first_late), options_.micros());
      co_return *outcome;
    }
    degrade(outcome.error());
  }
  const Outcome late = memory_.take(charges.span(first_late), options_.micros());
  Outcome outcome;
  // What was charged before is only looked up to be told.
  if (!late.allowed || first_late == charges.size) outcome = memory_.look(charges.span(0), options_.micros());
  outcome.allowed = late.allowed;
  std::copy_n(late.debt.begin(), charges.size - first_late,
              outcome.debt.begin() + static_cast<std::ptrdiff_t>(first_late));
  co_return outcome;
}

asio::awaitable<Result<>> Service::pass(std::size_t route, http::Request& request, Caller caller) {
  const Route& limits = routes_[route];
  Charges charges;
  for (const std::size_t limiter : limits.early) add(charges, limiter, caller.address, 1);
  const std::size_t first_late = charges.size;
  for (const std::size_t limiter : limits.late)
    add(charges, limiter, subject_of(caller, limiters()[limiter].key), caller.factor);
  if (charges.size == 0) co_return Result<>{};
  const Outcome outcome = co_await take(charges, first_late);
  // The flood limit by address is nobody's plan: it is told of where it is alone, or refuses.
  const bool tell_all = limits.late.empty() || !outcome.allowed;
  request.answer_fields =
      tell_all ? fields(charges.span(), outcome) : fields(charges.span(first_late), outcome, first_late);
  if (outcome.allowed) co_return Result<>{};
  const std::size_t place = worst(charges.span(), outcome);
  refusals_[charges.limiter[place]].add();
  co_return fail(refusal(charges.all[place], outcome.debt[place]));
}

asio::awaitable<Result<>> Service::charge(std::string_view limiter, Caller caller) {
  const auto place = find(limiter);
  if (!place) throw std::logic_error(fmt::format("there is no limiter \"{}\"", limiter));
  Charges charges;
  add(charges, *place, subject_of(caller, limiters()[*place].key), caller.factor);
  const Outcome outcome = co_await take(charges, 0);
  if (outcome.allowed) co_return Result<>{};
  const std::size_t longest = worst(charges.span(), outcome);
  refusals_[charges.limiter[longest]].add();
  co_return fail(refusal(charges.all[longest], outcome.debt[longest]));
}

void Service::degrade(const Error& error) {
  if (!degraded_) {
    degraded_ = true;
    degraded_gauge().set(1);
    log::warn("limits", "Redis is away; limits are counted in this process until it is back",
              {{"reason", error.reason}, {"cause", error.cause}});
  }
  if (recovering_) return;
  recovering_ = true;
  gate_.spawn(home_, "look for Redis", recover(this));
}

/// Asks until Redis answers in time again. No request waits meanwhile.
asio::awaitable<void> Service::recover(Service* self) {
  asio::steady_timer timer(self->home_);
  while (self->degraded_) {
    timer.expires_after(self->options_.retry);
    co_await timer.async_wait(asio::use_awaitable);
    if (!self->redis_->connected()) continue;
    std::vector<std::string> words{"PING"};
    const auto reply = co_await self->redis_->command(std::move(words));
    if (!reply || reply->kind == bus::RedisReply::Kind::kError) continue;
    self->degraded_ = false;
    degraded_gauge().set(0);
    log::info("limits", "Redis is back; limits are shared again", {});
  }
  self->recovering_ = false;
}

std::string_view Service::counted_in() const {
  if (!shared_) return "memory";
  return degraded_ ? "memory, because Redis is away" : "redis";
}

asio::awaitable<void> Service::close() {
  listener_.reset();
  co_await gate_.close();
}

}  // namespace tiltyard::limits
