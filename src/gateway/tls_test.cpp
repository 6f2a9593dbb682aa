#include <gmock/gmock.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <boost/asio/ip/address.hpp>

#include <array>
#include <csignal>
#include <future>
#include <thread>

#include "gateway/doors.h"
#include "gateway/testing.h"
#include "tls/context.h"
#include "tls/testing.h"

namespace tiltyard::gateway {
namespace {

using testing::GatewayTest;
using ::testing::HasSubstr;
using testing::Machine;
using ::testing::Not;
using testing::ok;
using testing::Peer;
using ::testing::StartsWith;
using namespace std::chrono_literals;

/// A player's program that speaks TLS.
class Visitor {
 public:
  Visitor(std::uint16_t port, const std::string& name, const std::string& protocols = {}, int version = 0)
      : peer_(Peer::connect(port)), context_(SSL_CTX_new(TLS_client_method())) {
    if (version != 0) SSL_CTX_set_max_proto_version(context_.get(), version);
    if (!protocols.empty()) {
      SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), peer_.fd());
    if (!name.empty()) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
    ERR_clear_error();
    connected = SSL_connect(ssl_.get()) == 1;
    if (!connected) alert = tls::last_words();
  }
  bool send(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  /// Up to `size` bytes; what came so far if it ends before.
  std::string read(std::size_t size) {
    while (read_.size() < size && fill()) {}
    auto bytes = read_.substr(0, size);
    read_.erase(0, bytes.size());
    return bytes;
  }
  std::string read_head() {
    while (!read_.contains("\r\n\r\n") && fill()) {}
    return read(read_.find("\r\n\r\n") + 4);
  }
  std::string get(std::string_view host, std::string_view path = "/") {
    EXPECT_TRUE(send(testing::get(host, path)));
    const auto head = read_head();
    return head + read(std::strtoul(testing::field_of(head, "Content-Length").c_str(), nullptr, 10));
  }
  bool is_for(const char* name) const {
    const tls::Owned<X509> certificate(SSL_get1_peer_certificate(ssl_.get()));
    return certificate && X509_check_host(certificate.get(), name, 0, 0, nullptr) == 1;
  }
  /// The other side has said, inside of TLS, that no more comes.
  bool was_told_the_end() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void finish_writing() { SSL_shutdown(ssl_.get()); }
  bool was_cut() { return peer_.closed_within(30s); }
  void close_direction() { ::shutdown(peer_.fd(), SHUT_WR); }
  bool announce_keys() {
    return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl_.get()) == 1;
  }

  SSL* native() const { return ssl_.get(); }

  bool connected = false;
  std::string alert;

