#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/head.h"

namespace tiltyard::gateway {

/// Walks over a body as it passes and finds its end. Chunked bodies (RFC 9112 section 7.1) are checked byte by byte;
/// chunk extensions and trailers are left out of what is passed on, since a forwarder may drop both and neither can
/// then be read differently by the next party. Works in place: what is passed on never takes more room than what came.
class BodyFilter {
 public:
  struct Step {
    std::size_t consumed = 0;  ///< of the raw bytes
    std::size_t produced = 0;  ///< now at `to`
    bool valid = true;         ///< false: the chunk framing is broken
  };

  /// `decode`: pass on only the chunks' contents (for HTTP/1.0 clients). An answer's sizes may have blanks behind them
  /// (old servers pad them) and zeros before.
  void begin(Framing framing, bool decode = false, Reading reading = Reading::kRequest);
  /// Takes bytes at `raw` and puts those to pass on at `to` (`to <= raw`, in the same buffer). Stops at the body's end.
  Step filter(char* raw, std::size_t size, char* to);
  /// The sender closed: whether that ends the body properly.
  bool ended_by_close() const { return kind_ == Framing::Kind::kUntilClose || done_; }
  void finish() { done_ = true; }
  /// What a chunked body lacks whose sender has closed behind the last chunk, as browsers let it; nullopt: more than
  /// that.
  std::optional<std::string_view> missing_end() const;
  bool done() const { return done_; }

 private:
  enum class State : std::uint8_t {
    kSizeFirst,
    kSize,
    kSpace,
    kExtension,
    kSizeFeed,
    kData,
    kDataReturn,
    kDataFeed,
    kTrailerFirst,
    kTrailer,
    kTrailerFeed,
    kEndFeed,
  };
  Step filter_chunks(char* raw, std::size_t size, char* to);
  /// One byte of framing. False: it may not stand here. `keep` tells whether it is passed on.
  bool framing_byte(unsigned char byte, bool& keep);
  bool size_byte(unsigned char byte, bool& keep);
  bool trailer_byte(unsigned char byte, bool& keep);

  Framing::Kind kind_ = Framing::Kind::kNone;
  State state_ = State::kSizeFirst;
  bool decode_ = false, done_ = true, lenient_ = false;
  std::uint8_t digits_ = 0;
  std::uint32_t overhead_ = 0;  ///< bytes of extensions and trailers so far
  std::uint64_t left_ = 0;      ///< of the length or of the chunk
};

}  // namespace tiltyard::gateway
