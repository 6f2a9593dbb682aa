#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <unordered_map>

#include "base/text.h"
#include "flags/feed.h"
#include "flags/flags.h"
#include "flags/folder_scan.h"
#include "observe/log.h"
#include "templates/events.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;
using TemplateRef = std::shared_ptr<const templates::Template>;
using PlanRef = std::shared_ptr<const Plan>;
using ScanRef = std::shared_ptr<const ImageScan>;

constexpr char kBroken[] = "flags-broken";

/// "sha256:…" and what was looked for → the name of the folder of contents.
std::string folder_name(const std::string& image, const std::string& key) {
  unsigned char hash[8];
  crypto_generichash(hash, sizeof hash, reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr, 0);
  const auto colon = image.find(':');
  std::string name = image.substr(colon == std::string::npos ? 0 : colon + 1);
  std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0; });
  return fmt::format("{}-{}", name, hex(hash));
}

bool contents_there(const ImageScan& scan, const std::string& folder) {
  return std::ranges::all_of(scan.holders, [&](const Holder& holder) {
    std::error_code failure;
    const auto size = fs::file_size(fmt::format("{}/{}", folder, holder.content), failure);
    return !failure && static_cast<std::int64_t>(size) == holder.size;
  });
}

/// Whether its image decides what its set-user-ID programs may do.
bool asks_its_image(const templates::Service& service) {
  using templates::SetUserId;
  return service.set_user_id == SetUserId::kAsImage || service.set_user_id == SetUserId::kForbidden;
}

/// One at a time: waits for its turn, and gives it on when it goes.
class Turn {
 public:
  Turn(bool& taken, Signal& freed) : taken_(taken), freed_(freed) { taken_ = true; }
  ~Turn() {
    taken_ = false;
    freed_.pulse();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  bool& taken_;
  Signal& freed_;
};

asio::awaitable<Result<>> scan_on(WorkerPool& pool, std::shared_ptr<Feed> feed, ScanOptions options,
                                  std::shared_ptr<ImageScan> out) {
  auto work = [feed, options]() -> Result<ImageScan> {
    auto scanned = scan_image([feed] { return feed->next(); }, options);
    feed->leave();
    return scanned;
  };
  auto scanned = co_await offload(pool, std::move(work));
  if (!scanned) co_return fail(std::move(scanned.error()));
  *out = std::move(*scanned);
  co_return Result<>{};
}

}  // namespace

struct Service::State : std::enable_shared_from_this<Service::State> {
  /// A plan that is being made: whoever else wants it waits.
  struct Known {
    PlanRef plan;
    bool making = false;
  };

  State(Options options_in, Parts parts_in)
      : options(std::move(options_in)), parts(parts_in), store(parts.store), made(parts.home), scan_free(parts.home) {}

  asio::awaitable<Result<Secret>> flag_of(std::string owner, TemplateRef tmpl, PlanRef plan);
  asio::awaitable<Result<PlanRef>> plan_of(TemplateRef tmpl, Look look = Look::kAll);
  asio::awaitable<Result<std::optional<engine::ImageInfo>>> find_image(TemplateRef tmpl, std::string reference);
  asio::awaitable<bool> is_current(TemplateRef tmpl, PlanRef plan);
  asio::awaitable<Result<PlanRef>> make_one(TemplateRef tmpl, Look look);
  asio::awaitable<Result<ScanRef>> scan_of(TemplateRef tmpl, std::string image, std::string prefix, std::string watch,
                                           Look look);
  asio::awaitable<Result<ScanRef>> scan_anew(TemplateRef tmpl, std::string image, std::string key, ScanOptions how);
  asio::awaitable<void> prepare(TemplateId id);
  asio::awaitable<void> forget_unused();
  void heard(const bus::Event& event);

  std::string folder_of(const std::string& image, const std::string& key) const {
    return fmt::format("{}/images/{}", options.folder, folder_name(image, key));
  }

