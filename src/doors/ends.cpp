// What ends: keys, shares, and rights that somebody has lost.
#include <algorithm>

#include "bus/event_log.h"
#include "doors/events.h"
#include "doors/service.h"
#include "observe/log.h"

namespace tiltyard::doors {
namespace {

constexpr std::chrono::seconds kLookEvery{10};
constexpr std::chrono::seconds kFollowEvery{5};  ///< for news that got lost
// Another server may believe what it has read of somebody for half a minute, and make them a pass meanwhile.
constexpr std::chrono::seconds kOnceMore{35};

}  // namespace

void Service::declare_jobs(jobs::Service& jobs) {
  jobs::Kind kind;
  kind.name = "doors.look";
  kind.about = "Turns the keys that passes of the gateway are made with, and ends shared links.";
  kind.handler = [this](jobs::Firing) { return look(); };
  jobs.declare_poll(std::move(kind), kLookEvery);
}

asio::awaitable<Result<jobs::Next>> Service::look() {
  auto keys = co_await look_at_keys();
  if (!keys) co_return fail(std::move(keys.error()));
  auto ends = co_await look_at_ends();
  if (!ends) co_return fail(std::move(ends.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<>> Service::look_at_keys() {
  using Keys = std::vector<gateway::DoorKey>;
  const auto now = parts_.clock.now();
  auto read = [now](soci::session& sql) -> Result<Keys> { return sql::keys_as_they_are(sql, now); };
  auto keys = co_await parts_.store.read(std::move(read));
  if (!keys) co_return fail(std::move(keys.error()));
  if (keys->empty()) {
    auto turn = [now](soci::session& sql) -> Result<Keys> { return sql::keys(sql, now); };
    keys = co_await parts_.store.write(std::move(turn));
    if (!keys) co_return fail(std::move(keys.error()));
  }
  std::vector<std::uint8_t> ids;
  for (const auto& key : *keys) ids.push_back(key.id);
  if (ids == keys_) co_return Result<>{};
  keys_ = std::move(ids);
  co_await parts_.gateway.use(std::move(*keys));
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::look_at_ends() {
  const auto now = parts_.clock.now();
  auto any = [now](soci::session& sql) -> Result<bool> { return sql::has_ended(sql, now); };
  const auto ended = co_await parts_.store.read(std::move(any));
  if (!ended) co_return fail(ended.error());
  if (!*ended) co_return Result<>{};
  auto work = [now](soci::session& sql) -> Result<> {
    for (const auto& share : sql::take_ended(sql, now)) {
      bus::Event event;
      event.kind = events::kUnshared;
      event.subject = share.id;
      event.owner = share.owner;
      event.at = now;
      event.detail = R"({"ended":true})";
      if (auto recorded = bus::record(sql, event); !recorded) return recorded;
    }
    return {};
  };
  co_return co_await parts_.store.write(std::move(work));
}

asio::awaitable<Result<>> Service::start() {
  auto keys = co_await look_at_keys();
  if (!keys) co_return keys;
  // What was made before the longest pass began is over by itself.
  auto work = [this, since = parts_.clock.now() - kTokenLife - kOnceMore](soci::session& sql) -> Result<sql::Lost> {
    return sql::lost_since(sql, parts_.kinds, since);
  };
  auto lost = co_await parts_.store.read(std::move(work));
  if (!lost) co_return fail(std::move(lost.error()));
  log_ = lost->until;
  for (const auto& [subject, at] : lost->parties) {
    // What was made while the change was on its way to the disk does not count either.
    const auto until = std::min(parts_.clock.now(), at + kOnceMore);
    co_await parts_.gateway.revoke(gateway::party_of(subject), static_cast<gateway::Millis>(to_micros(until) / 1000));
  }
  co_return Result<>{};
}

asio::awaitable<void> Service::open(std::string page) {
  page_ = std::move(page);
  co_await parts_.gateway.send_visitors_to(page_);
  listener_ = parts_.store.listen(bus::kRightsChannel, parts_.home, [this](const store::News&) { lost_.set(); });
  gate_.spawn(parts_.home, "follow what rights are lost", follow());
}

asio::awaitable<void> Service::close() {
  listener_.reset();
  co_await gate_.close();
}

asio::awaitable<void> Service::follow() {
  while (true) {
    lost_.reset();
    auto work = [this, after = log_](soci::session& sql) -> Result<sql::Lost> {
      return sql::lost_after(sql, parts_.kinds, after);
    };
    auto lost = co_await parts_.store.read(std::move(work));
    if (lost) {
      log_ = lost->until;
      std::vector<std::string> subjects;
      for (auto& [subject, at] : lost->parties) subjects.push_back(std::move(subject));
      for (const auto& subject : subjects) again_.emplace_back(parts_.clock.now() + kOnceMore, subject);
      co_await revoke(std::move(subjects));
    } else {
      log::warn("doors", "the event log cannot be read; who has lost a right is let in for a moment",
                {{"reason", lost.error().reason}});
    }
    std::vector<std::string> due;
    std::erase_if(again_, [&, now = parts_.clock.now()](auto& one) {
      if (one.first > now) return false;
      due.push_back(std::move(one.second));
      return true;
    });
    co_await revoke(std::move(due));
    co_await lost_.wait_for(kFollowEvery);
  }
}

asio::awaitable<void> Service::revoke(std::vector<std::string> subjects) {
  for (const auto& subject : subjects) {
    addresses_.forget(subject);
    co_await parts_.gateway.revoke(gateway::party_of(subject));
  }
}

}  // namespace tiltyard::doors
