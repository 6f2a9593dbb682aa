// Machines: create, start, stop, destroy, inspect and what is there. Pausing: pausing.cpp.
#include <boost/json/value.hpp>

#include <algorithm>
#include <iterator>

#include "base/parallel.h"
#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/docker/freezer.h"
#include "engine/docker/machine_body.h"
#include "engine/docker/restarts.h"
#include "engine/isolation/firewall.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;
namespace json = boost::json;

// Generous: a loaded host is slow, and giving up in mid-call costs more than waiting.
constexpr auto kCreateDeadline = 60s, kStartDeadline = 120s, kDestroyDeadline = 120s, kAskDeadline = 15s;
/// How long after a death of a machine the daemon may itself be what ends.
constexpr auto kPerhapsEnding = 3s;

std::string container(const std::string& name, std::string_view what = "") {
  return "/containers/" + http::percent_encode(name) + std::string(what);
}

bool says(const http::Response& answer, std::string_view words) { return words_of(answer.body).contains(words); }

asio::awaitable<Result<>> join_network(std::shared_ptr<Connection> connection, std::string network, std::string body) {
  const std::string path = "/networks/" + http::percent_encode(network) + "/connect";
  auto answer = co_await connection->call("POST", path, std::move(body), kCreateDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 200 || says(*answer, "already exists in network")) co_return Result<>{};
  co_return fail(refusal(About::kStart, *answer));
}

}  // namespace

