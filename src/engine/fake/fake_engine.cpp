// The verbs of the fake engine.
#include "engine/fake/fake_engine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/id.h"
#include "engine/fake/fake_machine.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

// Not what a machine's name could be taken for: whoever makes handles up finds nothing.
constexpr int kHandleVersion = 7;
constexpr std::string_view kHandlePrefix = "~";

std::string label(const Labels& labels, const std::string& key) {
  const auto found = labels.find(key);
  return found == labels.end() ? std::string() : found->second;
}

std::unexpected<Error> image_missing(const std::string& reference) {
  return fail(Code::kNotFound, reason::kImageMissing, "The engine does not have the image.", reference);
}

std::unexpected<Error> refused(std::string message) {
  return fail(Code::kInvalid, reason::kRefused, "The engine refused: " + std::move(message));
}

std::unexpected<Error> name_taken(const std::string& name) {
  return fail(Code::kConflict, reason::kNameTaken, "Somebody else's resource has the name " + name + ".");
}

/// Two specs make the same machine when all that the engine is told is the same.
bool same_machine(const MachineSpec& a, const MachineSpec& b) {
  auto addresses = [](const MachineSpec& spec) {
    std::vector<std::string> out;
    out.reserve(spec.networks.size());
    for (const auto& each : spec.networks) out.push_back(each.network + "=" + each.address);
    return out;
  };
  const Container &one = a.container(), &other = b.container();
  return a.image == b.image && one.entrypoint == other.entrypoint && one.command == other.command &&
         one.environment == other.environment && a.labels == b.labels && one.capabilities == other.capabilities &&
         a.hostname == b.hostname && a.exposed == b.exposed && a.resources.memory == b.resources.memory &&
         a.resources.cpus == b.resources.cpus && addresses(a) == addresses(b);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

asio::awaitable<Result<>> FakeEngine::enter(std::string verb) {
  ++calls_[verb];
  if (away_) co_return fail(*away_);
  const int absences = absences_;
  if (const auto slow = latency_.find(verb); slow != latency_.end()) co_await sleep_for(slow->second);
  if (const auto held = held_.find(verb); held != held_.end()) {
    const auto released = held->second;
    co_await released->wait();
  }
  if (absences != absences_) {
    co_return fail(Code::kUnavailable, reason::kLost, "The engine " + options_.name + " was cut off in mid-call.");
  }
  if (const auto trouble = failing_.find(verb); trouble != failing_.end() && trouble->second.left > 0) {
    --trouble->second.left;
    co_return fail(trouble->second.error);
  }
  co_return Result<>{};
}

/// Every verb: trouble that a test ordered, then the deed, then perhaps the loss of its answer.
template <class T>
asio::awaitable<Result<T>> FakeEngine::act(std::string verb, std::function<Result<T>()> deed) {
  auto entered = co_await enter(verb);
  if (!entered) co_return fail(std::move(entered.error()));
  Result<T> outcome = deed();
  if (const auto losing = losing_.find(verb); losing != losing_.end() && losing->second > 0) {
    --losing->second;
    co_return fail(Code::kUnavailable, reason::kLost, "The engine " + options_.name + " was cut off in mid-call.");
  }
  co_return std::move(outcome);
}
template asio::awaitable<Result<void>> FakeEngine::act<void>(std::string verb, std::function<Result<void>()> deed);

Labels FakeEngine::ours(Labels labels) const {
  labels[kLabelManaged] = "true";
  labels[kLabelNamespace] = options_.name_space;
  if (!options_.server.empty()) labels[kLabelServer] = options_.server;
  return labels;
}

bool FakeEngine::is_ours(const Labels& labels) const {
  const auto server = labels.find(kLabelServer);
  return server == labels.end() || server->second == options_.server;
}

Handle FakeEngine::handle_of(const std::string& name) { return {kHandleVersion, std::string(kHandlePrefix) + name}; }

Result<FakeEngine::Machine*> FakeEngine::find(const Handle& handle) {
  const bool ours = handle.version == kHandleVersion && handle.data.starts_with(kHandlePrefix);
  const auto found = ours ? machines_.find(handle.data.substr(kHandlePrefix.size())) : machines_.end();
  if (found != machines_.end()) return found->second.get();
  return fail(Code::kNotFound, reason::kMachineMissing, "The engine does not have the machine.", handle.data);
}

asio::awaitable<Result<Fingerprint>> FakeEngine::fingerprint() {
  std::function<Result<Fingerprint>()> deed = [this] {
    Fingerprint out;
    out.kind = "fake";
    out.shares_files = options_.local;
    out.version = out.api_version = "1";
    out.os = "linux";
    out.arch = "x86_64";
    out.runtime = "none";
    out.cpus = 64;
    out.memory = std::int64_t{256} << 30;
    return out;
  };
  co_return co_await act<Fingerprint>("fingerprint", deed);
}

asio::awaitable<Result<std::optional<ImageInfo>>> FakeEngine::find_image(std::string reference) {
  std::function<Result<std::optional<ImageInfo>>()> deed = [this, reference]() -> Result<std::optional<ImageInfo>> {
    for (const auto& [name, info] : images_) {
      if (name == reference || info.id == reference || name == reference + ":latest") return info;
    }
    return std::nullopt;
  };
  co_return co_await act<std::optional<ImageInfo>>("find_image", deed);
}

Result<ImageInfo> FakeEngine::run_build(const BuildSpec& spec, const OnProgress& progress) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(spec.context, ignored)) {
    return fail(Code::kInvalid, reason::kBuildFailed, "There is no folder " + spec.context + " to build.");
  }
  const std::string path = spec.context + "/" + spec.dockerfile;
  if (spec.dockerfile_text.empty() && !std::filesystem::is_regular_file(path, ignored)) {
    return fail(Code::kInvalid, reason::kBuildFailed, "There is no " + spec.dockerfile + " in the build context.");
  }
  std::istringstream text(spec.dockerfile_text.empty() ? read_file(path) : spec.dockerfile_text);
  std::vector<std::string> steps;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line[0] != '#' && line[0] != ' ') steps.push_back(line);
  }
  ImageInfo info;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string shown = "Step " + std::to_string(i + 1) + "/" + std::to_string(steps.size()) + " : " + steps[i];
    if (progress) progress(BuildProgress{static_cast<int>(i + 1), static_cast<int>(steps.size()), shown});
    // The one command that fails wherever it runs.
    if (steps[i] == "RUN false")
      return fail(Code::kInvalid, reason::kBuildFailed, "The command 'false' returned a non-zero code: 1\n" + shown);
    if (steps[i].starts_with("EXPOSE "))
      info.exposed_ports.push_back(static_cast<std::uint16_t>(std::atoi(steps[i].c_str() + 7)));
  }
  info.labels = ours(spec.labels);
  info.size = 1024 * 1024;
  add_image(spec.tag, std::move(info));
  return images_[spec.tag];
}

