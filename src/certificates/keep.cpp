// When a certificate is ordered, renewed, tried again and let go.
#include <fmt/format.h>
#include <soci/soci.h>
#include <sodium.h>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

#include "base/backoff.h"
#include "bus/event_log.h"
#include "certificates/events.h"
#include "certificates/measures.h"
#include "certificates/state.h"
#include "certificates/x509.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "tls/certificates.h"

namespace tiltyard::certificates {
namespace {

namespace json = boost::json;

constexpr std::chrono::hours kLookAgain{6};     ///< at the latest, with nothing to do
constexpr std::chrono::hours kKeptFor{24 * 7};  ///< after nobody wants it any more
constexpr std::chrono::hours kLongestPause{24 * 7};
constexpr std::chrono::minutes kLeastAsk{1};  ///< between two questions for renewal information
constexpr int kIgnoresAdvice = 20;            ///< so small a part of the lifetime left: no matter what the CA advises

double chance() {
  constexpr std::uint32_t kSteps = 1'000'000;
  return randombytes_uniform(kSteps) / double{kSteps};
}

/// How long the CA wants to be left alone.
Duration asked_pause(const Error& error) {
  for (const auto& [key, value] : error.fields) {
    std::int64_t seconds = 0;
    if (key != acme::kRetryAfter) continue;
    std::from_chars(value.data(), value.data() + value.size(), seconds);
    return std::clamp<Duration>(std::chrono::seconds{seconds}, Duration{}, kLongestPause);
  }
  // It limits and does not say for how long; the shortest window that public CAs have.
  if (error.reason == acme::reason::kLimited) return std::chrono::hours{1};
  return {};
}

jobs::Next at(TimePoint when, TimePoint now) {
  return jobs::Next::again(std::clamp<Duration>(when - now, Duration{}, kLookAgain));
}

std::string listed(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

}  // namespace

bool is_due(const Row& row, const Options& options, TimePoint now) {
  if (row.chain.empty() || row.asked_at != TimePoint{}) return true;
  if (row.progress.directory != options.directory || row.progress.renew_at <= now) return true;
  return row.progress.names != row.names;
}

TimePoint usual_renewal(TimePoint not_before, TimePoint not_after, double chance) {
  const auto third = (not_after - not_before) / 3;
  return not_after - third - std::chrono::duration_cast<Duration>(third * (chance / 10));
}

Duration pause_after(int tries, double chance) {
  return scattered_delay<Duration>(std::chrono::minutes{1}, std::chrono::hours{6}, tries, chance);
}

asio::awaitable<Result<jobs::Next>> Service::State::keep(std::string name) {
  auto look = [name](soci::session& sql) -> Result<std::optional<Row>> { return rows::find(sql, name); };
  auto row = co_await parts.store.read(std::move(look));
  if (!row) co_return fail(std::move(row.error()));
  if (!*row) co_return jobs::Next::done();
  if (!(*row)->wanted) co_return co_await let_go(std::move(**row));
  if (!on()) co_return jobs::Next::done();
  co_return co_await keep_wanted(std::move(**row));
}

asio::awaitable<Result<jobs::Next>> Service::State::let_go(Row row) {
  parts.shelf.drop("acme:" + row.name);
  co_await proofs->take_away(row.name);
  const auto now = parts.clock.now();
  if (const auto end = row.withdrawn_at + kKeptFor; end > now) co_return at(end, now);
  auto work = [name = row.name](soci::session& sql) -> Result<> {
    rows::remove(sql, name);
    return {};
  };
  auto gone = co_await parts.store.write(std::move(work));
  if (!gone) co_return fail(std::move(gone.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<jobs::Next>> Service::State::keep_wanted(Row row) {
  const auto now = parts.clock.now();
  if (!row.chain.empty()) {
    if (auto shown = show(row); !shown) row.chain.clear();
  }
  if (!is_due(row, options, now)) {
    tell(row.name);
    if (row.progress.ask_at <= now) {
      auto asked = co_await ask_when(std::move(row));
      if (!asked) co_return fail(std::move(asked.error()));
      co_return jobs::Next::again({});
    }
    co_return at(std::min(row.progress.renew_at, row.progress.ask_at), now);
  }
  // Who asks for it now need not wait for our own patience to end, but for the CA's.
  auto from = row.progress.paused_until;
  if (row.asked_at == TimePoint{}) from = std::max(from, row.progress.next_try);
  if (from > now) co_return at(from, now);
  auto done = co_await order_new(std::move(row));
  if (!done) co_return fail(std::move(done.error()));
  co_return jobs::Next::again({});
}

asio::awaitable<Result<>> Service::State::order_new(Row row) {
  auto authority = co_await ca();
  if (!authority) co_return co_await failed(std::move(row), std::move(authority.error()));
  Ordering ordering(*this, **authority, row);
  auto got = co_await ordering.run();
  if (got) {
    auto pair = fitting(got->chain, got->key, row.names, parts.clock.now());
    if (pair) co_return co_await succeeded(std::move(row), std::move(got->chain), std::move(got->key));
    got = fail(std::move(pair.error()));
    row.progress.order_url.clear();
  }
  if (!keeps_order(got.error())) {
    co_await ordering.give_up();
    row.progress.order_url.clear();
  }
  co_return co_await failed(std::move(row), std::move(got.error()));
}

asio::awaitable<Result<>> Service::State::succeeded(Row row, std::string chain, Secret key) {
  const auto pair = tls::Pair::parse(chain, key);
  if (!pair) co_return fail(pair.error());
  const auto now = parts.clock.now();
  Progress progress;
  progress.directory = options.directory;
  progress.names = row.names;
  progress.not_before = pair->not_before();
  progress.not_after = pair->not_after();
  progress.issuer = pair->issuer();
  progress.renew_at = usual_renewal(pair->not_before(), pair->not_after(), chance());
  progress.ask_at = now;
  const auto seen = row.asked_at;
  const auto& before = row.progress;
  const bool advised = !row.chain.empty() && seen == TimePoint{} && before.renew_at <= now &&
                       now < usual_renewal(before.not_before, before.not_after, 1);
  if (advised) progress.early = before.early + 1;
  row.chain = std::move(chain);
  row.key = seal->close(key.reveal());
  row.progress = std::move(progress);
  bus::Event event;
  event.kind = events::kIssued;
  event.subject = row.name;
  event.at = now;
  event.detail = json::serialize(json::object{
      {"names", listed(row.names)}, {"issuer", row.progress.issuer}, {"until", to_rfc3339(row.progress.not_after)}});
  auto work = [row, seen, event](soci::session& sql) -> Result<> {
    rows::save_pair(sql, row);
    rows::answered(sql, row.name, seen);
    return bus::record(sql, event);
  };
  auto kept = co_await parts.store.write(std::move(work));
  if (!kept) co_return kept;
  metrics::counter(measures::kOrders, {"issued"}).add();
  if (auto shown = show(row); !shown) co_return shown;
  co_await proofs->take_away(row.name);
  log::info("certificates", "a certificate was fetched", {{"certificate", row.name}, {"names", listed(row.names)}});
  tell(row.name);
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::State::failed(Row row, Error error) {
  if (error.code == Code::kCancelled) co_return fail(std::move(error));
  const auto now = parts.clock.now();
  auto& progress = row.progress;
  ++progress.tries;
  progress.next_try = now + pause_after(progress.tries, chance());
  progress.paused_until = now + asked_pause(error);
  progress.reason = error.reason;
  progress.error = error.message;
  bus::Event event;
  event.kind = events::kFailed;
  event.subject = row.name;
  event.at = now;
  event.detail =
      json::serialize(json::object{{"names", listed(row.names)},
                                   {"error", error.message},
                                   {"reason", error.reason},
                                   {"next_try", to_rfc3339(std::max(progress.next_try, progress.paused_until))}});
  auto work = [row, event](soci::session& sql) -> Result<> {
    rows::save(sql, row.name, row.progress);
    rows::answered(sql, row.name, row.asked_at);
    return bus::record(sql, event);
  };
  auto kept = co_await parts.store.write(std::move(work));
  if (!kept) co_return kept;
  metrics::counter(measures::kOrders, {"failed"}).add();
  log::warn("certificates", "a certificate could not be fetched",
            {{"certificate", row.name}, {"reason", error.reason}, {"message", error.message}, {"cause", error.cause}});
  if (progress.order_url.empty()) co_await proofs->take_away(row.name);
  tell(row.name);
  co_return Result<>{};
}

/// RFC 9773: a random moment of the window that the CA suggests, the same one as long as the window stays.
asio::awaitable<Result<>> Service::State::ask_when(Row row) {
  auto& progress = row.progress;
  const auto now = parts.clock.now();
  progress.ask_at = now + kLookAgain;
  auto authority = co_await ca();
  Result<std::optional<acme::RenewalInfo>> info;
  if (authority) info = co_await (*authority)->renewal_info(ari_id(row.chain));
  else info = fail(std::move(authority.error()));
  if (!info) {
    // What goes wrong here only keeps the usual moment.
    log::info("certificates", "no renewal information",
              {{"certificate", row.name}, {"reason", info.error().reason}, {"message", info.error().message}});
  } else if (*info) {
    const auto& window = **info;
    if (window.retry_after.count() > 0)
      progress.ask_at = now + std::clamp<Duration>(window.retry_after, kLeastAsk, std::chrono::hours{24});
    const bool late = progress.not_after - now < (progress.not_after - progress.not_before) / kIgnoresAdvice;
    if (!late && (window.start != progress.window_start || window.end != progress.window_end)) {
      progress.window_start = window.start;
      progress.window_end = window.end;
      progress.renew_at = window.start + std::chrono::duration_cast<Duration>((window.end - window.start) * chance());
      // A CA that says of each new one that it is to be replaced now is not asked for ever more of them.
      if (progress.early > 0)
        progress.renew_at = std::max(progress.renew_at, now + pause_after(progress.early + 3, chance()));
    }
  }
  auto work = [name = row.name, progress](soci::session& sql) -> Result<> {
    rows::save(sql, name, progress);
    return {};
  };
  co_return co_await parts.store.write(std::move(work));
}

}  // namespace tiltyard::certificates