 private:
  bool fill() {
    char bytes[16 * 1024];
    const int got = SSL_read(ssl_.get(), bytes, sizeof bytes);
    if (got > 0) read_.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
  }
  Peer peer_;
  tls::Owned<SSL_CTX> context_;
  tls::Owned<SSL> ssl_;
  std::string read_;
};

/// Asks for a new handshake inside of a session of TLS 1.2, as often as it likes, for which the library's client has no
/// call: records with the session's own keys (RFC 5246 section 6.3, RFC 5288), whose bytes are the head of a hello.
class Insistent {
 public:
  explicit Insistent(SSL* ssl) : cipher_(EVP_CIPHER_CTX_new()) {
    std::array<unsigned char, 48> master{};
    SSL_SESSION_get_master_key(SSL_get_session(ssl), master.data(), master.size());
    std::string seed = "key expansion" + std::string(64, '\0');
    auto* randoms = reinterpret_cast<unsigned char*>(seed.data()) + seed.size() - 64;
    SSL_get_server_random(ssl, randoms, 32);
    SSL_get_client_random(ssl, randoms + 32, 32);
    char digest[] = "SHA256";
    const std::array<OSSL_PARAM, 4> terms{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()), OSSL_PARAM_construct_end()};
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
    EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
    EXPECT_EQ(EVP_KDF_derive(context, keys_.data(), keys_.size(), terms.data()), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
  }
  ~Insistent() { EVP_CIPHER_CTX_free(cipher_); }
  std::string record() {
    const std::string number = {0, 0, 0, 0, 0, 0, static_cast<char>(++sent_ >> 8), static_cast<char>(sent_)};
    const std::string known = number + std::string("\x16\x03\x03\x00\x04", 5), hello("\x01\x00\x00\x00", 4);
    const auto nonce = std::string(reinterpret_cast<char*>(&keys_[32]), 4) + number;
    std::string closed(4, '\0'), tag(16, '\0');
    int size = 0;
    const auto bytes = [](auto& text) { return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())); };
    EVP_EncryptInit_ex(cipher_, EVP_aes_128_gcm(), nullptr, keys_.data(), bytes(nonce));
    EVP_EncryptUpdate(cipher_, nullptr, &size, bytes(known), static_cast<int>(known.size()));
    EVP_EncryptUpdate(cipher_, bytes(closed), &size, bytes(hello), static_cast<int>(hello.size()));
    EVP_EncryptFinal_ex(cipher_, bytes(tag), &size);
    EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_GCM_GET_TAG, 16, tag.data());
    return std::string("\x16\x03\x03\x00\x1c", 5) + number + closed + tag;
  }

 private:
  EVP_CIPHER_CTX* cipher_;
  std::array<unsigned char, 40> keys_{};  ///< the client's, the server's, and four bytes of a nonce for each
  unsigned sent_ = 0;                     ///< its Finished was the first, 0
};

struct Shelf {
  Shelf() {
    std::signal(SIGPIPE, SIG_IGN);  // which a client gets that says goodbye too late
    const auto made = tls::testing::make("DNS:*.t.test");
    EXPECT_TRUE(shelf.put("range", made.chain, made.key));
    context = std::move(*tls::Context::make(shelf, false));
  }
  SystemClock clock;
  tls::Certificates shelf{clock};
  std::shared_ptr<tls::Context> context;
};

class R2_2_GatewayTls : public Shelf, public GatewayTest {
 protected:
  R2_2_GatewayTls() : GatewayTest(small_options()) { restart(secure()); }
  Options secure() {
    auto options = small_options();
    options.tls_listen = "127.0.0.1:0";
    options.tls = context;
    options.public_tls = true;
    return options;
  }
  Visitor visitor(const std::string& name, const std::string& protocols = {}, int version = 0) {
    return {gateway_->tls_port(), name, protocols, version};
  }
  void publish_tls(const std::string& instance, std::uint16_t machine_port, TlsEnd end) {
    Route route{EndpointKind::kTls, "pwn", {instance}, 0, "127.0.0.1", machine_port};
    route.handover.tls = end;
    const auto done = run(gateway_->publish(InstanceId(instance), {route}));
    ASSERT_TRUE(done) << done.error().message;
  }
};

TEST_F(R2_2_GatewayTls, RequestsComeThroughAndMachinesAreToldOfIt) {
  const std::string large(1'000'000, 'x');
  std::string seen;
  Machine machine([&](Peer& peer) {
    for (std::string head; !(head = peer.read_head()).empty();) {
      seen = head;
      peer.send(ok(head.contains("/large") ? large : "small"));
    }
  });
  publish_http("one", machine.port());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto visitor = this->visitor("one.t.test", "\x02h2\x08http/1.1", version);
    ASSERT_TRUE(visitor.connected) << visitor.alert;
    EXPECT_TRUE(visitor.is_for("one.t.test"));
    EXPECT_THAT(visitor.get("one.t.test"), HasSubstr("\r\n\r\nsmall"));
    EXPECT_EQ(testing::field_of(seen, "X-Forwarded-Proto"), "https");
    const auto answer = visitor.get("one.t.test", "/large");
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), large);
    EXPECT_THAT(visitor.get("one.t.test"), HasSubstr("\r\n\r\nsmall")) << "the connection is kept";
    EXPECT_THAT(visitor.get("two.t.test"), HasSubstr("HTTP/1.1 404 ")) << "a name that nothing has";
  }
  EXPECT_EQ(gateway_->scheme(), "https");
  EXPECT_EQ(gateway_->public_port(), gateway_->tls_port());
}

