#include "base/text.h"
#include "farm/farm.h"

#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/failpoint.h"
#include "farm/format.h"
#include "farm/state.h"
#include "net/text.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMostInvalidShown = 20;
constexpr std::size_t kMostSenders = 500;
constexpr Duration kForgetSenders = std::chrono::minutes{5};

std::string_view address_of(const http::Request& request) {
  return request.client_address.empty() ? request.remote_address : request.client_address;
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Why a text is no flag; empty when it is one.
std::string_view fault_of(std::string_view text, const FlagFormat& format) {
  if (text.empty()) return "It is empty.";
  if (text.size() > FlagFormat::kLongestFlag) return "It is longer than 256 bytes.";
  if (has_control(text)) return "It has control characters in it.";
  if (!format.matches(text)) return "It does not match the flag format.";
  return {};
}

std::string_view service_of(const Config& config, std::string_view sploit) {
  if (config.services.empty()) return {};
  if (const auto exact = config.services.find(sploit); exact != config.services.end()) return exact->second;
  for (const auto& [pattern, service] : config.services) {
    if (pattern.ends_with('*') && sploit.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1)))
      return service;
  }
  return {};
}

/// What is good of a post, each with the team's name and a service; what is not goes into the receipt.
std::vector<NewFlag> sift(const Service::State& state, const std::vector<NewFlag>& flags, PostReceipt& receipt) {
  std::vector<NewFlag> good;
  good.reserve(flags.size());
  std::string cleaned;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    auto flag = flags[i];
    if (const auto fault = fault_of(flag.flag, *state.config->format); !fault.empty()) {
      if (receipt.invalid_count++ < kMostInvalidShown)
        receipt.invalid.push_back({i, std::string(clean(flag.flag, 100, cleaned)), std::string(fault)});
      continue;
    }
    if (flag.service.empty()) flag.service = service_of(*state.config, flag.sploit);
    if (!flag.team.empty()) {
      const auto name = state.team_names.find(std::string(flag.team));
      if (name != state.team_names.end()) flag.team = name->second;
    }
    good.push_back(flag);
  }
  return good;
}

void note_sender(Service::State& state, const std::string& name, TimePoint now, std::size_t leased,
                 std::size_t answered) {
  if (state.senders.size() >= kMostSenders && !state.senders.contains(name)) {
    std::erase_if(state.senders, [&](const auto& item) { return item.second.seen_at + kForgetSenders < now; });
    if (state.senders.size() >= kMostSenders) return;
  }
  auto& sender = state.senders[name];
  sender.seen_at = now;
  sender.leased += leased;
  sender.answered += answered;
}

void note_leased(Service::State& state, const Lease& lease, const std::string& sender, TimePoint now) {
  state.changed = true;
  state.rate.paid(lease.flags.size(), now);
  state.figures.leases.add();
  note_sender(state, sender, now, lease.flags.size(), 0);
  for (const auto& flag : lease.flags) {
    if (flag.attempt == 1)
      state.figures.first_hand_out_seconds.observe(seconds(now - (flag.expires_at - state.books.rules().lifetime)));
  }
}

void note_answered(Service::State& state, const VerdictReport& report, const VerdictReceipt& receipt, TimePoint now) {
  auto& figures = state.figures;
  if (report.limited) {
    state.rate.limited(report.retry_after, now);
    figures.limited.add();
  } else if (!report.verdicts.empty()) {
    state.rate.answered(now);
  }
  note_sender(state, state.books.sender_of(report.lease), now, 0, report.verdicts.size());
  figures.late.add(static_cast<double>(receipt.late));
  const auto& flags = state.books.flags();
  for (const auto& verdict : report.verdicts) {
    figures.verdicts[static_cast<std::size_t>(verdict.verdict)].add();
    const auto flag = flags.find(verdict.flag);
    if (flag && is_final(flags[*flag].status)) figures.decided_seconds.observe(flags[*flag].decided_ms / 1000.0);
  }
  state.changed = true;
}

/// The next time at which trying again may give something.
TimePoint next_try(Service::State& state, TimePoint now) {
  if (!state.rate.allowed(now)) return state.rate.next();
  return state.books.next_due().value_or(now + std::chrono::hours{1});
}

