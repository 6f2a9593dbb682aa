#pragma once

#include "engine/fake/fake_engine.h"
#include "engine/fake/fake_parts.h"

namespace tiltyard::engine {

struct FakeEngine::Machine {
  MachineSpec spec;
  Labels labels;
  bool stranger = false;
  std::string id;
  MachineState state = MachineState::kCreated;
  Health health = Health::kNone;
  bool thawed = false;  ///< paused in our own view, but runs
  int exit_code = 0;
  bool out_of_memory = false;
  TimePoint created_at{};
  std::map<std::string, std::string> files;
  std::shared_ptr<fake::Log> log;
  std::vector<std::unique_ptr<fake::Responder>> responders;
};

}  // namespace tiltyard::engine
