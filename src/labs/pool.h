#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>

#include "labs/step.h"

namespace tiltyard::labs {

/// The waiting instances of one template (row 1.14). Lives on the home loop.
struct Shelf {
  std::deque<LiveRef> ready;  ///< oldest first
  std::size_t filling = 0;
  std::deque<std::chrono::steady_clock::time_point> claims;  ///< within the template's idle time, at most `max` of them
  std::chrono::steady_clock::time_point not_before{};        ///< after a fill that failed
  std::chrono::milliseconds delay{0};
  std::string trouble;  ///< why the last fill failed; empty: it did not
  std::size_t target = 0;
  PoolChoice choice;
  bool told_ready = false;  ///< whether pages have been told that a start is a claim

  /// How many should be ready: `min`, or as many as were claimed within the idle time, but never more than `max`.
  std::size_t wanted(const templates::PoolPolicy& policy, std::chrono::steady_clock::time_point now);
  void note_claim(const templates::PoolPolicy& policy, std::chrono::steady_clock::time_point now);
};

/// A shelf as staff see it.
struct PoolState {
  TemplateId tmpl;
  PoolKind kind = PoolKind::kNone;
  std::size_t ready = 0, filling = 0, target = 0;
  int min = 0, max = 0;
  std::string reason;
};

}  // namespace tiltyard::labs
