// From the queue of notices to the webhook and the mail server.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <sodium.h>

#include <algorithm>

#include "base/failpoint.h"
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
constexpr std::chrono::seconds kLookEvery{1};

/// Twice as long each time, and a quarter more or less, so that those who failed together do not come back together.
std::chrono::milliseconds delay_after(int tries) {
  const auto whole = std::min<std::chrono::milliseconds>(kFirstDelay * (1LL << std::min(tries, 12)), kLongestDelay);
  const auto quarter = static_cast<std::uint32_t>(whole.count() / 4);
  return whole - std::chrono::milliseconds{quarter} + std::chrono::milliseconds{randombytes_uniform(2 * quarter + 1)};
}

metrics::Counter counted(const std::string& channel, const std::string& outcome) {
  return metrics::counter("tiltyard_notices_total", "Notices by what became of them.", {{"channel", channel}, {"outcome", outcome}});
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

asio::awaitable<void> Service::State::rest(std::string channel) {
  auto waiting = co_await queue.waiting(channel);
  if (waiting) {
    metrics::gauge("tiltyard_notices_waiting", "Notices that wait to be delivered.", {{"channel", channel}}).set(static_cast<double>(*waiting));
  }
  co_await news.wait_for(kLookEvery);
}

asio::awaitable<void> Service::State::discord_loop() {
  while (true) {
    auto due = co_await queue.due(kDiscord, clock.now(), kEmbedsAtOnce);
    if (!due || due->empty()) {
      co_await rest(kDiscord);
      continue;
    }
    auto batch = message_full(std::move(*due));
    co_await post(std::move(batch));
  }
}

asio::awaitable<void> Service::State::post(std::vector<Notice> batch) {
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
    const auto next = clock.now() + *posted.pause;
    auto kept = co_await queue.again(ids_of(batch), next, false, false);
    if (!kept) log::warn("notices", "a pause could not be noted", {{"reason", kept.error().reason}});
    co_await sleep_for(*posted.pause);
    co_return;
  }
  const bool one_is_bad = posted.status == 400 && batch.size() > 1;
  if (one_is_bad) {
    auto apart = co_await queue.again(ids_of(batch), clock.now(), false, true);
    if (!apart) co_await sleep_for(kLookEvery);
    co_return;
  }
  co_await settle(std::move(batch), posted.outcome, posted.cause);
}

asio::awaitable<void> Service::State::mail_loop() {
  while (true) {
    auto due = co_await queue.due(kMail, clock.now(), 1);
    if (!due || due->empty()) {
      co_await rest(kMail);
      continue;
    }
    co_await send_letter(std::move(due->front()));
  }
}

asio::awaitable<void> Service::State::send_letter(Notice notice) {
  const auto letter = unsealed(notice.payload);
  Delivered sent{Delivery::kNever, "the letter cannot be opened: notices.key is another one"};
  if (letter) {
    auto text = message(*letter, mail_server->from, notice.mark, notice.created_at);
    auto work = [server = *mail_server, letter = *letter, text = std::move(text)] { return send(server, letter, text); };
    sent = co_await offload(pool, std::move(work));
    if (sent.outcome == Delivery::kDone) co_await failpoint("notices.delivered");
  }
  std::vector<Notice> one{std::move(notice)};
  co_await settle(std::move(one), sent.outcome, sent.cause);
}

/// Writes down what became of the notices. Were it lost, they would come a second time, with the same marks.
asio::awaitable<void> Service::State::settle(std::vector<Notice> batch, Delivery outcome, std::string cause) {
  const std::string channel = batch.front().channel;
  const auto now = clock.now();
  if (outcome == Delivery::kDone) {
    counted(channel, "delivered").add(static_cast<double>(batch.size()));
    auto done = co_await queue.done(ids_of(batch));
    if (!done) {
      log::warn("notices", "a delivery could not be noted; it may come twice", {{"reason", done.error().reason}});
      co_await sleep_for(kLookEvery);
    }
    co_return;
  }
  std::vector<std::string> lost;
  std::vector<bus::Event> told;
  for (const auto& notice : batch) {
    if (outcome == Delivery::kLater && notice.tries + 1 < options.tries) {
      counted(channel, "retried").add();
      std::vector<std::string> id{notice.id};
      auto kept = co_await queue.again(std::move(id), now + delay_after(notice.tries), true, notice.alone);
      if (!kept) co_await sleep_for(kLookEvery);
      continue;
    }
    lost.push_back(notice.id);
    counted(channel, "given_up").add();
    log::error("notices", "a notice was given up", {{"channel", channel}, {"mark", notice.mark}, {"tries", notice.tries + 1}, {"cause", cause}});
    if (notice.kind == "notice.failed") continue;
    const json::object detail{{"channel", channel}, {"mark", notice.mark}, {"about", notice.kind}, {"tries", notice.tries + 1}, {"reason", cause}};
    told.push_back(bus::Event{"notice.failed", notice.mark, "", {}, now, json::serialize(detail)});
  }
  if (lost.empty()) {
    log::warn("notices", "a delivery failed; it is tried again", {{"channel", channel}, {"notices", batch.size()}, {"cause", cause}});
    co_return;
  }
  auto gone = co_await queue.give_up(std::move(lost), std::move(told));
  if (!gone) co_await sleep_for(kLookEvery);
}

}  // namespace tiltyard::notices
