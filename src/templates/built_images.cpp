#include "templates/built_images.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "bus/event_log.h"
#include "jobs/done_after.h"
#include "observe/log.h"
#include "templates/content.h"
#include "templates/events.h"

namespace tiltyard::templates {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kLookEvery{10};

}  // namespace

void BuiltImages::declare_jobs(jobs::Service& jobs) {
  jobs::Kind kind;
  kind.name = "templates.images";
  kind.about = "Removes builds that no template has needed for templates.keep_unneeded_images.";
  kind.timeout = std::chrono::minutes{10};
  kind.handler = [this](jobs::Firing) { return jobs::done_after(collect(false, {})); };
  jobs.declare_poll(std::move(kind), kLookEvery);
}

std::set<BuiltImages::Name> BuiltImages::needed() const {
  std::set<Name> out;
  for (const auto& entry : parts_.catalogue.list()) {
    const std::string& engine = entry.tmpl->engine.empty() ? parts_.engines.chosen() : entry.tmpl->engine;
    for (std::size_t i = 0; i < entry.tmpl->image_users(); ++i)
      out.emplace(engine, entry.tmpl->image_user(i).machine.image);
  }
  std::set<std::string> running;
  for (const auto* capability : parts_.facts) capability->add_images(running);
  for (const auto& [engine, unused] : parts_.engines.all()) {
    for (const auto& image : running) out.emplace(engine, image);
  }
  return out;
}

asio::awaitable<std::vector<BuiltImage>> BuiltImages::look() {
  std::vector<BuiltImage> out;
  for (const auto& [name, engine] : parts_.engines.all()) {
    if (engine->away() || !engine->images()) continue;
    const auto listed = co_await engine->images()->list_images();
    if (!listed) {
      log::warn("templates", "an engine's images cannot be listed",
                {{"engine", name}, {"error", listed.error().message}});
      continue;
    }
    for (const auto& entry : *listed) {
      const auto tmpl = entry.labels.find(engine::kLabelTemplate);
      if (tmpl == entry.labels.end()) continue;
      for (const auto& reference : entry.references) {
        if (is_built(reference))
          out.push_back({name, reference, tmpl->second, entry.size, entry.created_at, {}, std::nullopt});
      }
    }
  }
  const auto kept = needed();
  const TimePoint now = parts_.clock.now();
  std::map<Name, TimePoint> since;
  for (auto& image : out) {
    const Name name{image.engine, image.reference};
    if (kept.contains(name)) continue;
    const auto before = unneeded_since_.find(name);
    const TimePoint from = before == unneeded_since_.end() ? now : before->second;
    since[name] = from;
    image.fate = BuiltImage::Fate::kStays;
    if (parts_.options.keep_unneeded.count() == 0) continue;
    image.goes_at = from + parts_.options.keep_unneeded;
    if (now >= *image.goes_at) image.fate = BuiltImage::Fate::kGoes;
  }
  unneeded_since_ = std::move(since);
  std::ranges::sort(out, {}, [](const BuiltImage& image) { return std::tie(image.engine, image.reference); });
  co_return out;
}

asio::awaitable<void> BuiltImages::remove(BuiltImage& image, bus::Actor actor) {
  // A template may have come back to it while the one before was removed.
  if (needed().contains({image.engine, image.reference})) {
    image.fate = BuiltImage::Fate::kNeeded;
    co_return;
  }
  engine::Images& images = *parts_.engines.of(image.engine).images();
  const auto removed = co_await images.remove_image(image.reference);
  if (!removed) {
    if (removed.error().reason == "image-in-use") image.fate = BuiltImage::Fate::kInUse;
    else
      log::warn("templates", "a build that nobody needs could not be removed",
                {{"image", image.reference}, {"error", removed.error().message}});
    co_return;
  }
  image.fate = BuiltImage::Fate::kGone;
  unneeded_since_.erase({image.engine, image.reference});
  const json::object detail{{"template", image.tmpl}, {"engine", image.engine}, {"bytes", image.bytes}};
  bus::Event event{events::kImageRemoved, image.reference,    "",
                   std::move(actor),      parts_.clock.now(), json::serialize(detail)};
  const auto noted = co_await bus::record(parts_.store, std::move(event));
  if (!noted) log::warn("templates", "an event could not be written", {{"error", noted.error().message}});
}

asio::awaitable<std::vector<BuiltImage>> BuiltImages::collect(bool at_once, bus::Actor actor) {
  auto found = co_await look();
  std::erase_if(found, [](const BuiltImage& image) { return image.fate == BuiltImage::Fate::kNeeded; });
  for (auto& image : found) {
    if (image.fate == BuiltImage::Fate::kGoes || at_once) co_await remove(image, actor);
  }
  co_return found;
}

}  // namespace tiltyard::templates
