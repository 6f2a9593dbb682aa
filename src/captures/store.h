#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "captures/model.h"
#include "store/store.h"

namespace tiltyard::captures {

/// The table `captures`.
class CaptureStore {
 public:
  explicit CaptureStore(store::Store& store) : store_(store) {}

  /// The newest of one instance, or (empty) of all.
  boost::asio::awaitable<Result<std::vector<Capture>>> newest(InstanceId instance);
  boost::asio::awaitable<Result<std::optional<Capture>>> find(std::string id);
  /// Those that no process has ended.
  boost::asio::awaitable<Result<std::vector<Capture>>> open();
  /// Some of those that had ended by then, those that ended first to begin with.
  boost::asio::awaitable<Result<std::vector<Capture>>> ended_by(TimePoint by);
  struct Kept {
    std::uint64_t bytes = 0, captures = 0;
  };
  /// What those that have ended take.
  boost::asio::awaitable<Result<Kept>> kept();
  /// Writes the whole row, new or not, and the event with it if there is one.
  boost::asio::awaitable<Result<>> put(Capture capture, std::optional<bus::Event> event);
  boost::asio::awaitable<Result<>> drop(std::string id, std::optional<bus::Event> event);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::captures
