#include "traefik/exporter.h"

#include <algorithm>

#include "observe/log.h"
#include "observe/metrics.h"
#include "traefik/changes.h"
#include "traefik/extra.h"
#include "traefik/measures.h"

namespace tiltyard::traefik {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// News that come together are written together; Traefik itself applies them at most every two seconds.
constexpr milliseconds kGather{50};
constexpr milliseconds kFirstPause{200}, kLongestPause{10'000};
constexpr milliseconds kDeadline{5'000};
constexpr std::size_t kAtOnce = 500, kMostKeys = 500'000;

Error unexpected() {
  return {Code::kUnavailable, "redis-unexpected", "Redis answered something else than was asked for.", {}, {}};
}

/// One command of a transaction; what it was answered is an error where it, or one of those before EXEC, failed.
asio::awaitable<Result<>> send(bus::Redis* redis, std::vector<std::string> words) {
  auto reply = co_await redis->command(std::move(words));
  if (!reply) co_return fail(std::move(reply.error()));
  const auto bad = [](const bus::RedisReply& one) { return one.kind == bus::RedisReply::Kind::kError; };
  const auto found = std::ranges::find_if(reply->items, bad);
  const auto* wrong = bad(*reply) ? &*reply : found != reply->items.end() ? &*found : nullptr;
  if (wrong != nullptr)
    co_return fail(Code::kUnavailable, "redis-refused", "Redis refused what was written.", wrong->text);
  co_return Result<>{};
}

/// What names the keys that came from the operator's file; beside Traefik's root, which is not to read it.
std::string manifest_of(const Options& options) { return "tiltyard-traefik/" + options.name + "/extra"; }

}  // namespace

Exporter::Exporter(asio::any_io_executor loop, const Options& options, Gateway gateway, Source source,
                   WorkerPool& files)
    : loop_(loop),
      options_(options),
      gateway_(std::move(gateway)),
      source_(std::move(source)),
      files_(files),
      news_(loop) {}

Result<> Exporter::open() {
  bus::RedisOptions where;
  where.url = options_.url;
  where.deadline = kDeadline;
  // It may be another one by now, or an empty one.
  where.on_connected = [this] {
    known_ = false;
    poke();
  };
  auto opened = bus::Redis::open(loop_, std::move(where));
  if (!opened) return fail(std::move(opened.error()));
  redis_ = std::move(*opened);
  behind_ = SteadyClock::now();
  gate_.spawn(loop_, "export", run());
  return {};
}

void Exporter::poke() {
  dirty_ = true;
  news_.pulse();
}

asio::awaitable<void> Exporter::close() {
  closing_ = true;
  news_.pulse();
  if (redis_) co_await redis_->close();
  co_await gate_.close();
}

asio::awaitable<void> Exporter::run() {
  Growing pause(kFirstPause, kLongestPause);
  std::string told;
  auto looked = SteadyClock::now();
  while (!closing_) {
    if (!dirty_) {
      const auto left = looked + options_.look_every - SteadyClock::now();
      const bool news = left.count() > 0 && co_await news_.wait_for(left);
      if (!news) known_ = false;
      if (news) co_await sleep_for(kGather);
    }
    if (closing_) break;
    // The connection comes with news.
    if (!redis_->connected()) {
      if (!behind_) behind_ = SteadyClock::now();
      dirty_ = true;
      co_await news_.wait_for(kLongestPause);
      continue;
    }
    if (!known_) looked = SteadyClock::now();
    dirty_ = false;
    auto done = co_await bring_up_to_date();
    if (done) {
      if (!told.empty()) log::info("traefik", "Redis has our routes again");
      told.clear();
      pause.reset();
      if (!dirty_) behind_.reset();
      continue;
    }
    known_ = false;
    dirty_ = true;
    if (!behind_) behind_ = SteadyClock::now();
    const auto& error = done.error();
    if (std::exchange(told, error.reason) != error.reason) {
      log::warn("traefik", "routes could not be written; trying again",
                {{"reason", error.reason}, {"message", error.message}, {"cause", error.cause}});
    }
    co_await sleep_for(pause.next());
  }
}

asio::awaitable<Result<>> Exporter::bring_up_to_date() {
  if (!known_) {
    auto learned = co_await learn();
    if (!learned) co_return learned;
  }
  auto wanted = keys_of(options_, gateway_, source_());
  wanted.insert(extra_.begin(), extra_.end());
  wanted_ = wanted.size();
  auto transactions = changes(options_, has_, wanted);
  if (!transactions.empty() && !behind_) behind_ = SteadyClock::now();
  std::vector<std::string> more{"SADD", manifest_of(options_)}, less{"SREM", manifest_of(options_)};
  for (const auto& [key, value] : extra_) {
    if (!left_.contains(key)) more.push_back(key);
  }
  for (const auto& key : left_) {
    if (!extra_.contains(key)) less.push_back(key);
  }
  // Noted before they are there, and until they are gone: none is ever forgotten.
  if (more.size() > 2) transactions.insert(transactions.begin(), Commands{more});
  if (less.size() > 2) transactions.push_back({less});
  for (auto& commands : transactions) {
    auto written = co_await write(std::move(commands));
    if (!written) co_return written;
  }
  has_ = std::move(wanted);
  left_.clear();
  for (const auto& [key, value] : extra_) left_.insert(key);
  co_return Result<>{};
}

/// A transaction, in one write: all of its commands are begun in one turn of the loop, on a connection that nobody else
/// uses.
asio::awaitable<Result<>> Exporter::write(std::vector<std::vector<std::string>> commands) {
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(send(redis_.get(), {"MULTI"}));
  for (auto& words : commands) works.push_back(send(redis_.get(), std::move(words)));
  works.push_back(send(redis_.get(), {"EXEC"}));
  auto written = first_error(co_await all_of(std::move(works)));
  metrics::counter(measures::kWrites, {written ? "written" : "failed"}).add();
  co_return written;
}

/// What Redis has of ours and of the operator's file, and what that file says now. A file that cannot be read stops
/// nothing: what it said before stays.
asio::awaitable<Result<>> Exporter::learn() {
  auto extra = co_await offload(files_, [this] { return read_extra(options_); });
  if (extra) extra_ = std::move(*extra);
  else log::warn("traefik", "keys of one's own are left as they are", {{"message", extra.error().message}});
  auto names = co_await ours_there();
  if (!names) co_return fail(std::move(names.error()));
  auto members = co_await redis_->command({"SMEMBERS", manifest_of(options_)});
  if (!members) co_return fail(std::move(members.error()));
  left_.clear();
  for (auto& item : members->items) {
    // Nothing that is not below the root is ever deleted, whoever wrote it into the list.
    if (item.text.starts_with(options_.root + "/")) left_.insert(item.text);
  }
  if (!extra) left_.clear();
  names->insert(left_.begin(), left_.end());
  for (const auto& [key, value] : extra_) names->insert(key);
  has_.clear();
  std::vector<std::string> some;
  for (const auto& name : *names) {
    some.push_back(name);
    if (some.size() < kAtOnce) continue;
    auto read = co_await read_values(std::exchange(some, {}));
    if (!read) co_return read;
  }
  auto read = co_await read_values(std::move(some));
  if (read) known_ = true;
  co_return read;
}

/// SCAN, which may name a key twice, and one that has gone meanwhile.
asio::awaitable<Result<std::set<std::string>>> Exporter::ours_there() {
  std::set<std::string> found;
  std::string cursor = "0";
  do {
    auto reply = co_await redis_->command(
        {"SCAN", cursor, "MATCH", options_.root + "/*/" + prefix_of(options_) + "*", "COUNT", std::to_string(kAtOnce)});
    if (!reply) co_return fail(std::move(reply.error()));
    if (reply->items.size() != 2) co_return fail(unexpected());
    cursor = reply->items[0].text;
    for (auto& item : reply->items[1].items) {
      if (is_ours(options_, item.text)) found.insert(std::move(item.text));
    }
  } while (cursor != "0" && found.size() < kMostKeys && !closing_);
  co_return found;
}

asio::awaitable<Result<>> Exporter::read_values(std::vector<std::string> names) {
  if (names.empty()) co_return Result<>{};
  auto words = names;
  words.insert(words.begin(), "MGET");
  auto reply = co_await redis_->command(std::move(words));
  if (!reply) co_return fail(std::move(reply.error()));
  if (reply->items.size() != names.size()) co_return fail(unexpected());
  for (std::size_t i = 0; i < names.size(); ++i) {
    // Nil is one that is not there, or is no text: it is written anew if it is wanted.
    if (reply->items[i].kind == bus::RedisReply::Kind::kText) has_[names[i]] = std::move(reply->items[i].text);
  }
  co_return Result<>{};
}

}  // namespace tiltyard::traefik
