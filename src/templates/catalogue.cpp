#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <span>
#include <tuple>

#include "jobs/done_after.h"
#include "observe/log.h"
#include "templates/catalogue_state.h"
#include "templates/events.h"

namespace tiltyard::templates {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kQuiet{100};
constexpr std::size_t kMostTemplates = 2000;

/// A name that may be a template folder's: not hidden, and no path.
bool is_folder_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos;
}

struct Listing {
  std::vector<std::string> names;
  std::string fault;
};

Listing list_folders(const std::string& path) {
  Listing listing;
  std::error_code failure;
  fs::directory_iterator entries(path, failure);
  if (failure) {
    listing.fault = failure.message();
    return listing;
  }
  for (const auto& entry : entries) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (is_folder_name(name) && entry.is_directory(ignored) && !starts_nothing(entry.path().string()))
      listing.names.push_back(name);
    if (listing.names.size() >= kMostTemplates) break;
  }
  std::ranges::sort(listing.names);
  return listing;
}

using ReadFolders = std::vector<std::pair<std::string, Template>>;

std::optional<Template> read_if_there(const std::string& path, const std::string& name, const Options& options) {
  std::error_code ignored;
  if (!is_folder_name(name) || !fs::is_directory(fs::path(path) / name, ignored)) return std::nullopt;
  if (starts_nothing(path + "/" + name)) return std::nullopt;
  return read_folder(path + "/" + name, options);
}

std::string first_error(const Template& tmpl) {
  for (const auto& problem : tmpl.problems) {
    if (problem.severity != Problem::Severity::kError) continue;
    if (problem.file.empty()) return problem.message;
    if (problem.line == 0) return fmt::format("{}: {}", problem.file, problem.message);
    return fmt::format("{}:{}: {}", problem.file, problem.line, problem.message);
  }
  return {};
}

std::set<std::string> images_of(const Template& tmpl) {
  std::set<std::string> images;
  for (std::size_t i = 0; i < tmpl.image_users(); ++i) images.insert(tmpl.image_user(i).machine.image);
  return images;
}

}  // namespace

Catalogue::State_::State_(Options options_in, engine::Engines& engines_in, bus::Bus& bus_in, const Clock& clock_in,
                          asio::any_io_executor home_in)
    : options(std::move(options_in)),
      engines(engines_in),
      bus(bus_in),
      clock(clock_in),
      home(home_in),
      watcher(home_in) {}

// Folders

asio::awaitable<Result<>> Catalogue::State_::load() {
  // Watching begins before reading: what changes in between is told afterwards, and read again.
  if (options.watch && !watching) {
    const auto started = watcher.start(options.path);
    if (started) watching = true;
    else log::warn("templates", "templates are not reloaded on change", {{"error", started.error().cause}});
  }
  const auto done = co_await read_all();
  if (!done) co_return fail(done.error());
  away = engines_away();
  std::vector<std::string> folders;
  for (const auto& [folder, item] : items) folders.push_back(folder);
  for (const auto& folder : folders) co_await settle(folder);
  co_return Result<>{};
}

asio::awaitable<Result<>> Catalogue::State_::read_all() {
  struct Outcome {
    ReadFolders read;
    std::string fault;
  };
  const Options how = options;
  auto work = [how] {
    Outcome outcome;
    Listing listing = list_folders(how.path);
    outcome.fault = listing.fault;
    for (const auto& name : listing.names) outcome.read.emplace_back(name, read_folder(how.path + "/" + name, how));
    return outcome;
  };
  Outcome outcome = co_await offload(reader, std::move(work));
  if (!outcome.fault.empty()) {
    co_return fail(Code::kUnavailable, "templates-unreadable",
                   fmt::format("The folder of templates, {}, cannot be read: {}.", how.path, outcome.fault));
  }
  std::set<std::string> seen;
  for (auto& [folder, tmpl] : outcome.read) {
    seen.insert(folder);
    take(folder, std::move(tmpl));
  }
  std::vector<std::string> gone;
  for (const auto& [folder, item] : items) {
    if (!seen.contains(folder)) gone.push_back(folder);
  }
  for (const auto& folder : gone) drop(folder);
  mark_twins();
  co_return Result<>{};
}

asio::awaitable<void> Catalogue::State_::read_one(std::string folder) {
  const Options how = options;
  auto work = [how, folder] { return read_if_there(how.path, folder, how); };
  std::optional<Template> tmpl = co_await offload(reader, std::move(work));
  if (!tmpl) {
    drop(folder);
    mark_twins();
    co_return;
  }
  take(folder, std::move(*tmpl));
  mark_twins();
  co_await settle(folder);
}

