// The resolver against a server of DNS over UDP and TCP that answers what a test says.
#include "names/dns.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <functional>
#include <thread>

#include "net/loops.h"

namespace tiltyard::names {
namespace {

constexpr int kA = 1, kCname = 5, kTxt = 16, kAaaa = 28;

std::string labels(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const auto part = name.substr(0, name.find('.'));
    out += static_cast<char>(part.size());
    out += part;
    name.remove_prefix(std::min(name.size(), part.size() + 1));
  }
  return out + '\0';
}

std::string two(unsigned number) { return {static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)}; }

std::string record(std::string_view name, int type, const std::string& data) {
  return labels(name) + two(static_cast<unsigned>(type)) + two(1) + two(0) + two(60) +
         two(static_cast<unsigned>(data.size())) + data;
}
std::string txt(std::string_view name, std::initializer_list<std::string_view> pieces) {
  std::string data;
  for (const auto piece : pieces) data += static_cast<char>(piece.size()) + std::string(piece);
  return record(name, kTxt, data);
}

struct Answer {
  int code = 0;  ///< RFC 1035, 4.1.1: 0 good, 2 failed, 3 no such name
  std::vector<std::string> records = {};
  bool cut = false;     ///< says over UDP that there is more
  bool silent = false;  ///< says nothing
};

