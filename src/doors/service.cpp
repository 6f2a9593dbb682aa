// Who may go in, by what, and what they carry.
#include "doors/service.h"

#include <sodium/crypto_generichash.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>

#include "base/id.h"
#include "base/text.h"
#include "bus/event_log.h"
#include "doors/events.h"

namespace tiltyard::doors {
namespace {

using gateway::Pass;

constexpr std::size_t kSharesAtOnce = 20;  ///< of one instance

/// What the row keeps of a link's secret, which is 128 random bits: nothing to guess from.
std::string hash_of(std::string_view secret) {
  std::array<unsigned char, 32> out;
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
                     nullptr, 0);
  return hex(out);
}

bus::Event event_of(bus::KindRef kind, const Share& share, bus::Actor actor, TimePoint now) {
  bus::Event event;
  event.kind = kind;
  event.subject = share.id;
  event.owner = share.owner;
  event.actor = std::move(actor);
  event.at = now;
  event.detail = boost::json::serialize(boost::json::object{{"instance", share.instance}, {"one", share.one}});
  return event;
}

}  // namespace

asio::awaitable<Result<std::optional<Right>>> Service::right_of(identity::Principal who, labs::Instance instance) {
  if (who.owner() == instance.owner) co_return Right{instance.owner, std::nullopt};
  if (who.staff()) co_return Right{};
  auto work = [id = instance.id.str(), user = who.user.str(),
               now = parts_.clock.now()](soci::session& sql) -> Result<std::optional<Share>> {
    return sql::share_of_guest(sql, id, user, now);
  };
  auto share = co_await parts_.store.read(std::move(work));
  if (!share) co_return fail(std::move(share.error()));
  if (!*share) co_return std::nullopt;
  co_return Right{(*share)->id, (*share)->ends_at};
}

asio::awaitable<Result<std::pair<InstanceId, Right>>> Service::right_by(identity::Principal who, std::string secret) {
  const auto now = parts_.clock.now();
  auto work = [hash = hash_of(secret), user = who.user.str(), name = who.name,
               actor = bus::Actor(who.name, who.user.str()), now](soci::session& sql) -> Result<Share> {
    auto share = sql::share_by_hash(sql, hash, now);
    if (!share) return fail(Code::kNotFound, "link-over", "This link has ended or was taken back. Ask for a new one.");
    if (sql::has_guest(sql, share->id, user)) return std::move(*share);
    if (!sql::let_in(sql, *share, user, name, now)) {
      return fail(Code::kForbidden, "link-taken",
                  "This link was for one person, and somebody else has opened it first. Ask for one of your own.");
    }
    if (auto recorded = bus::record(sql, event_of(events::kGuest, *share, actor, now)); !recorded)
      return fail(std::move(recorded.error()));
    return std::move(*share);
  };
  auto share = co_await parts_.store.write(std::move(work));
  if (!share) co_return fail(std::move(share.error()));
  co_return std::pair{InstanceId(share->instance), Right{share->id, share->ends_at}};
}

TimePoint Service::end_of(Pass::Kind kind, const Right& right) const {
  const TimePoint latest = parts_.clock.now() + (kind == Pass::Kind::kToken ? kTokenLife : kCookieLife);
  return std::min(latest, right.until.value_or(latest));
}

std::string Service::mint(Pass::Kind kind, const identity::Principal& who, const Right& right,
                          const InstanceId& instance, const std::string& host) {
  const auto lives = std::chrono::floor<std::chrono::seconds>(end_of(kind, right) - parts_.clock.now());
  const Pass pass{kind, gateway::party_of(who.user.str()), gateway::party_of(right.via), 0,
                  static_cast<std::uint32_t>(std::max<std::int64_t>(0, lives.count()))};
  return parts_.gateway.mint(pass, {instance.str(), host});
}

asio::awaitable<Result<std::pair<Share, std::string>>> Service::share(Share wanted, bus::Actor actor) {
  auto secret = random_hex(16);
  wanted.id = new_ulid();
  wanted.hash = hash_of(secret);
  wanted.made_at = parts_.clock.now();
  auto work = [wanted, actor = std::move(actor)](soci::session& sql) -> Result<> {
    if (sql::shares_of(sql, wanted.instance, wanted.made_at).size() >= kSharesAtOnce) {
      return fail(Code::kConflict, "too-many-shares",
                  "This instance has as many links as it may. Take one back, or give somebody one that is there for "
                  "anybody.");
    }
    sql::add(sql, wanted);
    return bus::record(sql, event_of(events::kShared, wanted, actor, wanted.made_at));
  };
  auto done = co_await parts_.store.write(std::move(work));
  if (!done) co_return fail(std::move(done.error()));
  co_return std::pair{std::move(wanted), std::move(secret)};
}

asio::awaitable<Result<std::vector<Share>>> Service::shares_of(InstanceId instance) {
  auto work = [id = instance.str(), now = parts_.clock.now()](soci::session& sql) -> Result<std::vector<Share>> {
    return sql::shares_of(sql, id, now);
  };
  co_return co_await parts_.store.read(std::move(work));
}

asio::awaitable<Result<>> Service::unshare(InstanceId instance, std::string share, bus::Actor actor) {
  auto work = [instance = instance.str(), share, actor = std::move(actor),
               now = parts_.clock.now()](soci::session& sql) -> Result<> {
    const auto gone = sql::remove(sql, instance, share);
    if (!gone) return fail(Code::kNotFound, "share-unknown", "There is no such link. It may have ended.");
    return bus::record(sql, event_of(events::kUnshared, *gone, actor, now));
  };
  auto done = co_await parts_.store.write(std::move(work));
  if (done) co_await parts_.gateway.revoke(gateway::party_of(share));
  co_return done;
}

}  // namespace tiltyard::doors