asio::awaitable<Result<ImageInfo>> FakeEngine::build(BuildSpec spec, OnProgress progress) {
  std::function<Result<ImageInfo>()> deed = [this, spec, progress] { return run_build(spec, progress); };
  co_return co_await act<ImageInfo>("build", deed);
}

asio::awaitable<Result<ImageInfo>> FakeEngine::pull(std::string reference, OnProgress) {
  std::function<Result<ImageInfo>()> deed = [this, reference]() -> Result<ImageInfo> {
    const auto found = images_.find(reference);
    if (found == images_.end()) return image_missing(reference);
    return found->second;
  };
  co_return co_await act<ImageInfo>("pull", deed);
}

asio::awaitable<Result<>> FakeEngine::ensure_isolation() {
  std::function<Result<>()> deed = [this]() -> Result<> {
    if (isolated_) return {};
    return fail(Code::kUnavailable, reason::kIsolationMissing,
                "The firewall table that keeps machines apart is not in force; no machine starts without it.");
  };
  co_return co_await act<void>("ensure_isolation", deed);
}

Result<> FakeEngine::make_network(const NetworkSpec& spec) {
  for (const auto& [name, network] : networks_) {
    if (name != spec.name && network.spec.subnet == spec.subnet && !network.stranger) {
      return fail(Code::kConflict, reason::kAddressTaken, "Another network of the engine uses these addresses.", name);
    }
  }
  const auto found = networks_.find(spec.name);
  if (found != networks_.end()) {
    const NetworkSpec& there = found->second.spec;
    const bool same = there.subnet == spec.subnet && there.shared == spec.shared && there.egress == spec.egress;
    if (!found->second.stranger && same && is_ours(there.labels)) return {};
    return name_taken(spec.name);
  }
  networks_[spec.name] = Network{spec, false, clock_.now()};
  networks_[spec.name].spec.labels = ours(spec.labels);
  return {};
}

