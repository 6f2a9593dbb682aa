#include "captures/receiver.h"

#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bpf/filter.h"
#include "captures/pcapng.h"
#include "observe/log.h"

namespace tiltyard::captures {
namespace {

constexpr std::size_t kBlock = 256 * 1024;
constexpr unsigned kRetire = 40;   // ms until a block is handed over that is not full
constexpr int kGlanceEvery = 500;  // ms, at what was lost and what is too old
constexpr int kLastLook = 2 * kRetire;
constexpr int kHurry = -10;  // of nice values
constexpr std::size_t kFlush = 128 * 1024;
constexpr std::uint64_t kNanosASecond = 1'000'000'000;

std::unexpected<Error> refused(const char* what) {
  const int why = errno;
  return fail(Code::kUnavailable, "capture-refused", "The kernel has no room to capture packets in.",
              std::string(what) + ": " + std::strerror(why));
}

}  // namespace

/// One socket and its ring of blocks.
class Receiver::Tap {
 public:
  static Result<std::unique_ptr<Tap>> make(privileged::Descriptor socket, std::size_t buffer) {
    std::unique_ptr<Tap> tap(new Tap);
    tap->socket_ = std::move(socket);
    const int version = TPACKET_V3;
    if (::setsockopt(tap->fd(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0)
      return refused("PACKET_VERSION");
    tap->blocks_ = std::max<std::size_t>(4, buffer / kBlock);
    tpacket_req3 ring{};
    ring.tp_block_size = kBlock;
    ring.tp_block_nr = static_cast<unsigned>(tap->blocks_);
    ring.tp_frame_size = 2048;  // of no meaning in this version, but looked at
    ring.tp_frame_nr = ring.tp_block_size / ring.tp_frame_size * ring.tp_block_nr;
    ring.tp_retire_blk_tov = kRetire;
    if (::setsockopt(tap->fd(), SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) return refused("PACKET_RX_RING");
    tap->size_ = kBlock * tap->blocks_;
    void* const memory = ::mmap(nullptr, tap->size_, PROT_READ | PROT_WRITE, MAP_SHARED, tap->fd(), 0);
    if (memory == MAP_FAILED) return refused("mmap");
    tap->memory_ = static_cast<char*>(memory);
    return tap;
  }
  ~Tap() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
  }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  int fd() const { return socket_.get(); }

  /// Hands each packet that is there to `take`, block by block; `done` behind each block. Once around at most: machines
  /// that send faster than it is written down would otherwise keep the thread here, where nobody can end it.
  template <class Take, class Done>
  void read(Take take, Done done) {
    for (std::size_t left = blocks_; left > 0; --left) {
      auto* const block = reinterpret_cast<tpacket_block_desc*>(memory_ + kBlock * at_);
      const std::atomic_ref<std::uint32_t> status(block->hdr.bh1.block_status);
      if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) return;
      const char* place = reinterpret_cast<const char*>(block) + block->hdr.bh1.offset_to_first_pkt;
      for (std::uint32_t i = 0; i < block->hdr.bh1.num_pkts; ++i) {
        const auto* const packet = reinterpret_cast<const tpacket3_hdr*>(place);
        take(*packet, std::string_view(place + packet->tp_mac, packet->tp_snaplen));
        place += packet->tp_next_offset;
      }
      status.store(TP_STATUS_KERNEL, std::memory_order_release);
      at_ = (at_ + 1) % blocks_;
      done();
    }
  }

  /// What was lost since the last call.
  std::uint64_t lost() const {
    tpacket_stats_v3 since{};
    socklen_t size = sizeof since;
    return ::getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &since, &size) == 0 ? since.tp_drops : 0;
  }

 private:
  Tap() = default;

  privileged::Descriptor socket_;
  char* memory_ = nullptr;
  std::size_t size_ = 0, blocks_ = 0, at_ = 0;
};

Receiver::Receiver(std::shared_ptr<Ring> ring, const Clock& clock)
    : ring_(std::move(ring)), clock_(clock), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<Receiver>> Receiver::start(std::vector<privileged::Descriptor> taps, std::shared_ptr<Ring> ring,
                                                  std::size_t buffer, const Clock& clock) {
  std::unique_ptr<Receiver> out(new Receiver(std::move(ring), clock));
  if (!out->stop_.open()) return refused("eventfd");
  for (auto& socket : taps) {
    auto tap = Tap::make(std::move(socket), buffer);
    if (!tap) return fail(std::move(tap.error()));
    out->taps_.push_back(std::move(*tap));
  }
  out->thread_ = std::thread([self = out.get()] { self->run(); });
  ::pthread_setname_np(out->thread_.native_handle(), "capture");
  return out;
}

Receiver::~Receiver() { finish(); }

void Receiver::finish() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto told = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

Receiver::Counts Receiver::counts() const {
  return {packets_.load(), bytes_.load(), missed_.load(), unwritten_.load()};
}

void Receiver::run() {
  // It needs little, but soon: what it does not take in time is lost. Refused without CAP_SYS_NICE.
  ::setpriority(PRIO_PROCESS, 0, kHurry);
  std::vector<pollfd> waiting;
  for (const auto& tap : taps_) waiting.push_back({tap->fd(), POLLIN, 0});
  waiting.push_back({stop_.get(), POLLIN, 0});
  auto looked = std::chrono::steady_clock::now();
  bool stopping = false;
  while (!stopping) {
    ::poll(waiting.data(), waiting.size(), kGlanceEvery);
    stopping = (waiting.back().revents & POLLIN) != 0;
    // What came before the end is in a block that is not handed over yet.
    if (stopping) std::this_thread::sleep_for(std::chrono::milliseconds{kLastLook});
    // A bridge that goes away leaves an error on the socket, which would be there at once for ever.
    for (std::size_t i = 0; i < taps_.size(); ++i) {
      if ((waiting[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(waiting[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
      }
    }
    take_all();
    const auto now = std::chrono::steady_clock::now();
    if (!stopping && now - looked < std::chrono::milliseconds{kGlanceEvery}) continue;
    looked = now;
    for (const auto& tap : taps_) missed_ += tap->lost();
    ring_->forget_old(clock_.now());
  }
}

void Receiver::take_all() {
  for (std::uint32_t i = 0; i < taps_.size(); ++i) {
    const auto take = [&](const tpacket3_hdr& head, std::string_view bytes) {
      bytes = bytes.substr(0, bpf::kSnapLength);
      pcapng::append(blocks_, pcapng::Packet{i, head.tp_sec * kNanosASecond + head.tp_nsec, head.tp_len, bytes});
      ++waiting_packets_;
      waiting_bytes_ += head.tp_len;
      if (blocks_.size() >= kFlush) flush();
    };
    taps_[i]->read(take, [&] { flush(); });
  }
}

void Receiver::flush() {
  if (blocks_.empty()) return;
  if (auto kept = ring_->append(blocks_, waiting_packets_, clock_.now()); kept) {
    packets_ += waiting_packets_;
    bytes_ += waiting_bytes_;
  } else {
    // Once each time that the disk begins to refuse.
    if (unwritten_.fetch_add(waiting_packets_) == 0)
      log::warn("captures", "packets are not kept", {{"cause", kept.error().cause}});
  }
  blocks_.clear();
  waiting_packets_ = waiting_bytes_ = 0;
}

}  // namespace tiltyard::captures
