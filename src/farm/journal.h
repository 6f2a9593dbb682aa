#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "base/result.h"
#include "farm/books.h"
#include "store/store.h"

namespace tiltyard::farm {

namespace asio = boost::asio;

/// Writes the farm's log to the store. What is changed while a write is under way gathers in the open row and becomes
/// the next write, so that under load one commit carries hundreds of posts, and the order in the table is that of the
/// changes. A write that fails is tried again until it succeeds: the books in memory are never behind of what will be
/// on disk, and who waits is told so. Lives on the home loop.
class Journal {
 public:
  Journal(asio::any_io_executor home, store::Store& store);

  /// The row that is being gathered. Append whole records only, and call `filled` after it.
  Log open() { return {open_, row_}; }
  void filled() {
    if (!open_.empty()) more_.set();
  }
  /// Completes when everything that was appended so far is on disk; the store's error when the attempt to write it
  /// failed (it is still kept, and tried again).
  asio::awaitable<Result<>> settled();
  /// The store does not keep up: refuse what adds to it.
  bool congested() const { return open_.size() + in_flight_.size() > kMost; }
  std::size_t waiting_bytes() const { return open_.size() + in_flight_.size(); }

  /// Before anything is appended: the number of the last row that is in the table.
  void begin_after(std::uint32_t row) {
    row_ = row + 1;
    durable_ = row;
  }
  void run();
  /// Writes what is left, or gives up when the store refuses.
  asio::awaitable<void> close();

 private:
  static constexpr std::size_t kMost = 64 * 1024 * 1024;
  using Waiter = std::move_only_function<void(Result<>)>;

  static asio::awaitable<void> work(Journal* self);
  asio::awaitable<Result<>> write_row();
  void wake(const Result<>& outcome, std::uint32_t up_to);

  asio::any_io_executor home_;
  store::Store& store_;
  std::string open_, in_flight_;
  std::uint32_t row_ = 1;      ///< of `open_`
  std::uint32_t durable_ = 0;  ///< the last row on disk
  std::vector<std::pair<std::uint32_t, Waiter>> waiters_;
  Signal more_, idle_;
  bool closing_ = false;
  Gate gate_{"farm-journal"};
};

}  // namespace tiltyard::farm