asio::awaitable<Result<>> FakeEngine::create_network(NetworkSpec spec) {
  std::function<Result<>()> deed = [this, spec] { return make_network(spec); };
  co_return co_await act<void>("create_network", deed);
}

asio::awaitable<Result<>> FakeEngine::destroy_network(std::string name) {
  std::function<Result<>()> deed = [this, name]() -> Result<> {
    networks_.erase(name);
    return {};
  };
  co_return co_await act<void>("destroy_network", deed);
}

asio::awaitable<Result<std::vector<UsedRange>>> FakeEngine::used_ranges() {
  std::function<Result<std::vector<UsedRange>>()> deed = [this] {
    auto out = ranges_;
    for (const auto& [name, network] : networks_)
      out.push_back({network.spec.subnet, name, false, network.spec.labels});
    return out;
  };
  co_return co_await act<std::vector<UsedRange>>("used_ranges", deed);
}

asio::awaitable<Result<>> FakeEngine::create_volume(std::string name, Labels labels) {
  std::function<Result<>()> deed = [this, name, labels]() -> Result<> {
    const auto found = volumes_.find(name);
    if (found != volumes_.end() && (found->second.stranger || !is_ours(found->second.labels))) return name_taken(name);
    if (found == volumes_.end()) volumes_[name] = Volume{ours(labels), false, clock_.now()};
    return {};
  };
  co_return co_await act<void>("create_volume", deed);
}

asio::awaitable<Result<>> FakeEngine::destroy_volume(std::string name) {
  std::function<Result<>()> deed = [this, name]() -> Result<> {
    for (const auto& [machine_name, machine] : machines_) {
      const auto& mounts = machine->spec.container().mounts;
      const bool used = std::ranges::any_of(
          mounts, [&](const Mount& m) { return m.kind == Mount::Kind::kVolume && m.source == name; });
      if (used) return fail(Code::kExhausted, reason::kBusy, "A machine still uses the volume " + name + ".");
    }
    volumes_.erase(name);
    return {};
  };
  co_return co_await act<void>("destroy_volume", deed);
}

Result<Created> FakeEngine::make_machine(const MachineSpec& spec) {
  const bool image = std::ranges::any_of(images_, [&](const auto& entry) {
    return entry.first == spec.image || entry.second.id == spec.image || entry.first == spec.image + ":latest";
  });
  if (!image) return image_missing(spec.image);
  const auto found = machines_.find(spec.name);
  if (found != machines_.end()) {
    const Machine& there = *found->second;
    if (there.stranger || !is_ours(there.labels) ||
        label(there.labels, kLabelInstance) != label(spec.labels, kLabelInstance))
      return name_taken(spec.name);
    if (same_machine(there.spec, spec)) return made_of(*found->second);
    remove(spec.name);
  }
  auto machine = std::make_unique<Machine>();
  machine->spec = spec;
  if (!next_address_.empty() && !spec.networks.empty()) {
    machine->spec.networks.front().address = std::exchange(next_address_, {});
  }
  machine->labels = ours(spec.labels);
  machine->id = random_hex(32);
  machine->created_at = clock_.now();
  machine->log = std::make_shared<fake::Log>(executor_);
  if (const auto kept = images_.find(spec.image); kept != images_.end()) {
    if (const auto files = image_files_.find(kept->second.id); files != image_files_.end())
      machine->files = files->second;
  }
  return made_of(*(machines_[spec.name] = std::move(machine)));
}

Created FakeEngine::made_of(const Machine& machine) {
  Created made{handle_of(machine.spec.name), {}};
  for (const auto& at : machine.spec.networks) made.addresses[at.network] = at.address;
  return made;
}

