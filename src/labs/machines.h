#pragma once

#include "engine/engine.h"
#include "labs/live.h"

namespace tiltyard::labs {

using MachineVerb = asio::awaitable<Result<>> (engine::Freezer::*)(engine::Handle);

/// One verb for all machines of an instance. One that has ended by itself has nothing to freeze or thaw, which is no
/// error, but told. `engine-cannot` where the engine freezes nothing.
asio::awaitable<Result<>> each_machine(engine::Engine& engine, LiveRef live, MachineVerb verb,
                                       std::shared_ptr<bool> some_ended = std::make_shared<bool>(false));

/// Whether the instance is there for this machine: its owner reaches it, or there is none that could be reached.
bool matters(const Plan& plan, const PlannedMachine& machine);
/// Whether all machines that matter have ended for good.
bool all_over(const Plan& plan);

/// Whether a machine that ended with this exit code stays so. `restart` of its template says it, as Compose has it;
/// where that says nothing, a machine that players reach is started again, and another one only where it was killed.
bool stays_ended(const Spawn& spawn, const std::string& service, int exit_code);
/// `machines-ended`: what an instance ends with whose machines have.
Error ended_by_themselves(const Plan& plan);
/// It has ended for good.
void close_book(PlannedMachine& machine, int exit_code);

/// What an engine's event or answer says of a machine; whether that is news.
bool note(Plan& plan, const engine::EngineEvent& event);
bool note(Plan& plan, const std::string& machine, const engine::MachineStatus& status);

/// After machines were thawed: until nothing has passed for a moment, which is waited for a few seconds at most.
/// Telling the engine costs them a standstill of some milliseconds, which is better not put into a first answer.
asio::awaitable<void> quiet_moment(Presence presence, LiveRef live);

}  // namespace tiltyard::labs
