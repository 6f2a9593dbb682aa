#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/compact.h"
#include "base/door.h"
#include "base/endpoint_kind.h"
#include "base/id.h"
#include "base/secret.h"
#include "engine/spec.h"
#include "templates/model.h"

namespace tiltyard::labs {

/// The life of an instance (row 1.6). Stored as the words of `to_string`.
enum class InstanceState { kQueued, kPreparing, kStarting, kRunning, kPaused, kStopping, kStopped, kFailed };

std::string_view to_string(InstanceState state);
std::optional<InstanceState> parse_state(std::string_view text);
/// Stopped and failed are final: nothing of the instance exists any more, and its names are free.
inline bool is_final(InstanceState state) {
  return state == InstanceState::kStopped || state == InstanceState::kFailed;
}
/// Its machines are there, awake or asleep.
inline bool is_up(InstanceState state) { return state == InstanceState::kRunning || state == InstanceState::kPaused; }

/// The reason of an instance that wrote more than it may.
inline constexpr char kOverDisk[] = "disk-limit";

/// Why it ended or is about to: `user`, `admin`, `expiry`, `abuse`, `disk-limit`, `engine-loss`, or the reason of an
/// error.
struct Reason {
  std::string code;
  std::string text;

  /// Whether somebody wanted its end, rather than that something failed.
  bool wanted() const;
};

/// One network that the instance uses, from our own address plan.
struct PlannedNetwork {
  std::string key;  ///< the template's name for it; empty: the shared network of single machines
  engine::NetworkSpec spec;
};

/// How a machine is, as its engine told last. Done and ended ones have ended for good, with 0 or another exit code: as
/// their template has it nobody starts them again. Stored as the words of `to_string`.
enum class MachineIs : std::uint8_t { kAbsent, kCreated, kRunning, kPaused, kExited, kDone, kEnded };
enum class MachineHealth : std::uint8_t { kUnknown, kStarting, kHealthy, kUnhealthy };

/// Whether it has ended and stays so.
inline bool is_over(MachineIs state) { return state == MachineIs::kDone || state == MachineIs::kEnded; }

std::string_view to_string(MachineIs state);
std::string_view to_string(MachineHealth health);  ///< unknown: empty
MachineIs parse_machine_state(std::string_view text);
MachineHealth parse_health(std::string_view text);

struct PlannedMachine {
  std::string service;  ///< the template's name for it
  std::string name;     ///< the engine's, drawn at random
  std::vector<engine::Attachment> attachments;
  // These three are in a row of the machine's own (table machines), not in the plan's text.
  engine::Handle handle;  ///< as the engine returned it; empty: not made yet
  MachineIs state = MachineIs::kAbsent;
  MachineHealth health = MachineHealth::kUnknown;
};

struct PlannedEndpoint {
  std::string name;
  std::string machine;  ///< service
  std::string address;  ///< of the machine
  std::uint16_t machine_port = 0;
  EndpointKind kind = EndpointKind::kHttp;
  bool guessed = false;                  ///< its kind, by the port's number; until its machine has answered
  std::uint16_t port = 0;                ///< of the gateway (TCP, UDP)
  std::array<unsigned char, 12> host{};  ///< the label before the gateway's domain (HTTP), at random; zeros: of before
  bool opened = false;                   ///< while its instance was up already: it can be closed again
  Door door = Door::kUnsaid;             ///< as its template says
  Handover handover = {};
  Rare<std::string> called = {};  ///< the Host that the machine is asked by, where it is not the player's
};

/// Every name and address that an instance will use. Written with the instance's row before anything is made, so that
/// whatever exists has a name that is already on disk; undoing needs nothing else.
struct Plan {
  Shared<std::string> engine;  ///< on which all of it is, by its configured name; empty: not decided yet
  std::vector<Shared<PlannedNetwork>> networks;
  std::vector<PlannedMachine> machines;
  std::vector<std::pair<std::string, std::string>> volumes;  ///< the template's name → the engine's
  std::vector<PlannedEndpoint> endpoints;
  bool record_terminals = false;  ///< as its template had it: no terminal opens that is not recorded
};

/// Whether an instance belongs to a warm pool (row 1.14). Waiting: nobody's yet, its owner is empty; claimed: it waited
/// once.
enum class PoolRole { kNone, kWaiting, kClaimed };

std::string_view to_string(PoolRole role);

/// What can wait for an owner. Running: machines that have answered, handed over in milliseconds. Created: machines
/// that are started at the claim, because their program reads the flag when it starts. None: the flag is in the
/// environment, which is fixed when a machine is created.
enum class PoolKind { kNone, kCreated, kRunning };

struct PoolChoice {
  PoolKind kind = PoolKind::kRunning;
  std::string reason;  ///< for people: why not "running"
};

std::string_view to_string(PoolKind kind);

/// What its owner signs in with, inside the machines.
struct Credentials {
  std::string user;
  Secret password;
};

/// What each part of a spawn took, in order ("network", "machines", "ready", "routes", "total").
using Timings = std::vector<std::pair<std::string, std::chrono::microseconds>>;

/// Thousands may wait for an owner, or sleep: what all of one template have in common is shared with it, and what is
/// seldom there takes no room.
struct Instance {
  InstanceId id;
  TemplateId tmpl;
  Shared<std::string> template_name;
  Shared<std::string> template_hash;
  std::string owner;  ///< the team's id in team mode, else the user's
  std::string owner_name;
  UserId user;  ///< who pressed start
  std::string team;
  Shared<std::string> cost_centre;
  InstanceState state = InstanceState::kQueued;
  PoolRole pool = PoolRole::kNone;
  Rare<Reason> reason;
  TimePoint created_at{};
  std::optional<TimePoint> started_at, ended_at, expires_at;
  Shared<templates::LeasePolicy> lease;
  std::string context;  ///< picks the first lease's length where the policy has contexts
  int extensions = 0;
  std::chrono::seconds added{0};
  Plan plan;
  Rare<Credentials> credentials;
  Timings timings;
  double cpu_seconds = 0;
  double memory_gib_hours = 0;

  bool live() const { return !is_final(state); }
  /// Takes over what the template says of every instance.
  void follow(const std::shared_ptr<const templates::Template>& whole);
};

/// The labels before the gateway's domain under which an HTTP endpoint is found.
std::vector<std::string> hosts_of(const Instance& instance, const PlannedEndpoint& endpoint);

/// The template's credentials for one owner: its own password, or one that is drawn now (16 characters, 80 random
/// bits).
Rare<Credentials> draw_credentials(const templates::Template& tmpl);

}  // namespace tiltyard::labs
