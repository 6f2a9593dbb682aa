#include "tls/hello.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"

namespace tiltyard::tls {
namespace {

constexpr char kHandshake = 0x16, kMajor = 0x03, kClientHello = 0x01;
constexpr std::size_t kRecordHead = 5, kMessageHead = 4, kLongestRecord = 16 * 1024;
constexpr std::size_t kServerName = 0, kProtocols = 16;  // RFC 6066 section 3, RFC 7301 section 3.1
constexpr std::string_view kChallenge = "acme-tls/1";

std::size_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

/// A list behind its length of two bytes, which must be all there is.
std::string_view list_in(std::span<const unsigned char> extension) {
  const std::string_view all(reinterpret_cast<const char*>(extension.data()), extension.size());
  if (all.size() < 2 || (byte_at(all, 0) << 8 | byte_at(all, 1)) != all.size() - 2) return {};
  return all.substr(2);
}

bool is_address(const std::string& name) {
  unsigned char room[16];
  return ::inet_pton(AF_INET, name.c_str(), room) == 1 || ::inet_pton(AF_INET6, name.c_str(), room) == 1;
}

/// The first one of kind host_name (RFC 6066 section 3); there is no other kind.
std::string name_in(std::string_view list) {
  if (list.size() < 3 || list[0] != 0) return {};
  const auto size = byte_at(list, 1) << 8 | byte_at(list, 2);
  if (size > list.size() - 3) return {};
  auto name = lower(list.substr(3, size));
  if (name.ends_with('.')) name.pop_back();
  return is_address(name) ? std::string() : name;
}

/// What is left of a message, from the front; it never goes beyond its end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}
  bool good() const { return good_; }
  bool empty() const { return left_.empty(); }
  std::string_view take(std::size_t size) {
    good_ = good_ && size <= left_.size();
    if (!good_) return {};
    const auto taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  std::size_t number(std::size_t size) {
    std::size_t value = 0;
    for (const char byte : take(size)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  /// What stands behind its length.
  std::string_view list(std::size_t size_of_length) { return take(number(size_of_length)); }

 private:
  std::string_view left_;
  bool good_ = true;
};

/// What a message says of its own size, with its head; npos: not enough of it is there.
std::size_t size_of(std::string_view message) {
  Cursor head(message);
  head.take(1);
  const auto size = head.number(kMessageHead - 1);
  return head.good() ? kMessageHead + size : std::string_view::npos;
}

/// The message without its records, empty where some of it is missing; `room` holds it where there are several. The
/// last record may end behind it, and need not have come whole.
std::string_view message_in(std::string_view bytes, std::string& room) {
  std::string_view message;
  while (message.size() < size_of(message) && bytes.size() > kRecordHead) {
    const auto piece = bytes.substr(kRecordHead, byte_at(bytes, 3) << 8 | byte_at(bytes, 4));
    bytes.remove_prefix(kRecordHead + piece.size());
    if (message.empty()) {
      message = piece;
      continue;
    }
    if (room.empty()) room = message;
    room += piece;
    message = room;
  }
  return message.size() < size_of(message) ? std::string_view() : message.substr(0, size_of(message));
}

bool well_formed(std::string_view protocols) {
  while (!protocols.empty()) {
    const auto size = byte_at(protocols, 0);
    if (size == 0 || size >= protocols.size()) return false;
    protocols.remove_prefix(1 + size);
  }
  return true;
}

}  // namespace

HelloScan::State HelloScan::look(std::string_view bytes) {
  while (found_ == State::kMore && at_ < bytes.size()) {
    const auto before = at_;
    found_ = in_record_ == 0 ? begin_record(bytes) : take_fragment(bytes);
    if (at_ == before) break;
  }
  if (found_ == State::kMore && bytes.size() >= kMostHelloBytes) found_ = State::kTooLong;
  return found_;
}

HelloScan::State HelloScan::begin_record(std::string_view bytes) {
  const auto head = bytes.substr(at_, kRecordHead);
  if (at_ == 0 && head[0] >= 'A' && head[0] <= 'Z') return State::kHttp;
  if (head[0] != kHandshake || (head.size() > 1 && head[1] != kMajor)) return State::kOther;
  if (head.size() < kRecordHead) return State::kMore;
  in_record_ = byte_at(head, 3) << 8 | byte_at(head, 4);
  if (in_record_ == 0 || in_record_ > kLongestRecord) return State::kOther;
  at_ += kRecordHead;
  return State::kMore;
}

HelloScan::State HelloScan::take_fragment(std::string_view bytes) {
  if (head_size_ < kMessageHead) {
    const auto value = byte_at(bytes, at_);
    if (head_size_ == 0 && bytes[at_] != kClientHello) return State::kOther;
    if (head_size_ > 0) left_ = left_ << 8 | value;
    ++head_size_, ++at_, --in_record_;
    if (head_size_ < kMessageHead) return State::kMore;
    if (left_ > kMostHello) return State::kTooLong;
    return left_ == 0 ? State::kOther : State::kMore;
  }
  const auto size = std::min({bytes.size() - at_, in_record_, left_});
  at_ += size, in_record_ -= size, left_ -= size;
  return left_ == 0 ? State::kWhole : State::kMore;
}

bool Hello::offers(std::string_view protocol) const {
  for (std::string_view left = protocols; !left.empty(); left.remove_prefix(1 + byte_at(left, 0))) {
    if (left.substr(1, byte_at(left, 0)) == protocol) return true;
  }
  return false;
}

bool Hello::asks_for_challenge() const {
  return !name.empty() && protocols.size() == kChallenge.size() + 1 && offers(kChallenge);
}

std::optional<Hello> parse_hello(std::string_view bytes) {
  std::string room;
  Cursor message(message_in(bytes, room));
  message.take(1);
  if (message.number(3) == 0) return std::nullopt;
  message.take(2 + 32);  // its version and its random bytes
  message.list(1);       // the session that it goes on with
  message.list(2);       // the ciphers
  message.list(1);       // the compressions
  // Without extensions it names nobody (RFC 5246 section 7.4.1.2).
  Cursor extensions(message.empty() ? std::string_view() : message.list(2));
  if (!message.good() || !message.empty()) return std::nullopt;
  std::span<const unsigned char> name, protocols;
  while (!extensions.empty() && extensions.good()) {
    const auto kind = extensions.number(2);
    const auto value = extensions.list(2);
    auto* wanted = kind == kServerName ? &name : kind == kProtocols ? &protocols : nullptr;
    if (wanted == nullptr) continue;
    if (!wanted->empty()) return std::nullopt;
    *wanted = {reinterpret_cast<const unsigned char*>(value.data()), value.size()};
  }
  if (!extensions.good()) return std::nullopt;
  return read_hello(name, protocols);
}

Hello read_hello(std::span<const unsigned char> server_name, std::span<const unsigned char> protocols) {
  Hello hello{name_in(list_in(server_name)), std::string(list_in(protocols))};
  if (!well_formed(hello.protocols)) hello.protocols.clear();
  return hello;
}

}  // namespace tiltyard::tls
