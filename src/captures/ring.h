#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tiltyard::captures {

/// What is kept of a capture: a few files of blocks (pcapng.h) in a folder, of which the oldest goes when there are too
/// many bytes or when it is too old. One thread writes, any may read meanwhile. Blocking; thread-safe.
class Ring {
 public:
  struct Bounds {
    std::uint64_t bytes = 0;      ///< of all files together
    std::chrono::seconds age{0};  ///< 0: whatever their age
  };
  /// Makes the folder, or takes up what an earlier process has left in it: a torn last block is cut off. `ring-broken`.
  static Result<std::shared_ptr<Ring>> open(std::string folder, Bounds bounds, TimePoint now);

  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// Whole blocks. `ring-broken`: they are not kept.
  Result<> append(std::string_view blocks, std::uint64_t packets, TimePoint now);
  /// Removes what is too old by now.
  void forget_old(TimePoint now);

  /// Where a reader is.
  struct Place {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::uint64_t packet = 0;  ///< how many there were before it, of all that ever came

    bool operator==(const Place&) const = default;
  };
  Place begin() const;
  Place end() const;
  struct Piece {
    std::string blocks;      ///< empty: there is no more by now
    std::uint64_t lost = 0;  ///< packets in front of it that were removed before this reader came to them
  };
  /// Goes on from `place`, as far as `until` if that is given; whole blocks, some hundred kilobytes at most.
  Result<Piece> read(Place& place, const std::optional<Place>& until = std::nullopt) const;

  std::uint64_t bytes() const;

 private:
  struct File {
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;
    std::uint64_t first = 0;  ///< packets that came before it
    std::uint64_t packets = 0;
    TimePoint opened{}, last{};
  };
  struct Span {
    Place place;
    std::uint64_t bytes = 0;
    std::uint64_t lost = 0;
  };
  Ring(std::string folder, Bounds bounds) : folder_(std::move(folder)), bounds_(bounds) {}
  Result<> take_up(TimePoint now);
  std::string path_of(std::uint32_t number) const;
  Result<> rotate(TimePoint now);
  void drop_oldest();
  std::uint64_t total() const;
  std::optional<Span> span_at(Place place, const std::optional<Place>& until) const;

  const std::string folder_;
  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::deque<File> files_;
  std::uint32_t next_ = 1;
  std::uint64_t packets_ = 0;  ///< that ever came
  int active_ = -1;            ///< the newest file, open for writing
};

}  // namespace tiltyard::captures