/// Flags for a sender, if there are some and the jury may be called now.
std::optional<Lease> try_lease(Service::State& state, const std::string& sender, std::size_t most) {
  const auto now = state.time.now();
  if (!state.rate.allowed(now)) return std::nullopt;
  auto lease = state.books.lease(sender, most, now, state.journal.open());
  state.journal.filled();
  if (!lease) return std::nullopt;
  note_leased(state, *lease, sender, now);
  lease->protocol = state.config->jury.protocol;
  lease->settings = state.config->jury.settings;
  lease->settings_version = state.config->version;
  return lease;
}

}  // namespace

Result<> check_on(const Service::State& state) {
  if (state.on) return {};
  return fail(Code::kNotFound, "farm-off", "This server has no flag farm: name its configuration with farm.config.");
}

Service::Service(Options options, Parts parts)
    : state_(std::make_shared<State>(std::move(options), std::move(parts))) {}
Service::~Service() = default;

bool Service::on() const { return state_->on; }
std::shared_ptr<const Config> Service::config() const { return state_->config; }
Tally Service::totals() const { return state_->books.totals(); }

bool Service::bars(std::string_view address) const { return state_->visitors.barred(address); }
bool Service::may_call(std::string_view address) const { return state_->visitors.may_call(address); }

bool Service::knows(std::span<const std::string_view> shown, std::string_view address) const {
  const auto& token = state_->token();
  if (!state_->on || token.empty()) return false;
  bool right = false, tried = false;
  for (const auto text : shown) {
    right = right || (!text.empty() && token.equals(text));
    tried = tried || !text.empty();
  }
  if (!tried || bars(address)) return false;
  if (!right) state_->visitors.note_wrong(address);
  return right;
}

std::shared_ptr<const identity::Principal> Service::principal(const http::Request& request,
                                                              const http::Route& route) const {
  if (!state_->on || !route.pattern.starts_with("/api/v1/farm/") || route.pattern.starts_with("/api/v1/farm/config"))
    return nullptr;
  if (!carries_token(request)) return nullptr;
  identity::Principal farm;
  farm.user = UserId("farm");
  farm.name = "farm";
  farm.role = identity::Role::kOperator;
  farm.kind = "service";
  farm.strategy = "farm-token";
  farm.scopes = static_cast<unsigned>(identity::Scope::kFlags);
  return std::make_shared<const identity::Principal>(std::move(farm));
}

bool Service::carries_token(const http::Request& request) const {
  // DestructiveFarm's clients send X-Token, S4DFarm's the bare password in Authorization.
  const auto field = request.headers.get("Authorization");
  const auto space = field.find(' ');
  const auto behind = space == std::string_view::npos ? field : trim(field.substr(space + 1));
  const bool bearer = space != std::string_view::npos && same_text(field.substr(0, space), "bearer");
  const std::array<std::string_view, 3> shown{request.headers.get("X-Token"), field,
                                              bearer ? behind : std::string_view()};
  // Tokens of people are looked at elsewhere, and are no tries at ours.
  const bool a_person_s = behind.starts_with("ty_") || behind.starts_with("ctfd_");
  return knows(std::span(shown).first(a_person_s ? 1 : shown.size()), address_of(request));
}

asio::awaitable<Result<PostReceipt>> Service::post(std::vector<NewFlag> flags) {
  const auto state = state_;
  if (auto on = check_on(*state); !on) co_return fail(std::move(on.error()));
  if (flags.size() > kMostFlagsInPost)
    co_return fail(Code::kInvalid, "too-many-flags",
                   fmt::format("At most {} flags go into one request; send them in several.", kMostFlagsInPost));
  if (state->journal.congested())
    co_return fail(Code::kUnavailable, "farm-busy",
                   "The disk does not keep up; nothing was taken. Send the same again.");
  const auto began = steady_clock::now();
  PostReceipt receipt;
  receipt.received = flags.size();
  const auto good = sift(*state, flags, receipt);
  const bool idle = state->books.waiting() == 0;
  const auto added = state->books.add(good, state->time.now(), state->journal.open());
  // Senders first: a lease that they take now goes into the same row, and so to disk with the same commit.
  if (idle && added.fresh > 0) state->work.pulse();
  state->journal.filled();
  receipt.fresh = added.fresh;
  receipt.duplicate = added.duplicate;
  state->changed = true;
  state->invalid += receipt.invalid_count;
  auto settled = co_await state->journal.settled();
  if (!settled) co_return fail(std::move(settled.error()));
  auto& figures = state->figures;
  figures.received_new.add(static_cast<double>(receipt.fresh));
  figures.received_duplicate.add(static_cast<double>(receipt.duplicate));
  figures.received_invalid.add(static_cast<double>(receipt.invalid_count));
  figures.ingest_seconds.observe(std::chrono::duration<double>(steady_clock::now() - began).count());
  co_return receipt;
}

