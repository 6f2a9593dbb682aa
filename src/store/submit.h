#pragma once

#include <boost/asio/awaitable.hpp>

#include "store/queue.h"
#include "store/store.h"

namespace tiltyard::store {

/// Puts the work into the queue and waits for its outcome, which comes back on the caller's executor. `store-busy` when
/// the queue is full, `shutting-down` when it is closed. The queue outlives the answer.
asio::awaitable<Result<Store::AnyValue>> submit(TaskQueue& queue, Store::AnyWork work);

/// The write behind `Store::check`: the one row of `store_heartbeat`.
asio::awaitable<Result<>> beat(Store& store);

}  // namespace tiltyard::store
