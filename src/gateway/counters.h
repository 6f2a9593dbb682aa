#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace tiltyard::gateway {

/// Counted by one loop, read by anybody: a plain load and store, no locked instruction.
class LoopCounter {
 public:
  void add(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void sub(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - by, std::memory_order_relaxed);
  }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Traffic of one instance on one loop.
struct alignas(64) LoopTraffic {
  LoopCounter connections, open, bytes_in, bytes_out;
  LoopCounter last_activity;  ///< ticks of steady_clock; 0: never
  LoopCounter waiting;        ///< requests whose answer has not begun
};

/// Traffic of one instance on all loops.
struct InstanceTraffic {
  explicit InstanceTraffic(std::size_t loops) : per_loop(loops) {}
  std::vector<LoopTraffic> per_loop;
  std::atomic<std::size_t> open{0};   ///< over all loops, for the limit
  std::atomic<std::size_t> held{0};   ///< that wait until the instance is awake
  std::atomic<std::size_t> flows{0};  ///< of UDP, over all loops, for the limit
};

/// Why a datagram went no further.
enum class DropReason : std::uint8_t {
  kNotTheirs,   ///< the endpoint is its owner's alone, and this is not its owner's address
  kFull,        ///< there is no room for one more client
  kTooManyNew,  ///< too many have come just now
  kAsleep,      ///< more than is held while the machine is woken, or it could not be
  kUnproven,    ///< an answer to a client that may be forged, larger than its question allows
  kOverLimit,   ///< its endpoint or owner has moved as many bytes as they may
  kNotTaken,    ///< the kernel had no way or no room for it
};
inline constexpr std::size_t kDropReasons = 7;

/// What one loop has done since the start, for the metrics.
struct alignas(64) LoopTotals {
  std::array<LoopCounter, 6> requests;    ///< by the class of the answer's status: [2] is 2xx; [0] got none
  std::array<LoopCounter, 3> handshakes;  ///< of TLS: full, resumed, and those that came to nothing
  LoopCounter connections, bytes_in, bytes_out, upstream_errors;
  LoopCounter udp_flows, udp_pushed_out;
  std::array<LoopCounter, kDropReasons> udp_dropped;
};

}  // namespace tiltyard::gateway