asio::awaitable<Result<std::optional<Lease>>> Service::lease(std::string sender, std::size_t most,
                                                             std::chrono::milliseconds wait) {
  const auto state = state_;
  if (auto on = check_on(*state); !on) co_return fail(std::move(on.error()));
  const auto until = steady_clock::now() + wait;
  std::optional<Lease> lease;
  while (true) {
    if (state->stopping) co_return std::optional<Lease>();
    if (state->journal.congested())
      co_return fail(Code::kUnavailable, "farm-busy", "The disk does not keep up. Try again.");
    const auto batch = state->config->jury.batch;
    lease = try_lease(*state, sender, most == 0 ? batch : std::min(most, batch));
    if (lease) break;
    const auto left = until - steady_clock::now();
    if (left <= steady_clock::duration::zero()) co_return std::optional<Lease>();
    const auto now = state->time.now();
    const auto due = std::max<Duration>(next_try(*state, now) - now, std::chrono::milliseconds{1});
    co_await state->work.wait_for(std::min<steady_clock::duration>(left, due));
  }
  // Only what is on disk is handed out: a server that dies now must know who has the flags.
  auto settled = co_await state->journal.settled();
  if (!settled) co_return fail(std::move(settled.error()));
  auto passed = co_await failpoint("farm.lease.after");
  if (!passed) co_return fail(std::move(passed.error()));
  co_return lease;
}

asio::awaitable<Result<VerdictReceipt>> Service::report(VerdictReport report) {
  const auto state = state_;
  if (auto on = check_on(*state); !on) co_return fail(std::move(on.error()));
  if (state->journal.congested())
    co_return fail(Code::kUnavailable, "farm-busy", "The disk does not keep up. Send the same again.");
  auto before = co_await failpoint("farm.verdicts.before");
  if (!before) co_return fail(std::move(before.error()));
  const auto now = state->time.now();
  const auto waiting = state->books.waiting();
  auto receipt = state->books.report(report, now, state->journal.open());
  state->journal.filled();
  if (!receipt) co_return receipt;
  note_answered(*state, report, *receipt, now);
  if (state->books.waiting() > waiting) state->work.pulse();
  auto settled = co_await state->journal.settled();
  if (!settled) co_return fail(std::move(settled.error()));
  co_return receipt;
}

asio::awaitable<Result<TimePoint>> Service::extend(std::string lease) {
  const auto state = state_;
  if (auto on = check_on(*state); !on) co_return fail(std::move(on.error()));
  auto until = state->books.extend(lease, state->time.now(), state->journal.open());
  state->journal.filled();
  if (!until) co_return until;
  auto settled = co_await state->journal.settled();
  if (!settled) co_return fail(std::move(settled.error()));
  co_return until;
}

Service::AttackData Service::attack_data() const {
  const auto& cache = state_->attack;
  return {boost::json::serialize(cache.services()), cache.stale(cache.flag_ids(), state_->parts.clock.now())};
}

asio::awaitable<Result<>> Service::start() {
  const auto state = state_;
  if (state->options.config_file.empty()) co_return Result<>{};
  if (auto loaded = load_config(*state); !loaded) co_return loaded;
  auto token = load_token(state->options.data_folder);
  if (!token) co_return fail(std::move(token.error()));
  state->made_token = std::move(*token);
  auto recalled = co_await recall(state);
  if (!recalled) co_return recalled;
  state->on = true;
  state->journal.run();
  declare_jobs(state);
  co_return Result<>{};
}

void Service::on_config(std::function<void()> hook) { state_->on_config = std::move(hook); }

void Service::senders_trouble(std::optional<Error> why) { state_->senders_trouble = std::move(why); }

void Service::stop_waiting() {
  state_->stopping = true;
  state_->work.pulse();
}

asio::awaitable<void> Service::close() {
  stop_waiting();
  if (state_->on) co_await state_->journal.close();
  state_->on = false;
}

}  // namespace tiltyard::farm
