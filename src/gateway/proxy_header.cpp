#include "gateway/proxy_header.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace tiltyard::gateway {

namespace {

using State = ProxyHeaderEnd::State;
using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::string_view kWord = "PROXY ";
constexpr std::size_t kMostLine = 107, kHead = 16;
constexpr std::size_t kV4 = 12, kV6 = 36, kUnix = 216;
constexpr unsigned char kAuthority = 0x02, kChecksum = 0x03, kSsl = 0x20, kInstance = 0xE0;
constexpr unsigned char kClientSsl = 0x01;

constexpr ProxyHeaderEnd kBroken{State::kBroken};

SocketAddress address_v4(const void* bytes, std::uint16_t network_port) {
  SocketAddress address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  v4.sin_family = AF_INET;
  v4.sin_port = network_port;
  std::memcpy(&v4.sin_addr, bytes, sizeof v4.sin_addr);
  address.size = sizeof v4;
  return address;
}

SocketAddress address_v6(const void* bytes, std::uint16_t network_port) {
  SocketAddress address;
  address.storage.sin6_family = AF_INET6;
  address.storage.sin6_port = network_port;
  std::memcpy(&address.storage.sin6_addr, bytes, sizeof address.storage.sin6_addr);
  address.size = sizeof address.storage;
  return address;
}

std::uint16_t network_port_at(const char* bytes) {
  std::uint16_t port;
  std::memcpy(&port, bytes, sizeof port);
  return port;
}

/// The next word of a line whose words are one blank apart.
std::string_view take_word(std::string_view& line) {
  const auto blank = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, blank);
  line.remove_prefix(std::min(blank + 1, line.size()));
  return word;
}

std::optional<SocketAddress> address_of(std::string_view text, std::string_view port, int family) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size()) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool leading = port.size() > 1 && port.front() == '0';
  if (port.empty() || error != std::errc{} || end != port.data() + port.size() || leading) return std::nullopt;
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(family, terminated.data(), bytes.data()) != 1) return std::nullopt;
  return family == AF_INET ? address_v4(bytes.data(), htons(number)) : address_v6(bytes.data(), htons(number));
}

ProxyHeaderEnd read_line(std::string_view bytes, ProxyHeader& header) {
  const auto end = bytes.substr(0, kMostLine).find('\n');
  if (end == bytes.npos) return {bytes.size() < kMostLine ? State::kMore : State::kBroken};
  if (bytes[end - 1] != '\r') return kBroken;
  const ProxyHeaderEnd whole{State::kWhole, end + 1};
  auto line = bytes.substr(kWord.size(), end - 1 - kWord.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return whole;
  const auto protocol = take_word(line);
  if (protocol != "TCP4" && protocol != "TCP6") return kBroken;
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const auto from = take_word(line), to = take_word(line), from_port = take_word(line);
  // The last word has nothing behind it, not even a blank.
  const auto source = address_of(from, from_port, family), target = address_of(to, line, family);
  if (!source || !target) return kBroken;
  header.from = *source;
  header.to = *target;
  return whole;
}

/// CRC-32C (RFC 3720, appendix B.4) over bytes whose own place for it counts as zeros.
std::uint32_t checksum(std::string_view bytes, std::size_t place) {
  std::uint32_t sum = 0xFFFFFFFF;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool own = i >= place && i < place + 4;
    sum ^= own ? 0 : static_cast<unsigned char>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0x82F63B78 : 0);
  }
  return ~sum;
}

std::size_t sixteen_bits(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                  static_cast<unsigned char>(bytes[at + 1]));
}

/// False: they do not end where the header does, or the checksum is another one.
bool read_tlvs(std::string_view whole, std::size_t at, ProxyHeader& header) {
  while (at < whole.size()) {
    if (whole.size() - at < 3) return false;
    const auto type = static_cast<unsigned char>(whole[at]);
    const auto size = sixteen_bits(whole, at + 1);
    at += 3;
    if (size > whole.size() - at) return false;
    if (type == kSsl && size > 0) header.secure = (static_cast<unsigned char>(whole[at]) & kClientSsl) != 0;
    if (type == kChecksum) {
      if (size != 4 || checksum(whole, at) != (sixteen_bits(whole, at) << 16 | sixteen_bits(whole, at + 2)))
        return false;
    }
    at += size;
  }
  return true;
}

