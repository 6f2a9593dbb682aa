#pragma once

#include <type_traits>
#include <utility>

#include "jobs/jobs.h"

namespace tiltyard::jobs {

/// A firing that is done when its work is: `kind.handler = [this](Firing) { return done_after(look()); }`. Work that
/// says how it ended (`Result<>`) fails the firing where it failed. A handler that were a coroutine itself would have
/// to see to it that what it captures outlives it.
template <typename T>
asio::awaitable<Result<Next>> done_after(asio::awaitable<T> work) {
  if constexpr (std::is_same_v<T, Result<>>) {
    auto done = co_await std::move(work);
    if (!done) co_return fail(std::move(done.error()));
  } else {
    co_await std::move(work);
  }
  co_return Next::done();
}

}  // namespace tiltyard::jobs
