#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "captures/ring.h"
#include "privileged/wire.h"

namespace tiltyard::captures {

/// Takes what several taps hear (tap.h) and puts it into a ring, on a thread of its own. The kernel writes packets into
/// memory that both have (TPACKET_V3,
/// https://www.kernel.org/doc/html/latest/networking/packet_mmap.html); what is not taken in time, it counts.
class Receiver {
 public:
  /// `buffer` bytes for each tap; the interfaces are numbered as the taps are. `capture-refused`.
  static Result<std::unique_ptr<Receiver>> start(std::vector<privileged::Descriptor> taps, std::shared_ptr<Ring> ring,
                                                 std::size_t buffer, const Clock& clock);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /// Takes what is there, and nothing any more; a tenth of a second. Afterwards the counts stay.
  void finish();

  struct Counts {
    std::uint64_t packets = 0, bytes = 0;  ///< that were kept, at least for a while
    std::uint64_t missed = 0;              ///< that came faster than they were taken
    std::uint64_t unwritten = 0;           ///< that the disk did not take
  };
  Counts counts() const;

 private:
  class Tap;
  Receiver(std::shared_ptr<Ring> ring, const Clock& clock);
  void run();
  void take_all();
  void flush();

  std::shared_ptr<Ring> ring_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Tap>> taps_;
  privileged::Descriptor stop_;  ///< an eventfd
  std::string blocks_;           ///< of the thread: not written yet
  std::uint64_t waiting_packets_ = 0, waiting_bytes_ = 0;
  std::atomic<std::uint64_t> packets_ = 0, bytes_ = 0, missed_ = 0, unwritten_ = 0;
  std::thread thread_;
};

}  // namespace tiltyard::captures
