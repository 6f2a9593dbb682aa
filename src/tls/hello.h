#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tiltyard::tls {

/// More than any client has to say for a hello; a hello in as many records as it has bytes is six times as long.
inline constexpr std::size_t kMostHello = 16 * 1024, kMostHelloBytes = kMostHello + kMostHello / 4;

/// Finds the end of a ClientHello in the first bytes of a connection, in however many pieces and records (RFC 8446
/// sections 4 and 5.1) it comes. What is in it is the library's to read; this keeps what it costs small until it is
/// whole.
class HelloScan {
 public:
  enum class State : std::uint8_t {
    kMore,
    kWhole,
    kTooLong,
    kHttp,   ///< a request without TLS
    kOther,  ///< neither
  };
  /// `bytes`: all since the connection began; what was looked at before is not looked at again.
  State look(std::string_view bytes);

 private:
  State begin_record(std::string_view bytes);
  State take_fragment(std::string_view bytes);

  std::size_t at_ = 0;                    ///< of the next record, or of what is next in this one
  std::size_t in_record_ = 0;             ///< bytes of it that are still to come
  std::size_t head_size_ = 0, left_ = 0;  ///< of the message's own head (4 bytes), and of what follows it
  State found_ = State::kMore;
};

/// What a client says of where it wants to go.
struct Hello {
  std::string name;       ///< in small letters, without a last dot; empty: none, or an address
  std::string protocols;  ///< as ALPN has them: each behind its length (RFC 7301 section 3.1); empty: none

  bool offers(std::string_view protocol) const;
  /// It is an authority that looks for its challenge, and nobody else (RFC 8737 section 3).
  bool asks_for_challenge() const;
};

/// The same of a hello that HelloScan has found whole, for whoever only wants to know where it goes. nullopt: it is not
/// in the form of RFC 8446 section 4.1.2; what is wrong with it is the library's to say.
std::optional<Hello> parse_hello(std::string_view bytes);

/// Reads the extensions server_name and application_layer_protocol_negotiation; empty spans: they are not there. What
/// is malformed counts as not said: the library refuses it afterwards.
Hello read_hello(std::span<const unsigned char> server_name, std::span<const unsigned char> protocols);

}  // namespace tiltyard::tls
