#include "net/frame_socket.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace tiltyard::http {
namespace {

constexpr std::size_t kReceiveSize = 64 * 1024;
constexpr std::size_t kEncryptedRead = 4 * 1024;
constexpr std::size_t kEncryptedWrite = 16 * 1024;  ///< what one TLS record holds
constexpr std::size_t kPieces = 64;
constexpr std::chrono::seconds kFarewell{1};
/// Long enough for a peer that waits for the frame to take it, too short to be felt.
constexpr std::chrono::milliseconds kAlone{2};

/// Shared by all connections of a loop: what is read is used up before the next one reads.
std::array<char, kReceiveSize>& loop_buffer() {
  thread_local std::array<char, kReceiveSize> buffer;
  return buffer;
}

}  // namespace

/// Calls a member when an operation is done, and keeps the socket alive until then.
struct FrameSocket::Done final : IoHandler::Base {
  using Then = void (*)(FrameSocket&, error_code, std::size_t);
  Done(std::shared_ptr<FrameSocket> socket, Then call) : self(std::move(socket)), then(call) {}
  void complete(error_code error, std::size_t bytes) override { then(*self, error, bytes); }
  std::shared_ptr<FrameSocket> self;
  Then then;
};

/// Those of a loop that have something to send: flushed together, after what is already waiting to run on the loop.
class FrameSocket::Flusher {
 public:
  static void add(std::shared_ptr<FrameSocket> socket) {
    auto& self = of_this_loop();
    self.due_.push_back(std::move(socket));
    if (self.posted_) return;
    self.posted_ = true;
    asio::post(self.due_.back()->executor_, [] { of_this_loop().run(); });
  }

 private:
  static Flusher& of_this_loop() {
    thread_local Flusher flusher;
    return flusher;
  }
  void run() {
    posted_ = false;
    auto now = std::exchange(due_, {});
    for (const auto& socket : now) {
      socket->due_ = false;
      socket->flush();
    }
    if (due_.empty()) {
      due_ = std::move(now);
      due_.clear();
    }
  }

  std::vector<std::shared_ptr<FrameSocket>> due_;
  bool posted_ = false;
};

FrameSocket::FrameSocket(std::shared_ptr<Transport> transport, FrameLimits limits)
    : transport_(std::move(transport)),
      executor_(transport_->executor()),
      reader_(limits.message),
      backlog_(limits.backlog) {}

FrameSocket::~FrameSocket() = default;

void FrameSocket::start(std::shared_ptr<User> user) {
  user_ = std::move(user);
  resume();
}

void FrameSocket::resume() {
  if (reading_ || shut_) return;
  if (transport_->tls()) {
    read_encrypted();
  } else if (transport_->has_unread()) {
    reading_ = true;
    asio::post(executor_, [self = shared_from_this()] { self->read(); });
  } else {
    wait(false);
  }
}

void FrameSocket::wait(bool to_write) {
  (to_write ? writing_ : reading_) = true;
  const auto readable = [](FrameSocket& self, error_code error, std::size_t) {
    if (error) return self.end("lost", 0);
    self.read();
  };
  const auto writable = [](FrameSocket& self, error_code error, std::size_t) {
    self.writing_ = false;
    if (error) return self.end("lost", 0);
    self.flush();
  };
  const Done::Then then = to_write ? Done::Then(writable) : Done::Then(readable);
  transport_->start_wait(to_write, IoHandler(std::make_unique<Done>(shared_from_this(), then)));
}

void FrameSocket::read() {
  reading_ = false;
  if (shut_) return;
  auto& buffer = loop_buffer();
  const auto [error, size] = transport_->read_now(asio::mutable_buffer(buffer.data(), buffer.size()));
  if (error == asio::error::would_block) return wait(false);
  if (error) return end("lost", 0);
  take(std::string_view(buffer.data(), size));
}

void FrameSocket::read_encrypted() {
  reading_ = true;
  if (!buffer_) buffer_ = std::make_unique<std::string>(kEncryptedRead, '\0');
  const auto then = [](FrameSocket& self, error_code error, std::size_t size) {
    self.reading_ = false;
    if (error) return self.end("lost", 0);
    self.take(std::string_view(self.buffer_->data(), size));
  };
  transport_->start_read(asio::mutable_buffer(buffer_->data(), buffer_->size()),
                         IoHandler(std::make_unique<Done>(shared_from_this(), then)));
}

void FrameSocket::take(std::string_view bytes) {
  // After our own close only the end of the connection is waited for.
  if (closing_) return resume();
  std::vector<FrameEvent> events, messages;
  const auto wrong = reader_.feed(bytes, events);
  for (auto& event : events) {
    using Kind = FrameEvent::Kind;
    if (event.kind == Kind::kText || event.kind == Kind::kBinary) messages.push_back(std::move(event));
    else if (event.kind == Kind::kPing) send(std::make_shared<const std::string>(frame_of(Opcode::kPong, event.data)));
    else if (event.kind == Kind::kClose) return end("client", kCloseNormal);
  }
  if (wrong) return end("protocol", *wrong);
  if (!covered()) return end("memory", kClosePolicy);
  if (messages.empty() || !user_) return resume();
  if (waiting_ == 0 && reader_.held() == 0) transport_->claim().release();
  const auto user = user_;
  user->on_messages(std::move(messages));
}

/// Whether what is held for it, in both directions, may be.
bool FrameSocket::covered() { return transport_->claim().cover(waiting_ + reader_.held()); }

