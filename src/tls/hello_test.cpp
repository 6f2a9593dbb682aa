#include "tls/hello.h"

#include <gtest/gtest.h>

#include "tls/openssl.h"

namespace tiltyard::tls {
namespace {

using State = HelloScan::State;

std::string client_hello(const std::string& name) {
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const Owned<SSL> session(SSL_new(context.get()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_tlsext_host_name(session.get(), name.c_str());
  SSL_connect(session.get());
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

/// The same message in records of `size` bytes each.
std::string in_records(const std::string& hello, std::size_t size) {
  const auto message = hello.substr(5);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += size) {
    const auto piece = message.substr(at, size);
    out += std::string{0x16, 0x03, 0x01, static_cast<char>(piece.size() >> 8), static_cast<char>(piece.size())} + piece;
  }
  return out;
}

TEST(R2_2_Hello, IsWholeWithItsLastByteInWhateverPieces) {
  const auto hello = client_hello("a.example");
  ASSERT_GT(hello.size(), 200U);
  for (const auto& bytes : {hello, in_records(hello, 1), in_records(hello, 7), in_records(hello, 100)}) {
    HelloScan scan;
    for (std::size_t size = 0; size < bytes.size(); ++size)
      ASSERT_EQ(scan.look(std::string_view(bytes).substr(0, size)), State::kMore) << size;
    EXPECT_EQ(scan.look(bytes), State::kWhole);
    EXPECT_EQ(HelloScan().look(bytes), State::kWhole);
    EXPECT_EQ(HelloScan().look(bytes + "and more"), State::kWhole);
  }
}

TEST(R2_2_Hello, SaysItsNameInWhateverRecords) {
  const auto hello = client_hello("A.Example");
  for (const auto& bytes : {hello, in_records(hello, 1), in_records(hello, 7), in_records(hello, 100), hello + "more",
                            in_records(hello, 100) + std::string("\x16\x03\x03\x00\x20half", 9)}) {
    const auto read = parse_hello(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "a.example");
    EXPECT_EQ(read->protocols, "");
  }
  EXPECT_EQ(parse_hello(client_hello("127.0.0.1")).value().name, "");
}

TEST(R2_2_Hello, WhatIsNotInItsFormIsNotReadAtAll) {
  const auto hello = client_hello("a.example");
  const auto name = hello.find("a.example");
  for (std::size_t size = 0; size < hello.size(); ++size) EXPECT_FALSE(parse_hello(hello.substr(0, size))) << size;
  auto longer = hello;
  longer[name - 7] = 1;  // the extension's own length
  EXPECT_FALSE(parse_hello(longer));
  // Two names in one hello: which of them counts is not for us to choose.
  const auto extension = hello.substr(name - 9, 18);
  auto twice = hello;
  twice.insert(name - 9, extension);
  const auto add = [&twice](std::size_t at) {
    const auto size = (static_cast<unsigned char>(twice[at]) << 8 | static_cast<unsigned char>(twice[at + 1])) + 18;
    twice[at] = static_cast<char>(size >> 8), twice[at + 1] = static_cast<char>(size);
  };
  const auto session = static_cast<unsigned char>(hello[43]);
  const auto ciphers = 44U + session;
  const auto list = static_cast<unsigned char>(hello[ciphers]) << 8 | static_cast<unsigned char>(hello[ciphers + 1]);
  add(3), add(7), add(ciphers + 2 + static_cast<unsigned>(list) + 2);
  EXPECT_EQ(HelloScan().look(twice), State::kWhole);
  EXPECT_FALSE(parse_hello(twice));
}

TEST(R2_2_Hello, WhatIsTooLongIsKnownAsSoonAsItSaysSo) {
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x40\x00\x01\x00\x40\x01", 9)), State::kTooLong);
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x40\x00\x01\x00\x40\x00", 9)), State::kMore);
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x40\x01\x01", 6)), State::kOther)
      << "a record of too many bytes";
  const auto slow = in_records(std::string("\x16\x03\x01\x40\x00\x01\x00\x40\x00", 9) + std::string(16'000, 'x'), 1);
  EXPECT_EQ(HelloScan().look(std::string_view(slow).substr(0, kMostHelloBytes - 1)), State::kMore);
  EXPECT_EQ(HelloScan().look(std::string_view(slow).substr(0, kMostHelloBytes)), State::kTooLong);
}

TEST(R2_2_Hello, WhatIsNoHelloIsToldApart) {
  EXPECT_EQ(HelloScan().look("G"), State::kHttp);
  EXPECT_EQ(HelloScan().look("SSH-2.0-x\r\n"), State::kHttp) << "what begins with a capital letter may be a method";
  EXPECT_EQ(HelloScan().look("\n"), State::kOther);
  EXPECT_EQ(HelloScan().look(std::string("\x16\x02", 2)), State::kOther);
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x00\x00", 5)), State::kOther) << "an empty record";
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x00\x05\x02", 6)), State::kOther) << "another message";
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9)), State::kOther) << "an empty one";
  EXPECT_EQ(HelloScan().look(std::string("\x16\x03\x01\x00\x01\x01\x17\x03\x03", 9)), State::kOther)
      << "another record within it";
}

Hello read(const std::string& name, const std::string& protocols = {}) {
  const auto bytes = [](const std::string& text) {
    return std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  };
  return read_hello(bytes(name), bytes(protocols));
}

std::string named(const std::string& name) {
  const auto two = [](std::size_t n) { return std::string{static_cast<char>(n >> 8), static_cast<char>(n)}; };
  return two(name.size() + 3) + std::string(1, '\0') + two(name.size()) + name;
}

TEST(R2_2_Hello, NamesAreReadAsRoutesHaveThem) {
  EXPECT_EQ(read(named("Web.Range.EXAMPLE.")).name, "web.range.example");
  EXPECT_EQ(read(named("192.0.2.1")).name, "") << "an address is no name";
  EXPECT_EQ(read(named("2001:db8::1")).name, "");
  EXPECT_EQ(read("").name, "");
  EXPECT_EQ(read(named("a.example") + "x").name, "") << "more than it says";
  EXPECT_EQ(read(named("a.example").substr(0, 8)).name, "");
  EXPECT_EQ(read(std::string("\0\4\1\0\1x", 6)).name, "") << "a kind that there is not";
}

TEST(R2_2_Hello, ProtocolsAreReadWholeOrNotAtAll) {
  const auto list = [](const std::string& all) { return std::string{0, static_cast<char>(all.size())} + all; };
  EXPECT_TRUE(read("", list("\x02h2\x08http/1.1")).offers("http/1.1"));
  EXPECT_TRUE(read("", list("\x02h2\x08http/1.1")).offers("h2"));
  EXPECT_FALSE(read("", list("\x02h2")).offers("http/1.1"));
  EXPECT_FALSE(read("", list("\x02h2\x09http/1.1")).offers("h2")) << "the last one is cut";
  const std::string challenge = list(
      "\x0a"
      "acme-tls/1");
  EXPECT_TRUE(read(named("a.example"), challenge).asks_for_challenge());
  EXPECT_FALSE(read("", challenge).asks_for_challenge()) << "without a name";
  EXPECT_FALSE(read(named("a.example"), list("\x0a"
                                             "acme-tls/1\x02h2"))
                   .asks_for_challenge())
      << "not alone";
}

}  // namespace
}  // namespace tiltyard::tls