void Catalogue::State_::take(const std::string& folder, Template tmpl) {
  Item& item = items[folder];
  // What others have reported stays with what they looked at.
  const std::size_t own = item.tmpl ? item.tmpl->problems.size() - item.reported.size() : 0;
  const bool same = item.tmpl && item.tmpl->hash == tmpl.hash && item.tmpl->id == tmpl.id &&
                    std::ranges::equal(std::span(item.tmpl->problems).first(own), tmpl.problems);
  if (same) return;  // the running state (also of a failed build) is that of the same content
  item.reported.clear();
  const auto before = item.tmpl;
  const bool was_ready = item.state == State::kReady && before && images_of(*before) == images_of(tmpl);
  item.tmpl = std::make_shared<const Template>(std::move(tmpl));
  ++item.version;
  item.missing.clear();
  item.build.reset();
  item.build_failed = false;
  item.state = was_ready ? State::kReady : State::kBuilding;
  item.reason.clear();
  if (item.tmpl->broken()) {
    item.state = State::kBroken;
    item.reason = first_error(*item.tmpl);
    log::warn("templates", "a template is broken", {{"template", item.tmpl->id.str()}, {"reason", item.reason}});
  }
  if (!before && item.tmpl->id.str() != folder) {
    log::info("templates", "a template's id is not its folder's name",
              {{"folder", folder}, {"template", item.tmpl->id.str()}});
  }
  if (before && before->id != item.tmpl->id) publish(before->id, true);
  publish(item.tmpl->id);
}

void Catalogue::State_::drop(const std::string& folder) {
  const auto found = items.find(folder);
  if (found == items.end()) return;
  const TemplateId id = found->second.tmpl->id;
  items.erase(found);
  told.erase(folder);
  publish(id, true);
}

/// The first folder of an id has it; the others are broken until they have another one.
void Catalogue::State_::mark_twins() {
  std::map<TemplateId, std::string> owners;
  for (auto& [folder, item] : items) {
    const auto [owner, first] = owners.emplace(item.tmpl->id, folder);
    const std::string reason =
        fmt::format("the folders \"{}\" and \"{}\" have the same id, \"{}\"; say another `id` in one's instance.toml",
                    owner->second, folder, item.tmpl->id.str());
    if (!first && item.state != State::kBroken) {
      ++item.version;
      item.missing.clear();
      item.state = State::kBroken;
      item.reason = reason;
      log::warn("templates", "a template is broken", {{"template", item.tmpl->id.str()}, {"reason", reason}});
    } else if (first && item.state == State::kBroken && !item.tmpl->broken() && !item.build_failed) {
      ++item.version;
      item.state = State::kBuilding;  // its twin has gone
      item.reason.clear();
      gate.spawn(home, "settle", settle(folder));
    }
  }
}

const std::string* Catalogue::State_::folder_of(const TemplateId& id) const {
  for (const auto& [folder, item] : items) {
    if (item.tmpl->id == id) return &folder;
  }
  return nullptr;
}

// What others see

std::vector<Entry> Catalogue::State_::list() const {
  std::vector<Entry> entries;
  entries.reserve(items.size());
  for (const auto& [folder, item] : items) entries.push_back({item.tmpl, item.state, item.reason, item.build});
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::tie(entry.tmpl->category, entry.tmpl->name, entry.tmpl->folder);
  });
  return entries;
}

std::optional<Entry> Catalogue::State_::find(const TemplateId& id) const {
  const std::string* folder = folder_of(id);
  if (!folder) return std::nullopt;
  const Item& item = items.at(*folder);
  return Entry{item.tmpl, item.state, item.reason, item.build};
}

asio::awaitable<Result<>> Catalogue::State_::reload(std::optional<TemplateId> id) {
  if (id) {
    const std::string* known = folder_of(*id);
    const std::string folder = known ? *known : id->str();
    co_await read_one(folder);
    if (!items.contains(folder))
      co_return fail(Code::kNotFound, "template-unknown", fmt::format("There is no template \"{}\".", id->str()));
    co_return Result<>{};
  }
  const auto done = co_await read_all();
  if (!done) co_return fail(done.error());
  std::vector<std::string> folders;
  for (const auto& [folder, item] : items) folders.push_back(folder);
  for (const auto& folder : folders) co_await settle(folder);
  co_return Result<>{};
}

Result<> Catalogue::State_::rebuild(const TemplateId& id) {
  const std::string* folder = folder_of(id);
  if (!folder) return fail(Code::kNotFound, "template-unknown", fmt::format("There is no template \"{}\".", id.str()));
  Item& item = items.at(*folder);
  if (item.tmpl->broken())
    return fail(Code::kConflict, "template-broken", fmt::format("The template is broken: {}", item.reason));
  ++item.version;
  item.missing.clear();
  item.build_failed = false;
  for (std::size_t i = 0; i < item.tmpl->image_users(); ++i) {
    const Service& service = item.tmpl->image_user(i);
    if (service.build) item.forced.insert(service.build->tag);
  }
  set_state(item, State::kBuilding, {});
  gate.spawn(home, "settle", settle(*folder));
  return {};
}

