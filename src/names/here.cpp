#include "names/here.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tiltyard::names {
namespace {

bool is_coming(labs::InstanceState state) {
  return state == labs::InstanceState::kQueued || state == labs::InstanceState::kPreparing ||
         state == labs::InstanceState::kStarting;
}

Target target_of(const labs::LiveRef& live) {
  if (!live || live->ending()) return Target::kGone;
  if (labs::is_up(live->instance.state)) return Target::kUp;
  return is_coming(live->instance.state) ? Target::kComing : Target::kGone;
}

}  // namespace

Here::Here(Parts parts) : parts_(std::move(parts)) {
  if (parts_.options.own_domains) resolver_ = std::make_unique<Resolver>(parts_.options.resolver);
}

Target Here::target(const Name& name) const { return target_of(parts_.labs.live(name.instance)); }

std::optional<InstanceId> Here::successor(const Name& name) const {
  for (const auto& live : parts_.labs.all_live()) {
    const auto& one = live->instance;
    const bool same = one.owner == name.owner && one.tmpl == name.tmpl && one.pool != labs::PoolRole::kWaiting;
    if (same && one.id != name.instance && target_of(live) != Target::kGone) return one.id;
  }
  return std::nullopt;
}

asio::awaitable<Result<>> Here::route(Name name) {
  co_await parts_.gateway.name(name.host, name.instance, name.endpoint);
  co_return Result<>{};
}

asio::awaitable<Result<>> Here::unroute(std::string host) {
  co_await parts_.gateway.unname(std::move(host));
  co_return Result<>{};
}

/// The name has either addresses or a CNAME; what may be left of the other goes in the same write.
asio::awaitable<Result<>> Here::put_record(std::string host, bool there) {
  if (parts_.powerdns == nullptr)
    co_return fail(Code::kUnavailable, "dns-away",
                   "No PowerDNS is configured ([powerdns]), and this name has a record.");
  auto zone = co_await parts_.powerdns->zone_of(host);
  if (!zone) co_return fail(std::move(zone.error()));
  const int ttl = static_cast<int>(parts_.options.record_ttl.count());
  net::RecordSet v4{host, "A", ttl, {}}, v6{host, "AAAA", ttl, {}}, alias{host, "CNAME", ttl, {}};
  for (const auto& address : parts_.options.addresses) {
    if (there) (address.find(':') == std::string::npos ? v4 : v6).contents.push_back(address);
  }
  if (there && parts_.options.addresses.empty()) alias.contents.push_back(parts_.target + ".");
  // What goes first, so that a CNAME never stands beside something else.
  std::vector<net::RecordSet> sets{std::move(alias), std::move(v4), std::move(v6)};
  std::ranges::stable_sort(sets, {}, [](const net::RecordSet& set) { return !set.contents.empty(); });
  co_return co_await parts_.powerdns->put(std::move(*zone), std::move(sets));
}

asio::awaitable<Result<>> Here::write_record(std::string host) { return put_record(std::move(host), true); }
asio::awaitable<Result<>> Here::drop_record(std::string host) { return put_record(std::move(host), false); }

/// One of its own for a name that none on the shelf covers; what is below the gateway's domain shares its wildcard.
bool Here::certificates(const Name& name) const {
  return parts_.options.certificates && parts_.wanted != nullptr && !parts_.shelf.covers(name.host) &&
         !at_or_below(name.host, parts_.gateway.options().domain);
}

asio::awaitable<Result<>> Here::want_certificate(Name name) {
  auto work = [wanted = parts_.wanted, host = name.host](soci::session& sql) {
    return wanted->want(sql, host, {host});
  };
  co_return co_await parts_.store.write(std::move(work));
}

asio::awaitable<Result<>> Here::release_certificate(std::string host) {
  if (parts_.wanted == nullptr) co_return Result<>{};  // nothing is fetched any more, and so nothing renewed
  auto work = [wanted = parts_.wanted, host = std::move(host)](soci::session& sql) {
    return wanted->withdraw(sql, host);
  };
  co_return co_await parts_.store.write(std::move(work));
}

asio::awaitable<Check> Here::ownership(Name name) {
  const auto where = proof_host(name.host), what = proof_text(name);
  auto found = co_await resolver_->texts(where);
  if (!found) co_return Check{Check::Is::kUnknown, found.error().message};
  if (std::ranges::find(*found, what) != found->end())
    co_return Check{Check::Is::kGood, fmt::format("{} holds {}.", where, what)};
  if (found->empty()) co_return Check{Check::Is::kBad, fmt::format("{} has no TXT record.", where)};
  co_return Check{Check::Is::kBad, fmt::format("{} has other TXT records than {}.", where, what)};
}

asio::awaitable<Check> Here::address(std::string host) {
  auto ours = parts_.options.addresses;
  if (ours.empty()) {
    auto found = co_await resolver_->addresses(parts_.target);
    if (!found) co_return Check{Check::Is::kUnknown, found.error().message};
    ours = std::move(found->addresses);
  }
  auto found = co_await resolver_->addresses(host);
  if (!found) co_return Check{Check::Is::kUnknown, found.error().message};
  if (found->addresses.empty())
    co_return Check{Check::Is::kBad,
                    fmt::format("{} has no address yet; it is to be a CNAME of {}.", host, parts_.target)};
  const auto leads = fmt::format("{}", fmt::join(found->addresses, ", "));
  const bool here = std::ranges::all_of(
      found->addresses, [&](const auto& address) { return std::ranges::find(ours, address) != ours.end(); });
  if (here) co_return Check{Check::Is::kGood, fmt::format("{} leads here ({}).", host, leads)};
  const auto by = found->canonical.empty() ? std::string() : fmt::format(" by way of {}", found->canonical);
  co_return Check{Check::Is::kBad,
                  fmt::format("{} leads elsewhere{}: to {}, and here is {}.", host, by, leads,
                              ours.empty() ? parts_.target : fmt::format("{}", fmt::join(ours, ", ")))};
}

asio::awaitable<Outside::Seen> Here::look(Name name) {
  if (!resolver_) co_return Seen{{Check::Is::kUnknown, "This server serves no domains of others any more."}, {}};
  Seen seen;
  seen.ownership = co_await ownership(name);
  seen.address = co_await address(name.host);
  co_return seen;
}

}  // namespace tiltyard::names