class Server {
 public:
  using Says = std::function<Answer(const std::string& name, int type, bool tcp)>;
  explicit Server(Says says) : says_(std::move(says)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    // The same port for both: another one where somebody has it.
    for (int tries = 0; tries < 50; ++tries) {
      udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      address.sin_port = 0;
      EXPECT_EQ(::bind(udp_, reinterpret_cast<sockaddr*>(&address), size), 0);
      ::getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &size);
      if (::bind(tcp_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(tcp_, 8) == 0) break;
      ::close(udp_);
      ::close(tcp_);
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    over_ = true;
    thread_.join();
    ::close(udp_);
    ::close(tcp_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() {
    while (!over_) {
      pollfd ready[2] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      ::poll(ready, 2, 50);
      if (ready[0].revents != 0) over_udp();
      if (ready[1].revents != 0) over_tcp();
    }
  }
  void over_udp() {
    char bytes[2048];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const auto got = ::recvfrom(udp_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0) return;
    const auto reply = answer({bytes, static_cast<std::size_t>(got)}, false);
    if (!reply.empty()) ::sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
  void over_tcp() {
    const int fd = ::accept(tcp_, nullptr, nullptr);
    char bytes[2048];
    const auto got = ::recv(fd, bytes, sizeof bytes, 0);
    if (got > 2) {
      const auto reply = answer({bytes + 2, static_cast<std::size_t>(got) - 2}, true);
      const auto whole = two(static_cast<unsigned>(reply.size())) + reply;
      ::send(fd, whole.data(), whole.size(), MSG_NOSIGNAL);
    }
    ::close(fd);
  }
  std::string answer(std::string_view question, bool tcp) {
    std::string name;
    std::size_t at = 12;
    for (auto size = static_cast<unsigned char>(question[at]); size != 0;
         size = static_cast<unsigned char>(question[at])) {
      name += (name.empty() ? "" : ".") + std::string(question.substr(at + 1, size));
      at += size + 1U;
    }
    const int type = static_cast<unsigned char>(question[at + 2]);
    const auto says = says_(name, type, tcp);
    if (says.silent) return {};
    const bool cut = says.cut && !tcp;
    const unsigned flags = 0x8180U | (cut ? 0x200U : 0U) | static_cast<unsigned>(says.code);
    std::string out(question.substr(0, 2));
    out += two(flags) + two(1) + two(cut ? 0 : static_cast<unsigned>(says.records.size())) + two(0) + two(0);
    out += question.substr(12, at + 5 - 12);
    if (!cut) {
      for (const auto& one : says.records) out += one;
    }
    return out;
  }

  Says says_;
  int udp_ = -1, tcp_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

class R2_6_Dns : public ::testing::Test {
 protected:
  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  net::Loops loops_{1};
};

TEST_F(R2_6_Dns, TextsAreJoinedFromTheirStrings) {
  Server server([](const std::string& name, int, bool) {
    return Answer{.records = {txt(name, {"tiltyard=", "abc"}), txt(name, {"other"}), txt(name, {""})}};
  });
  Resolver resolver({server.address()});
  EXPECT_EQ(*run(resolver.texts("_tiltyard.www.example.org")), (std::vector<std::string>{"tiltyard=abc", "other", ""}));
}

TEST_F(R2_6_Dns, NothingIsAnAnswerAndAFailureIsNone) {
  Server server([](const std::string& name, int, bool) {
    if (name.starts_with("none")) return Answer{.code = 3};
    if (name.starts_with("empty")) return Answer{};
    return Answer{.code = 2};
  });
  Resolver resolver({server.address()});
  EXPECT_EQ(*run(resolver.texts("none.example")), std::vector<std::string>{});
  EXPECT_EQ(*run(resolver.texts("empty.example")), std::vector<std::string>{});
  EXPECT_EQ(run(resolver.texts("broken.example")).error().reason, "dns-failed");
  EXPECT_EQ(run(resolver.addresses("none.example"))->addresses, std::vector<std::string>{});
  EXPECT_EQ(run(resolver.addresses("broken.example")).error().reason, "dns-failed");
}

TEST_F(R2_6_Dns, WhatIsCutIsAskedForAgainOverTcp) {
  const std::string large(200, 'x');
  Server server([&](const std::string& name, int, bool) {
    return Answer{.records = {txt(name, {large, large, large, large}), txt(name, {"small"})}, .cut = true};
  });
  Resolver resolver({server.address()});
  EXPECT_EQ(*run(resolver.texts("large.example")), (std::vector<std::string>{large + large + large + large, "small"}));
}

TEST_F(R2_6_Dns, AddressesAreFoundBehindACname) {
  Server server([](const std::string& name, int type, bool) {
    const auto alias = record(name, kCname, labels("target.example"));
    if (type == kA) return Answer{.records = {alias, record("target.example", kA, std::string("\xC0\x00\x02\x07", 4))}};
    if (type == kAaaa) {
      std::string v6(16, '\0');
      v6[0] = '\x20';
      v6[1] = '\x01';
      v6[15] = '\x01';
      return Answer{.records = {alias, record("target.example", kAaaa, v6)}};
    }
    return Answer{};
  });
  Resolver resolver({server.address()});
  const auto found = run(resolver.addresses("www.example.org"));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->addresses, (std::vector<std::string>{"192.0.2.7", "2001::1"}));
  EXPECT_EQ(found->canonical, "target.example");
}

TEST_F(R2_6_Dns, ASilentServerIsGivenUpAndTheNextOneAsked) {
  Server silent([](const std::string&, int, bool) { return Answer{.silent = true}; });
  Server good([](const std::string& name, int, bool) { return Answer{.records = {txt(name, {"here"})}}; });
  Resolver both({silent.address(), good.address()});
  EXPECT_EQ(*run(both.texts("a.example")), std::vector<std::string>{"here"});
  Resolver alone({silent.address()});
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(run(alone.texts("a.example")).error().reason, "dns-failed");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds{30});
}

TEST_F(R2_6_Dns, RubbishIsNoAnswer) {
  Server server([](const std::string& name, int, bool) {
    return Answer{.records = {record(name, kTxt, std::string("\xFFshort", 6))}};
  });
  Resolver resolver({server.address()});
  EXPECT_FALSE(run(resolver.texts("a.example")));
}

TEST(R2_6_Resolver, AServerIsAnAddressWithOrWithoutAPort) {
  for (const auto* good : {"192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"})
    EXPECT_TRUE(is_resolver(good)) << good;
  for (const auto* bad : {"", "dns.example", "192.0.2.53:", "192.0.2.53:x", "192.0.2.53,192.0.2.54"})
    EXPECT_FALSE(is_resolver(bad)) << bad;
}

}  // namespace
}  // namespace tiltyard::names