  Options options;
  Parts parts;
  FlagStore store;
  WorkerPool scanner{"flags", 1};
  Gate gate{"flags"};
  bus::Bus::Subscription subscription;
  std::map<TemplateId, Known> plans;
  std::map<std::pair<std::string, std::string>, ScanRef> scans;  ///< by image id and what was looked for
  std::unordered_map<std::string, Secret> flags;                 ///< by owner and template
  Signal made, scan_free;
  bool scanning = false;
  std::map<std::string, bool> shares_files;  ///< by engine
  std::set<std::string> movers;              ///< content hashes of templates whose programs move files with the flag
};

asio::awaitable<Result<Secret>> Service::State::flag_of(std::string owner, TemplateRef tmpl, PlanRef plan) {
  if (owner.empty()) co_return fail(Code::kInvalid, "owner-missing", "A flag needs an owner.");
  const std::string key = owner + '\n' + tmpl->id.str();
  if (tmpl->dynamic_flags) {
    if (const auto known = flags.find(key); known != flags.end()) co_return known->second;
    auto found = co_await store.find(owner, tmpl->id);
    if (!found) co_return fail(std::move(found.error()));
    if (*found) {
      flags.insert_or_assign(key, **found);
      co_return **found;
    }
  }
  if (!plan) {
    auto planned = co_await plan_of(tmpl);
    if (!planned) co_return fail(std::move(planned.error()));
    plan = *planned;
  }
  if (!tmpl->dynamic_flags) co_return Secret(plan->placeholder);
  const Shape shape = plan->shape;
  std::function<Secret()> draw = [shape] { return draw_flag(shape); };
  auto made_now =
      co_await store.find_or_insert(owner, tmpl->id, std::move(draw), shape.base.value_or(""), parts.clock.now());
  if (made_now) flags.insert_or_assign(key, *made_now);
  co_return made_now;
}

asio::awaitable<Result<std::optional<engine::ImageInfo>>> Service::State::find_image(TemplateRef tmpl,
                                                                                     std::string reference) {
  engine::Engine& engine = parts.engines.of(tmpl->engine);
  engine::Images* const images = engine.images();
  if (!images) co_return engine::cannot(engine, "hold images");
  co_return co_await images->find_image(std::move(reference));
}

/// A reference that we did not make can have been pointed at another image behind our back.
asio::awaitable<bool> Service::State::is_current(TemplateRef tmpl, PlanRef plan) {
  for (const auto& reference : plan->retaggable) {
    auto image = co_await find_image(tmpl, reference);
    if (image && *image && (*image)->id != plan->images.at(reference)) co_return false;
  }
  co_return true;
}

asio::awaitable<Result<PlanRef>> Service::State::plan_of(TemplateRef tmpl, Look look) {
  const auto self = shared_from_this();
  while (true) {
    Known& known = plans[tmpl->id];
    const bool enough = known.plan && (known.plan->whole || look != Look::kAll);
    if (enough && known.plan->hash == tmpl->hash) {
      const PlanRef plan = known.plan;
      const bool current = plan->retaggable.empty() || co_await is_current(tmpl, plan);
      if (current) {
        if (const auto* error = plan->first_error()) co_return fail(Code::kConflict, kBroken, error->message);
        co_return plan;
      }
      if (plans[tmpl->id].plan == plan) plans[tmpl->id].plan.reset();
      continue;
    }
    if (!known.making) break;
    co_await made.wait_for(std::chrono::seconds{5});
  }
  const Turn turn(plans[tmpl->id].making, made);
  auto plan = co_await make_one(tmpl, look);
  if (!plan) co_return plan;
  plans[tmpl->id].plan = *plan;
  parts.catalogue.report(tmpl->id, tmpl->hash, (*plan)->problems);
  if (const auto* error = (*plan)->first_error()) co_return fail(Code::kConflict, kBroken, error->message);
  co_return plan;
}

