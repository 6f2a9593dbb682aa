#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct iovec;

namespace tiltyard::gateway {

class Watcher;
struct Stream;

enum class Io : std::uint8_t { kOk, kBlocked, kEnd, kBroken };

struct IoResult {
  Io state = Io::kBlocked;
  std::size_t size = 0;
};

/// What lies between a socket and the bytes that are meant, where something does: TLS. It makes the system calls
/// itself, and keeps the stream's flags true. The loop is edge-triggered and says a thing once; therefore
/// - `readable` is cleared only when neither the kernel nor the layer has bytes left;
/// - a read that first has to write leaves `readable` and clears `writable`, and a write that first has to read does
/// the
///   opposite: whoever uses the stream is called when the other comes, and asks again;
/// - an end that the peer did not announce inside the layer is kBroken, as what was cut must not look complete, unless
///   the layer has been told otherwise.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual IoResult read(Stream& stream, char* to, std::size_t size) = 0;
  virtual IoResult write(Stream& stream, std::span<const iovec> pieces) = 0;
  /// Whether bytes wait for the reader; may err towards yes.
  virtual bool has_bytes(const Stream& stream) const = 0;
  /// Tells the peer inside the layer that no more comes (close_notify).
  virtual void finish(Stream& stream) = 0;
  /// Whether the kernel does the layer's work in this direction (kTLS), so that splice(2) moves what is meant.
  virtual bool read_splices() const = 0;
  virtual bool write_splices() const = 0;
};

/// What another session goes on with: the socket, what lies on it, and what has been read of it already.
struct Arrival {
  int fd = -1;
  std::unique_ptr<Layer> layer = {};
  std::string first = {};
  std::string name = {};   ///< that the player has asked for (SNI); empty: none
  std::string token = {};  ///< that the player has shown in a name's place; empty: none
  bool watched = false;    ///< the loop still has the socket in its set
};

/// A non-blocking socket and what is known of its readiness. Registered once, edge-triggered: the flags are set by the
/// loop and cleared by a call that found nothing, so that no system call is made in vain. A plain one has no layer, and
/// pays for the possibility with one comparison beside each system call.
struct Stream {
  int fd = -1;
  Watcher* watcher = nullptr;
  bool readable = false, writable = false;
  bool peer_ended = false;  ///< the peer has closed its direction; bytes may still be waiting
  bool broken = false;      ///< reset, or both directions closed
  bool watched = false;     ///< the loop has it in its set

  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { close(); }

  /// Before the first byte.
  void put_on(std::unique_ptr<Layer> layer);
  bool layered() const { return layer_ != nullptr; }
  bool open() const { return fd >= 0; }
  IoResult read(char* to, std::size_t size) { return layer_ ? layer_->read(*this, to, size) : receive(to, size); }
  /// `more`: something follows at once, be it the end, and can go in the same packet.
  IoResult write(std::span<const iovec> pieces, bool more = false) {
    return layer_ ? layer_->write(*this, pieces) : transmit(pieces, more);
  }
  bool read_splices() const { return !layer_ || layer_->read_splices(); }
  bool write_splices() const { return !layer_ || layer_->write_splices(); }
  /// Whether bytes wait; an end is none.
  bool has_bytes() const;
  /// Gives the socket away, with its layer; its next watcher takes the place of this one's.
  Arrival hand_over(std::string first);
  /// Goes on with what another has begun.
  void take(Arrival& arrival);
  void shutdown_write();
  void close();
  /// Closes with RST, so that the peer cannot take the cut for a proper end.
  void reset();

 private:
  IoResult receive(char* to, std::size_t size);
  IoResult transmit(std::span<const iovec> pieces, bool more);

  std::unique_ptr<Layer> layer_;
};

}  // namespace tiltyard::gateway
