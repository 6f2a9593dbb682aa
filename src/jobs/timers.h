#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tiltyard::jobs {

/// Many timers with a resolution of one millisecond: a hierarchical timing wheel (Varghese and Lauck, "Hashed and
/// Hierarchical Timing Wheels", SOSP 1987) of six levels with 256 slots each, which reaches the year 10889. Adding,
/// removing and firing cost the same however many wait. Knows nothing of clocks: the owner says how late it is. One
/// thread.
class Timers {
 public:
  /// Names one timer until it fires or is removed; after that it names nothing.
  struct Handle {
    std::uint32_t place = kNowhere, age = 0;
  };

  /// `now`: milliseconds since 1970.
  explicit Timers(std::int64_t now);

  /// Fires at `due` milliseconds since 1970; what is past, at the next `advance`. `what` is handed back then.
  Handle add(std::int64_t due, std::int64_t what);
  /// Whether it was still there.
  bool remove(Handle handle);
  /// Appends what is due at `now` or before, earlier milliseconds first. A clock that went back fires nothing new.
  void advance(std::int64_t now, std::vector<std::int64_t>& fired);
  /// The moment at which `advance` has to be called next: not later than the earliest timer, and possibly earlier.
  std::optional<std::int64_t> next() const;
  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  static constexpr int kLevels = 6, kBits = 8;
  static constexpr std::uint32_t kSlots = 1 << kBits;
  static constexpr std::uint32_t kOverdue = kLevels * kSlots;  ///< the list of what was due when it was added

  struct Node {
    std::int64_t due = 0, what = 0;
    std::uint32_t next = kNowhere, before = kNowhere, list = kNowhere, age = 0;
  };

  void put(std::uint32_t place);
  void take_out(std::uint32_t place);
  void release(std::uint32_t place);
  std::uint32_t slot_of(int level, std::int64_t time) const;
  std::optional<std::uint32_t> next_slot(int level) const;
  std::int64_t start_of(int level, std::uint32_t slot) const;
  void empty_into(std::uint32_t list, std::vector<std::int64_t>& fired);

  std::int64_t now_;
  std::size_t size_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> free_;
  std::array<std::uint32_t, kLevels * kSlots + 1> heads_;
  std::array<std::array<std::uint64_t, kSlots / 64>, kLevels> used_{};
};

}  // namespace tiltyard::jobs