asio::awaitable<Result<Created>> DockerEngine::create(MachineSpec spec) {
  if (auto runs = only_containers(*this, spec); !runs) co_return fail(std::move(runs.error()));
  auto usable = co_await connection_->ready();
  if (!usable) co_return fail(std::move(usable.error()));
  co_await know_storage();
  BodyOptions options;
  options.log_driver = options_.log_driver;
  options.limits_disk = limits_disk_;
  options.cgroup_parent = cgroup_parent_;
  options.all_networks = connection_->at_least(44);
  const Body body = machine_body(spec, mine(spec.labels), options);
  const auto instance = spec.labels.find(kLabelInstance);
  const std::string instance_id = instance == spec.labels.end() ? std::string() : instance->second;
  // Twice is the rule (refused, holder removed, made); more only while others fight over the name.
  for (int attempt = 0; attempt < 4; ++attempt) {
    auto answer = co_await connection_->call("POST", with_query("/containers/create", {{"name", spec.name}}), body.json,
                                             kCreateDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    bool there = answer->status == 201;
    if (!there && answer->status != 409) co_return fail(refusal(About::kMachine, *answer));
    if (!there) {
      auto holder = co_await who_holds(spec.name, instance_id, body.hash);
      if (!holder) co_return fail(std::move(holder.error()));
      there = *holder == NameHolder::kAdopted;
      if (*holder == NameHolder::kOutdated) {
        auto removed = co_await destroy(Handle{1, spec.name});
        if (!removed) co_return fail(std::move(removed.error()));
      }
    }
    if (!there) continue;
    if (!options.all_networks && spec.networks.size() > 1) {
      auto connected = co_await connect_others(spec);
      if (!connected) co_return fail(std::move(connected.error()));
    }
    // The addresses are ours to choose here, and hold from the start on.
    Created made{Handle{1, spec.name}, {}, answer->status != 201};
    for (const auto& at : spec.networks) made.addresses[at.network] = at.address;
    co_return made;
  }
  co_return fail(Code::kConflict, reason::kNameTaken, "Another machine keeps taking the name.", spec.name);
}

/// Who has the name that a create was refused for: a machine of ours for the same instance is what an earlier create
/// made whose answer was lost (or that an earlier process made).
asio::awaitable<Result<DockerEngine::NameHolder>> DockerEngine::who_holds(std::string name, std::string instance,
                                                                          std::string spec_hash) {
  auto answer = co_await connection_->call("GET", container(name, "/json"), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return NameHolder::kNobody;
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  const Labels labels = labels_of(member(member(*found, "Config"), "Labels"));
  const auto held_for = labels.find(kLabelInstance);
  if (!is_ours(labels) || (held_for == labels.end() ? std::string() : held_for->second) != instance) {
    co_return fail(Code::kConflict, reason::kNameTaken, "Somebody else's machine has the name " + name + ".");
  }
  const auto hash = labels.find(kLabelSpec);
  const bool same = hash != labels.end() && hash->second == spec_hash;
  const std::string state = text_of(member(*found, "State"), "Status");
  if (same && state != "removing" && state != "dead") co_return NameHolder::kAdopted;
  co_return NameHolder::kOutdated;
}

/// Before API 1.44 a create takes one network; the others are joined before the start, side by side.
asio::awaitable<Result<>> DockerEngine::connect_others(MachineSpec spec) {
  std::vector<asio::awaitable<Result<>>> joins;
  for (std::size_t i = 1; i < spec.networks.size(); ++i) {
    joins.push_back(join_network(connection_, spec.networks[i].network, connect_body(spec.name, spec.networks[i])));
  }
  auto joined = co_await all_of(std::move(joins));
  co_return first_error(std::move(joined));
}

asio::awaitable<Result<>> DockerEngine::start(Handle handle) {
  restarts_->started_by_us(handle.data);
  return start_now(std::move(handle));
}

asio::awaitable<Result<>> DockerEngine::start_now(Handle handle) {
  auto usable = co_await connection_->ready();
  if (!usable) co_return fail(std::move(usable.error()));
  auto isolated = co_await ensure_isolation();
  if (!isolated) co_return fail(std::move(isolated.error()));
  // A daemon that ends lets its machines die first. One that it starts again in that moment it forgets, and cannot
  // start any more when it is back: "task … already exists", "failed to start shim".
  if (std::chrono::steady_clock::now() - last_death_ < kPerhapsEnding) {
    auto open = co_await connection_->open_door();
    if (!open) co_return fail(std::move(open.error()));
  }
  auto answer = co_await connection_->call("POST", container(handle.data, "/start"), {}, kStartDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 204 || answer->status == 304) co_return Result<>{};
  if (says(*answer, "paused container")) co_return co_await resume(handle);
  co_return fail(refusal(About::kStart, *answer));
}

asio::awaitable<Result<>> DockerEngine::stop(Handle handle, std::chrono::milliseconds grace) {
  restarts_->ended_by_us(handle.data);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(grace);
  // A frozen program hears no signal, and the daemon would wait out the whole time.
  auto status = co_await inspect(handle);
  if (status && status->state == MachineState::kPaused) co_await thaw(handle);
  auto answer = co_await connection_->call(
      "POST", with_query(container(handle.data, "/stop"), {{"t", std::to_string(seconds.count())}}), {},
      kDestroyDeadline + seconds);
  if (!answer) co_return fail(std::move(answer.error()));
  // 304: had stopped already; 404: is gone, and what is gone does not run.
  if (answer->status == 204 || answer->status == 304 || answer->status == 404) co_return Result<>{};
  co_return fail(refusal(About::kMachine, *answer));
}

asio::awaitable<Result<>> DockerEngine::destroy(Handle handle) {
  freezers_->forget(handle.data);
  restarts_->ended_by_us(handle.data);
  // Removal fails now and then while a mount of a dying process is still busy; a moment later it works.
  for (int attempt = 1;; ++attempt) {
    auto answer = co_await connection_->call("DELETE", with_query(container(handle.data), {{"force", "1"}, {"v", "1"}}),
                                             {}, kDestroyDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 204 || answer->status == 404) {
      restarts_->gone(handle.data);
      co_return Result<>{};
    }
    if (answer->status == 409 && says(*answer, "already in progress")) {
      co_return co_await wait_until_gone(handle.data);
    }
    if (attempt == 4 || !(says(*answer, "busy") || says(*answer, "failed to remove"))) {
      co_return fail(refusal(About::kMachine, *answer));
    }
    co_await sleep_for(attempt * 100ms);
  }
}

/// Somebody else's removal of the machine is under way: waits for its end.
asio::awaitable<Result<>> DockerEngine::wait_until_gone(std::string name) {
  for (int tries = 0; tries < 600; ++tries) {
    auto answer = co_await connection_->call("GET", container(name, "/json"), {}, kAskDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 404) co_return Result<>{};
    co_await sleep_for(50ms);
  }
  co_return fail(Code::kTimeout, "timeout", "The engine does not finish removing the machine " + name + ".");
}

asio::awaitable<Result<MachineStatus>> DockerEngine::inspect(Handle handle) {
  auto answer = co_await connection_->call("GET", container(handle.data, "/json"), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return MachineStatus{};
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  auto status = machine_status(*found);
  // As it would be if the engine did it.
  if (status.state == MachineState::kExited && restarts_->under_way(handle.data))
    status.state = MachineState::kRestarting;
  status.process = freezers_->process_here(status.engine_id, number_of(member(*found, "State"), "Pid"));
  co_return status;
}

asio::awaitable<Result<std::optional<Handle>>> DockerEngine::recover(std::string machine_name) {
  auto answer = co_await connection_->call("GET", container(machine_name, "/json"), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return std::nullopt;
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  if (!is_ours(labels_of(member(member(*found, "Config"), "Labels")))) co_return std::nullopt;
  co_return Handle{1, machine_name};
}

asio::awaitable<Result<Stats>> DockerEngine::stats(Handle handle) {
  auto answer = co_await connection_->call(
      "GET", with_query(container(handle.data, "/stats"), {{"stream", "false"}, {"one-shot", "true"}}), {},
      kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  co_return machine_stats(*found);
}

asio::awaitable<Result<std::vector<Resource>>> DockerEngine::list_machines() {
  auto answer = co_await connection_->call(
      "GET", with_query("/containers/json", {{"all", "1"}, {"filters", our_filter()}}), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<Resource> out;
  if (const json::array* items = found->if_array()) {
    for (const auto& item : *items) out.push_back(listed_machine(item));
  }
  co_return out;
}

asio::awaitable<Result<std::vector<Resource>>> DockerEngine::list() {
  auto out = co_await list_machines();
  if (!out) co_return fail(std::move(out.error()));
  auto networks = co_await list_networks();
  if (!networks) co_return fail(std::move(networks.error()));
  auto volumes = co_await list_volumes();
  if (!volumes) co_return fail(std::move(volumes.error()));
  std::ranges::move(*networks, std::back_inserter(*out));
  std::ranges::move(*volumes, std::back_inserter(*out));
  co_return std::move(*out);
}

}  // namespace tiltyard::engine
