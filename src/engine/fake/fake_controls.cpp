// How tests turn the fake engine: troubles, absences, and what happens behind the server's back.
#include <boost/asio/post.hpp>

#include "base/id.h"
#include "engine/fake/fake_machine.h"
#include "engine/reasons.h"
#include "engine/restart.h"

namespace tiltyard::engine {

FakeEngine::FakeEngine(asio::any_io_executor executor, FakeOptions options)
    : executor_(executor), options_(std::move(options)) {
  for (const auto& reference : options_.images) add_image(reference);
}

FakeEngine::~FakeEngine() = default;

void FakeEngine::add_image(std::string reference, ImageInfo info) {
  if (info.id.empty()) info.id = "sha256:" + random_hex(32);
  if (info.created_at == TimePoint{}) info.created_at = clock_.now();
  images_[std::move(reference)] = std::move(info);
}

void FakeEngine::set_image_tar(std::string reference, std::string tar) {
  image_tars_[std::move(reference)] = std::move(tar);
}

void FakeEngine::add_stranger(std::string name) {
  auto machine = std::make_unique<Machine>();
  machine->stranger = true;
  machine->log = std::make_shared<fake::Log>(executor_);
  machines_[name] = std::move(machine);
  networks_[name] = Network{{}, true, clock_.now()};
  volumes_[std::move(name)] = Volume{{}, true, clock_.now()};
}

void FakeEngine::set_latency(std::string verb, std::chrono::milliseconds latency) {
  latency_[std::move(verb)] = latency;
}

void FakeEngine::fail_next(std::string verb, Error error, int times) {
  failing_[std::move(verb)] = Trouble{times, std::move(error)};
}

void FakeEngine::lose_answer(std::string verb, int times) { losing_[std::move(verb)] = times; }

void FakeEngine::hold(std::string verb) { held_[std::move(verb)] = std::make_shared<Signal>(executor_); }

void FakeEngine::release(std::string verb) {
  const auto found = held_.find(verb);
  if (found == held_.end()) return;
  found->second->set();
  held_.erase(found);
}

void FakeEngine::go_away() {
  if (away_) return;
  ++absences_;
  away_ = Error{
      Code::kUnavailable, reason::kAway, "The engine " + options_.name + " does not answer; nothing was done.", {}, {}};
  post(EngineEvent{Happening::kLost, {}, {}});
}

void FakeEngine::come_back() {
  if (!away_) return;
  away_.reset();
  post(EngineEvent{Happening::kReconnected, {}, {}});
}

void FakeEngine::end_machine(std::string name, int exit_code, bool out_of_memory) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  found->second->out_of_memory = out_of_memory;
  if (out_of_memory) tell(*found->second, Happening::kOutOfMemory);
  end(*found->second, exit_code);
}

void FakeEngine::tell_again(const std::string& name, Happening what) {
  const auto found = machines_.find(name);
  if (found != machines_.end()) tell(*found->second, what);
}

void FakeEngine::set_health(std::string name, Health health) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  found->second->health = health;
  tell(*found->second, health == Health::kHealthy ? Happening::kHealthy : Happening::kUnhealthy);
}

void FakeEngine::lose_machine(std::string name) { remove(name); }

void FakeEngine::write_log(std::string name, std::string text) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return;
  found->second->log->lines.emplace_back(clock_.now(), std::move(text));
  found->second->log->changed.pulse();
}

int FakeEngine::calls(const std::string& verb) const {
  const auto found = calls_.find(verb);
  return found == calls_.end() ? 0 : found->second;
}

std::optional<std::string> FakeEngine::file(const std::string& machine, const std::string& path) const {
  const auto found = machines_.find(machine);
  if (found == machines_.end()) return std::nullopt;
  const auto file = found->second->files.find(path);
  return file == found->second->files.end() ? std::nullopt : std::optional(file->second);
}

const MachineSpec* FakeEngine::machine_spec(const std::string& name) const {
  const auto found = machines_.find(name);
  return found == machines_.end() ? nullptr : &found->second->spec;
}

void FakeEngine::tell(const Machine& machine, Happening what) {
  // An engine that is away tells nothing; what happened meanwhile is found by looking.
  if (away_ || machine.stranger) return;
  auto labels = machine.labels;
  if (what == Happening::kDied) labels[kLabelExitCode] = std::to_string(machine.exit_code);
  post(EngineEvent{what, machine.spec.name, std::move(labels)});
}

void FakeEngine::post(EngineEvent event) {
  asio::post(executor_, [this, event = std::move(event), alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) subscribers_.tell(event);
  });
}

asio::awaitable<void> FakeEngine::close() {
  alive_.reset();
  for (auto& [name, machine] : machines_) {
    machine->responders.clear();
    machine->log->ended = true;
    machine->log->changed.pulse();
  }
  co_return;
}

}  // namespace tiltyard::engine
