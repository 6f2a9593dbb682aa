#include "net/reach.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace tiltyard::net {
namespace {

bool same_network(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* mask, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (((a[i] ^ b[i]) & mask[i]) != 0) return false;
  }
  return true;
}

/// The bytes of an interface's address or mask, if it is of that family.
template <class Socket, class Bytes>
const std::uint8_t* bytes_of(const sockaddr* address, int family, Bytes Socket::* field) {
  if (address == nullptr || address->sa_family != family) return nullptr;
  return reinterpret_cast<const std::uint8_t*>(&(reinterpret_cast<const Socket*>(address)->*field));
}

/// Whether the address is the interface's own, or in its network when machines or containers are behind it.
bool leads_to(const ifaddrs& one, const asio::ip::address& address) {
  const bool v4 = address.is_v4();
  const auto read = [&](const sockaddr* from) {
    return v4 ? bytes_of(from, AF_INET, &sockaddr_in::sin_addr) : bytes_of(from, AF_INET6, &sockaddr_in6::sin6_addr);
  };
  const auto* own = read(one.ifa_addr);
  if (own == nullptr) return false;
  std::array<std::uint8_t, 16> wanted{};
  if (v4) std::ranges::copy(address.to_v4().to_bytes(), wanted.begin());
  else std::ranges::copy(address.to_v6().to_bytes(), wanted.begin());
  const std::size_t size = v4 ? 4 : 16;
  if (std::memcmp(own, wanted.data(), size) == 0) return true;
  const auto* mask = read(one.ifa_netmask);
  const auto inside = [&](const std::string& prefix) { return std::string_view(one.ifa_name).starts_with(prefix); };
  return mask != nullptr && std::ranges::any_of(machine_interfaces(), inside) &&
         same_network(own, wanted.data(), mask, size);
}

bool on_this_host(const asio::ip::address& address) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return true;  // what cannot be told is refused
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const auto* one = list; one != nullptr; one = one->ifa_next) {
    if (leads_to(*one, address)) return true;
  }
  return false;
}

}  // namespace

const std::vector<std::string>& closed_ranges() {
  // Beside link-local: where Alibaba, Oracle and Azure have theirs, and Amazon's by IPv6. 64:ff9b::/96 and 2002::/16
  // carry an IPv4 address, which may be any of these.
  static const std::vector<std::string> ranges = {
      "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.100.100.200", "192.0.0.0/24", "168.63.129.16", "224.0.0.0/3",
      "::/96",     "fe80::/10",   "fec0::/10",      "fd00:ec2::/32",   "64:ff9b::/96", "2002::/16",     "ff00::/8"};
  return ranges;
}

const std::vector<std::string>& machine_interfaces() {
  static const std::vector<std::string> prefixes = {"ty", "docker", "br-"};
  return prefixes;
}

Result<Reach> Reach::make(const std::vector<std::string>& allowed) {
  auto open = Networks::parse(allowed);
  if (!open) return fail(std::move(open.error()));
  auto closed = Networks::parse(closed_ranges());
  if (!closed) return fail(std::move(closed.error()));
  Reach reach;
  reach.allowed_ = std::move(*open);
  reach.closed_ = std::move(*closed);
  return reach;
}

Result<> Reach::check(const asio::ip::address& asked) const {
  const bool mapped = asked.is_v6() && asked.to_v6().is_v4_mapped();
  const asio::ip::address address = mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, asked.to_v6()) : asked;
  if (allowed_.contains(address) || (!closed_.contains(address) && !on_this_host(address))) return {};
  return fail(
      Code::kForbidden, reason::kTargetRefused,
      fmt::format("{} is this server's own host, a link-local address or one of machines, and is not called. If it is "
                  "right, list it in server.allow_targets of tiltyard.toml.",
                  address.to_string()));
}

}  // namespace tiltyard::net
