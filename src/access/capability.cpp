#include "access/capability.h"

#include <any>
#include <utility>

#include "access/http.h"
#include "base/parallel.h"
#include "config/keys.h"
#include "house/ground.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::access {
namespace {

constexpr const char* kRetention = "access.retention";
constexpr std::chrono::seconds kAfterStart{7}, kTogether{1};
constexpr std::chrono::hours kEvery{1};
constexpr int kBatch = 500;
constexpr std::chrono::milliseconds kPause{50};
constexpr std::size_t kMostPeople = 100'000;

/// Null: somebody whom nobody knows.
const identity::Principal* asking(const http::Request& request) {
  const auto* who = std::any_cast<std::shared_ptr<const identity::Principal>>(&request.principal);
  return who ? who->get() : nullptr;
}

}  // namespace

void Capability::keys(config::Keys& keys) {
  keys.section("access", "Who came to which endpoint: the gateway's log for evidence.")
      .flag("log", options_.log, "Whether it is written at all.")
      .number(
          "sample", options_.sample, 0, 1'000'000,
          "The first contact of each user and address with an endpoint is always written down; of the others, one of "
          "so many. 0: none.")
      .number("keep_days", options_.keep_days, 1, 3650, "Days after a visitor's last contact when it is forgotten.");
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  contacts_ = std::make_unique<Contacts>(ground.store);
  jobs::Kind kind;
  kind.name = kRetention;
  kind.about = "Forgets who came to endpoints longer ago than access.keep_days.";
  kind.timeout = std::chrono::hours{1};
  kind.at_once = 1;
  kind.handler = [this](jobs::Firing) { return forget_old(); };
  ground.jobs.declare(std::move(kind));
  ground.jobs.declare(jobs::Service::Recurring{
      kRetention, "hourly", {}, *jobs::Schedule::every(kEvery), jobs::Keep::kDisk, kAfterStart});
  if (options_.log)
    ground.doors.filters.push_back(
        [this](http::Request& request, const http::Route&) { return note(asking(request)); });
  return {};
}

/// Passes name a user by a number that only the id gives, and everybody who has one has asked for it here.
asio::awaitable<Result<>> Capability::note(const identity::Principal* who) {
  if (!who || closing_) co_return Result<>{};
  const auto visitor = static_cast<std::int64_t>(gateway::party_of(who->user.str()));
  if (people_.size() >= kMostPeople) people_.clear();
  if (people_.try_emplace(visitor, who->user.str()).second)
    gate_.spawn(ground_->home, "name a visitor", remember(visitor, who->user.str()));
  co_return Result<>{};
}

asio::awaitable<void> Capability::remember(std::int64_t visitor, std::string user) {
  if (auto named = co_await contacts_->name(visitor, std::move(user)); !named) people_.erase(visitor);
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *contacts_, identity_.service()); }

asio::awaitable<Result<>> Capability::start() {
  if (!options_.log) co_return Result<>{};
  co_await ground_->gateway.note_contacts(options_.sample, [this] { come(); });
  co_return Result<>{};
}

/// The first of a while: what comes within a second is written together with it.
void Capability::come() {
  if (std::exchange(writing_, true) || closing_) return;
  gate_.spawn(ground_->home, "write contacts", write_soon());
}

asio::awaitable<void> Capability::write_soon() {
  co_await sleep_for(kTogether);
  writing_ = false;
  co_await write_down();
}

asio::awaitable<void> Capability::write_down() {
  auto taken = co_await ground_->gateway.take_contacts();
  std::vector<Entry> entries;
  for (auto& one : taken.contacts) {
    Entry entry{one.instance.str(),
                {},
                {},
                std::move(one.endpoint),
                std::move(one.address),
                static_cast<std::int64_t>(one.visitor),
                std::chrono::floor<Duration>(one.at)};
    if (const auto live = labs_.service().live(one.instance)) {
      entry.tmpl = live->instance.tmpl.str();
      entry.owner = live->instance.owner;
    }
    entries.push_back(std::move(entry));
  }
  const auto count = entries.size();
  auto written = co_await contacts_->write(std::move(entries));
  const std::size_t lost = written ? *written : count;
  if (!written)
    log::warn("access", "contacts could not be written down",
              {{"count", count}, {"reason", written.error().reason}, {"cause", written.error().cause}});
  metrics::counter(measures::kContacts, {"yes"}).add(static_cast<double>(count - lost));
  metrics::counter(measures::kContacts, {"no"}).add(static_cast<double>(lost + taken.lost));
}

asio::awaitable<Result<std::optional<std::vector<Seen>>>> Capability::seen(std::string owner, TemplateId tmpl) {
  if (!options_.log) co_return std::nullopt;
  auto found = co_await contacts_->read({.tmpl = tmpl.str(), .owner = std::move(owner)});
  if (!found) co_return fail(std::move(found.error()));
  co_return std::move(*found);
}

asio::awaitable<Result<jobs::Next>> Capability::forget_old() {
  const auto before = ground_->clock.now() - std::chrono::hours{24} * options_.keep_days;
  while (true) {
    auto removed = co_await contacts_->forget(before, kBatch);
    if (!removed) co_return fail(std::move(removed.error()));
    if (*removed < kBatch) co_return jobs::Next::done();
    co_await sleep_for(kPause);
  }
}

asio::awaitable<void> Capability::close() {
  closing_ = true;
  co_await gate_.close();
  if (ground_ && contacts_ && options_.log) co_await write_down();
}

}  // namespace tiltyard::access