TEST_F(R2_2_GatewayTls, LargeBodiesAndTunnelsGoBothWays) {
  Machine machine([](Peer& peer) {
    const auto head = peer.read_head();
    if (head.contains("Upgrade")) {
      peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      for (std::string bytes; !(bytes = peer.read_some()).empty();) peer.send(bytes);
    } else {
      peer.send(ok(std::to_string(peer.read_exactly(500'000).size())));
    }
  });
  publish_http("one", machine.port());
  auto poster = visitor("one.t.test");
  ASSERT_TRUE(poster.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 500000\r\n\r\n"));
  ASSERT_TRUE(poster.send(std::string(500'000, 'y')));
  EXPECT_THAT(poster.read_head(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(poster.read(6), "500000");
  auto talker = visitor("one.t.test");
  ASSERT_TRUE(talker.send(testing::get("one.t.test", "/",
                                       "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")));
  EXPECT_THAT(talker.read_head(), StartsWith("HTTP/1.1 101 "));
  for (const std::size_t size : {std::size_t{5}, std::size_t{100'000}}) {
    ASSERT_TRUE(talker.send(std::string(size, 'z')));
    EXPECT_EQ(talker.read(size), std::string(size, 'z'));
  }
}

TEST_F(R2_2_GatewayTls, TheEndOfAnAnswerIsSaidInsideOfIt) {
  Machine machine([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  publish_http("one", machine.port());
  auto visitor = this->visitor("one.t.test");
  ASSERT_TRUE(visitor.send("GET / HTTP/1.0\r\nHost: one.t.test\r\n\r\n"));
  EXPECT_THAT(visitor.read_head(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(visitor.read(1000), "until the end");
  EXPECT_TRUE(visitor.was_told_the_end());
}

TEST_F(R2_2_GatewayTls, AnEndpointOfKindTlsIsEndedHereOrHandedThrough) {
  Machine plain([](Peer& peer) {
    for (std::string bytes; !(bytes = peer.read_some()).empty();) peer.send("echo " + bytes);
  });
  publish_tls("ended", plain.port(), TlsEnd::kGateway);
  auto visitor = this->visitor("ended.t.test", "\x03irc");
  ASSERT_TRUE(visitor.connected) << visitor.alert;
  ASSERT_TRUE(visitor.send("hello"));
  EXPECT_EQ(visitor.read(10), "echo hello");

  const auto own = tls::testing::make("DNS:through.t.test");
  tls::Certificates machines(clock);
  ASSERT_TRUE(machines.put("own", own.chain, own.key));
  const auto spoken = *tls::Context::make(machines, false);
  Machine secure([&](Peer& peer) {
    const tls::Owned<SSL> ssl(SSL_new(spoken->native()));
    SSL_set_fd(ssl.get(), peer.fd());
    ASSERT_EQ(SSL_accept(ssl.get()), 1);
    SSL_write(ssl.get(), "of the machine", 14);
  });
  publish_tls("through", secure.port(), TlsEnd::kMachine);
  auto through = this->visitor("through.t.test");
  ASSERT_TRUE(through.connected) << through.alert;
  EXPECT_TRUE(through.is_for("through.t.test"));
  EXPECT_FALSE(through.is_for("other.t.test")) << "it is the machine's certificate";
  EXPECT_EQ(through.read(14), "of the machine");
}

// What `ncat --ssl` sends whose server is called like the token.
TEST_F(R2_2_GatewayTls, ATokenInANamesPlaceOpensADoor) {
  DoorKey key{5, {}};
  key.secret.fill(9);
  auto& doors = gateway_->doors();
  const auto at_home = [this](asio::awaitable<void> work) {
    asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  };
  at_home(doors.use({key}));
  const auto mint = [](Doors& all, std::string id) -> asio::awaitable<std::string> {
    co_return all.mint({Pass::Kind::kToken, party_of("zoe"), 0, 0, 3600}, {id, {}});
  };
  const auto token = run(mint(doors, "one")), other = run(mint(doors, "two"));
  Machine machine([](Peer& peer) {
    for (std::string bytes; !(bytes = peer.read_some()).empty();) peer.send("echo " + bytes);
  });
  const auto own = tls::testing::make("DNS:through.t.test");
  tls::Certificates machines(clock);
  ASSERT_TRUE(machines.put("own", own.chain, own.key));
  machines.set_default("own");
  const auto spoken = *tls::Context::make(machines, false);
  Machine secure([&](Peer& peer) {
    const tls::Owned<SSL> ssl(SSL_new(spoken->native()));
    SSL_set_fd(ssl.get(), peer.fd());
    if (SSL_accept(ssl.get()) == 1) SSL_write(ssl.get(), "of the machine", 14);
  });
  Route raw{EndpointKind::kTcp, "raw", {}, testing::free_port(), "127.0.0.1", machine.port()};
  Route ended{EndpointKind::kTls, "ended", {"ended"}, 0, "127.0.0.1", machine.port()};
  Route through{EndpointKind::kTls, "through", {"through"}, 0, "127.0.0.1", secure.port()};
  raw.door = ended.door = through.door = Door::kOwner;
  ended.handover.tls = TlsEnd::kGateway, through.handover.tls = TlsEnd::kMachine;
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {raw, ended, through}, "zoe")));
  shelf.set_default("range");

  for (const auto& [port, name] : {std::pair(raw.port, token), std::pair(raw.port, token + ".t.test"),
                                   std::pair(gateway_->tls_port(), token + ".ended.t.test")}) {
    Visitor visitor(port, name);
    ASSERT_TRUE(visitor.connected) << visitor.alert;
    ASSERT_TRUE(visitor.send("hello"));
    EXPECT_EQ(visitor.read(10), "echo hello");
  }
  auto inside = visitor(token + ".through.t.test");
  ASSERT_TRUE(inside.connected) << inside.alert;
  EXPECT_EQ(inside.read(14), "of the machine");

  // Whose name is no token is asked for it, inside.
  Visitor asked(raw.port, "t.test");
  EXPECT_EQ(asked.read(34), "This is its owner's alone. Token: ");
  ASSERT_TRUE(asked.send(token + "\nhello"));
  EXPECT_EQ(asked.read(10), "echo hello");

  const auto before = machine.connections() + secure.connections();
  EXPECT_TRUE(Visitor(raw.port, other).read(200).starts_with("This token does not open it."));
  EXPECT_FALSE(visitor(other + ".through.t.test").connected);
  EXPECT_FALSE(visitor("through.t.test").connected);
  EXPECT_EQ(machine.connections() + secure.connections(), before) << "no machine heard of it";
}

/// A client that keeps the last message of its handshake back.
class Slow {
 public:
  Slow(std::uint16_t port, const char* name) : peer_(Peer::connect(port)) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_tlsext_host_name(ssl_.get(), name);
    while (SSL_connect(ssl_.get()) != 1) {
      EXPECT_TRUE(flush());
      const auto bytes = peer_.read_some();
      if (bytes.empty()) return;
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }
    ready = true;
  }
  bool finish(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0 && flush();
  }
  std::string read(std::size_t size) {
    std::string read(size, ' ');
    std::size_t done = 0;
    while (done < size) {
      const int got = SSL_read(ssl_.get(), read.data() + done, static_cast<int>(size - done));
      if (got > 0) {
        done += static_cast<std::size_t>(got);
        continue;
      }
      const auto bytes = peer_.read_some();
      if (bytes.empty()) break;
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }
    return read.substr(0, done);
  }

  bool ready = false;

 private:
  bool flush() {
    char bytes[16 * 1024];
    const int got = BIO_read(SSL_get_wbio(ssl_.get()), bytes, sizeof bytes);
    return got <= 0 || peer_.send({bytes, static_cast<std::size_t>(got)});
  }
  Peer peer_;
  tls::Owned<SSL_CTX> context_{SSL_CTX_new(TLS_client_method())};
  tls::Owned<SSL> ssl_{SSL_new(context_.get())};
};

TEST_F(R2_2_GatewayTls, WhereAHandshakeLeadsIsDecidedAtItsEnd) {
  Machine machine([](Peer& peer) {
    for (std::string bytes; !(bytes = peer.read_some()).empty();) peer.send("echo " + bytes);
  });
  publish_tls("ended", machine.port(), TlsEnd::kGateway);
  Slow anew(gateway_->tls_port(), "ended.t.test"), late(gateway_->tls_port(), "ended.t.test");
  ASSERT_TRUE(anew.ready && late.ready);
  publish_tls("ended", machine.port(), TlsEnd::kGateway);
  ASSERT_TRUE(anew.finish("hello"));
  EXPECT_EQ(anew.read(10), "echo hello");
  EXPECT_EQ(machine.connections(), 1U);
  run(gateway_->withdraw(InstanceId("ended")));
  late.finish("hello");
  EXPECT_EQ(late.read(10), "");
  EXPECT_EQ(machine.connections(), 1U) << "its address may be another's by now";
}

// `echo input | ncat --ssl host port`: its end is one of TCP alone.
TEST_F(R2_2_GatewayTls, TheAnswerComesAfterTheInputHasEndedWithoutAWord) {
  Machine machine([](Peer& peer) {
    const auto input = peer.read_all();
    peer.send("got " + std::to_string(input.size()) + " bytes");
  });
  publish_tls("ended", machine.port(), TlsEnd::kGateway);
  auto visitor = this->visitor("ended.t.test");
  ASSERT_TRUE(visitor.send("some input"));
  visitor.close_direction();
  EXPECT_EQ(visitor.read(100), "got 10 bytes");
  EXPECT_TRUE(visitor.was_told_the_end());
}

TEST_F(R2_2_GatewayTls, WhoAnnouncesNewKeysAndSaysNothingIsCut) {
  Machine machine([](Peer& peer) {
    for (std::string bytes; !(bytes = peer.read_some()).empty();) peer.send(bytes);
  });
  publish_tls("ended", machine.port(), TlsEnd::kGateway);
  auto usual = visitor("ended.t.test"), idle = visitor("ended.t.test");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(usual.announce_keys() && usual.send("x"));
    ASSERT_EQ(usual.read(1), "x") << "who goes on talking may have as many as it likes";
  }
  // More than are read at once.
  for (int i = 0; i < 5000 && idle.announce_keys(); ++i) {}
  EXPECT_TRUE(idle.was_cut());
}

TEST_F(R2_2_GatewayTls, WhoAsksForNewHandshakesForEverIsCut) {
  Machine machine([](Peer& peer) { peer.send(peer.read_some()); });
  publish_tls("ended", machine.port(), TlsEnd::kGateway);
  const auto asks = [&](int times) {
    auto visitor = this->visitor("ended.t.test", {}, TLS1_2_VERSION);
    EXPECT_STREQ(SSL_get_cipher_name(visitor.native()), "ECDHE-ECDSA-AES128-GCM-SHA256");
    Insistent insistent(visitor.native());
    for (int i = 0; i < times; ++i) {
      const auto record = insistent.record();
      if (::send(SSL_get_fd(visitor.native()), record.data(), record.size(), MSG_NOSIGNAL) < 0) break;
    }
    return visitor;
  };
  auto once = asks(1);
  char byte;
  EXPECT_LT(SSL_read(once.native(), &byte, 1), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION) << "it is told that there is none";
  // More than are read at once. Each answer has 31 bytes.
  const auto often = asks(5000);
  std::array<char, 4096> bytes;
  ssize_t got = 0, answered = 0;
  while ((got = ::recv(SSL_get_fd(often.native()), bytes.data(), bytes.size(), 0)) > 0) answered += got;
  EXPECT_LT(answered, 100 * 31);
}

TEST_F(R2_2_GatewayTls, WhoAsksForThePageIsHandedToItUnanswered) {
  std::promise<std::pair<std::string, std::string>> handed;
  auto options = secure();
  options.page_hosts = {"ctf.test"};
  options.to_page = [&](std::size_t, int socket, const asio::ip::address& from, std::string read) {
    handed.set_value({from.to_string(), read});
    ::close(socket);
  };
  restart(options);
  auto visitor = this->visitor("CTF.test");
  EXPECT_FALSE(visitor.connected);
  auto got = handed.get_future();
  ASSERT_EQ(got.wait_for(30s), std::future_status::ready);
  const auto [from, read] = got.get();
  EXPECT_EQ(from, "127.0.0.1");
  EXPECT_EQ(tls::HelloScan().look(read), tls::HelloScan::State::kWhole);
}

TEST_F(R2_2_GatewayTls, AHelloInPiecesIsTaken) {
  Machine machine(testing::always("whole"));
  publish_http("one", machine.port());
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  auto peer = Peer::connect(gateway_->tls_port());
  std::thread slow([&] {  // each byte of the client in a packet of its own
    char byte;
    for (int i = 0; i < 3000 && ::recv(ends[1], &byte, 1, 0) == 1; ++i) peer.send({&byte, 1});
  });
  std::thread back([&] {
    char bytes[4096];
    for (ssize_t got; (got = ::recv(peer.fd(), bytes, sizeof bytes, 0)) > 0;)
      ::send(ends[1], bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL);
  });
  const tls::Owned<SSL_CTX> client(SSL_CTX_new(TLS_client_method()));
  const tls::Owned<SSL> ssl(SSL_new(client.get()));
  SSL_set_fd(ssl.get(), ends[0]);
  SSL_set_tlsext_host_name(ssl.get(), "one.t.test");
  EXPECT_EQ(SSL_connect(ssl.get()), 1);
  const auto request = testing::get("one.t.test");
  EXPECT_GT(SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())), 0);
  char answer[512];
  const int got = SSL_read(ssl.get(), answer, sizeof answer);
  EXPECT_GT(got, 0);
  EXPECT_THAT(std::string(answer, static_cast<std::size_t>(std::max(got, 0))), StartsWith("HTTP/1.1 200 "));
  ::shutdown(ends[0], SHUT_RDWR);
  ::shutdown(peer.fd(), SHUT_RDWR);
  slow.join();
  back.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(R2_2_GatewayTls, WhatIsNoHelloIsToldWhatIsWrong) {
  const auto told = [&](std::string_view bytes) {
    auto peer = Peer::connect(gateway_->tls_port());
    EXPECT_TRUE(peer.send(bytes));
    return peer.read_all();
  };
  EXPECT_THAT(told("GET / HTTP/1.1\r\nHost: one.t.test\r\n\r\n"), HasSubstr("https://"));
  EXPECT_THAT(told("GET / HTTP/1.1\r\nHost: one.t.test\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(told("GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n"), HasSubstr("<html"));
  EXPECT_EQ(told(std::string("\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9)),
            std::string("\x15\x03\x03\x00\x02\x02\x2f", 7))
      << "a hello that would be too long";
  EXPECT_EQ(told("\n\n"), "");
  EXPECT_EQ(visitor("elsewhere.test").alert, "tlsv1 unrecognized name");
  EXPECT_EQ(visitor("").alert, "tlsv1 unrecognized name");
  EXPECT_EQ(visitor("one.t.test", "\x02h2").alert, "tlsv1 alert no application protocol");
}

TEST_F(R2_2_GatewayTls, WhoNeverFinishesAHelloIsCut) {
  auto options = secure();
  options.head_timeout = 200ms;
  restart(options);
  auto silent = Peer::connect(gateway_->tls_port()), begun = Peer::connect(gateway_->tls_port());
  ASSERT_TRUE(begun.send(std::string("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_TRUE(silent.closed_within(30s));
  EXPECT_TRUE(begun.closed_within(30s));
}

TEST_F(R2_2_GatewayTls, AnAuthorityFindsItsChallengeBesideEverything) {
  const auto made = tls::testing::make("DNS:new.test");
  ASSERT_TRUE(shelf.put_challenge("new.test", made.chain, made.key));
  auto authority = visitor("new.test",
                           "\x0a"
                           "acme-tls/1");
  ASSERT_TRUE(authority.connected) << authority.alert;
  EXPECT_TRUE(authority.is_for("new.test"));
  EXPECT_EQ(authority.read(1), "");
  EXPECT_TRUE(authority.was_told_the_end());
}

TEST_F(R2_2_GatewayTls, WhoComesWithoutItIsSentWhereItIs) {
  Machine machine(testing::always("plain"));
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(testing::get("ONE.t.test:80", "/a?b=c")));
  const auto answer = peer.read_answer();
  EXPECT_EQ(answer.status, 308);
  EXPECT_EQ(testing::field_of(answer.head, "Location"),
            "https://one.t.test:" + std::to_string(gateway_->tls_port()) + "/a?b=c");
  ASSERT_TRUE(peer.send(testing::get("t.test"))) << "the connection stays";
  EXPECT_EQ(peer.read_answer().status, 200) << "for this name there is no certificate";
  auto options = secure();
  options.redirect_to_https = false;
  restart(options);
  publish_http("one", machine.port());
  auto other = client();
  ASSERT_TRUE(other.send(testing::get("one.t.test")));
  EXPECT_EQ(other.read_answer().body, "plain");
  auto public_port = secure();
  public_port.public_port = 443;
  restart(public_port);
  publish_http("one", machine.port());
  auto third = client();
  ASSERT_TRUE(third.send(testing::get("one.t.test")));
  EXPECT_EQ(testing::field_of(third.read_answer().head, "Location"), "https://one.t.test/");
}

TEST_F(R2_2_GatewayTls, BrowsersAreToldToStayWithItWhereTheOperatorWantsThat) {
  Machine machine([](Peer& peer) {
    while (!peer.read_head().empty()) peer.send(ok("x", "Strict-Transport-Security: max-age=1\r\n"));
  });
  publish_http("one", machine.port());
  EXPECT_THAT(visitor("one.t.test").get("one.t.test"), HasSubstr("Strict-Transport-Security: max-age=1\r\n"))
      << "otherwise it is the machine's own business";
  auto options = secure();
  options.hsts = std::chrono::hours(24);
  options.redirect_to_https = false;
  restart(options);
  publish_http("one", machine.port());
  const auto answer = visitor("one.t.test").get("one.t.test");
  EXPECT_THAT(answer, HasSubstr("Strict-Transport-Security: max-age=86400\r\n"));
  EXPECT_EQ(testing::count_of(answer, "Strict-Transport-Security"), 1U);
  auto plain = client();
  ASSERT_TRUE(plain.send(testing::get("one.t.test")));
  EXPECT_THAT(plain.read_answer().head, Not(HasSubstr("max-age=86400"))) << "what is said without TLS binds nobody";
}

TEST_F(R2_2_GatewayTls, ACertificateThatIsReplacedCutsNobody) {
  Machine machine(testing::always("still there"));
  publish_http("one", machine.port());
  auto before = visitor("one.t.test");
  EXPECT_THAT(before.get("one.t.test"), HasSubstr("still there"));
  const auto next = tls::testing::make(tls::testing::Wishes{.names = {"DNS:*.t.test", "DNS:t.test"}});
  ASSERT_TRUE(shelf.put("range", next.chain, next.key));
  EXPECT_THAT(before.get("one.t.test"), HasSubstr("still there"));
  EXPECT_TRUE(visitor("one.t.test").is_for("t.test")) << "who comes now is shown the new one";
  EXPECT_FALSE(before.is_for("t.test"));
}

}  // namespace
}  // namespace tiltyard::gateway
