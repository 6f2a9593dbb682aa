#include "gateway/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <csignal>
#include <thread>

#include "gateway/event_loop.h"
#include "gateway/relay.h"
#include "gateway/testing.h"

namespace tiltyard::gateway {
namespace {

using testing::GatewayTest;
using testing::Machine;
using testing::ok;
using testing::Peer;

/// TLS as a layer: what the gateway would put on, so that the seam is proved by the thing it is for.
class Tls final : public Layer {
 public:
  Tls(SSL_CTX* context, int fd) : ssl_(SSL_new(context)) {
    SSL_set_fd(ssl_, fd);
    SSL_set_accept_state(ssl_);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  ~Tls() override { SSL_free(ssl_); }

  IoResult read(Stream& stream, char* to, std::size_t size) override {
    ERR_clear_error();
    return told(stream, SSL_read(ssl_, to, static_cast<int>(size)));
  }
  IoResult write(Stream& stream, std::span<const iovec> pieces) override {
    ERR_clear_error();
    return told(stream, SSL_write(ssl_, pieces[0].iov_base, static_cast<int>(pieces[0].iov_len)));
  }
  bool has_bytes(const Stream& stream) const override {
    char byte;
    return SSL_pending(ssl_) > 0 || ::recv(stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
  void finish(Stream&) override { SSL_shutdown(ssl_); }
  bool read_splices() const override { return false; }
  bool write_splices() const override { return false; }

 private:
  IoResult told(Stream& stream, int done) {
    if (done > 0) return {Io::kOk, static_cast<std::size_t>(done)};
    switch (SSL_get_error(ssl_, done)) {
      case SSL_ERROR_WANT_READ:
        stream.readable = false;
        return {Io::kBlocked, 0};
      case SSL_ERROR_WANT_WRITE:
        stream.writable = false;
        return {Io::kBlocked, 0};
      case SSL_ERROR_ZERO_RETURN:
        stream.readable = false;
        stream.peer_ended = true;
        return {Io::kEnd, 0};
      default:
        stream.readable = stream.writable = false;
        stream.broken = true;
        return {Io::kBroken, 0};
    }
  }

  SSL* ssl_;
};

/// One relay between a player's stream, under TLS, and a machine's, on a loop of its own until it ends.
class R2_1_TlsStream : public ::testing::Test, public Watcher {
 protected:
  R2_1_TlsStream() {
    std::signal(SIGPIPE, SIG_IGN);
    server_ = SSL_CTX_new(TLS_server_method());
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(server_, certificate);
    SSL_CTX_use_PrivateKey(server_, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    client_ = SSL_CTX_new(TLS_client_method());
    player_fd_ = pair(player_);
    machine_fd_ = pair(machine_);
    player_.put_on(std::make_unique<Tls>(server_, player_.fd));
  }
  ~R2_1_TlsStream() override {
    player_.close();
    machine_.close();
    ::close(player_fd_);
    ::close(machine_fd_);
    SSL_CTX_free(client_);
    SSL_CTX_free(server_);
  }

  /// The stream gets one end without blocking, the other is returned.
  static int pair(Stream& stream) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    stream.fd = ends[0];
    EXPECT_EQ(::fcntl(stream.fd, F_SETFL, O_NONBLOCK), 0);
    const timeval limit{10, 0};
    ::setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return ends[1];
  }

  void on_ready(Stream&) override { move(); }
  void on_turn() override { move(); }
  void move() {
    bool progress = false, more = false;
    state_ = relay_.run(progress, more);
    if (state_ != Relay::State::kOpen) {
      player_.close();
      machine_.close();
      context_.stop();
    } else if (more) {
      loop_->again(*this);
    }
  }
  Relay::State relay() {
    loop_->start();
    loop_->watch(player_, *this);
    loop_->watch(machine_, *this);
    context_.run_for(std::chrono::seconds(10));
    loop_->stop();
    return state_;
  }

  asio::io_context context_;
  std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>(context_.get_executor());
  SSL_CTX* server_ = nullptr;
  SSL_CTX* client_ = nullptr;
  Stream player_, machine_;
  int player_fd_ = -1, machine_fd_ = -1;
  PipePool pipes_;
  Relay relay_{pipes_, player_, machine_};
  Relay::State state_ = Relay::State::kOpen;
};

TEST_F(R2_1_TlsStream, CarriesBytesBothWaysAndEndsEachOnItsOwn) {
  const std::string sent(300'000, 'x');
  std::string got;
  bool ended = false;
  std::thread machine([&] {  // echoes until the player has said its end, then ends too
    char bytes[4096];
    for (ssize_t size; (size = ::recv(machine_fd_, bytes, sizeof bytes, 0)) > 0;) {
      EXPECT_EQ(::send(machine_fd_, bytes, static_cast<std::size_t>(size), 0), size);
    }
    ::shutdown(machine_fd_, SHUT_WR);
  });
  std::thread player([&] {
    SSL* ssl = SSL_new(client_);
    SSL_set_fd(ssl, player_fd_);
    EXPECT_EQ(SSL_connect(ssl), 1);
    std::size_t at = 0;
    char bytes[16'384];
    while (at < sent.size()) {
      const int size = static_cast<int>(std::min(sizeof bytes, sent.size() - at));
      EXPECT_EQ(SSL_write(ssl, sent.data() + at, size), size);
      at += static_cast<std::size_t>(size);
      for (int left = size; left > 0;) {
        const int read = SSL_read(ssl, bytes, left);
        ASSERT_GT(read, 0);
        got.append(bytes, static_cast<std::size_t>(read));
        left -= read;
      }
    }
    EXPECT_EQ(SSL_shutdown(ssl), 0);
    ended = SSL_read(ssl, bytes, sizeof bytes) == 0 && SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN;
    SSL_free(ssl);
  });
  EXPECT_EQ(relay(), Relay::State::kFinished);
  player.join();
  machine.join();
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(ended) << "the end was announced inside TLS";
  EXPECT_EQ(relay_.in().moved(), sent.size()) << "what is counted is what was meant";
}

TEST_F(R2_1_TlsStream, AConnectionThatWasCutIsNoProperEnd) {
  std::thread player([&] {
    SSL* ssl = SSL_new(client_);
    SSL_set_fd(ssl, player_fd_);
    EXPECT_EQ(SSL_connect(ssl), 1);
    EXPECT_EQ(SSL_write(ssl, "half of it", 10), 10);
    ::shutdown(player_fd_, SHUT_RDWR);
    SSL_free(ssl);
  });
  EXPECT_EQ(relay(), Relay::State::kBroken);
  player.join();
}

class R2_1_BehindTls : public GatewayTest {
 protected:
  static Options behind_a_proxy() {
    auto options = small_options();
    options.public_tls = true;
    return options;
  }
  R2_1_BehindTls() : GatewayTest(behind_a_proxy()) {}
};

TEST_F(R2_1_BehindTls, MachinesAreToldThatPlayersSayHttps) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    seen = peer.read_head();
    peer.send(ok("x"));
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(testing::get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 200);
  EXPECT_EQ(testing::field_of(seen, "X-Forwarded-Proto"), "https");
  EXPECT_NE(seen.find("proto=https"), std::string::npos) << seen;
  EXPECT_EQ(gateway_->scheme(), "https");
}

}  // namespace
}  // namespace tiltyard::gateway
