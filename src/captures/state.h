#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "bpf/filter.h"
#include "captures/captures.h"
#include "captures/receiver.h"
#include "captures/ring.h"
#include "captures/store.h"
#include "captures/tap.h"

namespace tiltyard::captures {

/// A capture that runs in this process.
struct Running {
  Running(Capture its_capture, asio::any_io_executor home) : capture(std::move(its_capture)), over(std::move(home)) {}

  Capture capture;  ///< its counts are those of before this process; `shown` adds ours
  std::shared_ptr<Ring> ring;
  std::unique_ptr<Receiver> receiver;
  Signal over;  ///< it has ended and its row says so
  bool ending = false;
  std::size_t watchers = 0;
  Receiver::Counts told{};  ///< what of its losses the metrics know

  Capture shown(TimePoint now) const;
};
using RunningRef = std::shared_ptr<Running>;

/// One of an instance's networks: what is heard there.
struct Heard {
  std::string key;  ///< as the template calls it
  Wire wire;
  std::string filter;
};

/// Lives on the home loop.
struct Service::State : std::enable_shared_from_this<Service::State> {
  State(Options o, Parts p) : options(o), parts(std::move(p)), rows(parts.store), loaded(parts.home) {}

  Options options;
  Parts parts;
  CaptureStore rows;
  Gate gate{"captures"};
  std::map<std::string, RunningRef> running;
  std::map<std::string, Capture> left;  ///< of a process before, not taken up yet
  Signal loaded;
  bool loading = false;
  std::map<std::string, std::uint64_t> opening;  ///< that are about to run, and the most that each keeps
  bool closing = false;

  std::string folder_of(const std::string& id) const { return parts.folder + "/" + id; }
  /// One that is about to run, as long as what is returned lives; `captures-off`, `captures-full`.
  Result<std::shared_ptr<void>> place_for(const std::string& id, std::uint64_t bytes);
  std::shared_ptr<void> place_of(const std::string& id, std::uint64_t bytes);
  asio::awaitable<Result<>> make_room();
  asio::awaitable<Result<RunningRef>> open(Capture capture, std::vector<Heard> heard, bool fresh);
  asio::awaitable<Result<Capture>> begin(Ask ask);
  asio::awaitable<Result<Capture>> end(std::string id, std::string reason, bus::Actor actor);
  asio::awaitable<Result<>> remove(Capture capture, bus::Actor actor);
  asio::awaitable<Result<Capture>> find(std::string id);
  asio::awaitable<void> load();
  asio::awaitable<void> go_on(Capture capture);
  asio::awaitable<Result<>> look();
  asio::awaitable<Result<>> forget_ended();
  void count();
  bus::Event event(bus::KindRef kind, const Capture& capture, bus::Actor actor) const;
};

std::unexpected<Error> unknown_capture();

}  // namespace tiltyard::captures
