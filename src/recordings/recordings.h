#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/offload.h"
#include "bus/bus.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

/// What terminals showed, kept as a file that can be played (row 3.5). docs/recordings.md says what people see of it.
namespace tiltyard::recordings {

namespace asio = boost::asio;

struct Options {
  std::uint64_t each = 64 << 20;           ///< bytes of one
  std::uint64_t total = 10ULL << 30;       ///< bytes of all that are kept
  std::uint64_t per_owner = 2ULL << 30;    ///< bytes of those of one owner that have ended
  std::chrono::seconds keep{30 * 86'400};  ///< after its end
};

void declare_keys(config::Keys& keys, Options& options);
std::vector<store::Migration> migrations();

/// What is recorded, of whom.
struct RecordingSpec {
  InstanceId instance;
  std::string owner;    ///< of the instance: who may see it beside staff
  std::string machine;  ///< as its template calls it
  std::string kind;     ///< what is shown: "terminal"
  int columns = 80, rows = 24;
  bus::Actor by;  ///< who has opened it
};

/// One recording: a row, and a file of the same name.
struct Recording {
  std::string id;
  RecordingSpec what;
  TimePoint started_at{};
  std::optional<TimePoint> ended_at;
  std::string end_reason;  ///< ended, full, failed, server-stopped, server-away
  std::uint64_t size = 0;  ///< bytes
};

struct Tape;

/// The writing end of one. Home loop; whoever lets go of it ends the recording.
class Recorder {
 public:
  explicit Recorder(std::shared_ptr<Tape> tape) : tape_(std::move(tape)) {}
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// What is shown, before it is. Once this fails nothing is kept any more, and nothing more may be shown:
  /// `recording-full` (the next terminal has a recording of its own), `recording-failed`.
  Result<> output(std::string_view bytes);
  /// Waits while more than a megabyte is not written yet.
  asio::awaitable<void> keep_up();
  void resize(int columns, int rows);

 private:
  std::shared_ptr<Tape> tape_;
};

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  jobs::Service& jobs;
  WorkerPool& files;
  std::string folder;  ///< where recordings lie
};

/// Lives on the home loop.
class Recordings {
 public:
  Recordings(Options options, Parts parts);
  ~Recordings();

  /// From here on something is recorded; its row is written by then. `recordings-full`, `recording-failed`.
  asio::awaitable<Result<std::unique_ptr<Recorder>>> begin(RecordingSpec spec);

  /// The newest 500, of one instance or (empty) of all; of one owner or (empty) of everybody.
  asio::awaitable<Result<std::vector<Recording>>> list(InstanceId instance, std::string owner);
  /// `recording-unknown`.
  asio::awaitable<Result<Recording>> find(std::string id);
  /// Its whole lines by now, from `offset`, at most 256 KiB; empty: the end.
  asio::awaitable<Result<std::string>> read(std::string id, std::uint64_t offset);
  /// Removes one that has ended. `recording-unknown`, `recording-runs`.
  asio::awaitable<Result<>> remove(std::string id, bus::Actor actor);
  /// Writes down that somebody takes a look.
  asio::awaitable<Result<>> seen(Recording recording, bus::Actor actor);

  /// Ends what an earlier process was recording, and removes files that are nobody's.
  asio::awaitable<Result<>> start();
  /// Begins to write; until then nothing reaches the disk.
  void open();
  /// Writes what is left and ends all.
  asio::awaitable<void> close();

  struct State;  ///< known only inside recordings/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::recordings
