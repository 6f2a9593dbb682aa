#include "templates/capability.h"

#include <filesystem>

#include "house/ground.h"
#include "observe/metrics.h"
#include "templates/http.h"
#include "templates/measures.h"
#include "templates/rooms.h"

namespace tiltyard::templates {
namespace {

void count(const Catalogue& catalogue) {
  double ready = 0, broken = 0;
  const auto entries = catalogue.list();
  for (const auto& entry : entries) {
    ready += entry.state == State::kReady ? 1 : 0;
    broken += entry.state == State::kBroken ? 1 : 0;
  }
  const auto show = [](const char* state, double number) { metrics::gauge(measures::kTemplates, {state}).set(number); };
  show("all", static_cast<double>(entries.size()));
  show("ready", ready);
  show("broken", broken);
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  return {{"template-rebuild",
           "Building a template's image again",
           limits::Key::kUser,
           {6, 10, 200},
           std::chrono::minutes{1}}};
}

Result<> Capability::make(house::Ground& ground) {
  options_.path = std::filesystem::absolute(options_.path).lexically_normal().string();
  catalogue_ = std::make_unique<Catalogue>(options_, ground.engines, ground.bus, ground.clock, ground.home);
  catalogue_->declare_jobs(ground.jobs);
  offers_ = std::make_unique<Offers>(*catalogue_, ground.store, ground.bus, ground.clock);
  facts_ = ground.offering<HasFacts>();
  built_ = std::make_unique<BuiltImages>(
      BuiltImages::Parts{options_, *catalogue_, ground.engines, ground.store, ground.clock, facts_});
  built_->declare_jobs(ground.jobs);
  ground_ = &ground;
  metrics::on_collect([catalogue = catalogue_.get()] { count(*catalogue); });
  return {};
}

void Capability::routes(house::Routes& routes) {
  add_routes(routes, {{*offers_, facts_}, *built_, ground_->store, ground_->clock});
}

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes&) { return {room_of({*offers_, facts_})}; }

boost::json::object Capability::view(const Entry& entry, bool for_staff) const {
  return templates::view({*offers_, facts_}, entry, for_staff);
}

asio::awaitable<Result<>> Capability::start() {
  auto loaded = co_await catalogue_->load();
  if (!loaded) co_return loaded;
  co_return co_await offers_->load();
}

asio::awaitable<Result<>> Capability::open() {
  catalogue_->run();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (catalogue_) co_await catalogue_->close();
}

}  // namespace tiltyard::templates
