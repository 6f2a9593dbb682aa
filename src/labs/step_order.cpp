#include "labs/step_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace tiltyard::labs {
namespace {

/// Who waits for whom, by places in what was given.
using Graph = std::vector<std::set<std::size_t>>;

std::unexpected<Error> wrong(std::string message) {
  return fail(Code::kInternal, "steps-wrong", "The steps of a spawn do not fit together: " + std::move(message));
}

Result<Graph> graph_of(const Steps& steps) {
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto [found, fresh] = places.emplace(steps[i]->name(), i);
    if (!fresh) return wrong(fmt::format("there are two steps '{}'.", steps[i]->name()));
  }
  Graph graph(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (const auto& name : steps[i]->after()) {
      const auto other = places.find(name);
      if (other == places.end()) {
        return wrong(fmt::format("'{}' comes after '{}', which there is not.", steps[i]->name(), name));
      }
      graph[i].insert(other->second);
    }
    for (const auto& name : steps[i]->before()) {
      const auto other = places.find(name);
      if (other == places.end()) {
        return wrong(fmt::format("'{}' comes before '{}', which there is not.", steps[i]->name(), name));
      }
      graph[other->second].insert(i);
    }
  }
  return graph;
}

/// Of steps that all wait for each other in some way: two neighbours of the circle.
std::unexpected<Error> circle(const Steps& steps, const Graph& graph, const std::vector<bool>& placed) {
  const auto stuck = [&](std::size_t i) { return !placed[i]; };
  std::size_t at = 0;
  while (placed[at]) ++at;
  // After as many moves as there are steps one is surely on the circle.
  for (std::size_t moves = 0; moves <= steps.size(); ++moves) at = *std::ranges::find_if(graph[at], stuck);
  const auto before = *std::ranges::find_if(graph[at], stuck);
  return wrong(
      fmt::format("'{}' waits for '{}', which waits for it in turn.", steps[at]->name(), steps[before]->name()));
}

}  // namespace

Result<StepOrder> StepOrder::make(Steps steps) {
  auto graph = graph_of(steps);
  if (!graph) return fail(std::move(graph.error()));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (const auto other : (*graph)[i]) {
      if (!steps[i]->in_pool() || steps[other]->in_pool()) continue;
      return wrong(fmt::format("'{}' is done for pools and waits for '{}', which is done at the claim.",
                               steps[i]->name(), steps[other]->name()));
    }
  }
  StepOrder order;
  std::vector<bool> placed(steps.size());
  std::vector<std::size_t> place(steps.size());
  while (order.size() < steps.size()) {
    const auto ready = [&](std::size_t i) {
      return !placed[i] && std::ranges::all_of((*graph)[i], [&](std::size_t other) { return placed[other]; });
    };
    std::size_t next = 0;
    while (next < steps.size() && !ready(next)) ++next;
    if (next == steps.size()) return circle(steps, *graph, placed);
    placed[next] = true;
    place[next] = order.size();
    order.nodes_.push_back({nullptr, steps[next]->name(), {}});
    for (const auto other : (*graph)[next]) order.nodes_.back().after.push_back(place[other]);
  }
  for (std::size_t i = 0; i < steps.size(); ++i) order.nodes_[place[i]].step = std::move(steps[i]);
  return order;
}

}  // namespace tiltyard::labs
