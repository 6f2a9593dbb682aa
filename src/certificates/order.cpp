// An order's way, from wherever it stands: its URL and key are kept, so a server that dies in between goes on with it.
#include <fmt/format.h>
#include <soci/soci.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "base/backoff.h"
#include "base/base64url.h"
#include "base/failpoint.h"
#include "certificates/state.h"
#include "certificates/x509.h"
#include "observe/log.h"

namespace tiltyard::certificates {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstLook{100}, kLongestLook{5'000};
constexpr std::chrono::seconds kMostPatience{60}, kAttempt{240};

constexpr char kSlow[] = "acme-slow";

asio::awaitable<void> wait(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

std::string_view type_of(Proving proving) {
  switch (proving) {
    case Proving::kHttp:
      return "http-01";
    case Proving::kTlsAlpn:
      return "tls-alpn-01";
    case Proving::kDns:
      return "dns-01";
  }
  return "http-01";
}

}  // namespace

bool keeps_order(const Error& error) {
  return error.reason == acme::reason::kAway || error.reason == acme::reason::kLimited || error.reason == kSlow ||
         error.reason == acme::reason::kAnswer || error.reason == acme::reason::kBadNonce ||
         error.code == Code::kUnavailable || error.code == Code::kTimeout;
}

bool is_ordered(const acme::Authorization& authorization, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](std::string_view name) {
    return authorization.name == (name.starts_with("*.") ? name.substr(2) : name);
  });
}

asio::awaitable<Result<>> Ordering::save() {
  auto work = [name = row_.name, progress = row_.progress](soci::session& sql) -> Result<> {
    rows::save(sql, name, progress);
    return {};
  };
  co_return co_await state_.parts.store.write(std::move(work));
}

Result<Secret> Ordering::key() const {
  auto key = state_.seal->open_text(row_.progress.order_key);
  if (!key) return fail(Code::kInternal, "certificates-key", "The order's key cannot be opened; a new one is made.");
  return std::move(*key);
}

asio::awaitable<Result<acme::Order>> Ordering::place(acme::NewOrder wanted) {
  auto placed = co_await ca_.new_order(wanted);
  if (!placed && placed.error().reason == acme::reason::kNoAccount) {
    auto opened = co_await state_.open_account_again();
    if (!opened) co_return fail(std::move(opened.error()));
    placed = co_await ca_.new_order(wanted);
  }
  if (!placed && placed.error().reason == acme::reason::kReplaced) {
    wanted.replaces.clear();
    placed = co_await ca_.new_order(std::move(wanted));
  }
  co_return placed;
}

asio::awaitable<Result<acme::Order>> Ordering::begin() {
  auto known = co_await ca_.directory();
  if (!known) co_return fail(std::move(known.error()));
  acme::NewOrder wanted{row_.names, state_.options.profile, {}};
  // A CA that gives renewal information exempts what is announced as a renewal from its limits (RFC 9773, 5). A second
  // try does without, in case that was what it did not like.
  const bool same_ca = row_.progress.directory == state_.options.directory;
  if (!known->renewal_info.empty() && same_ca && row_.progress.tries == 0 && !row_.chain.empty())
    wanted.replaces = ari_id(row_.chain);
  auto placed = co_await place(std::move(wanted));
  if (!placed) co_return placed;
  auto fresh = new_key();
  if (!fresh) co_return fail(std::move(fresh.error()));
  auto& progress = row_.progress;
  progress.order_url = placed->url;
  progress.order_directory = state_.options.directory;
  progress.order_names = row_.names;
  progress.order_key = state_.seal->close(fresh->reveal());
  if (auto saved = co_await save(); !saved) co_return fail(std::move(saved.error()));
  if (auto passed = co_await failpoint("certificates.ordered"); !passed) co_return fail(std::move(passed.error()));
  co_return placed;
}

/// The order that was kept; where it is none of ours, or not there any more, a new one.
asio::awaitable<Result<acme::Order>> Ordering::resume() {
  auto& progress = row_.progress;
  const bool ours = !progress.order_url.empty() && progress.order_directory == state_.options.directory &&
                    progress.order_names == row_.names && key();
  if (!ours) co_return co_await begin();
  auto kept = co_await ca_.order(progress.order_url);
  if (kept && kept->status != acme::Status::kInvalid) co_return kept;
  if (!kept && keeps_order(kept.error())) co_return kept;
  log::info("certificates", "an order that was kept is gone; a new one is made", {{"certificate", row_.name}});
  progress.order_url.clear();
  co_return co_await begin();
}