void Catalogue::State_::image_gone(const TemplateId& id) {
  const std::string* folder = folder_of(id);
  if (!folder) return;
  Item& item = items.at(*folder);
  if (item.state != State::kReady) return;
  set_state(item, State::kBuilding, "an image of it is not on the engine any more");
  gate.spawn(home, "settle", settle(*folder));
}

void Catalogue::State_::report(const TemplateId& id, const std::string& hash, std::vector<Problem> problems) {
  const std::string* folder = folder_of(id);
  if (!folder) return;
  Item& item = items.at(*folder);
  if (item.tmpl->hash != hash || item.reported == problems) return;
  Template changed = *item.tmpl;
  changed.problems.resize(changed.problems.size() - item.reported.size());
  changed.problems.insert(changed.problems.end(), problems.begin(), problems.end());
  item.tmpl = std::make_shared<const Template>(std::move(changed));
  item.reported = std::move(problems);
  if (item.tmpl->broken()) {
    ++item.version;
    item.missing.clear();
    item.build.reset();
    item.state = State::kBroken;
    item.reason = first_error(*item.tmpl);
    log::warn("templates", "a template is broken", {{"template", id.str()}, {"reason", item.reason}});
  }
  publish(id);
}

void Catalogue::State_::publish(const TemplateId& id, bool gone) {
  bus::Event event;
  event.kind = gone ? events::kGone : events::kChanged;
  event.subject = id.str();
  event.at = clock.now();
  event.detail = "{}";
  bus.publish(event);
}

// In the background

void Catalogue::State_::run() {
  if (watching) gate.spawn(home, "watch", watch_loop());
  for (int i = 0; i < std::max(1, options.builds_at_once); ++i) gate.spawn(home, "build", build_loop());
}

asio::awaitable<void> Catalogue::State_::close() {
  watcher.close();
  co_await gate.close();
}

asio::awaitable<void> Catalogue::State_::watch_loop() {
  const auto self = shared_from_this();
  while (true) {
    const Changes changes = co_await watcher.next(kQuiet);
    if (changes.all) {
      const auto done = co_await reload(std::nullopt);
      if (!done) log::warn("templates", "the templates could not be read again", {{"error", done.error().message}});
      continue;
    }
    for (const auto& folder : changes.folders) {
      if (is_folder_name(folder)) co_await read_one(folder);
    }
  }
}

std::set<std::string> Catalogue::State_::engines_away() const {
  std::set<std::string> names;
  for (const auto& [name, engine] : engines.all()) {
    if (engine->away()) names.insert(name);
  }
  return names;
}

asio::awaitable<void> Catalogue::State_::look_again() {
  const auto self = shared_from_this();
  const auto before = std::exchange(away, engines_away());
  std::vector<std::string> folders;
  for (auto& [folder, item] : items) {
    const auto& engine = item.tmpl->engine.empty() ? engines.chosen() : item.tmpl->engine;
    if (away.contains(engine)) continue;
    const bool came_back = before.contains(engine);
    if (item.state == State::kWaiting || (came_back && !item.tmpl->broken())) {
      if (came_back && item.build_failed) {
        item.build_failed = false;
        set_state(item, State::kBuilding, "is looked at again");
      }
      folders.push_back(folder);
    }
  }
  for (const auto& folder : folders) co_await settle(folder);
}

// The face

Catalogue::Catalogue(Options options, engine::Engines& engines, bus::Bus& bus, const Clock& clock,
                     asio::any_io_executor home)
    : state_(std::make_shared<State_>(std::move(options), engines, bus, clock, std::move(home))) {}
Catalogue::~Catalogue() = default;

asio::awaitable<Result<>> Catalogue::load() { return state_->load(); }
void Catalogue::run() { state_->run(); }
asio::awaitable<void> Catalogue::look_again() { return state_->look_again(); }
void Catalogue::declare_jobs(jobs::Service& jobs) {
  jobs::Kind kind;
  kind.name = "templates.look";
  kind.about = "Looks again at templates that wait for an image, and at all of an engine that has come back.";
  kind.timeout = std::chrono::minutes{10};
  kind.handler = [state = state_](jobs::Firing) { return jobs::done_after(state->look_again()); };
  jobs.declare_poll(std::move(kind), std::chrono::seconds{2});
}
asio::awaitable<void> Catalogue::close() { return state_->close(); }
std::vector<Entry> Catalogue::list() const { return state_->list(); }
std::optional<Entry> Catalogue::find(const TemplateId& id) const { return state_->find(id); }
const engine::Resources& Catalogue::ceiling() const { return state_->options.bounds.ceiling; }
asio::awaitable<Result<>> Catalogue::reload(std::optional<TemplateId> id) { return state_->reload(std::move(id)); }
Result<> Catalogue::rebuild(const TemplateId& id) { return state_->rebuild(id); }
void Catalogue::image_gone(const TemplateId& id) { state_->image_gone(id); }
void Catalogue::report(const TemplateId& id, const std::string& hash, std::vector<Problem> problems) {
  state_->report(id, hash, std::move(problems));
}

}  // namespace tiltyard::templates
