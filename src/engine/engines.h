#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace tiltyard::engine {

/// The engine of `[engine]`, and of what was made before there could be several.
inline constexpr char kDefaultEngine[] = "default";

/// The engines of one server by their configured names. What was made on an engine stays there, and its row says so; a
/// name that is in a row and not configured any more is an engine that is away: nothing on it is touched until it is
/// configured again. Belongs to the home loop.
class Engines {
 public:
  Engines() = default;
  /// One engine alone, which outlives this.
  explicit Engines(Engine& only) {
    add(kDefaultEngine, std::shared_ptr<Engine>(&only, [](Engine*) {}));
  }

  void add(std::string name, std::shared_ptr<Engine> engine) { all_[std::move(name)] = std::move(engine); }
  /// Where what is new is made: kDefaultEngine, unless the operator says otherwise. One of those that were added.
  void make_new_on(std::string name) { chosen_ = std::move(name); }
  const std::string& chosen() const { return chosen_; }
  Engine& of_new() { return of(chosen_); }
  /// The engine of that name. Never nobody: `away` and every verb of an unknown one say that it is not configured.
  /// An empty name is of what is not placed yet: where it would be.
  Engine& of(const std::string& name);
  /// Those that are configured.
  const std::map<std::string, std::shared_ptr<Engine>>& all() const { return all_; }

  void run();
  asio::awaitable<void> close();

 private:
  std::map<std::string, std::shared_ptr<Engine>> all_, missing_;
  std::string chosen_ = kDefaultEngine;
};

}  // namespace tiltyard::engine
