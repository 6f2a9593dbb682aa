#include "net/networks.h"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <charconv>

namespace tiltyard::net {
namespace {

std::array<unsigned char, 16> bytes_of(const asio::ip::address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  return asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

}  // namespace

Result<Networks> Networks::parse(const std::vector<std::string>& ranges) {
  Networks networks;
  for (const auto& text : ranges) {
    const auto bad = [&] {
      return fail(Code::kInvalid, "invalid-network", "\"" + text + "\" is not an address range like 10.0.0.0/8.");
    };
    const auto slash = text.find('/');
    const auto address = parse_address(std::string_view(text).substr(0, slash));
    if (!address) return bad();
    const int most = address->is_v4() ? 32 : 128;
    int bits = most;
    if (slash != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
      if (error != std::errc{} || stop != end || bits < 0 || bits > most) return bad();
    }
    networks.ranges_.push_back({bytes_of(*address), bits + 128 - most});
  }
  return networks;
}

bool Networks::contains(const asio::ip::address& address) const {
  const auto bytes = bytes_of(address);
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    const int whole = range.bits / 8;
    const int rest = range.bits % 8;
    if (!std::equal(bytes.begin(), bytes.begin() + whole, range.prefix.begin())) return false;
    return rest == 0 || (bytes[whole] ^ range.prefix[whole]) >> (8 - rest) == 0;
  });
}

namespace {

/// Four numbers, as inet_pton(3) takes them; nullopt: ask that. With every request, and there it is the longer way.
std::optional<asio::ip::address_v4> parse_v4(std::string_view text) {
  asio::ip::address_v4::bytes_type bytes{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    if (place > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const char* const begin = at;
    unsigned number = 0;
    for (; at != end && *at >= '0' && *at <= '9' && at - begin < 3; ++at)
      number = number * 10 + static_cast<unsigned>(*at - '0');
    if (at == begin || number > 255 || (*begin == '0' && at - begin > 1)) return std::nullopt;
    bytes[place] = static_cast<unsigned char>(number);
  }
  if (at != end) return std::nullopt;
  return asio::ip::address_v4(bytes);
}

}  // namespace

std::optional<asio::ip::address> parse_address(std::string_view text) {
  if (const auto v4 = parse_v4(text)) return *v4;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(text.substr(0, text.find('%'))), error);
  if (error) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace tiltyard::net
