#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "labs/parts.h"
#include "labs/store.h"

namespace tiltyard::labs {

/// Whose is what stands on the engine under our namespace. What carries another server's label is never ours; what
/// carries none was made by a version without labels and is ours if our database knows its instance. And the namespace
/// itself is claimed, by a volume without anything in it, so that a server says at its start what would be two servers'
/// trouble later: names that players know, a plan that finds addresses taken, clean-up by hand that hits both.
///
/// A claim ends when a server leaves with nothing running. Another's is taken over only where it is surely dead: its
/// database was at the same place of the same host where ours is now. Lives on the home loop.
class Ownership {
 public:
  Ownership(Claimant self, std::string name_space, engine::Engine& engine, LabsStore& rows)
      : self_(std::move(self)), name_space_(std::move(name_space)), engine_(engine), rows_(rows) {}

  /// Claims the namespace, or finds it claimed by us. `namespace-claimed`: it is another's, and the message says whose
  /// and what to do. Removes what a server left whose data is gone.
  asio::awaitable<Result<>> claim();
  /// Everything on the engine that is ours.
  asio::awaitable<Result<std::vector<engine::Resource>>> ours();
  bool holds() const { return held_; }
  /// Gives the claim back.
  asio::awaitable<Result<>> release();

 private:
  std::string claim_name() const { return name_space_ + "-claim"; }
  enum class Whose { kOurs, kAnothers, kNobodysYet };
  asio::awaitable<Result<Whose>> whose(engine::Resource resource);
  asio::awaitable<Result<>> succeed(std::vector<engine::Resource> left, std::string why);
  asio::awaitable<Result<>> make_claim();
  asio::awaitable<Result<>> check_copy(engine::Labels claim);
  Result<> refuse(const std::string& who, const std::string& what_to_do) const;

  Claimant self_;
  std::string name_space_;
  engine::Engine& engine_;
  LabsStore& rows_;
  bool held_ = false;
};

/// Removes these, machines first: networks and volumes are free only after them. How many went.
asio::awaitable<std::size_t> remove_all(engine::Engine& engine, std::vector<engine::Resource> resources);

}  // namespace tiltyard::labs
