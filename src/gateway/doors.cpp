#include "gateway/doors.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "gateway/gateway_state.h"

namespace tiltyard::gateway {
namespace {

std::vector<Job> on_all(const std::vector<std::shared_ptr<Shard>>& shards, const std::function<void(Shard&)>& work) {
  std::vector<Job> jobs;
  for (const auto& shard : shards) jobs.push_back({shard, work});
  return jobs;
}

}  // namespace

asio::awaitable<void> Doors::use(std::vector<DoorKey> keys) {
  book_.use(keys);
  auto jobs = on_all(shards_, [keys](Shard& shard) { shard.doors().use(keys); });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Doors::send_visitors_to(std::string page) {
  auto jobs = on_all(shards_, [page](Shard& shard) { shard.doors().page = page; });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Doors::revoke(Party party) { return revoke(party, next()); }

asio::awaitable<void> Doors::revoke(Party party, Millis until) {
  book_.revoke(party, until);
  auto jobs = on_all(shards_, [party, until](Shard& shard) { shard.revoke(party, until); });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Doors::know(const std::string& owner, const asio::ip::address& address, DoorBook::Known known) {
  known.issued = next();
  known.until += known.issued;
  auto jobs = on_all(shards_, [whose = net::holder_of(owner), from = net::holder_of(address), known](Shard& shard) {
    shard.doors().know(whose, from, known);
  });
  co_await run_jobs(std::move(jobs));
}

/// One pass is never like another, and none is older than what was revoked before it: neither by a clock that stands
/// nor by one that goes back.
Millis Doors::next() { return last_ = std::max(millis_now(), last_ + 1); }

std::string Doors::mint(Pass pass, DoorPlace place) {
  pass.issued = next();
  return book_.mint(pass, place);
}

asio::awaitable<std::optional<InstanceId>> Doors::at(std::string host) const {
  const auto found = std::make_shared<std::optional<InstanceId>>();
  std::vector<Job> jobs;
  jobs.push_back({shards_.front(), [found, host](Shard& shard) {
                    const auto* target = shard.find_name(host);
                    if (target) *found = target->instance->publication->instance;
                  }});
  co_await run_jobs(std::move(jobs));
  co_return *found;
}

}  // namespace tiltyard::gateway
