#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <ranges>

#include "base/failpoint.h"
#include "base/id.h"
#include "labs/capability.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "snapshots/events.h"
#include "snapshots/measures.h"
#include "snapshots/references.h"
#include "snapshots/snapshots.h"

namespace tiltyard::snapshots {
namespace {

namespace json = boost::json;

constexpr const char* kSweep = "snapshots.sweep";
constexpr std::chrono::minutes kSweepEvery{10};
constexpr std::chrono::seconds kLookAgain{5};

/// Whose name it is: a snapshot's, or a use's of one.
struct Named {
  std::string snapshot, use;
};

std::optional<Named> named_by(const std::string& reference) {
  if (!reference.starts_with(engine::kSnapshotPrefix)) return std::nullopt;
  const auto rest = reference.substr(std::string_view(engine::kSnapshotPrefix).size());
  const auto colon = std::min(rest.find(':'), rest.size()), dash = rest.find('-', colon);
  return Named{rest.substr(0, colon), dash == std::string::npos ? "" : rest.substr(dash + 1)};
}

std::string too_many(const Options& options) {
  if (options.per_instance == 0) return "No snapshots are taken here (snapshots.per_instance).";
  return fmt::format("An instance has at most {} snapshots (snapshots.per_instance); remove one first.",
                     options.per_instance);
}

std::unexpected<Error> too_large(const Options& options) {
  return fail(Code::kLimited, "snapshots-too-large",
              fmt::format("All snapshots of an instance together hold at most {} MiB (snapshots.bytes), and this one "
                          "would be more; remove one, or files in the machine.",
                          options.bytes >> 20));
}

std::unexpected<Error> incomplete(const std::string& machine, const std::string& path) {
  return fail(Code::kConflict, "snapshot-incomplete",
              fmt::format("Machine '{}' keeps {} outside of its own file system, where no snapshot sees it: a "
                          "snapshot would not be the whole of it.",
                          machine, path));
}

/// The rest of a stream, once `skip` bytes have gone by. Closes it with whoever let go of it.
class Rest {
 public:
  Rest(std::unique_ptr<engine::ByteStream> stream, std::uint64_t skip, std::shared_ptr<std::size_t> seats)
      : stream_(std::move(stream)), skip_(skip), seats_(std::move(seats)) {
    ++*seats_;
  }
  ~Rest() {
    --*seats_;
    stream_->close();
  }
  Rest(const Rest&) = delete;
  Rest& operator=(const Rest&) = delete;

  asio::awaitable<Result<std::string>> next() {
    while (true) {
      auto piece = co_await stream_->read();
      if (!piece || piece->size() > skip_ || piece->empty()) {
        if (piece) piece->erase(0, std::exchange(skip_, 0));
        co_return piece;
      }
      skip_ -= piece->size();
    }
  }

 private:
  std::unique_ptr<engine::ByteStream> stream_;
  std::uint64_t skip_;
  std::shared_ptr<std::size_t> seats_;
};

asio::awaitable<Result<std::string>> next_of(std::shared_ptr<Rest> rest) { co_return co_await rest->next(); }

}  // namespace

/// Whoever has it is the only one who changes the snapshots of its instance.
struct Service::Turn {
  Service& service;
  InstanceId instance;

