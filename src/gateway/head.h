#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/text.h"

/// Reading of HTTP/1.1 heads for forwarding, without allocation. Requests are read strictly: everything that two
/// parties could frame differently is refused (RFC 9112 sections 2.2, 3.2, 5, 6.1 to 6.3, 11.2), so that no request can
/// be hidden in another. Answers are read as browsers read them, and written anew as they should have been
/// (sections 2.2, 5.1, 5.2, 6.3): machines are old and hand-made, and one answer more or less is nobody's but the
/// machine's. Lines of an answer that are no fields are left out.
namespace tiltyard::gateway {

/// Of a request, and of an answer, of which browsers take more.
constexpr std::size_t kMaxFields = 100, kMaxAnswerFields = 256;

/// The fields that a forwarder has to know; all others are passed on as they are.
enum class FieldKind : std::uint8_t {
  kOther,
  kHost,
  kConnection,
  kContentLength,
  kTransferEncoding,
  kUpgrade,
  kExpect,
  kAccept,
  kCookie,
  kSetCookie,
  kHopByHop,  ///< Keep-Alive, Proxy-Connection, Proxy-Authorization, Proxy-Authenticate, TE, Trailer (RFC 9110 7.6.1);
              ///< and Clear-Site-Data, which would clear the cookies of all hosts of the domain
  kForwarding,  ///< Via, Forwarded, X-Forwarded-*, X-Real-IP: what came, and what we add to it
};

FieldKind field_kind(std::string_view name);

struct Field {
  std::string_view name, value;  ///< the value without surrounding white space
  std::string_view line;         ///< with its CRLF, as it came; empty where it may not go on like that
  FieldKind kind = FieldKind::kOther;
};

/// How the end of a body is found (RFC 9112 section 6.3).
struct Framing {
  enum class Kind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  ///< bytes, of kLength
};

/// Why a head is refused: an HTTP status for the client (400, 405, 431, 501, 505) and a fixed English sentence.
struct Refusal {
  int status = 400;
  std::string_view why;
};

/// What a request gets whose lines do not end as they should: often somebody who types it into netcat.
inline constexpr Refusal kBareLineFeed{
    400, "A line of the head does not end with CR LF; with netcat, nc -C sends such lines."};

/// What request and response heads have in common. All views point into the parsed bytes.
struct MessageHead {
  int minor = 1;  ///< of HTTP/1.x
  std::array<Field, kMaxAnswerFields> fields;
  std::size_t count = 0;
  Framing framing;
  bool close = false;       ///< "Connection: close"
  bool keep_alive = false;  ///< "Connection: keep-alive"
  bool connection_upgrade = false;
  bool connection_names = false;  ///< Connection names further fields, which are hop-by-hop then
  bool coded = false;             ///< there is a Transfer-Encoding, which overrules any Content-Length
  bool sized = false;             ///< there is a Content-Length, and it is not 0
  bool forwarded = false;         ///< there are fields of kForwarding
  std::string_view upgrade;       ///< value of Upgrade

  const Field* begin() const { return fields.data(); }
  const Field* end() const { return fields.data() + count; }
  /// Whether the connection may carry another message afterwards (RFC 9112 section 9.3).
  bool persistent() const { return !close && (minor == 1 || keep_alive); }
  /// Whether a Connection field names this field.
  bool named_by_connection(std::string_view name) const;
};

struct RequestHead : MessageHead {
  std::string_view method;
  std::string_view target;     ///< in origin form ("/path?query") or "*"
  std::string_view host;       ///< authority: name or literal with optional port; empty only in HTTP/1.0
  std::string_view host_name;  ///< the same without the port
  std::string_view accept;
  bool websocket = false;   ///< asks for the upgrade to WebSocket (RFC 6455 section 4.1)
  bool empty_path = false;  ///< the target was absolute without a path; `target` then is a query or empty
};

struct ResponseHead : MessageHead {
  int status = 0;
  std::string_view reason;
};

/// Whose head it is: an answer's lines may end in LF alone.
enum class Reading : bool { kRequest, kAnswer };

/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once. A request's line that ends
/// without CR is refused at once. Call `reset` for the next head.
class HeadEnd {
 public:
  explicit HeadEnd(Reading reading = Reading::kRequest) : reading_(reading) {}
  enum class State { kMore, kFound, kBareLineFeed };
  /// `bytes` begin with the head; each call gets at least the bytes of the call before.
  State find(std::string_view bytes);
  /// Whether a field goes on over several lines (obs-fold, RFC 9112 section 5.2).
  bool folded() const { return folded_; }
  std::size_t start() const { return start_; }  ///< after empty lines before the first line (RFC 9112 section 2.2)
  std::size_t end() const { return end_; }      ///< after the empty line; valid when found
  void reset() { *this = HeadEnd(reading_); }

 private:
  Reading reading_;
  bool folded_ = false;
  std::size_t start_ = 0, line_ = 0, scanned_ = 0, end_ = 0;
};

/// Makes one line of each field that goes on over several, in place: what a proxy has to do with an answer (RFC 9112
/// section 5.2). `bytes` are a whole head.
void unfold(std::span<char> bytes);
/// Whether these first bytes, of an answer that has not come in whole, can still become one of HTTP.
bool may_be_answer(std::string_view bytes);

/// The name in an authority (`name [":" port]`), with the brackets of an address; nullopt: it is none.
std::optional<std::string_view> name_of(std::string_view authority);

/// `bytes` are a whole head with its empty line, without leading empty lines. Nothing: `head` is filled in.
std::optional<Refusal> parse_request(std::string_view bytes, RequestHead& head);
/// `to_head`: the request was HEAD, so that there is no body whatever the fields say. The framing of 101 is kNone.
std::optional<Refusal> parse_response(std::string_view bytes, bool to_head, ResponseHead& head);

}  // namespace tiltyard::gateway
