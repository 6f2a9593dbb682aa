#include "farm/sploit/link.h"

#include <fmt/core.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/backoff.h"
#include "cli/context.h"

namespace tiltyard::farm::sploit {
namespace {

using namespace cli;
namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::size_t kMostInPost = 1000;
constexpr std::chrono::seconds kDeadline{10};
constexpr auto kFirstPause = 250ms;
constexpr std::chrono::milliseconds kLongestPause{5'000};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// Whole or not at all: the exploits of a round may be reading the old one.
void replace_file(const std::string& path, const std::string& text) {
  const auto fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file) return;
  }
  std::rename(fresh.c_str(), path.c_str());
}

/// Whether the farm understood and will say the same again, in contrast to being away or busy.
bool refuses(const Error& error) { return error.code == Code::kInvalid || error.code == Code::kTooLarge; }

json::value as_body(const std::vector<FoundFlag>& flags) {
  json::array items;
  for (const auto& found : flags)
    items.push_back(json::object{{"flag", found.flag}, {"sploit", found.sploit}, {"team", found.team}});
  return json::object{{"flags", std::move(items)}};
}

}  // namespace

FarmLink::FarmLink(Options options, Backlog& backlog)
    : options_(std::move(options)),
      backlog_(backlog),
      api_(std::make_unique<Api>(options_.where)),
      batch_(kMostInPost) {}

FarmLink::~FarmLink() { close(); }

Result<> FarmLink::open() {
  auto looked = look();
  if (!looked && looked.error().reason == reason::kServerAway) {
    boost::system::error_code broken;
    const auto said = json::parse(read_file(options_.state + ".game.json"), broken);
    if (broken) return looked;
    auto game = read_game(said, true);
    if (!game) return fail(std::move(game.error()));
    note(fmt::format("{} Going on with what it said last; flags are kept in {}", looked.error().message,
                     backlog_.path()));
    game_ = std::move(*game);
    totals_.away = true;
  } else if (!looked) {
    return looked;
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<> FarmLink::look() {
  auto teams = api_->get("/farm/teams");
  if (!teams) return fail(std::move(teams.error()));
  json::object said{{"teams", std::move(*teams)}};
  // An exploit without flag ids is still an exploit.
  if (auto ids = api_->get("/farm/attack-data")) said["flag_ids"] = member(*ids, "services");
  json::value value(std::move(said));
  auto game = read_game(value, false);
  if (!game) return fail(std::move(game.error()));
  replace_file(options_.state + ".game.json", json::serialize(value));
  replace_file(options_.state + ".ids.json", json::serialize((*game)->flag_ids));
  const std::lock_guard lock(mutex_);
  game_ = std::move(*game);
  return {};
}

Result<std::shared_ptr<const Game>> FarmLink::read_game(const json::value& said, bool from_memory) const {
  const auto& teams = member(said, "teams");
  auto format = farm::FlagFormat::make(text_of(teams, "flag_format"));
  if (!format) return fail(std::move(format.error()));
  auto game = std::make_shared<Game>(Game{{}, std::move(*format), {}, {}, options_.state + ".ids.json", from_memory});
  for (const auto& team : items_of(teams)) game->teams.push_back({text_of(team, "name"), text_of(team, "address")});
  game->flag_lifetime = std::chrono::seconds(static_cast<std::int64_t>(real_of(teams, "flag_lifetime_s")));
  const auto& ids = member(said, "flag_ids");
  game->flag_ids = ids.is_object() ? ids : json::value(json::object{});
  return game;
}

std::shared_ptr<const Game> FarmLink::game() const {
  const std::lock_guard lock(mutex_);
  return game_;
}

void FarmLink::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

FarmLink::Totals FarmLink::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

bool FarmLink::flushed() {
  const std::lock_guard lock(mutex_);
  flushing_ = true;
  changed_.notify_all();
  return backlog_.size() == 0;
}

void FarmLink::close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void FarmLink::run() {
  using Clock = std::chrono::steady_clock;
  auto next_look = Clock::now() + options_.refresh;
  Growing<std::chrono::milliseconds> pause(kFirstPause, kLongestPause);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (backlog_.size() == 0 && (flushing_ || Clock::now() < next_look)) {
      changed_.wait_until(lock, flushing_ ? Clock::now() + 1h : next_look);
      continue;
    }
    lock.unlock();
    Result<> done;
    if (backlog_.size() != 0) {
      done = send_some();
    } else {
      next_look = Clock::now() + options_.refresh;
      done = look();
    }
    lock.lock();
    if (!done && !totals_.away)
      note(fmt::format("{} {} flags wait in {}", done.error().message, backlog_.size(), backlog_.path()));
    if (done && totals_.away) note("The farm is there again.");
    totals_.away = !done;
    if (done) {
      pause.reset();
    } else {
      changed_.wait_for(lock, pause.next(), [this] { return stopping_; });
    }
  }
}

Result<> FarmLink::send_some() {
  const auto batch = backlog_.oldest(batch_);
  Result<json::value> answer{json::value()};
  if (!batch.flags.empty()) {
    Api::Call call;
    call.method = "POST";
    call.path = "/farm/flags";
    call.body = as_body(batch.flags);
    call.deadline = kDeadline;
    answer = api_->call(std::move(call));
  }
  if (!answer && refuses(answer.error()) && batch.lines > 1) {
    // One of them is what the farm does not take: it is found by halves, the others get through.
    batch_ = batch.lines / 2;
    return {};
  }
  if (!answer && !refuses(answer.error())) return fail(std::move(answer.error()));
  backlog_.sent(batch);
  batch_ = std::min(batch_ * 2, kMostInPost);
  const std::lock_guard lock(mutex_);
  if (answer) {
    totals_.sent += batch.flags.size();
    totals_.fresh += static_cast<std::uint64_t>(number_of(*answer, "new"));
    totals_.refused += static_cast<std::uint64_t>(number_of(*answer, "invalid_count"));
  } else {
    totals_.refused += batch.flags.size();
    note(fmt::format("The farm does not take \"{}\": {}", batch.flags.front().flag.substr(0, 100),
                     answer.error().message));
  }
  return {};
}

}  // namespace tiltyard::farm::sploit