  Turn(Service& its, InstanceId id) : service(its), instance(std::move(id)) { service.busy_.insert(instance); }
  ~Turn() {
    service.busy_.erase(instance);
    service.changed_.pulse();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
};

struct Service::Outcome {
  explicit Outcome(const asio::any_io_executor& home) : over(home) {}
  Signal over;
  Result<> result;
};

Service::Service(Options options, Parts parts)
    : options_(options), parts_(parts), rows_(parts.store), changed_(parts.home) {}

void Service::declare_jobs() {
  jobs::Kind kind;
  kind.name = kSweep;
  kind.about = "Completes what became of half-made snapshots, and removes images that no snapshot knows.";
  kind.timeout = std::chrono::minutes{30};
  kind.handler = [this](jobs::Firing) { return sweep_by_time(); };
  parts_.jobs.declare_poll(std::move(kind), kSweepEvery);
}

asio::awaitable<Result<jobs::Next>> Service::sweep_by_time() {
  auto swept = co_await sweep();
  if (!swept) co_return fail(std::move(swept.error()));
  co_return look_again_ ? jobs::Next::again(kLookAgain) : jobs::Next::done();
}

asio::awaitable<Result<>> Service::start() {
  if (loaded_) co_return Result<>{};
  auto rows = co_await rows_.all();
  if (!rows) co_return fail(std::move(rows.error()));
  auto uses = co_await rows_.uses();
  if (!uses) co_return fail(std::move(uses.error()));
  if (std::exchange(loaded_, true)) co_return Result<>{};  // others asked as well, and have changed them since
  for (auto& one : *rows) all_.emplace(one.id, std::move(one));
  for (auto& one : *uses) uses_.emplace(one.id, std::move(one));
  count();
  co_return Result<>{};
}

asio::awaitable<void> Service::close() { co_await gate_.close(); }

std::vector<Snapshot> Service::of(const InstanceId& instance) const {
  std::vector<Snapshot> out;
  for (const auto& one : all_ | std::views::values) {
    if (one.instance == instance && one.state == State::kReady) out.push_back(one);
  }
  std::ranges::sort(out, {}, &Snapshot::created_at);
  return out;
}

Result<Snapshot> Service::find(const InstanceId& instance, const std::string& which) const {
  for (auto& one : of(instance)) {
    if (one.id == which || one.name == which) return one;
  }
  return fail(Code::kNotFound, "snapshot-unknown", "The instance has no such snapshot.");
}

bus::Event Service::event_of(const Snapshot& one, bus::KindRef kind, bus::Actor actor) const {
  const json::object detail{{"snapshot", one.id}, {"name", one.name}, {"bytes", one.bytes()}};
  return {kind, one.instance.str(), "", std::move(actor), parts_.clock.now(), json::serialize(detail)};
}

void Service::count() const {
  std::int64_t bytes = 0;
  for (const auto& one : all_ | std::views::values) bytes += one.bytes();
  metrics::gauge(measures::kKept).set(static_cast<double>(all_.size()));
  metrics::gauge(measures::kBytes).set(static_cast<double>(bytes));
}

/// Whoever asked may go before it is over.
asio::awaitable<Result<>> Service::to_the_end(std::string what, asio::awaitable<Result<>> work) {
  if (gate_.closing())
    co_return fail(Code::kUnavailable, "shutting-down", "The server is shutting down; try again in a moment.");
  auto outcome = std::make_shared<Outcome>(parts_.home);
  auto see_through = [](std::shared_ptr<Outcome> to, asio::awaitable<Result<>> from) -> asio::awaitable<void> {
    auto result = co_await std::move(from);
    to->result = std::move(result);
    to->over.set();
  };
  gate_.spawn(parts_.home, std::move(what), see_through(outcome, std::move(work)));
  co_await outcome->over.wait();
  co_return outcome->result;
}

Result<std::shared_ptr<Service::Turn>> Service::turn(const InstanceId& instance) {
  if (!busy_.contains(instance)) return std::make_shared<Turn>(*this, instance);
  return fail(Code::kUnavailable, "snapshot-busy",
              "A snapshot of the instance is being taken or removed; try again when it is done.");
}

/// Whether all that its machines keep is in their own file systems.
asio::awaitable<Result<>> Service::whole(labs::Instance instance) {
  const auto live = parts_.labs.live(instance.id);
  const auto tmpl = live ? live->tmpl : nullptr;
  if (!tmpl)
    co_return fail(Code::kConflict, "template-changed",
                   "The template changed since the instance was started; start it again to take snapshots of it.");
  auto* const images = parts_.engines.of(instance.plan.engine).images();
  for (const auto& service : tmpl->services) {
    if (!service.volumes.empty()) co_return incomplete(service.name, service.volumes.front().target);
    for (const auto& bind : service.binds) {
      if (!bind.read_only) co_return incomplete(service.name, bind.target);
    }
    auto info = images ? co_await images->find_image(service.machine.image)
                       : Result<std::optional<engine::ImageInfo>>(std::nullopt);
    if (!info) co_return fail(std::move(info.error()));
    if (!*info) continue;
    for (const auto& path : (*info)->volumes) {
      const bool in_memory =
          std::ranges::find(service.container.mounts, path, &engine::Mount::target) != service.container.mounts.end();
      if (!in_memory) co_return incomplete(service.name, path);
    }
  }
  co_return Result<>{};
}

asio::awaitable<Result<Snapshot>> Service::take(labs::Instance instance, std::string name, bus::Actor actor) {
  if (!labs::is_up(instance.state)) {
    co_return fail(Code::kConflict, "instance-not-running",
                   "Snapshots are taken of instances that run or sleep, and this one does not.");
  }
  auto mine = turn(instance.id);
  if (!mine) co_return fail(std::move(mine.error()));
  const auto others = of(instance.id);
  if (others.size() >= options_.per_instance) co_return fail(Code::kLimited, "snapshots-full", too_many(options_));
  auto one = std::make_shared<Snapshot>();
  one->created_at = parts_.clock.now();
  one->name = name.empty() ? to_rfc3339(one->created_at) : std::move(name);
  if (std::ranges::find(others, one->name, &Snapshot::name) != others.end())
    co_return fail(Code::kConflict, "snapshot-exists", "The instance has a snapshot of that name; choose another.");
  one->id = random_hex(8);
  one->instance = instance.id;
  one->engine = *instance.plan.engine;
  one->taken_by = actor.name;
  for (const auto& machine : instance.plan.machines) one->parts.push_back({machine.service, 0, ""});
  auto done = co_await to_the_end("take a snapshot", make(one, std::move(instance), std::move(actor), *mine));
  if (!done) co_return fail(std::move(done.error()));
  co_return *one;
}

/// The row, the images, the row again; or nothing.
asio::awaitable<Result<>> Service::make(SnapshotRef one, labs::Instance instance, bus::Actor actor,
                                        std::shared_ptr<Turn> turn) {
  // It neither falls asleep nor wakes by itself meanwhile.
  const auto in_use = parts_.labs.use(instance.id);
  auto good = co_await whole(instance);
  if (good) good = co_await measure(one, instance);
  if (!good) co_return good;
  auto written = co_await rows_.put(*one, std::nullopt);
  if (!written) co_return written;
  all_[one->id] = *one;
  co_await failpoint("snapshots.take.row.after");
  auto made = co_await make_images(one, instance);
  // What it wrote while it was looked at counts as well.
  if (made) made = co_await measure(one, instance);
  if (made) made = co_await failpoint("snapshots.take.commit.before");
  if (made) {
    one->state = State::kReady;
    made = co_await rows_.put(*one, event_of(*one, events::kTaken, actor));
  }
  if (made) {
    all_[one->id] = *one;
    count();
    co_return made;
  }
  log::warn("snapshots", "a snapshot could not be taken",
            {{"instance", one->instance.str()}, {"reason", made.error().reason}, {"cause", made.error().cause}});
  one->state = State::kLeaving;
  all_[one->id] = *one;
  // What cannot be removed now the sweep removes.
  auto gone = co_await unmake_images(*one);
  if (gone) gone = co_await rows_.drop(one->id, std::nullopt);
  if (gone) all_.erase(one->id);
  co_return made;
}

asio::awaitable<Result<>> Service::measure(SnapshotRef one, labs::Instance instance) {
  auto& engine = parts_.engines.of(one->engine);
  auto* const snapshots = engine::snapshots_of(engine);
  if (!snapshots) co_return engine::cannot(engine, "keep snapshots of machines");
  for (std::size_t i = 0; i < one->parts.size(); ++i) {
    auto bytes = co_await snapshots->own_bytes(instance.plan.machines[i].handle);
    if (!bytes) co_return fail(std::move(bytes.error()));
    one->parts[i].bytes = *bytes;
  }
  std::int64_t sum = one->bytes();
  for (const auto& other : of(one->instance)) sum += other.bytes();
  if (static_cast<std::uint64_t>(sum) > options_.bytes) co_return too_large(options_);
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::make_images(SnapshotRef one, labs::Instance instance) {
  auto* const snapshots = engine::snapshots_of(parts_.engines.of(one->engine));
  for (std::size_t i = 0; i < one->parts.size(); ++i) {
    auto taken = co_await snapshots->take_snapshot(instance.plan.machines[i].handle, reference_of(*one, i), one->id);
    if (taken) taken = co_await failpoint("snapshots.take.image.after");
    if (!taken) co_return taken;
    auto held = co_await hold_files(*one, i);
    if (!held) co_return fail(std::move(held.error()));
    one->parts[i].files = std::move(*held);
  }
  co_return Result<>{};
}

/// A machine that never runs holds the files of a snapshot as they are: what is exported of it is the same each time.
/// Which one it is names those bytes.
asio::awaitable<Result<std::string>> Service::hold_files(Snapshot one, std::size_t part) {
  auto& engine = parts_.engines.of(one.engine);
  engine::MachineSpec spec;
  spec.name = holder_of(one, part, parts_.engines.terms_of(one.engine).name_space);
  spec.image = reference_of(one, part);
  // An image's own labels count where nothing else is said, and this one has those of the machine that it was.
  spec.labels = {
      {engine::kLabelInstance, one.instance.str()}, {engine::kLabelMachine, ""}, {engine::kLabelSnapshot, one.id}};
  spec.resources.memory = 64 << 20;
  spec.resources.pids = 16;
  spec.container().entrypoint = std::vector<std::string>{"/never-runs"};
  auto made = co_await engine.create(std::move(spec));
  if (!made) co_return fail(std::move(made.error()));
  auto status = co_await engine.inspect(made->handle);
  if (!status) co_return fail(std::move(status.error()));
  co_return status->engine_id.substr(0, 32);
}

asio::awaitable<Result<>> Service::unmake_images(Snapshot one) {
  if (!parts_.engines.configured(one.engine)) co_return Result<>{};  // with its engine went its images
  auto& engine = parts_.engines.of(one.engine);
  auto* const snapshots = engine::snapshots_of(engine);
  for (std::size_t i = 0; snapshots && i < one.parts.size(); ++i) {
    auto holder = co_await engine.recover(holder_of(one, i, parts_.engines.terms_of(one.engine).name_space));
    if (!holder) co_return fail(std::move(holder.error()));
    if (*holder) {
      auto removed = co_await engine.destroy(**holder);
      if (!removed) co_return removed;
    }
    auto dropped = co_await snapshots->drop_snapshot(reference_of(one, i));
    if (!dropped) co_return dropped;
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::remove(InstanceId instance, std::string which, bus::Actor actor) {
  auto one = find(instance, which);
  if (!one) co_return fail(std::move(one.error()));
  auto mine = turn(instance);
  if (!mine) co_return fail(std::move(mine.error()));
  co_return co_await to_the_end("remove a snapshot", unmake(std::move(*one), std::move(actor), std::move(*mine)));
}

asio::awaitable<Result<>> Service::unmake(Snapshot one, bus::Actor actor, [[maybe_unused]] std::shared_ptr<Turn> turn) {
  one.state = State::kLeaving;
  auto done = co_await rows_.put(one, std::nullopt);
  if (!done) co_return done;
  all_[one.id] = one;
  co_await failpoint("snapshots.remove.row.after");
  done = co_await unmake_images(one);
  if (done) done = co_await failpoint("snapshots.remove.images.after");
  if (done) done = co_await rows_.drop(one.id, event_of(one, events::kRemoved, std::move(actor)));
  if (done) all_.erase(one.id);
  count();
  co_return done;
}

asio::awaitable<Result<Export>> Service::open(InstanceId instance, std::string which, std::string machine,
                                              std::uint64_t from, std::string of, bus::Actor actor) {
  auto one = find(instance, which);
  if (!one) co_return fail(std::move(one.error()));
  const auto part = machine.empty() ? one->parts.begin() : std::ranges::find(one->parts, machine, &Part::machine);
  if (part == one->parts.end())
    co_return fail(Code::kNotFound, "machine-unknown", "The snapshot has no machine of that name.");
  if (*exports_ >= options_.exports_at_once) {
    co_return fail(
        Code::kLimited, "exports-full",
        fmt::format("{} exports run already, which is the most (snapshots.exports_at_once); try again later.",
                    *exports_));
  }
  auto& engine = parts_.engines.of(one->engine);
  const auto index = static_cast<std::size_t>(part - one->parts.begin());
  auto held = co_await hold_files(*one, index);
  if (!held) co_return fail(std::move(held.error()));
  if (*held != part->files) {
    // Somebody removed what held them: these are the same files, and not the same bytes.
    part->files = *held;
    auto written = co_await rows_.put(*one, std::nullopt);
    if (!written) co_return fail(std::move(written.error()));
    if (const auto known = all_.find(one->id); known != all_.end()) known->second = *one;
  }
  if (!of.empty() && of != *held) {
    co_return fail(Code::kConflict, "export-changed",
                   "What was got before is of another export, and this one is not its rest; begin anew.");
  }
  auto holder = co_await engine.recover(holder_of(*one, index, parts_.engines.terms_of(one->engine).name_space));
  if (!holder) co_return fail(std::move(holder.error()));
  if (!*holder) co_return fail(Code::kUnavailable, "snapshot-busy", "The snapshot is being removed.");
  auto noted = co_await rows_.note(event_of(*one, events::kExported, std::move(actor)));
  if (!noted) co_return fail(std::move(noted.error()));
  auto stream = co_await engine::snapshots_of(engine)->export_files(**holder);
  if (!stream) co_return fail(std::move(stream.error()));
  auto rest = std::make_shared<Rest>(std::move(*stream), from, exports_);
  co_return Export{part->machine, *held, [rest] { return next_of(rest); }};
}

asio::awaitable<Result<>> Service::let_go(InstanceId instance) {
  auto loaded = co_await start();
  if (!loaded) co_return loaded;
  while (busy_.contains(instance)) co_await changed_.wait_for(std::chrono::seconds{1});
  const Turn turn(*this, instance);
  std::vector<Snapshot> own;
  for (const auto& one : all_ | std::views::values) {
    if (one.instance == instance) own.push_back(one);
  }
  for (auto& one : own) {
    auto gone = co_await unmake_images(one);
    if (gone) gone = co_await rows_.drop(one.id, event_of(one, events::kRemoved, {}));
    if (!gone) co_return gone;
    all_.erase(one.id);
  }
  if (!own.empty()) count();
  for (auto& use : uses_of(instance)) {
    auto gone = parts_.engines.configured(use.engine) ? co_await drop_use(use) : co_await rows_.drop_use(use.id);
    if (!gone) co_return gone;
    uses_.erase(use.id);
  }
  co_return Result<>{};
}

/// What a crash, or an engine that was away, has left half-way.
asio::awaitable<Result<>> Service::finish_others() {
  std::vector<Snapshot> left;
  for (const auto& one : all_ | std::views::values) {
    const bool over = one.state != State::kReady || !parts_.labs.live(one.instance);
    if (over && !busy_.contains(one.instance) && !parts_.engines.of(one.engine).away()) left.push_back(one);
  }
  for (auto& one : left) {
    if (busy_.contains(one.instance)) continue;
    auto mine = std::make_shared<Turn>(*this, one.instance);
    auto done = co_await unmake(std::move(one), {}, std::move(mine));
    if (!done) co_return done;
  }
  co_return co_await drop_idle_uses();
}

asio::awaitable<Result<std::size_t>> Service::sweep() {
  auto finished = co_await finish_others();
  if (!finished) co_return fail(std::move(finished.error()));
  std::size_t removed = 0;
  for (const auto& [name, engine] : parts_.engines.all()) {
    if (engine->away() || !engine::snapshots_of(*engine)) continue;
    auto swept = co_await sweep_one(name);
    if (!swept) co_return swept;
    removed += *swept;
  }
  co_return removed;
}

/// Rows come before their images and go after them: what is listed and has none is nobody's.
asio::awaitable<Result<std::size_t>> Service::sweep_one(std::string name) {
  auto* const snapshots = engine::snapshots_of(parts_.engines.of(name));
  auto found = co_await snapshots->list_snapshots();
  if (!found) co_return fail(std::move(found.error()));
  std::size_t removed = 0;
  for (const auto& image : *found) {
    for (const auto& reference : image.references) {
      const auto named = named_by(reference);
      if (!named || (named->use.empty() ? all_.contains(named->snapshot) : uses_.contains(named->use))) continue;
      auto dropped = co_await snapshots->drop_snapshot(reference);
      if (!dropped) {
        log::warn("snapshots", "an image of a snapshot stays",
                  {{"image", reference}, {"cause", dropped.error().cause}});
        continue;
      }
      log::warn("snapshots", "an image that no snapshot knows is removed", {{"image", reference}});
      ++removed;
    }
  }
  if (removed > 0) metrics::counter(measures::kOrphans).add(static_cast<double>(removed));
  co_return removed;
}

}  // namespace tiltyard::snapshots