asio::awaitable<Result<Created>> FakeEngine::create(MachineSpec spec) {
  if (auto runs = only_containers(*this, spec); !runs) co_return fail(std::move(runs.error()));
  std::function<Result<Created>()> deed = [this, spec] { return make_machine(spec); };
  co_return co_await act<Created>("create", deed);
}

Result<> FakeEngine::listen_for(Machine& machine) {
  for (const auto& attachment : machine.spec.networks) {
    if (!attachment.address.starts_with("127.")) continue;
    for (const auto port : machine.spec.exposed) {
      auto responder = fake::Responder::listen(executor_, attachment.address, port, machine.spec.name, machine.labels);
      if (!responder) {
        machine.responders.clear();
        return fail(std::move(responder.error()));
      }
      machine.responders.push_back(std::move(*responder));
    }
  }
  return {};
}

Result<> FakeEngine::start_machine(const Handle& handle) {
  auto found = find(handle);
  if (!found) return fail(std::move(found.error()));
  Machine& machine = **found;
  if (machine.state == MachineState::kRunning) return {};
  if (machine.state == MachineState::kPaused) return resume_machine(machine);
  if (!isolated_) return fail(Code::kUnavailable, reason::kIsolationMissing, "The firewall table is not in force.");
  for (const auto& mine : machine.spec.networks) {
    if (!networks_.contains(mine.network)) return refused("network " + mine.network + " not found");
    for (const auto& [name, other] : machines_) {
      if (other.get() == &machine || other->state != MachineState::kRunning || mine.address.empty()) continue;
      const auto& theirs = other->spec.networks;
      const bool taken = std::ranges::any_of(
          theirs, [&](const Attachment& a) { return a.network == mine.network && a.address == mine.address; });
      if (taken) return fail(Code::kConflict, reason::kAddressTaken, "Another machine has this address.", name);
    }
  }
  const Container& container = machine.spec.container();
  std::vector<std::string> command = container.entrypoint.value_or(std::vector<std::string>{});
  if (container.command) command.insert(command.end(), container.command->begin(), container.command->end());
  if (!command.empty() && options_.missing_programs.contains(command.front())) {
    return fail(Code::kInvalid, reason::kDidNotStart,
                "The machine did not start: " + command.front() + ": executable file not found");
  }
  auto listening = listen_for(machine);
  if (!listening) return listening;
  machine.state = MachineState::kRunning;
  machine.log->ended = false;
  machine.health = container.health && !container.health->disabled ? Health::kStarting : Health::kNone;
  tell(machine, Happening::kStarted);
  const fake::Program program = fake::program_of(command, false);
  if (!program.output.empty()) machine.log->lines.emplace_back(clock_.now(), program.output);
  if (program.ends) end(machine, program.exit_code);
  return {};
}

asio::awaitable<Result<>> FakeEngine::start(Handle handle) {
  std::function<Result<>()> deed = [this, handle] { return start_machine(handle); };
  co_return co_await act<void>("start", deed);
}

void FakeEngine::end(Machine& machine, int exit_code) {
  if (machine.state != MachineState::kRunning && machine.state != MachineState::kPaused) return;
  machine.state = MachineState::kExited;
  machine.thawed = false;
  machine.exit_code = exit_code;
  machine.responders.clear();
  machine.log->ended = true;
  machine.log->changed.pulse();
  tell(machine, Happening::kDied);
}

void FakeEngine::remove(const std::string& name) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  end(*found->second, 137);
  tell(*found->second, Happening::kDestroyed);
  machines_.erase(found);
}

asio::awaitable<Result<>> FakeEngine::stop(Handle handle, std::chrono::milliseconds) {
  std::function<Result<>()> deed = [this, handle]() -> Result<> {
    if (auto machine = find(handle)) end(**machine, 143);
    return {};
  };
  co_return co_await act<void>("stop", deed);
}

asio::awaitable<Result<>> FakeEngine::destroy(Handle handle) {
  std::function<Result<>()> deed = [this, handle]() -> Result<> {
    if (auto machine = find(handle)) remove(std::string((*machine)->spec.name));
    return {};
  };
  co_return co_await act<void>("destroy", deed);
}

}  // namespace tiltyard::engine
