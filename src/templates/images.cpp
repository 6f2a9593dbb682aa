#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/ignore.h"
#include "observe/log.h"
#include "templates/catalogue_state.h"
#include "templates/content.h"
#include "templates/dockerfile.h"
#include "templates/dockerfile_rewrite.h"
#include "templates/inside.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTellEvery{200};
constexpr std::chrono::seconds kNamesKept{30};

/// Images of ours are made on this machine; no registry has them.
bool made_here(std::string_view reference) { return reference.starts_with("tiltyard/"); }

std::string waits_for(const std::string& image, bool base, const std::vector<std::string>& known) {
  const std::string_view what = base ? "base image" : "image";
  if (made_here(image)) {
    const std::vector<std::string_view> names(known.begin(), known.end());
    return fmt::format("waits for the {} {}, which images/make makes on this machine, and which is not there{}", what,
                       printable(image), did_you_mean(image, names));
  }
  return fmt::format(
      "waits for the {} {}: load it into the engine (docker load, docker pull), or let the server fetch images with "
      "templates.allow_pull",
      what, image);
}

/// "tiltyard/t-web-main:0123" → "tiltyard/t-web-main": what stays the same from build to build.
std::string without_tag(const std::string& reference) { return reference.substr(0, reference.rfind(':')); }

/// Whether what an image was built on has another content by now. One of a version that did not say stays as it is.
bool built_on_others(const engine::ImageInfo& image, const std::string& below) {
  const auto said = image.labels.find(engine::kLabelBelow);
  return said != image.labels.end() && !below.empty() && said->second != below;
}

/// The last few lines: what a person needs to see of a failed build.
std::string tail(const std::string& text) {
  const auto lines = split(text, '\n');
  std::string out;
  const std::size_t begin = lines.size() > 12 ? lines.size() - 12 : 0;
  for (std::size_t i = begin; i < lines.size(); ++i) out += (out.empty() ? "" : "\n") + printable(lines[i], 300);
  return out;
}

/// The first of what its Dockerfile says that the engine cannot do; empty: there is none.
std::string too_new(const Service& service, int syntax) {
  for (const auto& need : service.build_needs) {
    if (need.least <= syntax) continue;
    return fmt::format("{}:{}: {} needs BuildKit with Dockerfile syntax {}.{} ({} and later); this engine has {}",
                       service.build->dockerfile_text.empty() ? service.build->dockerfile : "dockerfile_inline",
                       need.line, need.what, need.least / 100, need.least % 100, engine_of_syntax(need.least),
                       syntax == 0 ? std::string("no BuildKit") : fmt::format("{}.{}", syntax / 100, syntax % 100));
  }
  return {};
}

/// Says the Dockerfile in the words of the engine's own front end, where it says what the classic builder cannot do.
/// Blocking.
Result<engine::BuildSpec> worded(engine::BuildSpec spec, int syntax) {
  auto ignored = engine::read_ignore_text(spec);
  if (!ignored) return fail(Code::kInvalid, "build-failed", ignored.error());
  spec.ignore_text = std::move(*ignored);
  std::string text = spec.dockerfile_text;
  if (text.empty()) {
    auto read = Inside(spec.context).read({}, spec.dockerfile, 1024 * 1024);
    if (!read) return fail(Code::kInvalid, "build-failed", read.error());
    text = std::move(*read);
  }
  rewrite_dockerfile(text, syntax, spec);
  return spec;
}

/// Whether one of the template's own builds makes this image.
bool builds(const Template& tmpl, const std::string& image) {
  for (std::size_t i = 0; i < tmpl.image_users(); ++i) {
    const Service& service = tmpl.image_user(i);
    if (service.build && service.machine.image == image) return true;
  }
  return false;
}

/// What others start from before them. There are no circles: the reader refuses them.
std::vector<std::size_t> in_order(const Template& tmpl, std::vector<std::size_t> missing) {
  std::vector<std::size_t> out;
  while (!missing.empty()) {
    const auto next = std::ranges::find_if(missing, [&](std::size_t one) {
      return std::ranges::none_of(missing, [&](std::size_t other) {
        const auto& bases = tmpl.image_user(one).base_images;
        return std::ranges::find(bases, tmpl.image_user(other).machine.image) != bases.end();
      });
    });
    const auto taken = next == missing.end() ? missing.begin() : next;
    out.push_back(*taken);
    missing.erase(taken);
  }
  return out;
}

