// From the event log to the queue of notices.
#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/failpoint.h"
#include "base/id.h"
#include "notices/events.h"
#include "notices/measures.h"
#include "notices/state.h"
#include "notices/words.h"
#include "observe/log.h"

namespace tiltyard::notices {
namespace {

namespace json = boost::json;

constexpr int kEventsAtOnce = 200;
/// After a longer time nobody needs to be told any more.
constexpr std::chrono::hours kFresh{24};
constexpr long long kMostWaiting = 10'000;

bool among(const std::vector<std::string>& kinds, bus::KindRef kind) {
  return std::ranges::find(kinds, kind->name) != kinds.end();
}

/// A channel is not told of its own failures: that would never end.
bool own_failure(const bus::Event& event, std::string_view channel) {
  if (event.kind != events::kFailed) return false;
  boost::system::error_code error;
  const auto detail = json::parse(event.detail, error);
  if (error || !detail.is_object()) return true;
  const auto* about = detail.get_object().if_contains("channel");
  return about == nullptr || !about->is_string() || std::string_view(about->get_string()) == channel;
}

}  // namespace

std::vector<Notice> Service::State::notices_of(const LoggedEvent& logged) const {
  std::vector<Notice> out;
  const auto& event = logged.event;
  if (clock.now() - event.at > kFresh) return out;
  Notice notice;
  notice.kind = event.kind->name;
  notice.created_at = notice.next_at = clock.now();
  if (webhook && among(options.discord_kinds, event.kind) && !own_failure(event, kDiscord)) {
    notice.id = new_ulid();
    notice.channel = kDiscord;
    notice.mark = fmt::format("event-{}", logged.seq);
    notice.payload = json::serialize(embed_of(event, notice.mark, options.site_name, options.public_url));
    out.push_back(notice);
  }
  if (mail_server && !options.mail_to.empty() && among(options.mail_kinds, event.kind) && !own_failure(event, kMail)) {
    const auto letter = letter_of(event, options.mail_to, options.site_name, options.public_url);
    notice.id = new_ulid();
    notice.channel = kMail;
    notice.mark = fmt::format("event-{}-mail", logged.seq);
    notice.payload = sealed(letter);
    out.push_back(notice);
  }
  return out;
}

/// The cursor on disk moves together with the notices, so that an event makes its notices once and none is missed.
/// Where an event makes none, the cursor moves in memory only: after a crash it is looked at again, to no effect.
asio::awaitable<Result<jobs::Next>> Service::State::feed() {
  if (!fed_until) {
    auto known = co_await queue.cursor();
    if (!known) co_return fail(std::move(known.error()));
    fed_until = *known;
  }
  auto events = co_await queue.events_after(kinds, *fed_until, kEventsAtOnce);
  if (!events) co_return fail(std::move(events.error()));
  if (events->empty()) co_return jobs::Next::done();
  std::vector<Notice> fresh;
  for (const auto& logged : *events) {
    for (auto& notice : notices_of(logged)) fresh.push_back(std::move(notice));
  }
  if (!fresh.empty()) {
    auto waiting = co_await queue.waiting(fresh.front().channel);
    if (waiting && *waiting > kMostWaiting) {
      log::warn("notices", "too many notices wait; these are left out", {{"notices", fresh.size()}});
      metrics::counter(measures::kNotices, {fresh.front().channel, "dropped"}).add(static_cast<double>(fresh.size()));
      fresh.clear();
    }
    co_await failpoint("notices.feed.before");
    auto done = co_await queue.feed(std::move(fresh), events->back().seq);
    co_await failpoint("notices.feed.after");
    if (!done) co_return fail(std::move(done.error()));
    jobs.poke(kDelivery);
  }
  fed_until = events->back().seq;
  const bool more = events->size() == static_cast<std::size_t>(kEventsAtOnce);
  co_return more ? jobs::Next::again({}) : jobs::Next::done();
}

}  // namespace tiltyard::notices