asio::awaitable<Result<PlanRef>> Service::State::make_one(TemplateRef tmpl, Look look) {
  PlanInput input;
  input.prefix = tmpl->flag_prefix.empty() ? options.prefix : tmpl->flag_prefix;
  if (tmpl->flag.base.empty()) {
    auto search = [folder = tmpl->folder, prefix = input.prefix] { return find_bases(folder, prefix); };
    input.found = co_await offload(parts.files, std::move(search));
  }
  // A flag that is the same for everybody needs no image looked into, unless it is only there.
  const bool for_flags =
      tmpl->dynamic_flags || (tmpl->flag.base.empty() && input.found.empty()) || !tmpl->flag.file.empty();
  bool whole = true;
  std::vector<ScanRef> held;
  for (const auto& service : tmpl->services) {
    auto image = co_await find_image(tmpl, service.machine.image);
    if (!image) co_return fail(std::move(image.error()));
    if (!*image)
      co_return fail(Code::kNotFound, "image-missing",
                     fmt::format("The image {} is not there.", service.machine.image));
    ImageFacts facts{service.machine.image, (*image)->id, (*image)->environment, (*image)->volumes, nullptr, {}};
    if (for_flags || asks_its_image(service)) {
      const std::string watch = service.name == tmpl->flag.machine ? tmpl->flag.file : std::string{};
      auto scan = co_await scan_of(tmpl, facts.id, input.prefix, watch, look);
      if (!scan && for_flags) co_return fail(std::move(scan.error()));
      if (scan) {
        whole = whole && (*scan)->programs;
        held.push_back(*scan);
        facts.scan = held.back().get();
        facts.folder = folder_of(facts.id, input.prefix + "\n" + watch);
      } else if (look == Look::kRemember) {
        whole = false;
      } else {
        input.unread.push_back(fmt::format("{} of {}", scan.error().message, service.name));
      }
    }
    input.images.push_back(std::move(facts));
  }
  auto lay_out = [tmpl, input = std::move(input), held] { return make_plan(*tmpl, input); };
  auto plan = co_await offload(parts.files, std::move(lay_out));
  plan.whole = whole;
  // Large files are many in ordinary images; they matter to an author whose flag was found nowhere.
  const bool lost = !plan.placeholder.empty() && plan.environment.empty() &&
                    std::ranges::all_of(plan.patches, [](const Patch& patch) { return patch.as_is; });
  for (const auto& scan : lost ? held : std::vector<ScanRef>{}) {
    for (const auto& path : scan->skipped) {
      plan.problems.insert(plan.problems.begin(),
                           {templates::Problem::Severity::kWarning, "", 0,
                            fmt::format("{} in an image is too large to be looked into for flags", path)});
    }
  }
  co_return std::make_shared<const Plan>(std::move(plan));
}

asio::awaitable<Result<ScanRef>> Service::State::scan_of(TemplateRef tmpl, std::string image, std::string prefix,
                                                         std::string watch, Look look) {
  const std::string key = prefix + "\n" + watch;
  while (true) {
    const auto known = scans.find({image, key});
    if (known != scans.end() && (known->second->programs || look != Look::kAll)) co_return known->second;
    if (!scanning) break;
    co_await scan_free.wait_for(std::chrono::seconds{5});
  }
  const Turn turn(scanning, scan_free);
  const std::string folder = folder_of(image, key);
  auto kept = co_await store.find_scan(image, key);
  if (!kept) co_return fail(std::move(kept.error()));
  if (*kept && ((*kept)->programs || look != Look::kAll) && contents_there(**kept, folder)) {
    auto scan = std::make_shared<const ImageScan>(std::move(**kept));
    scans.insert_or_assign({image, key}, scan);
    co_return scan;
  }
  if (look == Look::kRemember) co_return fail(Code::kUnavailable, "not-scanned", "The image was not looked into yet.");
  ScanOptions how;
  how.prefix = std::move(prefix);
  how.watch = std::move(watch);
  how.folder = folder;
  co_return co_await scan_anew(tmpl, std::move(image), key, std::move(how));
}

