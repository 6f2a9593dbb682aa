#pragma once

#include <endian.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

/// What the program in the machine reads and writes packets with. It has the C library alone, linked into it, so that
/// it runs in a machine that has nothing at all.
namespace tiltyard::inside {

inline constexpr std::size_t kMostPacket = 256 * 1024;  ///< bytes of one packet, either way
inline constexpr std::size_t kMostData = 255 * 1024;    ///< of a file in one packet

/// A packet that came. What it lacks reads as zero, and `good` is false from then on.
class Reader {
 public:
  Reader(const unsigned char* bytes, std::size_t size) : at_(bytes), left_(size) {}
  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }
  std::uint32_t word() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t wide() { return number(8); }
  std::string_view text() {
    const auto size = word();
    if (size > left_) return lack();
    const std::string_view out(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    left_ -= size;
    return out;
  }
  bool good() const { return good_; }

 private:
  std::uint64_t number(std::size_t bytes) {
    if (bytes > left_) {
      lack();
      return 0;
    }
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | at_[i];
    at_ += bytes;
    left_ -= bytes;
    return out;
  }
  std::string_view lack() {
    good_ = false;
    left_ = 0;
    return {};
  }

  const unsigned char* at_;
  std::size_t left_;
  bool good_ = true;
};

/// The packet that goes out; there is one, and it holds the largest.
class Writer {
 public:
  void begin(std::uint8_t type) {
    size_ = 4;
    byte(type);
  }
  void byte(std::uint8_t value) {
    if (room() >= 1) bytes_[size_++] = value;
  }
  void word(std::uint32_t value) {
    value = htobe32(value);
    put(&value, 4);
  }
  void wide(std::uint64_t value) {
    value = htobe64(value);
    put(&value, 8);
  }
  void text(std::string_view value) {
    word(static_cast<std::uint32_t>(value.size()));
    put(value.data(), value.size());
  }
  /// Writes a number that was not known when its place came.
  void set_word(std::size_t at, std::uint32_t value) {
    value = htobe32(value);
    std::memcpy(bytes_ + at, &value, 4);
  }
  /// Room for `most` bytes of a text; `took` says how many it became.
  unsigned char* space() { return bytes_ + size_ + 4; }
  void took(std::size_t count) {
    word(static_cast<std::uint32_t>(count));
    size_ += count;
  }
  std::size_t size() const { return size_; }
  std::size_t room() const { return sizeof bytes_ - size_; }
  const unsigned char* finish() {
    set_word(0, static_cast<std::uint32_t>(size_ - 4));
    return bytes_;
  }

 private:
  void put(const void* from, std::size_t count) {
    if (room() < count) return;
    std::memcpy(bytes_ + size_, from, count);
    size_ += count;
  }

  std::size_t size_ = 0;
  unsigned char bytes_[kMostPacket + 64] = {};
};

/// All of it, however often that takes; false: the other side has gone.
bool write_all(int file, const void* bytes, std::size_t size);
/// `size` bytes; false: they do not come any more.
bool read_all(int file, void* bytes, std::size_t size);

/// A path for the kernel: with its zero at the end. One that is empty, too long or has a zero in it is none.
class Path {
 public:
  explicit Path(std::string_view text) {
    good_ = !text.empty() && text.size() < sizeof text_ && text.find('\0') == text.npos;
    if (good_) std::memcpy(text_, text.data(), text.size());
  }
  bool good() const { return good_; }
  const char* c_str() const { return text_; }

 private:
  char text_[4096] = {};
  bool good_;
};

// What the program can be asked for, and the exit code of it.
int serve_sftp();
/// A folder, or a file, as a tar archive on standard output.
int write_tar(const char* path);
/// Takes a folder away with all that is in it, and follows no link.
int remove_tree(const char* path);

}  // namespace tiltyard::inside