int runs_of(const Template& tmpl, const std::vector<std::size_t>& missing) {
  int runs = 0;
  for (const auto index : missing) runs += tmpl.image_user(index).build_runs;
  return runs;
}

}  // namespace

void Catalogue::State_::set_state(Item& item, State state, std::string reason) {
  if (item.state == state && item.reason == reason && !item.build) return;
  item.state = state;
  item.reason = std::move(reason);
  item.build.reset();
  publish(item.tmpl->id);
}

/// What a build starts from, as it is on the engine now.
asio::awaitable<Catalogue::State_::Below> Catalogue::State_::look_below(engine::Images& images,
                                                                        const Service& service) const {
  Below below;
  ContentHash hash;
  for (const auto& base : service.base_images) {
    const auto found = co_await images.find_image(base);
    if (!found) {
      below.fault = found.error().message;
      break;
    }
    if (!found->has_value()) {
      below.missing.push_back(base);
      continue;
    }
    hash.add((*found)->id);
    if ((*found)->triggers) below.triggers = base;
  }
  if (below.fault.empty() && below.missing.empty()) below.hash = hash.hex(16);
  co_return below;
}

/// Whether an image is there as it is to be, can be made, waits for something, or cannot be made on this engine.
asio::awaitable<Catalogue::State_::Looked> Catalogue::State_::look_at(engine::Engine& engine, const Template& tmpl,
                                                                      const Service& service, bool forced) {
  engine::Images& images = *engine.images();
  const std::string& name = service.machine.image;
  const auto image = co_await images.find_image(name);
  if (!image) co_return Looked{.waiting = fmt::format("waits for the engine: {}", image.error().message)};
  const bool there = image->has_value();
  if (!service.build) {
    if (there) co_return Looked{};
    if (options.allow_pull && !made_here(name)) co_return Looked{.missing = true};
    co_return Looked{.waiting = waits_for(name, false, co_await own_images(engine))};
  }
  const Below below = co_await look_below(images, service);
  if (there && !forced && !built_on_others(**image, below.hash)) co_return Looked{};
  if (!service.build_needs.empty() && images.dockerfile_syntax() == 0) {
    const auto known = co_await engine.fingerprint();
    if (!known) co_return Looked{.waiting = fmt::format("waits for the engine: {}", known.error().message)};
  }
  if (auto why = too_new(service, images.dockerfile_syntax()); !why.empty()) co_return Looked{.broken = std::move(why)};
  if (!below.fault.empty()) co_return Looked{.waiting = fmt::format("waits for the engine: {}", below.fault)};
  for (const auto& base : below.missing) {
    if (builds(tmpl, base)) continue;  // in the same turn, and before this one
    if (!options.allow_pull || made_here(base))
      co_return Looked{.waiting = waits_for(base, true, co_await own_images(engine))};
  }
  co_return Looked{.missing = true};
}

/// What images/make has made on an engine, for who has misspelt one; asked for again after a while.
asio::awaitable<std::vector<std::string>> Catalogue::State_::own_images(engine::Engine& engine) {
  auto& known = own_names[engine.name()];
  const TimePoint now = clock.now();
  if (known.first <= now && now - known.first < kNamesKept) co_return known.second;
  std::vector<std::string> names;
  const auto listed = co_await engine.images()->list_images();
  if (listed) {
    for (const auto& entry : *listed) {
      for (const auto& name : entry.references) {
        if (made_here(name) && !is_built(name)) names.push_back(name);
      }
    }
  }
  own_names[engine.name()] = {now, names};
  co_return names;
}