asio::awaitable<Result<ScanRef>> Service::State::scan_anew(TemplateRef tmpl, std::string image, std::string key,
                                                           ScanOptions how) {
  const auto begun = std::chrono::steady_clock::now();
  engine::Engine& engine = parts.engines.of(tmpl->engine);
  engine::Images* const images = engine.images();
  if (!images) co_return engine::cannot(engine, "show what is in an image");
  auto stream = co_await images->export_image(image);
  if (!stream) co_return fail(std::move(stream.error()));
  auto feed = std::make_shared<Feed>(parts.home);
  auto out = std::make_shared<ImageScan>();
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(scan_on(scanner, feed, std::move(how), out));
  works.push_back(Feed::pump(feed, std::move(*stream)));
  auto results = co_await all_of(std::move(works));
  auto scanned = first_error(std::move(results));
  if (!scanned) co_return fail(std::move(scanned.error()));
  auto written = co_await store.keep_scan(image, key, *out, parts.clock.now());
  if (!written) co_return fail(std::move(written.error()));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  if (!out->skipped.empty()) {
    log::info("flags", "files of an image are too large to be looked into",
              {{"image", image}, {"files", out->skipped.size()}, {"first", out->skipped.front()}});
  }
  log::info("flags", "an image was looked into",
            {{"image", image},
             {"files", out->files},
             {"layers", out->layers},
             {"holders", out->holders.size()},
             {"ms", std::to_string(took.count())}});
  ScanRef scan = out;
  scans.insert_or_assign({image, key}, scan);
  co_return scan;
}

/// A template that is ready, again or for the first time: its images may have been made anew under their old names.
asio::awaitable<void> Service::State::prepare(TemplateId id) {
  const auto self = shared_from_this();
  const auto entry = parts.catalogue.find(id);
  if (!entry || entry->state != templates::State::kReady) co_return;
  const TemplateRef tmpl = entry->tmpl;
  if (const auto known = plans.find(id);
      known != plans.end() && known->second.plan && known->second.plan->hash == tmpl->hash) {
    const PlanRef plan = known->second.plan;
    bool same = true;
    const auto images = plan->images;
    for (const auto& [reference, image_id] : images) {
      auto image = co_await find_image(tmpl, reference);
      if (image && *image && (*image)->id != image_id) same = false;
    }
    if (same && plan->whole) co_return;
    if (!same && plans[id].plan == plan) plans[id].plan.reset();
  }
  auto plan = co_await plan_of(tmpl);
  if (!plan && plan.error().reason != kBroken) {
    log::warn("flags", "a template's flag could not be placed",
              {{"template", id.str()}, {"reason", plan.error().reason}, {"cause", plan.error().cause}});
    if (plan.error().code == Code::kTooLarge || plan.error().code == Code::kInvalid) {
      parts.catalogue.report(id, tmpl->hash, {{templates::Problem::Severity::kWarning, "", 0, plan.error().message}});
    }
  }
  co_await forget_unused();
}

/// What no template uses is dropped once every template has a plan, so that nothing is dropped that only waits.
asio::awaitable<void> Service::State::forget_unused() {
  std::set<std::string> used;
  for (const auto& entry : parts.catalogue.list()) {
    const auto known = plans.find(entry.tmpl->id);
    const bool planned = known != plans.end() && known->second.plan && known->second.plan->hash == entry.tmpl->hash;
    const bool hopeless = entry.state == templates::State::kBroken || entry.state == templates::State::kInactive;
    if (!planned && hopeless) continue;
    if (!planned) co_return;
    for (const auto& [reference, id] : known->second.plan->images) used.insert(id);
  }
  if (scanning) co_return;
  std::erase_if(scans, [&](const auto& scan) { return !used.contains(scan.first.first); });
  auto dropped = co_await store.drop_scans(used);
  if (!dropped) co_return;
  auto sweep = [folder = options.folder + "/images", used] {
    std::error_code failure;
    std::vector<fs::path> old;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
      const auto name = entry->path().filename().string();
      const auto image = name.substr(0, name.find('-'));
      const bool wanted = std::ranges::any_of(used, [&](const std::string& id) { return id.ends_with(image); });
      if (!wanted) old.push_back(entry->path());
    }
    for (const auto& path : old) fs::remove_all(path, failure);
    return 0;
  };
  // On the scanner's thread: nothing is being written by it meanwhile.
  co_await offload(scanner, std::move(sweep));
}