asio::awaitable<Result<Ordering::Got>> Ordering::run() {
  const auto until = Steady::now() + kAttempt;
  auto order = co_await resume();
  Growing<std::chrono::milliseconds> pause(kFirstLook, kLongestLook);
  while (order && order->status != acme::Status::kValid) {
    if (order->status == acme::Status::kInvalid) co_return fail(co_await why_invalid(*order));
    auto stepped = co_await step(*order);
    if (!stepped) co_return fail(std::move(stepped.error()));
    if (Steady::now() > until)
      co_return fail(Code::kTimeout, kSlow, "The CA has not ended the order yet; it is looked at again later.");
    const auto asked = std::min<std::chrono::milliseconds>(order->retry_after, kMostPatience);
    co_await wait(std::max(pause.next(), asked));
    auto url = order->url;
    order = co_await ca_.order(std::move(url));
  }
  if (!order) co_return fail(std::move(order.error()));
  if (auto passed = co_await failpoint("certificates.issued"); !passed) co_return fail(std::move(passed.error()));
  auto secret = key();
  if (!secret) co_return fail(std::move(secret.error()));
  auto chain = co_await ca_.download(order->certificate);
  if (!chain) co_return fail(std::move(chain.error()));
  co_return Got{std::move(*chain), std::move(*secret)};
}

asio::awaitable<Result<>> Ordering::step(acme::Order order) {
  if (order.status == acme::Status::kPending) co_return co_await prove(std::move(order));
  if (order.status != acme::Status::kReady) co_return Result<>{};
  auto secret = key();
  if (!secret) co_return fail(std::move(secret.error()));
  auto request = signing_request(*secret, row_.names);
  if (!request) co_return fail(std::move(request.error()));
  auto done = co_await ca_.finalize(std::move(order), std::move(*request));
  // It was finalized before, by a server that died, or is not ready yet after all: the next look says.
  if (!done && done.error().reason != acme::reason::kNotReady) co_return done;
  co_return co_await failpoint("certificates.finalized");
}

/// All answers are in their places before the first is asked for, so that the wait for the DNS is one.
asio::awaitable<Result<>> Ordering::prove(acme::Order order) {
  std::vector<acme::Challenge> ready;
  bool dns = false;
  open_.clear();
  for (const auto& url : order.authorizations) {
    auto authorization = co_await ca_.authorization(url);
    if (!authorization) co_return fail(std::move(authorization.error()));
    if (!is_ordered(*authorization, row_.names))
      co_return fail(Code::kConflict, "acme-name", "The CA wants a name to be proved that was not ordered.");
    if (authorization->status == acme::Status::kValid) continue;
    if (authorization->status == acme::Status::kInvalid) co_return fail(co_await why_invalid(order));
    open_.push_back(url);
    const auto type = type_of(authorization->wildcard ? Proving::kDns : state_.options.proving);
    const auto* challenge = authorization->find(type);
    if (challenge == nullptr)
      co_return fail(Code::kConflict, "acme-challenge-missing",
                     fmt::format("The CA does not offer {} for {}.", type, authorization->name));
    if (started_.contains(challenge->url)) continue;
    auto shown = co_await show(*authorization, *challenge);
    if (!shown) co_return shown;
    dns = dns || challenge->type == "dns-01";
    ready.push_back(*challenge);
  }
  if (dns && state_.options.dns_wait.count() > 0) co_await wait(state_.options.dns_wait);
  for (const auto& challenge : ready) {
    started_.insert(challenge.url);
    // One that the CA looks at already, since before a restart, is not begun again.
    if (challenge.status != acme::Status::kPending) continue;
    auto begun = co_await ca_.start_challenge(challenge.url);
    if (!begun) co_return begun;
  }
  if (!ready.empty()) co_return co_await failpoint("certificates.proving");
  co_return Result<>{};
}

asio::awaitable<Result<>> Ordering::show(acme::Authorization authorization, acme::Challenge challenge) {
  const auto answer = key_authorization(challenge.token, ca_.key());
  rows::Proof proof{"http", challenge.token, answer, row_.name};
  if (challenge.type == "tls-alpn-01") proof = {"tls", authorization.name, answer, row_.name};
  if (challenge.type == "dns-01")
    proof = {"dns", "_acme-challenge." + authorization.name, base64url(sha256(answer)), row_.name};
  co_return co_await state_.proofs->show(std::move(proof));
}

/// The CA says it at the challenge, seldom at the order.
asio::awaitable<Error> Ordering::why_invalid(acme::Order order) {
  for (const auto& url : order.authorizations) {
    auto authorization = co_await ca_.authorization(url);
    if (!authorization || authorization->status != acme::Status::kInvalid) continue;
    if (!is_ordered(*authorization, row_.names)) continue;
    for (const auto& challenge : authorization->challenges) {
      if (!challenge.error) continue;
      auto error = *challenge.error;
      error.message = fmt::format("{}: {}", authorization->name, error.message);
      co_return error;
    }
  }
  if (order.error) co_return *order.error;
  co_return Error{Code::kConflict, "acme-invalid", "The CA declared the order invalid and does not say why.", {}, {}};
}

asio::awaitable<void> Ordering::give_up() {
  for (const auto& url : std::exchange(open_, {})) {
    auto done = co_await ca_.deactivate(url);
    if (!done) co_return;  // they end by themselves
  }
}

}  // namespace tiltyard::certificates
