#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recordings/recordings.h"

namespace tiltyard::recordings {

/// The table `recordings`.
class RecordingStore {
 public:
  explicit RecordingStore(store::Store& store) : store_(store) {}

  asio::awaitable<Result<std::vector<Recording>>> newest(InstanceId instance, std::string owner);
  asio::awaitable<Result<std::optional<Recording>>> find(std::string id);
  /// Those that no process has ended.
  asio::awaitable<Result<std::vector<Recording>>> open();
  /// Some of those that had ended by then, those that ended first to begin with.
  asio::awaitable<Result<std::vector<Recording>>> ended_by(TimePoint by);
  /// Of whoever has most of them, and more than so many bytes, the one that ended first.
  asio::awaitable<Result<std::optional<Recording>>> first_to_go(std::uint64_t more_than);
  /// Bytes of those that have ended.
  asio::awaitable<Result<std::uint64_t>> kept();
  /// Writes the whole row, new or not, and the event with it if there is one.
  asio::awaitable<Result<>> put(Recording recording, std::optional<bus::Event> event);
  asio::awaitable<Result<>> drop(std::string id, bus::Event event);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::recordings
