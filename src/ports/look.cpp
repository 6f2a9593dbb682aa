#include "ports/look.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"

namespace tiltyard::ports {
namespace {

constexpr std::string_view kResolver = "127.0.0.11";

std::string why_not(const std::vector<std::string>& addresses) {
  const bool loopback =
      std::ranges::all_of(addresses, [](const auto& one) { return one.starts_with("127.") || one == "::1"; });
  std::string all;
  for (const auto& one : addresses) all += (all.empty() ? "" : " and ") + one;
  if (loopback)
    return fmt::format("It listens on {} alone, inside the machine. Let its program listen on 0.0.0.0.", all);
  return fmt::format("It listens on {} alone, which the gateway does not come by. Let its program listen on 0.0.0.0.",
                     all);
}

/// The machine's first process on this host, or why there is none to look at.
asio::awaitable<Result<std::int64_t>> process_of(engine::Engine& engine, engine::Handle machine) {
  if (auto away = engine.away()) co_return fail(std::move(*away));
  auto status = co_await engine.inspect(std::move(machine));
  if (!status) co_return fail(Code::kUnavailable, "machine-unseen", "Its engine does not answer for it at present.");
  if (status->state != engine::MachineState::kRunning && status->state != engine::MachineState::kPaused)
    co_return fail(Code::kConflict, "machine-unseen", "The machine does not run.");
  if (status->process == 0)
    co_return fail(Code::kUnavailable, "machine-unseen",
                   "Its engine is on another host, where this server cannot look.");
  co_return status->process;
}

asio::awaitable<Machine> look_into(engine::Engine* engine, WorkerPool* files, engine::Handle handle, Machine out) {
  auto process = co_await process_of(*engine, std::move(handle));
  if (!process) {
    out.why = process.error().message;
    co_return out;
  }
  const auto sockets = co_await offload(*files, [number = *process] { return net::waiting_in(number); });
  if (!sockets) {
    out.why = "This server may not look into the machine's network.";
    co_return out;
  }
  out.seen = true;
  out.ports = by_port(*sockets, out.address);
  if (out.ports.size() > kMostShown) {
    out.ports.resize(kMostShown);
    out.more = true;
  }
  co_return out;
}

}  // namespace

std::vector<Seen> by_port(const std::vector<net::Waiting>& sockets, std::string_view address) {
  std::vector<Seen> out;
  for (const auto& one : sockets) {
    if (one.at.address == kResolver) continue;
    auto found =
        std::ranges::find_if(out, [&](const Seen& seen) { return seen.port == one.at.port && seen.udp == one.udp; });
    if (found == out.end()) {
      // One more than is shown says that there are more.
      if (out.size() > kMostShown) break;
      found = out.insert(out.end(), Seen{one.at.port, one.udp});
    }
    if (std::ranges::find(found->addresses, one.at.address) == found->addresses.end() && found->addresses.size() < 8)
      found->addresses.push_back(one.at.address);
    if (found->program.empty()) found->program = one.program;
    found->reachable = found->reachable || net::hears(one.at, address, one.at.port);
  }
  for (auto& one : out) {
    if (!one.reachable) one.why = why_not(one.addresses);
  }
  return out;
}

asio::awaitable<std::vector<Machine>> look_at(engine::Engines& engines, WorkerPool& files, labs::Instance instance,
                                              std::vector<std::string> wanted) {
  std::vector<Machine> out;
  for (const auto& machine : instance.plan.machines) {
    if (machine.attachments.empty() || std::ranges::find(wanted, machine.service) == wanted.end()) continue;
    Machine begun{machine.service, machine.attachments.front().address};
    out.push_back(co_await look_into(&engines.of(instance.plan.engine), &files, machine.handle, std::move(begun)));
  }
  co_return out;
}

}  // namespace tiltyard::ports
