#include "labs/admission.h"

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include <cctype>

#include "base/failpoint.h"
#include "engine/engine.h"
#include "identity/identity.h"
#include "labs/reasons.h"
#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

/// What part of all instances one client address may have started, whoever signs in there.
constexpr std::size_t kShareOfAddress = 2;

/// Eight characters of the owner's id for names: its end, because ULIDs of one day begin alike.
std::string short_owner(const std::string& owner) {
  std::string letters;
  for (const char c : owner) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      letters.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
  }
  if (letters.size() > 8) letters.erase(0, letters.size() - 8);
  return letters.empty() ? "nobody" : letters;
}

}  // namespace

Admission::Admission(Ground& ground, Instances& instances, Offers& offers, Planner& planner, StartQueue& queue,
                     WarmPools& pools)
    : OnGround(ground),
      origins_(std::max(options_.instances_total / kShareOfAddress, options_.instances_per_owner),
               net::Shares::kUnlimited),
      instances_(instances),
      offers_(offers),
      planner_(planner),
      queue_(queue),
      pools_(pools) {}

Result<> Admission::admit(const identity::Principal& who, const templates::Template& tmpl) const {
  if (ground_.closing)
    return fail(Code::kUnavailable, "shutting-down", "The server is shutting down; try again in a moment.");
  if (auto away = engine_for(tmpl).away()) {
    return fail(Code::kUnavailable, reason::kEngineUnavailable,
                "The engine that runs machines is away; we go on by ourselves when it is back. " + away->message,
                away->cause);
  }
  if (auto allowed = parts_.look_for_vetoes(); !allowed) return allowed;
  const std::string owner = who.owner();
  std::size_t of_template = 0, of_all = 0;
  for (const auto& live : instances_) {
    const bool waits = live->instance.pool == PoolRole::kWaiting && !live->claimant;
    if (waits) continue;
    ++of_all;
    if (live->instance.tmpl != tmpl.id) continue;
    ++of_template;
    const bool theirs = live->instance.owner == owner || (live->claimant && *live->claimant == owner);
    if (!theirs) continue;
    Error exists{
        Code::kConflict, reason::kInstanceExists, "You already run this template; stop that instance first.", {}, {}};
    return fail(std::move(exists).with("instance_id", live->instance.id.str()));
  }
  const auto over = [](const char* what, std::size_t limit, std::size_t current, std::string message) {
    Error error{Code::kLimited, "limit-reached", std::move(message), {}, {}};
    return fail(std::move(error)
                    .with("limited_by", what)
                    .with("limit", std::to_string(limit))
                    .with("current", std::to_string(current)));
  };
  const std::size_t current = instances_.of_owner(owner);
  if (current >= options_.instances_per_owner) {
    return over("instances_per_owner", options_.instances_per_owner, current,
                fmt::format("You run {} instances, which is the limit; stop one first.", current));
  }
  if (of_all >= options_.instances_total) {
    return over("instances_total", options_.instances_total, of_all, "The range is full; try again later.");
  }
  if (tmpl.max_instances > 0 && of_template >= static_cast<std::size_t>(tmpl.max_instances)) {
    return over("max_instances", static_cast<std::size_t>(tmpl.max_instances), of_template,
                "All instances of this template are taken; try again later.");
  }
  if (queue_.size() >= options_.queue_limit) {
    return fail(Code::kUnavailable, "queue-full", "Too many people wait already; try again in a minute.");
  }
  return {};
}

Result<net::Shares::Hold> Admission::place_of(const identity::Principal& who, const std::string& address) {
  boost::system::error_code unread;
  const auto from = asio::ip::make_address(address, unread);
  if (unread || from.is_loopback() || who.role >= identity::Role::kAuthor) return net::Shares::Hold();
  std::erase_if(placed_, [this](const auto& entry) { return !instances_.find(entry.first); });
  auto place = origins_.take(net::holder_of(from));
  if (place) return place;
  Error error{Code::kLimited,
              "limit-reached",
              "As many instances run that were started from your address as may; one of them has to end first.",
              {},
              {}};
  return fail(std::move(error).with("limited_by", "instances_of_an_address"));
}

LiveRef Admission::fresh(std::shared_ptr<const templates::Template> tmpl, const identity::Principal& who,
                         std::string context) const {
  auto live = std::make_shared<Live>();
  live->tmpl = tmpl;
  live->step_clock = std::chrono::steady_clock::now();
  Instance& instance = live->instance;
  instance.tmpl = tmpl->id;
  instance.owner = who.owner();
  instance.owner_name = who.team ? who.team_name : who.name;
  instance.id = InstanceId(fmt::format("{}-{}-{}", instance.tmpl.str(), short_owner(instance.owner), random_hex(4)));
  instance.follow(tmpl);
  instance.user = who.user;
  instance.team = who.team ? who.team->str() : "";
  instance.context = std::move(context);
  instance.credentials = draw_credentials(*tmpl);
  instance.created_at = parts_.clock.now();
  return live;
}

asio::awaitable<Result<Instance>> Admission::request(identity::Principal who, TemplateId id, std::string context,
                                                     std::string address) {
  auto tmpl = offers_.startable(id);
  if (!tmpl) co_return fail(std::move(tmpl.error()));
  // Asked before the places are looked at, because between that look and taking one nothing may be awaited.
  auto& engine = engine_for(**tmpl);
  auto isolated = co_await engine.ensure_isolation();
  if (!isolated && !engine.away()) {
    co_return fail(Code::kUnavailable, "isolation-unavailable",
                   "Machines cannot be kept apart at the moment, so none starts. " + isolated.error().message,
                   isolated.error().cause);
  }
  auto admitted = admit(who, **tmpl);
  if (!admitted) co_return fail(std::move(admitted.error()));
  auto origin = place_of(who, address);
  if (!origin) co_return fail(std::move(origin.error()));
  const bus::Actor actor(who.name, who.user.str(), std::move(address));
  if (auto waiting = pools_.take(**tmpl)) {
    auto claimed = co_await pools_.claim(std::move(*waiting), std::move(who), std::move(context), actor);
    if (claimed && *origin) placed_.insert_or_assign(claimed->id, std::move(*origin));
    co_return claimed;
  }

  const auto live = fresh(*tmpl, who, std::move(context));
  Instance& instance = live->instance;
  // From here on the places are taken, before the first await: no second call can slip in between.
  instances_.add(live, true);
  if (*origin) placed_.insert_or_assign(instance.id, std::move(*origin));
  const bool at_once = queue_.at_once();
  if (at_once) queue_.take_place();
  // Ours from here on: an engine that comes back meanwhile finds it in hand, and does not start it a second time.
  std::optional<Hold> hold;
  if (at_once) hold.emplace(live, Doing::kSpawning);
  Result<> placed;
  if (at_once) {
    instance.state = InstanceState::kPreparing;
    placed = co_await planner_.plan(live);
  } else {
    queue_.push(live);
  }
  if (placed) {
    auto event = instances_.event_of(instance, events::kAsked, actor);
    auto before = co_await failpoint("labs.admit.commit.before");
    placed = before ? co_await rows_.insert(instance, std::move(event)) : std::move(before);
    co_await failpoint("labs.admit.commit.after");
  }
  if (!placed) {
    if (at_once) queue_.give_back_place();
    else queue_.drop(live);
    instances_.forget(live);
    co_return fail(std::move(placed.error()));
  }
  instances_.announce(*live, events::kAsked, actor);
  if (at_once) instances_.start(std::move(*hold), "spawn", queue_.spawn(live));
  else queue_.pump();
  co_return live->instance;
}

}  // namespace tiltyard::labs
