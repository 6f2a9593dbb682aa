// From the queue of notices to the webhook and the mail server.
#include <sodium.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/backoff.h"
#include "base/failpoint.h"
#include "notices/events.h"
#include "notices/measures.h"
#include "notices/state.h"
#include "notices/words.h"
#include "observe/log.h"

namespace tiltyard::notices {
namespace {

namespace json = boost::json;

/// Embeds of one message, and their characters together.
/// Source: https://discord.com/developers/docs/resources/message#embed-object-embed-limits
constexpr int kEmbedsAtOnce = 10;
constexpr std::size_t kCharactersAtOnce = 5'500;
constexpr std::chrono::seconds kFirstDelay{2}, kLongestDelay{900};
constexpr int kPausesAsAsked = 3;

std::chrono::milliseconds delay_after(int tries) {
  constexpr std::uint32_t kChances = 1'000;
  return scattered_delay<std::chrono::milliseconds>(kFirstDelay, kLongestDelay, tries + 1,
                                                    randombytes_uniform(kChances + 1) / double{kChances});
}

metrics::Counter counted(const std::string& channel, const std::string& outcome) {
  return metrics::counter(measures::kNotices, {channel, outcome});
}

std::vector<std::string> ids_of(const std::vector<Notice>& batch) {
  std::vector<std::string> ids;
  for (const auto& notice : batch) ids.push_back(notice.id);
  return ids;
}

/// The first of those that are due that fit into one message.
std::vector<Notice> message_full(std::vector<Notice> due) {
  std::vector<Notice> out;
  std::size_t characters = 0;
  for (auto& notice : due) {
    characters += notice.payload.size();
    const bool fits = out.empty() || (!notice.alone && !out.front().alone && characters <= kCharactersAtOnce);
    if (!fits) break;
    out.push_back(std::move(notice));
  }
  return out;
}

}  // namespace

/// One message or letter; the next one follows at once.
asio::awaitable<Result<jobs::Next>> Service::State::deliver(std::string channel) {
  const auto now = clock.now();
  if (const auto quiet = quiet_until[channel]; now < quiet) co_return jobs::Next::again(quiet - now);
  auto due = co_await queue.due(channel, now, channel == kMail ? 1 : kEmbedsAtOnce);
  if (!due) co_return fail(std::move(due.error()));
  if (due->empty()) {
    auto waiting = co_await queue.waiting(channel);
    if (!waiting) co_return fail(std::move(waiting.error()));
    metrics::gauge(measures::kWaiting, {channel}).set(static_cast<double>(*waiting));
    co_return jobs::Next::done();
  }
  auto work = channel == kMail ? send_letter(std::move(due->front())) : post(message_full(std::move(*due)));
  auto delivered = co_await std::move(work);
  if (!delivered) co_return fail(std::move(delivered.error()));
  co_return jobs::Next::again({});
}

asio::awaitable<Result<>> Service::State::post(std::vector<Notice> batch) {
  json::array embeds;
  for (const auto& notice : batch) {
    boost::system::error_code error;
    auto embed = json::parse(notice.payload, error);
    if (!error) embeds.push_back(std::move(embed));
  }
  auto body = message_of(std::move(embeds), options.site_name);
  auto posted = co_await webhook->post(std::move(body));
  if (posted.outcome == Delivery::kDone) co_await failpoint("notices.delivered");
  if (posted.pause) {
    // Not our failure, and no try: the other side says when.
    counted(kDiscord, "paused").add();
    auto pause = *posted.pause;
    // Who keeps to the time and is refused all the same waits longer each time: it may be a ban.
    if (++pauses_in_row > kPausesAsAsked) pause = std::max(pause, delay_after(pauses_in_row - kPausesAsAsked));
    const auto next = quiet_until[kDiscord] = clock.now() + pause;
    co_return co_await queue.again(ids_of(batch), next, false, false);
  }
  pauses_in_row = 0;
  if (posted.status == 429) quiet_until[kDiscord] = clock.now() + delay_after(batch.front().tries);
  if (posted.not_before) quiet_until[kDiscord] = clock.now() + *posted.not_before;
  const bool one_is_bad = posted.status == 400 && batch.size() > 1;
  if (one_is_bad) co_return co_await queue.again(ids_of(batch), clock.now(), false, true);
  co_return co_await settle(std::move(batch), posted.outcome, posted.cause);
}

asio::awaitable<Result<>> Service::State::send_letter(Notice notice) {
  const auto letter = unsealed(notice.payload);
  Delivered sent{Delivery::kNever, "the letter cannot be opened: notices.key is another one"};
  if (letter) {
    auto text = message(*letter, mail_server->from, notice.mark, notice.created_at);
    auto work = [server = *mail_server, letter = *letter, text = std::move(text)] {
      return send(server, letter, text);
    };
    sent = co_await offload(pool, std::move(work));
    if (sent.outcome == Delivery::kDone) co_await failpoint("notices.delivered");
  }
  std::vector<Notice> one{std::move(notice)};
  co_return co_await settle(std::move(one), sent.outcome, sent.cause);
}

/// Writes down what became of the notices. Were it lost, they would come a second time, with the same marks.
asio::awaitable<Result<>> Service::State::settle(std::vector<Notice> batch, Delivery outcome, std::string cause) {
  const std::string channel = batch.front().channel;
  const auto now = clock.now();
  if (outcome == Delivery::kDone) {
    counted(channel, "delivered").add(static_cast<double>(batch.size()));
    co_return co_await queue.done(ids_of(batch));
  }
  std::vector<std::string> lost;
  std::vector<bus::Event> told;
  for (const auto& notice : batch) {
    if (outcome == Delivery::kLater && notice.tries + 1 < options.tries) {
      counted(channel, "retried").add();
      std::vector<std::string> id{notice.id};
      auto kept = co_await queue.again(std::move(id), now + delay_after(notice.tries), true, notice.alone);
      if (!kept) co_return kept;
      continue;
    }
    lost.push_back(notice.id);
    counted(channel, "given_up").add();
    log::error("notices", "a notice was given up",
               {{"channel", channel}, {"mark", notice.mark}, {"tries", notice.tries + 1}, {"cause", cause}});
    if (notice.kind == events::kFailed.name) continue;
    const json::object detail{{"channel", channel},
                              {"mark", notice.mark},
                              {"about", notice.kind},
                              {"tries", notice.tries + 1},
                              {"reason", cause}};
    told.push_back(bus::Event{events::kFailed, notice.mark, "", {}, now, json::serialize(detail)});
  }
  if (lost.empty()) {
    log::warn("notices", "a delivery failed; it is tried again",
              {{"channel", channel}, {"notices", batch.size()}, {"cause", cause}});
    co_return Result<>{};
  }
  co_return co_await queue.give_up(std::move(lost), std::move(told));
}

}  // namespace tiltyard::notices