void Service::State::heard(const bus::Event& event) {
  const TemplateId id(event.subject);
  if (event.kind == templates::events::kGone) {
    plans.erase(id);
    gate.spawn(parts.home, "forget a template's images", forget_unused());
  }
  if (event.kind != templates::events::kChanged) return;
  const auto entry = parts.catalogue.find(id);
  if (entry && entry->state == templates::State::kReady)
    gate.spawn(parts.home, "look for a template's flag", prepare(id));
}

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(std::move(options), parts)) {}
Service::~Service() = default;

void Service::run() {
  state_->subscription =
      state_->parts.bus.subscribe([state = state_.get()](const bus::Event& event) { state->heard(event); });
  for (const auto& entry : state_->parts.catalogue.list()) {
    if (entry.state == templates::State::kReady) {
      state_->gate.spawn(state_->parts.home, "look for a template's flag", state_->prepare(entry.tmpl->id));
    }
  }
}

asio::awaitable<void> Service::recall() {
  const auto state = state_;
  for (const auto& entry : state->parts.catalogue.list()) {
    if (entry.state == templates::State::kReady && entry.tmpl->pool.max > 0)
      co_await state->plan_of(entry.tmpl, Look::kRemember);
  }
}

asio::awaitable<void> Service::close() {
  state_->subscription.reset();
  co_await state_->gate.close();
}

asio::awaitable<Result<Secret>> Service::flag_of(std::string owner, TemplateRef tmpl, PlanRef plan) {
  return state_->flag_of(std::move(owner), std::move(tmpl), std::move(plan));
}
asio::awaitable<Result<>> Service::forget(std::string owner) {
  const auto state = state_;
  auto removed = co_await state->store.remove_all_of(owner, bus::Actor(), state->parts.clock.now());
  if (!removed) co_return removed;
  std::erase_if(state->flags, [prefix = owner + '\n'](const auto& known) { return known.first.starts_with(prefix); });
  co_return Result<>{};
}

asio::awaitable<Result<std::optional<FlagOwner>>> Service::owner_of(std::string flag) {
  return state_->store.owner_of(std::move(flag));
}
asio::awaitable<Result<PlanRef>> Service::plan_of(TemplateRef tmpl, Look look) {
  return state_->plan_of(std::move(tmpl), look);
}

labs::PoolChoice Service::pool_kind_of(const templates::Template& tmpl) const {
  const auto known = state_->plans.find(tmpl.id);
  const bool fits = known != state_->plans.end() && known->second.plan && known->second.plan->hash == tmpl.hash;
  if (!fits) return {labs::PoolKind::kNone, "its images are still to be looked into for the flag"};
  auto choice = pool_kind(tmpl, *known->second.plan);
  if (choice.kind == labs::PoolKind::kRunning && state_->movers.contains(tmpl.hash))
    return {labs::PoolKind::kCreated, "its program moves or changes the file with the flag when it starts"};
  return choice;
}

void Service::note_moved(const templates::Template& tmpl) { state_->movers.insert(tmpl.hash); }

asio::awaitable<Result<bool>> Service::shares_files(std::string engine) {
  const auto state = state_;
  if (const auto known = state->shares_files.find(engine); known != state->shares_files.end()) co_return known->second;
  auto print = co_await state->parts.engines.of(engine).fingerprint();
  if (!print) co_return fail(std::move(print.error()));
  state->shares_files[engine] = print->shares_files;
  co_return print->shares_files;
}

const Options& Service::options() const { return state_->options; }
WorkerPool& Service::files() { return state_->parts.files; }
engine::Engines& Service::engines() { return state_->parts.engines; }

}  // namespace tiltyard::flags
