// From where an owner comes: raw TCP is told by nothing else.
#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "doors/service.h"
#include "net/networks.h"

namespace tiltyard::doors {
namespace {

constexpr std::size_t kMostSeen = 20'000;

}  // namespace

bool Service::is_news(const identity::Principal& who, const std::string& address) const {
  const auto found = seen_.find({who.owner(), address});
  // The loops are told anew when an eighth of the time has gone, not with every request.
  return found == seen_.end() || parts_.clock.now() - found->second.at >= parts_.address_ttl / 8;
}

asio::awaitable<void> Service::saw(std::shared_ptr<const identity::Principal> who, std::string address) {
  const auto now = parts_.clock.now();
  const std::pair key{who->owner(), std::move(address)};
  const auto ip = net::parse_address(key.second);
  if (!ip) co_return;
  if (seen_.size() >= kMostSeen)
    std::erase_if(seen_, [&](const auto& one) { return one.second.at + parts_.address_ttl <= now; });
  if (seen_.size() >= kMostSeen) co_return;
  seen_.insert_or_assign(key, Seen{who->user.str(), now});
  const auto lives = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.address_ttl).count();
  gateway::DoorBook::Known known;
  known.visitor = gateway::party_of(who->user.str());
  known.via = gateway::party_of(key.first);
  known.until = static_cast<gateway::Millis>(lives);
  co_await parts_.gateway.know(key.first, *ip, known);
}

std::optional<TimePoint> Service::address_until(const std::string& owner, const std::string& address) const {
  const auto found = seen_.find({owner, address});
  if (found == seen_.end()) return std::nullopt;
  const auto until = found->second.at + parts_.address_ttl;
  return until > parts_.clock.now() ? std::optional<TimePoint>(until) : std::nullopt;
}

}  // namespace tiltyard::doors
