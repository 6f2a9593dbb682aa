// The header of the PROXY protocol, as it comes in whatever pieces, and as it is written.
#include "gateway/proxy_header.h"

#include <gtest/gtest.h>

#include "gateway/sockets.h"

namespace tiltyard::gateway {
namespace {

using State = ProxyHeaderEnd::State;
using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string binary(char command, char family, const std::string& rest) {
  return kSignature + command + family + static_cast<char>(rest.size() >> 8) + static_cast<char>(rest.size()) + rest;
}

const std::string kAddresses = "\xCB\0\x71\x07\x0A\0\0\1\x10\x92\x01\xBB"s;  // 203.0.113.7:4242, 10.0.0.1:443

std::string tlv(char type, const std::string& value) {
  return type + std::string{static_cast<char>(value.size() >> 8), static_cast<char>(value.size())} + value;
}

/// Reads it with something behind it, and in all smaller pieces, which must ask for more.
State read(const std::string& bytes, ProxyHeader& header, std::size_t* size = nullptr) {
  const auto end = read_proxy_header(bytes + "GET / HTTP/1.1\r\n", header);
  if (size) *size = end.size;
  for (std::size_t i = 0; end.state == State::kWhole && i < end.size; ++i) {
    ProxyHeader part;
    EXPECT_EQ(read_proxy_header(bytes.substr(0, i), part).state, State::kMore) << i;
  }
  return end.state;
}

State read(const std::string& bytes) {
  ProxyHeader header;
  return read(bytes, header);
}

TEST(R2_2_ProxyHeader, ALineSaysWhoseTheConnectionIs) {
  ProxyHeader header;
  std::size_t size = 0;
  const auto line = "PROXY TCP4 203.0.113.7 10.0.0.1 4242 443\r\n"s;
  ASSERT_EQ(read(line, header, &size), State::kWhole);
  EXPECT_EQ(size, line.size());
  EXPECT_EQ(header.from, *socket_address("203.0.113.7", 4242));
  EXPECT_EQ(header.to, *socket_address("10.0.0.1", 443));
  EXPECT_FALSE(header.secure);
  ASSERT_EQ(read("PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", header), State::kWhole);
  EXPECT_EQ(header.from, *socket_address("2001:db8::7", 65535));
}

TEST(R2_2_ProxyHeader, WhoDoesNotKnowLeavesTheConnectionsOwnAddress) {
  for (const auto& line : {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN ffff:f...f whatever 1 2\r\n"s,
                           binary('\x20', '\x11', kAddresses), binary('\x20', '\0', ""), binary('\x20', '\x7f', "xy"),
                           binary('\x21', '\0', "anything"), binary('\x21', '\x31', std::string(216, 'x'))}) {
    ProxyHeader header;
    EXPECT_EQ(read(line, header), State::kWhole) << line;
    EXPECT_EQ(header.from.size, 0u) << line;
  }
}

TEST(R2_2_ProxyHeader, TheBinaryOneHasTheSameAndWhetherThePlayerSpeaksTls) {
  ProxyHeader header;
  std::size_t size = 0;
  auto bytes = binary('\x21', '\x11', kAddresses + tlv('\x20', "\x01\0\0\0\0"s) + tlv('\x02', "a.test"));
  ASSERT_EQ(read(bytes, header, &size), State::kWhole);
  EXPECT_EQ(size, bytes.size());
  EXPECT_EQ(header.from, *socket_address("203.0.113.7", 4242));
  EXPECT_EQ(header.to, *socket_address("10.0.0.1", 443));
  EXPECT_TRUE(header.secure);
  bytes = binary('\x21', '\x21',
                 "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\7" + std::string(16, '\1') + "\x10\x92\x01\xBB"s +
                     tlv('\x20', "\x00\0\0\0\0"s));
  ASSERT_EQ(read(bytes, header), State::kWhole);
  EXPECT_EQ(header.from, *socket_address("2001:db8::7", 4242));
  EXPECT_FALSE(header.secure);
}

TEST(R2_2_ProxyHeader, AChecksumIsHeeded) {
  // CRC-32C of the whole header with zeros in its own place, which of "123456789" is E3069283.
  const auto with = [](const std::string& sum) { return binary('\x21', '\x11', kAddresses + tlv('\x03', sum)); };
  EXPECT_EQ(read(with("\xD0\x53\xA6\xEC")), State::kWhole);
  EXPECT_EQ(read(with("\xD0\x53\xA6\xED")), State::kBroken);
  EXPECT_EQ(read(with("\xD0\x53\xA6")), State::kBroken);
}

TEST(R2_2_ProxyHeader, AnythingElseIsNoHeader) {
  for (const auto& bytes : {"GET / HTTP/1.1\r\n"s,
                            "\x16\x03\x01"s,
                            "SSH-2.0-x\r\n"s,
                            "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"s,
                            "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"s,
                            "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"s,
                            "PROXY TCP4 ::1 ::1 1 2\r\n"s,
                            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"s,
                            "PROXY TCP6 fe80::1%lo ::1 1 2\r\n"s,
                            "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"s,
                            "PROXY UNIX a b 1 2\r\n"s,
                            "PROXY UNKNOWNX\r\n"s,
                            "PROXY \r\n"s,
                            "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n",
                            binary('\x11', '\x11', kAddresses),
                            binary('\x22', '\x11', kAddresses),
                            binary('\x21', '\x12', kAddresses),
                            binary('\x21', '\x41', kAddresses),
                            binary('\x21', '\x11', kAddresses.substr(1)),
                            binary('\x21', '\x11', kAddresses + "\x04"),
                            binary('\x21', '\x11', kAddresses + "\x04\0\5abcd"s),
                            binary('\x21', '\x11', kAddresses + tlv('\x04', std::string(kMostProxyHeader, 'x')))}) {
    EXPECT_EQ(read(bytes), State::kBroken) << bytes;
  }
}

TEST(R2_2_ProxyHeader, WhatIsTooLongIsKnownBeforeItIsThere) {
  ProxyHeader header;
  EXPECT_EQ(read_proxy_header("PROXY UNKNOWN " + std::string(92, 'x'), header).state, State::kMore);
  EXPECT_EQ(read_proxy_header("PROXY UNKNOWN " + std::string(93, 'x'), header).state, State::kBroken);
  EXPECT_EQ(read_proxy_header(kSignature + "\x21\x11\xff\xff", header).state, State::kBroken);
}

TEST(R2_2_ProxyHeader, WhatIsWrittenIsReadAsTheSame) {
  for (const auto& [from, to] : {std::pair{"203.0.113.7", "10.0.0.1"}, std::pair{"2001:db8::7", "::1"}}) {
    const ProxyTold told{*socket_address(from, 4242), *socket_address(to, 443), "i-1", "a.test", true};
    for (const int version : {1, 2}) {
      ProxyHeader header;
      const auto bytes = proxy_header(version, told);
      std::size_t size = 0;
      ASSERT_EQ(read(bytes, header, &size), State::kWhole) << version;
      EXPECT_EQ(size, bytes.size());
      EXPECT_EQ(header.from, told.from) << version;
      EXPECT_EQ(header.to, told.to) << version;
      EXPECT_EQ(header.secure, version == 2);
    }
  }
  const ProxyTold told{*socket_address("203.0.113.7", 4242), *socket_address("10.0.0.1", 443), "i-1", "a.test", false};
  EXPECT_EQ(proxy_header(1, told), "PROXY TCP4 203.0.113.7 10.0.0.1 4242 443\r\n");
  EXPECT_EQ(proxy_header(2, told), binary('\x21', '\x11', kAddresses + tlv('\x02', "a.test") + tlv('\xE0', "i-1")));
  // One family cannot say the other's address.
  const ProxyTold mixed{*socket_address("203.0.113.7", 4242), *socket_address("::1", 443), "i-1", "", false};
  EXPECT_EQ(proxy_header(1, mixed), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(proxy_header(2, mixed), binary('\x21', '\0', ""));
}

}  // namespace
}  // namespace tiltyard::gateway
