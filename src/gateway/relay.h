#pragma once

#include <string>
#include <vector>

#include "gateway/event_loop.h"

namespace tiltyard::gateway {

/// A kernel pipe, for splice(2). Kept in a pool: making one costs two system calls.
struct Pipe {
  int read_end = -1, write_end = -1;
};

class PipePool {
 public:
  PipePool() = default;
  ~PipePool();
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;

  /// False: as many are in use as may be, or no descriptors are left; the caller copies instead.
  bool take(Pipe& pipe);
  /// An empty one.
  void give_back(Pipe pipe);
  /// One in which bytes are left.
  void drop(Pipe pipe);

 private:
  static void close(Pipe pipe);
  std::vector<Pipe> free_;
  std::size_t in_use_ = 0;
};

/// One direction of a raw connection. Few bytes are copied through this process, which takes fewer calls; many go from
/// socket to pipe to socket, where the kernel can splice. Holds at most one pipe (256 KB), and only while bytes wait in
/// it.
class OneWay {
 public:
  enum class Step { kIdle, kMoved, kBroken };

  OneWay(PipePool& pipes, Stream& from, Stream& to) : pipes_(pipes), from_(from), to_(to) {}
  ~OneWay();

  /// Bytes that go before all others (what was read together with a head).
  void begin_with(std::string bytes) { first_ = std::move(bytes); }
  bool has_first() const { return !first_.empty(); }
  /// Moves what can be moved now; `kMoved` when more may follow at once. `last`: the other direction has ended, so that
  /// the sockets are closed after this one.
  Step step(bool last);
  /// The end was read and passed on.
  bool finished() const { return finished_; }
  std::uint64_t moved() const { return moved_; }
  /// Whoever should take the bytes does not.
  bool stuck() const { return !finished_ && !to_.writable; }

 private:
  Step flush_first();
  Step fill();
  Step drain();
  Step copy();

  PipePool& pipes_;
  Stream& from_;
  Stream& to_;
  std::string first_;
  std::size_t first_sent_ = 0;
  Pipe pipe_;
  std::size_t in_pipe_ = 0;
  std::uint64_t moved_ = 0;
  bool end_read_ = false, finished_ = false, cannot_splice_ = false;
  bool many_ = false;  ///< there was more than one read takes
};

/// Both directions between two sockets, each closed on its own (half-close): a client that has sent everything still
/// gets its answer.
class Relay {
 public:
  enum class State { kOpen, kFinished, kBroken };

  Relay(PipePool& pipes, Stream& client, Stream& machine) : in_(pipes, client, machine), out_(pipes, machine, client) {}
  OneWay& in() { return in_; }
  OneWay& out() { return out_; }
  /// Moves what can be moved, up to a fair share; `more` tells that it stopped for fairness only.
  State run(bool& progress, bool& more);
  /// How many of the two sides do not take their bytes.
  int stuck() const { return (in_.stuck() ? 1 : 0) + (out_.stuck() ? 1 : 0); }

 private:
  OneWay in_, out_;
};

}  // namespace tiltyard::gateway
