#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace tiltyard::engine {

/// The engine of `[engine]`, and of what was made before there could be several.
inline constexpr char kDefaultEngine[] = "default";

/// How we use an engine, as its configuration says.
struct Terms {
  std::string name_space = "tiltyard";  ///< marks what is ours; the key is `namespace`
  std::string runtime;                  ///< of machines; empty: the engine's own choice
  std::string pool;                     ///< that its machines' addresses are from; empty: the server's
};

/// The engines of one server by their configured names. What was made on an engine stays there, and its row says so; a
/// name that is in a row and not configured any more is an engine that is away: nothing on it is touched until it is
/// configured again. Belongs to the home loop.
class Engines {
 public:
  Engines() = default;
  /// One engine alone, which outlives this.
  explicit Engines(Engine& only, Terms terms = {}) {
    add(kDefaultEngine, std::shared_ptr<Engine>(&only, [](Engine*) {}), std::move(terms));
  }

  void add(const std::string& name, std::shared_ptr<Engine> engine, Terms terms = {}) {
    all_[name] = std::move(engine);
    terms_[name] = std::move(terms);
  }
  /// Where what is new is made: kDefaultEngine, unless the operator says otherwise. One of those that were added.
  void make_new_on(std::string name) { chosen_ = std::move(name); }
  const std::string& chosen() const { return chosen_; }
  /// The engine of that name. Never nobody: `away` and every verb of an unknown one say that it is not configured.
  /// An empty name is of what names none: where it would be made.
  Engine& of(const std::string& name);
  /// Of one that is configured; an empty name as for `of`.
  const Terms& terms_of(const std::string& name) const { return terms_.at(name.empty() ? chosen_ : name); }
  bool configured(const std::string& name) const { return name.empty() || all_.contains(name); }
  /// Those that are configured.
  const std::map<std::string, std::shared_ptr<Engine>>& all() const { return all_; }

  void run();
  asio::awaitable<void> close();

 private:
  std::map<std::string, std::shared_ptr<Engine>> all_, missing_;
  std::map<std::string, Terms> terms_;
  std::string chosen_ = kDefaultEngine;
};

}  // namespace tiltyard::engine
