#include "gateway/relay.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tiltyard::gateway {

namespace {

constexpr std::size_t kPipeSize = 256 * 1024;
constexpr std::size_t kKeptPipes = 128;
// Of each loop: what a full pipe holds, peers that do not read can make the kernel keep.
constexpr std::size_t kMostPipes = 256;
constexpr int kReadsPerTurn = 16;
// What one read of those that are copied takes, and a splice that moves less than this is not worth its calls.
constexpr std::size_t kCopied = 16 * 1024, kFew = 4 * 1024;

}  // namespace

PipePool::~PipePool() {
  for (auto pipe : free_) close(pipe);
}

bool PipePool::take(Pipe& pipe) {
  if (in_use_ >= kMostPipes) return false;
  if (!free_.empty()) {
    pipe = free_.back();
    free_.pop_back();
    ++in_use_;
    return true;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return false;
  pipe = {ends[0], ends[1]};
  ++in_use_;
  // Refused to users over their share of pipe memory: then the usual 64 KB must do.
  (void)::fcntl(pipe.write_end, F_SETPIPE_SZ, static_cast<int>(kPipeSize));
  return true;
}

void PipePool::drop(Pipe pipe) {
  --in_use_;
  close(pipe);
}

void PipePool::give_back(Pipe pipe) {
  --in_use_;
  if (free_.size() < kKeptPipes) free_.push_back(pipe);
  else close(pipe);
}

void PipePool::close(Pipe pipe) {
  ::close(pipe.read_end);
  ::close(pipe.write_end);
}

OneWay::~OneWay() {
  if (pipe_.read_end < 0) return;
  if (in_pipe_ == 0) pipes_.give_back(pipe_);
  else pipes_.drop(pipe_);
}

OneWay::Step OneWay::step(bool last) {
  if (finished_) return Step::kIdle;
  if (!first_.empty()) return flush_first();
  if ((cannot_splice_ || !many_) && in_pipe_ == 0 && !end_read_) return copy();
  if (in_pipe_ == 0 && !end_read_) {
    auto filled = fill();
    if (filled == Step::kBroken || (in_pipe_ == 0 && !end_read_)) return filled;
  }
  if (in_pipe_ > 0) {
    auto drained = drain();
    if (drained != Step::kMoved || in_pipe_ > 0) return drained;
  }
  if (end_read_ && in_pipe_ == 0) {
    if (!last || to_.layered()) to_.shutdown_write();
    finished_ = true;
  }
  return Step::kMoved;
}

OneWay::Step OneWay::flush_first() {
  if (!to_.writable) return Step::kIdle;
  iovec piece{first_.data() + first_sent_, first_.size() - first_sent_};
  auto sent = to_.write({&piece, 1});
  if (sent.state == Io::kBroken) return Step::kBroken;
  if (sent.state == Io::kBlocked) return Step::kIdle;
  first_sent_ += sent.size;
  moved_ += sent.size;
  if (first_sent_ == first_.size()) first_ = {};
  return Step::kMoved;
}

OneWay::Step OneWay::fill() {
  if (!from_.readable) return Step::kIdle;
  if (!from_.read_splices() || !to_.write_splices() || (pipe_.read_end < 0 && !pipes_.take(pipe_))) {
    cannot_splice_ = true;
    return Step::kMoved;
  }
  auto got = ::splice(from_.fd, nullptr, pipe_.write_end, nullptr, kPipeSize, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got > 0) {
    in_pipe_ = static_cast<std::size_t>(got);
    many_ = in_pipe_ >= kFew;
    return Step::kMoved;
  }
  if (got == 0) {
    end_read_ = true;
    from_.readable = false;
    return Step::kMoved;
  }
  if (errno == EINTR) return Step::kMoved;
  if (errno == EINVAL || errno == ENOSYS) {
    cannot_splice_ = true;
    return Step::kMoved;
  }
  if (errno != EAGAIN) return Step::kBroken;
  // The pipe is empty here, so it was the socket that had nothing.
  from_.readable = false;
  if (pipe_.read_end >= 0) pipes_.give_back(std::exchange(pipe_, Pipe{}));
  return Step::kIdle;
}

OneWay::Step OneWay::drain() {
  if (!to_.writable) return Step::kIdle;
  auto put = ::splice(pipe_.read_end, nullptr, to_.fd, nullptr, in_pipe_, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (put > 0) {
    in_pipe_ -= static_cast<std::size_t>(put);
    moved_ += static_cast<std::uint64_t>(put);
    return Step::kMoved;
  }
  if (put < 0 && errno == EINTR) return Step::kMoved;
  if (put < 0 && errno == EAGAIN) {
    to_.writable = false;
    return Step::kIdle;
  }
  return Step::kBroken;
}

OneWay::Step OneWay::copy() {
  if (pipe_.read_end >= 0) pipes_.give_back(std::exchange(pipe_, Pipe{}));
  if (!from_.readable || !to_.writable) return Step::kIdle;
  std::array<char, kCopied> bytes;
  auto got = from_.read(bytes.data(), bytes.size());
  if (got.state == Io::kBroken) return Step::kBroken;
  if (got.state == Io::kBlocked) return Step::kIdle;
  if (got.state == Io::kEnd) {
    end_read_ = true;
    return Step::kMoved;
  }
  many_ = got.size == bytes.size();
  const iovec piece{bytes.data(), got.size};
  // Behind the peer's last bytes comes its end.
  const auto sent = to_.write({&piece, 1}, from_.peer_ended);
  if (sent.state == Io::kBroken) return Step::kBroken;
  moved_ += sent.size;
  if (sent.size == got.size) return Step::kMoved;
  begin_with(std::string(bytes.data() + sent.size, got.size - sent.size));
  first_sent_ = 0;
  return sent.size > 0 ? Step::kMoved : Step::kIdle;
}

Relay::State Relay::run(bool& progress, bool& more) {
  auto before = in_.moved() + out_.moved();
  progress = more = false;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    auto in = in_.step(out_.finished());
    auto out = out_.step(in_.finished());
    progress = progress || in_.moved() + out_.moved() != before;
    if (in == OneWay::Step::kBroken || out == OneWay::Step::kBroken) return State::kBroken;
    if (in_.finished() && out_.finished()) return State::kFinished;
    if (in == OneWay::Step::kIdle && out == OneWay::Step::kIdle) return State::kOpen;
  }
  more = true;
  return State::kOpen;
}

}  // namespace tiltyard::gateway