void FrameSocket::send(SharedBytes frames) {
  if (shut_ || closing_) return;
  // What merely waits for the end of the loop's turn is not the client's slowness.
  if (waiting_ > backlog_ && !writing_) {
    alone_ = false;
    held_back_ = 0;
    flush();
  }
  if (shut_) return;
  if (waiting_ > backlog_) return end("slow", kClosePolicy);
  waiting_ += frames->size();
  // Of all that wait for somebody to read, this is one of the slowest.
  if (!covered()) return end("slow", kClosePolicy);
  if (alone_) held_back_ += frames->size();
  out_.push_back(std::move(frames));
  if (writing_ || due_ || waiting_ == 0) return;
  due_ = true;
  Flusher::add(shared_from_this());
}

void FrameSocket::send_alone(SharedBytes frames) {
  send(std::move(frames));
  alone_ = !shut_ && !closing_;
}

/// What had to go alone has gone.
void FrameSocket::pause() {
  if (std::exchange(pausing_, true)) return;
  auto timer = std::make_shared<asio::steady_timer>(executor_, kAlone);
  timer->async_wait([self = shared_from_this(), timer](const error_code&) {
    self->pausing_ = self->alone_ = false;
    self->held_back_ = 0;
    self->flush();
  });
}

void FrameSocket::flush() {
  if (writing_ || shut_) return;
  if (transport_->tls()) return flush_encrypted();
  while (waiting_ > held_back_) {
    std::array<iovec, kPieces> pieces;
    std::size_t count = 0;
    std::size_t skip = sent_of_it_;
    std::size_t left = waiting_ - held_back_;
    for (std::size_t i = out_at_; left > 0 && count < kPieces; ++i) {
      pieces[count] = {const_cast<char*>(out_[i]->data()) + skip, out_[i]->size() - skip};
      left -= pieces[count++].iov_len;
      skip = 0;
    }
    const auto [error, size] = transport_->write_now(pieces.data(), count);
    if (error == asio::error::would_block) return wait(true);
    if (error) return end("lost", 0);
    sent(size);
  }
  if (alone_) return pause();
  if (closing_) hang_up();
}

void FrameSocket::flush_encrypted() {
  const std::size_t most = std::min(kEncryptedWrite, waiting_ - held_back_);
  if (most == 0) {
    if (alone_) return pause();
    if (closing_) hang_up();
    return;
  }
  encrypting_.clear();
  std::size_t skip = sent_of_it_;
  for (std::size_t i = out_at_; encrypting_.size() < most; ++i) {
    encrypting_.append(*out_[i], skip, most - encrypting_.size());
    skip = 0;
  }
  writing_ = true;
  const auto then = [](FrameSocket& self, error_code error, std::size_t size) {
    self.writing_ = false;
    if (error) return self.end("lost", 0);
    self.sent(size);
    self.flush();
  };
  transport_->start_write({asio::const_buffer(encrypting_.data(), encrypting_.size()), asio::const_buffer()},
                          IoHandler(std::make_unique<Done>(shared_from_this(), then)));
}

/// Lets go of what was sent; an idle connection keeps no memory for it.
void FrameSocket::sent(std::size_t bytes) {
  waiting_ -= bytes;
  while (bytes > 0) {
    const std::size_t rest = out_[out_at_]->size() - sent_of_it_;
    if (bytes < rest) {
      sent_of_it_ += bytes;
      return;
    }
    bytes -= rest;
    sent_of_it_ = 0;
    out_[out_at_++].reset();
  }
  if (waiting_ > 0) return;
  if (reader_.held() == 0) transport_->claim().release();
  out_at_ = 0;
  if (out_.capacity() > 4) out_ = {};
  else out_.clear();
  if (encrypting_.capacity() > 1024) encrypting_ = {};
}

void FrameSocket::close(std::uint16_t code, std::string_view reason) {
  if (closing_ || shut_) return;
  send(std::make_shared<const std::string>(frame_of(Opcode::kClose, close_payload(code, reason))));
  if (shut_) return;
  closing_ = true;
  if (const auto user = std::exchange(user_, nullptr)) user->on_end("closed");
  auto limit = std::make_shared<asio::steady_timer>(executor_, kFarewell);
  limit->async_wait([self = weak_from_this(), limit](const error_code&) {
    if (const auto alive = self.lock(); alive && !alive->shut_) {
      alive->shut_ = true;
      alive->transport_->close();
    }
  });
  if (!due_ && !writing_) flush();
  resume();
}

/// The last byte is sent; the peer closes in turn.
void FrameSocket::hang_up() { transport_->shutdown_write(); }

/// It is over: with a close frame if `code` says so and nothing is in its way.
void FrameSocket::end(std::string_view why, std::uint16_t code) {
  if (!shut_ && code != 0 && !writing_ && !closing_) {
    const std::string frame = frame_of(Opcode::kClose, close_payload(code, why));
    if (!transport_->tls() && waiting_ == 0) {
      const iovec piece{const_cast<char*>(frame.data()), frame.size()};
      // Whether the peer hears it changes nothing.
      static_cast<void>(transport_->write_now(&piece, 1));
    }
  }
  shut_ = true;
  transport_->close();
  out_ = {};
  waiting_ = out_at_ = sent_of_it_ = 0;
  transport_->claim().release();
  if (const auto user = std::exchange(user_, nullptr)) user->on_end(why);
}

}  // namespace tiltyard::http