/// Looks which of a template's images are there. Never makes one: that is the build loops' work.
asio::awaitable<void> Catalogue::State_::settle(std::string folder) {
  const auto self = shared_from_this();
  const auto found = items.find(folder);
  if (found == items.end()) co_return;
  const auto tmpl = found->second.tmpl;
  const std::uint64_t version = found->second.version;
  if (tmpl->broken() || found->second.build_failed || building.contains(folder)) co_return;
  if (found->second.state == State::kBroken) co_return;  // another folder has its id
  const std::set<std::string> forced = found->second.forced;
  std::vector<std::size_t> missing;
  std::set<std::string> seen;
  engine::Engine& engine = engines.of(tmpl->engine);
  engine::Images* const images = engine.images();
  std::string waiting;
  if (!engines.configured(tmpl->engine)) waiting = fmt::format("waits for the engine: {}", engine.away()->message);
  else if (!images) waiting = engine::cannot(engine, "hold images").error().message;
  std::string broken;
  for (std::size_t i = 0; i < tmpl->image_users() && waiting.empty() && broken.empty(); ++i) {
    const Service& service = tmpl->image_user(i);
    if (!seen.insert(service.machine.image).second) continue;
    const Looked looked = co_await look_at(engine, *tmpl, service, forced.contains(service.machine.image));
    if (looked.missing) missing.push_back(i);
    waiting = looked.waiting;
    broken = looked.broken;
  }
  const auto now = items.find(folder);
  if (now == items.end() || now->second.version != version || building.contains(folder)) co_return;
  Item& item = now->second;
  item.missing = waiting.empty() && broken.empty() ? in_order(*tmpl, missing) : std::vector<std::size_t>{};
  if (!broken.empty()) {
    item.build_failed = true;
    set_state(item, State::kBroken, broken);
  } else if (!waiting.empty()) {
    set_state(item, State::kWaiting, waiting);
  } else if (!missing.empty()) {
    set_state(item, State::kBuilding, "waits for its turn to be built");
    wake();
  } else {
    set_state(item, tmpl->active ? State::kReady : State::kInactive,
              tmpl->active ? "" : "switched off in instance.toml");
  }
}

/// The one that is done soonest: as long as its last build took, else by how much its Dockerfiles run; then by name.
std::optional<std::string> Catalogue::State_::next_to_build() const {
  std::optional<std::string> best;
  std::tuple<milliseconds, int, std::string> least;
  for (const auto& [folder, item] : items) {
    if (item.missing.empty() || building.contains(folder)) continue;
    milliseconds known{0};
    for (const auto index : item.missing) {
      const auto last = usual.find(without_tag(item.tmpl->image_user(index).machine.image));
      if (last != usual.end()) known += last->second;
    }
    const std::tuple key{known, runs_of(*item.tmpl, item.missing), folder};
    if (!best || key < least) {
      best = folder;
      least = key;
    }
  }
  return best;
}

void Catalogue::State_::wake() {
  for (const auto& sleeper : sleepers) sleeper->cancel();
}

asio::awaitable<void> Catalogue::State_::build_loop() {
  const auto self = shared_from_this();
  const auto sleeper = std::make_shared<asio::steady_timer>(home);
  sleepers.push_back(sleeper);
  while (true) {
    const auto folder = next_to_build();
    if (folder) {
      co_await build_one(*folder);
      continue;
    }
    boost::system::error_code woken;
    sleeper->expires_at(asio::steady_timer::time_point::max());
    co_await sleeper->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
    if (cancelled != asio::cancellation_type::none) co_return;
  }
}

void Catalogue::State_::progressed(const std::string& folder, std::uint64_t version,
                                   const engine::BuildProgress& progress) {
  const auto found = items.find(folder);
  if (found == items.end() || found->second.version != version || !found->second.build) return;
  auto& build = *found->second.build;
  if (progress.step > 0) build.step = progress.step;
  if (progress.steps > 0) build.steps = progress.steps;
  if (!progress.text.empty()) build.text = printable(progress.text, 200);
  const TimePoint now = clock.now();
  TimePoint& last = told[folder];
  if (now - last < kTellEvery && now >= last) return;
  last = now;
  publish(found->second.tmpl->id);
}

