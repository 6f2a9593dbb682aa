// What is kept of a capture as one file, and what comes as it comes.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "bus/event_log.h"
#include "captures/events.h"
#include "captures/measures.h"
#include "captures/pcapng.h"
#include "captures/state.h"
#include "observe/metrics.h"

namespace tiltyard::captures {
namespace {

using StateRef = std::shared_ptr<Service::State>;

constexpr std::chrono::milliseconds kLookAgain{100};
constexpr off_t kLongestHead = 1 << 20;

std::uint64_t nanos_of(TimePoint time) { return static_cast<std::uint64_t>(to_micros(time)) * 1000; }

/// Blocking.
Result<std::string> read_head(const std::string& folder) {
  const privileged::Descriptor file(::open((folder + "/head").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!file.open() || ::fstat(file.get(), &status) != 0 || status.st_size > kLongestHead) return unknown_capture();
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  if (::pread(file.get(), out.data(), out.size(), 0) != status.st_size) return unknown_capture();
  return out;
}

/// What a file ends with: what is not in it.
std::string tail_of(const Capture& capture) {
  const auto lost = capture.missed + capture.unwritten;
  auto comment = fmt::format("captured: {} packets, {} bytes; lost: {} not read in time, {} not written to disk",
                             capture.packets, capture.seen_bytes, capture.missed, capture.unwritten);
  for (const auto& gap : capture.gaps)
    comment += fmt::format("\nnothing from {} to {}: the server was away", to_rfc3339(gap.from), to_rfc3339(gap.to));
  std::string out;
  pcapng::append(out, pcapng::Statistics{0, nanos_of(capture.ended_at.value_or(capture.seen_at)),
                                         capture.packets + lost, lost, comment});
  return out;
}

/// Both ways of reading: a head, pieces of the ring, a tail.
class Reading {
 public:
  Reading(StateRef state, std::string id, std::shared_ptr<Ring> ring, Ring::Place from,
          std::optional<Ring::Place> until)
      : state_(std::move(state)), id_(std::move(id)), ring_(std::move(ring)), place_(from), until_(until) {}

  asio::awaitable<Result<std::string>> next() {
    if (stage_ == Stage::kHead) {
      stage_ = Stage::kPackets;
      co_return co_await offload(state_->parts.files, [folder = state_->folder_of(id_)] { return read_head(folder); });
    }
    while (stage_ == Stage::kPackets) {
      const bool over = until_ || !state_->running.contains(id_) || state_->closing;
      auto piece = co_await offload(state_->parts.files, [ring = ring_, place = place_, until = until_] {
        auto at = place;
        auto read = ring->read(at, until);
        return std::pair(std::move(read), at);
      });
      if (!piece.first) co_return fail(std::move(piece.first.error()));
      place_ = piece.second;
      if (!piece.first->blocks.empty()) co_return told(std::move(*piece.first));
      if (over) stage_ = Stage::kTail;
      else co_await sleep_for(kLookAgain);
    }
    if (stage_ == Stage::kEnd) co_return std::string();
    stage_ = Stage::kEnd;
    auto capture = co_await state_->find(id_);
    if (!capture) co_return std::string();
    co_return tail_of(*capture);
  }

 private:
  enum class Stage { kHead, kPackets, kTail, kEnd };

  /// Says in the stream itself what this reader has missed, in front of what comes next.
  std::string told(Ring::Piece piece) {
    if (piece.lost == 0) return std::move(piece.blocks);
    metrics::counter(measures::kLost, {"reader"}).add(static_cast<double>(piece.lost));
    std::string out;
    pcapng::append(out, pcapng::Statistics{0, nanos_of(state_->parts.clock.now()), piece.lost, piece.lost,
                                           fmt::format("{} packets are missing here: they were overwritten before "
                                                       "this reader came to them",
                                                       piece.lost)});
    return out + piece.blocks;
  }

  StateRef state_;
  std::string id_;
  std::shared_ptr<Ring> ring_;
  Ring::Place place_;
  std::optional<Ring::Place> until_;
  Stage stage_ = Stage::kHead;
};

/// Who looks on. The last one who leaves ends a capture that is for nobody else.
class Watcher {
 public:
  Watcher(StateRef state, RunningRef one) : state_(std::move(state)), one_(std::move(one)) { ++one_->watchers; }
  ~Watcher() {
    asio::post(state_->parts.home, [state = state_, one = one_] {
      if (--one->watchers > 0 || !one->capture.attended || state->closing) return;
      state->gate.spawn(state->parts.home, "end an attended capture", left(state, one->capture.id));
    });
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  static asio::awaitable<void> left(StateRef state, std::string id) {
    std::ignore = co_await state->end(std::move(id), "left", {});
  }

  StateRef state_;
  RunningRef one_;
};

asio::awaitable<Result<std::string>> next_of(std::shared_ptr<Reading> reading, std::shared_ptr<Watcher>) {
  co_return co_await reading->next();
}

Service::Pieces pieces_of(std::shared_ptr<Reading> reading, std::shared_ptr<Watcher> watcher) {
  return [reading = std::move(reading), watcher = std::move(watcher)] { return next_of(reading, watcher); };
}

}  // namespace

asio::awaitable<Result<Service::Pieces>> Service::download(std::string id, bus::Actor actor) {
  const auto state = state_;
  auto capture = co_await state->find(id);
  if (!capture) co_return fail(std::move(capture.error()));
  std::shared_ptr<Ring> ring;
  if (const auto found = state->running.find(id); found != state->running.end()) {
    ring = found->second->ring;
  } else {
    auto opened = co_await offload(state->parts.files,
                                   [folder = state->folder_of(id), one = *capture, now = state->parts.clock.now()] {
                                     return Ring::open(folder, {one.bytes, one.age}, now);
                                   });
    if (!opened) co_return fail(std::move(opened.error()));
    ring = std::move(*opened);
  }
  auto noted = co_await bus::record(state->parts.store, state->event(events::kTaken, *capture, std::move(actor)));
  if (!noted) co_return fail(std::move(noted.error()));
  auto reading = std::make_shared<Reading>(state, id, ring, ring->begin(), ring->end());
  co_return pieces_of(std::move(reading), nullptr);
}

asio::awaitable<Result<Service::Pieces>> Service::watch(std::string id, bus::Actor actor) {
  const auto state = state_;
  const auto found = state->running.find(id);
  if (found == state->running.end()) {
    auto capture = co_await state->find(id);
    if (!capture) co_return fail(std::move(capture.error()));
    co_return fail(Code::kConflict, "capture-ended",
                   "The capture does not run; what is kept of it can be taken out without follow=1.");
  }
  const auto one = found->second;
  auto watcher = std::make_shared<Watcher>(state, one);
  const auto from = one->capture.attended ? one->ring->begin() : one->ring->end();
  auto noted = co_await bus::record(state->parts.store, state->event(events::kTaken, one->capture, std::move(actor)));
  if (!noted) co_return fail(std::move(noted.error()));
  auto reading = std::make_shared<Reading>(state, id, one->ring, from, std::nullopt);
  co_return pieces_of(std::move(reading), std::move(watcher));
}

}  // namespace tiltyard::captures
