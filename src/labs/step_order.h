#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "labs/step.h"

namespace tiltyard::labs {

/// The steps of a spawn, put into an order in which each stands behind all that it waits for; otherwise as they were
/// given. Making goes by what each waits for, side by side; undoing goes backwards through the order.
class StepOrder {
 public:
  struct Node {
    std::unique_ptr<Step> step;
    std::string name;
    std::vector<std::size_t> after;  ///< places in the order of what it waits for

    Step* operator->() const { return step.get(); }
  };

  StepOrder() = default;
  /// `steps-wrong`, with the names of both: two of one name, a name that there is not, a circle, or a step of pools
  /// that waits for one that is not done in pools.
  static Result<StepOrder> make(Steps steps);

  auto begin() const { return nodes_.begin(); }
  auto end() const { return nodes_.end(); }
  auto rbegin() const { return nodes_.rbegin(); }
  auto rend() const { return nodes_.rend(); }
  std::size_t size() const { return nodes_.size(); }
  const Node& operator[](std::size_t index) const { return nodes_[index]; }

 private:
  std::vector<Node> nodes_;
};

}  // namespace tiltyard::labs
