// From where an owner comes: raw TCP is told by nothing else.
#include "doors/addresses.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "doors/service.h"
#include "net/networks.h"

namespace tiltyard::doors {
namespace {

constexpr std::size_t kMostSeen = 20'000, kMostOfOne = 100;

}  // namespace

bool Addresses::is_news(const std::string& owner, net::Holder address, TimePoint now) const {
  const auto found = seen_.find({owner, address});
  return found == seen_.end() || now - found->second.at >= ttl_ / 8;
}

bool Addresses::make_room(const std::string& owner, TimePoint now) {
  const auto over = [&](const auto& one) { return one.second.at + ttl_ <= now; };
  std::size_t count = 0;
  for (auto it = seen_.lower_bound({owner, 0}); it != seen_.end() && it->first.first == owner;) {
    if (over(*it)) {
      it = seen_.erase(it);
      continue;
    }
    ++it;
    ++count;
  }
  if (count >= kMostOfOne) return false;
  if (seen_.size() >= kMostSeen) std::erase_if(seen_, over);
  return seen_.size() < kMostSeen;
}

bool Addresses::note(const std::string& owner, net::Holder address, const std::string& visitor, TimePoint now) {
  if (!seen_.contains({owner, address}) && !make_room(owner, now)) return false;
  seen_.insert_or_assign({owner, address}, Seen{visitor, now});
  return true;
}

std::optional<TimePoint> Addresses::until(const std::string& owner, net::Holder address, TimePoint now) const {
  const auto found = seen_.find({owner, address});
  if (found == seen_.end()) return std::nullopt;
  const auto until = found->second.at + ttl_;
  return until > now ? std::optional(until) : std::nullopt;
}

void Addresses::forget(const std::string& subject) {
  std::erase_if(seen_, [&subject](const auto& one) {
    return subject.empty() || one.first.first == subject || one.second.visitor == subject;
  });
}

bool Service::is_news(const identity::Principal& who, const std::string& address) const {
  const auto ip = net::parse_address(address);
  return ip && addresses_.is_news(who.owner(), net::holder_of(*ip), parts_.clock.now());
}

asio::awaitable<void> Service::saw(std::shared_ptr<const identity::Principal> who, std::string address) {
  const auto ip = net::parse_address(address);
  const auto owner = who->owner();
  if (!ip || !addresses_.note(owner, net::holder_of(*ip), who->user.str(), parts_.clock.now())) co_return;
  const auto lives = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.address_ttl).count();
  gateway::DoorBook::Known known;
  known.visitor = gateway::party_of(who->user.str());
  known.via = gateway::party_of(owner);
  known.until = static_cast<gateway::Millis>(lives);
  co_await parts_.gateway.know(owner, *ip, known);
  auto work = [user = who->user.str(), now = parts_.clock.now()](soci::session& sql) -> Result<std::vector<Share>> {
    return sql::shares_of_guest(sql, user, now);
  };
  const auto shares = co_await parts_.store.read(std::move(work));
  if (!shares) co_return;  // the next request but a few asks again
  for (const auto& share : *shares)
    co_await let_in_from(who->user.str(), InstanceId(share.instance), {share.id, share.ends_at}, address);
}

asio::awaitable<void> Service::let_in_from(std::string user, InstanceId instance, Right right, std::string address) {
  const auto ip = net::parse_address(address);
  if (!ip) co_return;
  const auto now = parts_.clock.now();
  const auto until = std::min(now + parts_.address_ttl, right.until.value_or(TimePoint::max()));
  gateway::DoorBook::Known known;
  known.visitor = gateway::party_of(user);
  known.via = gateway::party_of(right.via);
  known.until = static_cast<gateway::Millis>(
      std::max<std::int64_t>(0, std::chrono::floor<std::chrono::milliseconds>(until - now).count()));
  co_await parts_.gateway.know(instance.str(), *ip, known);
}

std::optional<TimePoint> Service::address_until(const std::string& owner, const std::string& address) const {
  const auto ip = net::parse_address(address);
  return ip ? addresses_.until(owner, net::holder_of(*ip), parts_.clock.now()) : std::nullopt;
}

}  // namespace tiltyard::doors