asio::awaitable<Result<engine::ImageInfo>> Catalogue::State_::make_image(std::string folder, std::size_t index) {
  Item& item = items.at(folder);
  const auto tmpl = item.tmpl;
  const Service& service = tmpl->image_user(index);
  const std::uint64_t version = item.version;
  engine::Images& images = *engines.of(tmpl->engine).images();  // `settle` has found it
  BuildStatus status;
  status.started_at = clock.now();
  status.text = service.build ? "the build begins" : fmt::format("fetching {}", service.machine.image);
  if (const auto last = usual.find(without_tag(service.machine.image)); last != usual.end())
    status.usual = last->second;
  item.build = status;
  item.state = State::kBuilding;
  item.reason = fmt::format("its image {} is being made", service.machine.image);
  publish(tmpl->id);
  const std::weak_ptr<State_> weak = weak_from_this();
  auto tell = [weak, folder, version](engine::BuildProgress progress) {
    if (const auto self = weak.lock()) self->progressed(folder, version, progress);
  };
  if (!service.build) {
    auto pulled = co_await images.pull(service.machine.image, tell);
    co_return pulled;
  }
  engine::BuildSpec spec = *service.build;
  spec.labels[engine::kLabelManaged] = "true";
  spec.labels[engine::kLabelTemplate] = tmpl->id.str();
  const Below below = co_await look_below(images, service);
  if (!below.hash.empty()) spec.labels[engine::kLabelBelow] = below.hash;
  if (!service.build_needs.empty() || !spec.contexts.empty() || !spec.secrets.empty()) {
    auto work = [spec, syntax = images.dockerfile_syntax()] { return worded(spec, syntax); };
    auto said = co_await offload(reader, std::move(work));
    if (!said) co_return fail(std::move(said.error()));
    spec = std::move(*said);
    if (!below.triggers.empty())
      co_return fail(
          Code::kInvalid, "build-failed",
          service.build_needs.empty()
              ? fmt::format("{} has ONBUILD instructions, which cannot be followed together with contexts and "
                            "secrets of a build's own",
                            below.triggers)
              : fmt::format("{} has ONBUILD instructions, which cannot be followed together with {} (line {})",
                            below.triggers, service.build_needs.front().what, service.build_needs.front().line));
  }
  auto built = co_await images.build(std::move(spec), tell);
  co_return built;
}

asio::awaitable<void> Catalogue::State_::build_one(std::string folder) {
  const auto self = shared_from_this();
  const auto tmpl = items.at(folder).tmpl;
  const std::uint64_t version = items.at(folder).version;
  const std::vector<std::size_t> missing = items.at(folder).missing;
  building.insert(folder);
  std::string fault;
  bool retry_later = false;
  for (const auto index : missing) {
    const auto current = items.find(folder);
    if (current == items.end() || current->second.version != version) break;
    const std::string image = tmpl->image_user(index).machine.image;
    const auto started = clock.now();
    Result<engine::ImageInfo> made;
    try {
      made = co_await make_image(folder, index);
    } catch (...) {
      building.erase(folder);
      throw;
    }
    if (made) {
      usual[without_tag(image)] = std::chrono::duration_cast<milliseconds>(clock.now() - started);
      if (const auto now = items.find(folder); now != items.end()) now->second.forced.erase(image);
      continue;
    }
    retry_later = made.error().code == Code::kUnavailable;
    fault =
        fmt::format("the image of {} could not be made: {}", tmpl->image_user(index).name, tail(made.error().message));
    log::warn("templates", "an image could not be made",
              {{"template", tmpl->id.str()}, {"image", image}, {"error", made.error().message}});
    break;
  }
  building.erase(folder);
  const auto now = items.find(folder);
  if (now == items.end()) co_return;
  if (now->second.version == version) {
    Item& item = now->second;
    item.missing.clear();
    item.build.reset();
    if (!fault.empty() && !retry_later) {
      item.build_failed = true;
      item.forced.clear();
      item.state = State::kBroken;
      item.reason = fault;
      publish(tmpl->id);
      co_return;
    }
    if (!fault.empty()) {
      item.state = State::kWaiting;  // looked at again by itself
      item.reason = fault;
      publish(tmpl->id);
      co_return;
    }
  }
  co_await settle(folder);
}

}  // namespace tiltyard::templates