ProxyHeaderEnd read_binary(std::string_view bytes, ProxyHeader& header) {
  if (bytes.size() < kHead) return {};
  const auto version = static_cast<unsigned char>(bytes[12]);
  const auto family = static_cast<unsigned char>(bytes[13]);
  const auto size = kHead + sixteen_bits(bytes, 14);
  const bool local = version == 0x20;
  if ((!local && version != 0x21) || size > kMostProxyHeader) return kBroken;
  std::size_t addresses = 0;
  if (family == 0x11) addresses = kV4;
  else if (family == 0x21) addresses = kV6;
  else if (family == 0x31) addresses = kUnix;
  else if (!local && family != 0) return kBroken;
  if (size < kHead + addresses && !local) return kBroken;
  if (bytes.size() < size) return {};
  const ProxyHeaderEnd end{State::kWhole, size};
  // What a sender says that speaks for itself is to be skipped, whatever it is.
  if (local) return end;
  const char* at = bytes.data() + kHead;
  if (family == 0x11) {
    header.from = address_v4(at, network_port_at(at + 8));
    header.to = address_v4(at + 4, network_port_at(at + 10));
  } else if (family == 0x21) {
    header.from = address_v6(at, network_port_at(at + 32));
    header.to = address_v6(at + 16, network_port_at(at + 34));
  }
  // Without a family there is no telling where the TLVs begin.
  if (family != 0 && !read_tlvs(bytes.substr(0, size), kHead + addresses, header)) return kBroken;
  return end;
}

bool begins(std::string_view bytes, std::string_view with) {
  const auto size = std::min(bytes.size(), with.size());
  return bytes.substr(0, size) == with.substr(0, size);
}

std::string text_of(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v6 = address.storage.sin6_family == AF_INET6;
  const void* bytes = v6 ? static_cast<const void*>(&address.storage.sin6_addr)
                         : &reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr;
  ::inet_ntop(address.storage.sin6_family, bytes, text.data(), text.size());
  return text.data();
}

void put_bytes(std::string& out, const void* bytes, std::size_t size) {
  out.append(static_cast<const char*>(bytes), size);
}

void put_sixteen(std::string& out, std::size_t number) {
  out.push_back(static_cast<char>(number >> 8));
  out.push_back(static_cast<char>(number));
}

void put_tlv(std::string& out, unsigned char type, std::string_view value) {
  out.push_back(static_cast<char>(type));
  put_sixteen(out, value.size());
  out.append(value);
}

bool both_known(const ProxyTold& told) {
  return told.from.size != 0 && told.to.size != 0 && told.from.storage.sin6_family == told.to.storage.sin6_family;
}

std::string line_of(const ProxyTold& told) {
  if (!both_known(told)) return "PROXY UNKNOWN\r\n";
  return fmt::format("PROXY {} {} {} {} {}\r\n", told.from.storage.sin6_family == AF_INET ? "TCP4" : "TCP6",
                     text_of(told.from), text_of(told.to), told.from.port(), told.to.port());
}

std::string binary_of(const ProxyTold& told) {
  const bool known = both_known(told);
  const bool v6 = known && told.from.storage.sin6_family == AF_INET6;
  std::string rest;
  if (known) {
    for (const auto* one : {&told.from, &told.to}) {
      if (v6) put_bytes(rest, &one->storage.sin6_addr, 16);
      else put_bytes(rest, &reinterpret_cast<const sockaddr_in&>(one->storage).sin_addr, 4);
    }
    put_sixteen(rest, told.from.port());
    put_sixteen(rest, told.to.port());
    if (!told.authority.empty()) put_tlv(rest, kAuthority, told.authority);
    // A byte for who speaks TLS, and four that are 0 where a certificate has been verified: nobody asks for one.
    if (told.tls_ended) put_tlv(rest, kSsl, "\x01\0\0\0\x01"sv);
    if (!told.instance.empty()) put_tlv(rest, kInstance, told.instance);
  }
  std::string out(kSignature);
  out.push_back('\x21');
  out.push_back(known ? (v6 ? '\x21' : '\x11') : '\0');
  put_sixteen(out, rest.size());
  return out + rest;
}

}  // namespace

ProxyHeaderEnd read_proxy_header(std::string_view bytes, ProxyHeader& header) {
  header = {};
  if (bytes.empty()) return {};
  if (begins(bytes, kSignature)) return read_binary(bytes, header);
  if (!begins(bytes, kWord)) return kBroken;
  return bytes.size() < kWord.size() ? ProxyHeaderEnd{} : read_line(bytes, header);
}

std::string proxy_header(int version, const ProxyTold& told) { return version == 1 ? line_of(told) : binary_of(told); }

}  // namespace tiltyard::gateway
