#include "gateway/contacts.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include "gateway/gateway_state.h"
#include "gateway/known.h"
#include "gateway/sockets.h"
#include "net/shares.h"

namespace tiltyard::gateway {

void ContactBook::begin(std::size_t sample) {
  seen_.assign(kWays * kSets, 0);
  sample_ = until_sample_ = sample;
}

bool ContactBook::is_known(std::uint64_t who) {
  auto* set = &seen_[who % kSets * kWays];
  auto* end = set + kWays;
  const auto found = std::find(set, end, who);
  // The one that was longest not met goes.
  std::rotate(set, found == end ? end - 1 : found, found == end ? end : found + 1);
  *set = who;
  return found != end;
}

bool ContactBook::note(const InstanceId& instance, std::string_view endpoint, const SocketAddress& from,
                       Party visitor) {
  if (!wanted()) return false;
  const auto ip = ip_of(from);
  // The holder mixes with a secret, so that nobody can choose addresses that push others out.
  auto who = net::holder_of(instance.str());
  for (const std::uint64_t part : {net::holder_of(endpoint), net::holder_of(ip), visitor}) {
    who = (who ^ part) * 0x9e3779b97f4a7c15;
    who ^= who >> 32;
  }
  const bool known = is_known(who | 1);
  if (known && (sample_ == 0 || --until_sample_ > 0)) return false;
  if (known) until_sample_ = sample_;
  if (kept_.size() >= kMostKept) {
    if (!known) seen_[(who | 1) % kSets * kWays] = 0;  // still to come for the first time
    ++lost_;
    return false;
  }
  kept_.push_back({instance, std::string(endpoint), ip.to_string(), visitor, std::chrono::system_clock::now(), !known});
  return kept_.size() == 1;
}

std::vector<Contact> ContactBook::take() { return std::exchange(kept_, {}); }

void Session::note_contact(const Target& target) {
  const Party visitor = pass_ ? pass_->visitor : 0;
  if (noted_ == target.endpoint.get() && noted_visitor_ == visitor) return;
  noted_ = target.endpoint.get();
  noted_visitor_ = visitor;
  shard_.note_contact(target, guest_.from, pass_);
}

void Shard::note_contact(const Target& target, const SocketAddress& from, const std::optional<Pass>& pass) {
  if (!contacts_.wanted()) return;
  const auto& instance = *target.instance;
  const auto& publication = *instance.publication;
  auto visitor = pass ? pass->visitor : Party{0};
  if (!pass) {
    if (const auto known = known_at(doors_, publication, net::holder_of(ip_of(from)))) visitor = known->visitor;
  }
  const auto place = std::ranges::find(instance.endpoints, target.endpoint) - instance.endpoints.begin();
  if (place == std::ssize(instance.endpoints)) return;
  const auto& route = publication.routes[static_cast<std::size_t>(place)];
  if (contacts_.note(publication.instance, route.endpoint, from, visitor)) shared_->contacts_wait();
}

asio::awaitable<void> Gateway::note_contacts(std::size_t sample, std::function<void()> come) {
  auto state = state_;
  state->come = std::move(come);
  auto jobs = state->everywhere([sample](Shard& shard) { shard.contacts().begin(sample); });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<Contacts> Gateway::take_contacts() {
  auto state = state_;
  const auto all = std::make_shared<std::vector<Contacts>>(state->shards.size());
  if (!state->started || state->shut) co_return Contacts{};
  auto jobs = state->everywhere(
      [all](Shard& shard) { (*all)[shard.index()] = {shard.contacts().take(), shard.contacts().take_lost()}; });
  co_await run_jobs(std::move(jobs));
  Contacts sum;
  for (auto& one : *all) {
    sum.contacts.insert(sum.contacts.end(), std::make_move_iterator(one.contacts.begin()),
                        std::make_move_iterator(one.contacts.end()));
    sum.lost += one.lost;
  }
  co_return sum;
}

}  // namespace tiltyard::gateway
