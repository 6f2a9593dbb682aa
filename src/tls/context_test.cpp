#include "tls/context.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "tls/testing.h"

namespace tiltyard::tls {
namespace {

using testing::make;
using namespace std::chrono_literals;

struct FreeSession {
  void operator()(SSL_SESSION* it) const { SSL_SESSION_free(it); }
};
using Session = std::unique_ptr<SSL_SESSION, FreeSession>;

/// A client and a server that speak through memory.
class Talk {
 public:
  Talk(SSL_CTX* client_context, SSL_CTX* server_context, const std::string& name, Doorman* doorman = nullptr)
      : client(SSL_new(client_context)), server(SSL_new(server_context)) {
    BIO* there = nullptr;
    BIO* here = nullptr;
    BIO_new_bio_pair(&here, 0, &there, 0);
    SSL_set_bio(client.get(), here, here);
    SSL_set_bio(server.get(), there, there);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    if (!name.empty()) SSL_set_tlsext_host_name(client.get(), name.c_str());
    Context::ask(server.get(), doorman);
  }
  bool shake_hands() {
    for (int i = 0; i < 20 && !failed; ++i) {
      const int mine = step(client.get()), theirs = step(server.get());
      if (mine == 1 && theirs == 1) {
        char byte;
        SSL_read(client.get(), &byte, 1);  // tickets come behind it
        return true;
      }
    }
    return false;
  }
  Session ticket() { return Session(SSL_get1_session(client.get())); }
  std::string alert() const { return alert_; }

  Owned<SSL> client, server;
  bool failed = false;
  bool suspended = false;

 private:
  int step(SSL* ssl) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl);
    if (done == 1) return 1;
    const int why = SSL_get_error(ssl, done);
    if (why == SSL_ERROR_WANT_CLIENT_HELLO_CB) suspended = failed = true;
    if (why == SSL_ERROR_SSL) {
      if (ssl == client.get()) alert_ = last_words();
      // The other side has an alert to read, if it was not that side which failed.
      failed = ssl == client.get();
    }
    return 0;
  }
  std::string alert_;
};

class R2_2_TlsContext : public ::testing::Test {
 protected:
  R2_2_TlsContext() {
    put("a", "DNS:a.example");
    put("b", "DNS:b.example");
    context_ = std::move(*Context::make(shelf_, false));
    client_.reset(SSL_CTX_new(TLS_client_method()));
  }
  void put(const std::string& source, const std::string& name) {
    const auto made = make(name);
    ASSERT_TRUE(shelf_.put(source, made.chain, made.key));
  }
  Talk talk(const std::string& name, Doorman* doorman = nullptr) {
    return {client_.get(), context_->native(), name, doorman};
  }
  void offer(const std::string& protocols) {
    SSL_CTX_set_alpn_protos(client_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
  }
  static std::string chosen(const Talk& talk) {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(talk.client.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  static std::string shown_to(const Talk& talk) {
    const Owned<X509> certificate(SSL_get1_peer_certificate(talk.client.get()));
    for (const char* name : {"a.example", "b.example", "c.example"}) {
      if (X509_check_host(certificate.get(), name, 0, 0, nullptr) == 1) return name;
    }
    return {};
  }

  SystemClock clock_;
  Certificates shelf_{clock_};
  std::shared_ptr<Context> context_;
  Owned<SSL_CTX> client_;
};

TEST_F(R2_2_TlsContext, ShowsTheCertificateOfTheNameThatIsAskedFor) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(client_.get(), version);
    for (const std::string name : {"a.example", "b.example"}) {
      auto spoken = talk(name);
      ASSERT_TRUE(spoken.shake_hands());
      EXPECT_EQ(shown_to(spoken), name);
      EXPECT_EQ(SSL_version(spoken.client.get()), version);
    }
  }
}

TEST_F(R2_2_TlsContext, AnUnknownNameAndNoneAreToldSoUnlessThereIsADefault) {
  for (const std::string name : {"c.example", ""}) {
    auto refused = talk(name);
    EXPECT_FALSE(refused.shake_hands());
    EXPECT_EQ(refused.alert(), "tlsv1 unrecognized name");
  }
  shelf_.set_default("a");
  for (const std::string name : {"c.example", ""}) {
    auto taken = talk(name);
    ASSERT_TRUE(taken.shake_hands());
    EXPECT_EQ(shown_to(taken), "a.example");
  }
}

TEST_F(R2_2_TlsContext, SpeaksHttp11OrNothing) {
  offer("\x02h2\x08http/1.1");
  auto web = talk("a.example");
  ASSERT_TRUE(web.shake_hands());
  EXPECT_EQ(chosen(web), "http/1.1");
  offer("\x02h2");
  auto other = talk("a.example");
  EXPECT_FALSE(other.shake_hands());
  EXPECT_EQ(other.alert(), "tlsv1 alert no application protocol");
}

TEST_F(R2_2_TlsContext, OldVersionsAndCiphersWithoutForwardSecrecyAreNotSpoken) {
  SSL_CTX_set_security_level(client_.get(), 0);
  SSL_CTX_set_max_proto_version(client_.get(), TLS1_1_VERSION);
  EXPECT_FALSE(talk("a.example").shake_hands());
  SSL_CTX_set_max_proto_version(client_.get(), TLS1_2_VERSION);
  for (const char* ciphers : {"ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"}) {
    ASSERT_EQ(SSL_CTX_set_cipher_list(client_.get(), ciphers), 1);
    EXPECT_FALSE(talk("a.example").shake_hands()) << ciphers;
  }
  ASSERT_EQ(SSL_CTX_set_cipher_list(client_.get(), "ECDHE-ECDSA-CHACHA20-POLY1305"), 1);
  EXPECT_TRUE(talk("a.example").shake_hands());
}

TEST_F(R2_2_TlsContext, ATicketIsGoodForItsNameAlone) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(client_.get(), version);
    auto first = talk("a.example");
    ASSERT_TRUE(first.shake_hands());
    EXPECT_EQ(SSL_session_reused(first.client.get()), 0);
    const auto ticket = first.ticket();
    auto again = talk("a.example");
    SSL_set_session(again.client.get(), ticket.get());
    ASSERT_TRUE(again.shake_hands());
    EXPECT_EQ(SSL_session_reused(again.client.get()), 1);
    auto other = talk("b.example");
    SSL_set_session(other.client.get(), ticket.get());
    // A client would not do this; version 1.2 ends the handshake, 1.3 begins a new session.
    if (other.shake_hands()) EXPECT_EQ(SSL_session_reused(other.client.get()), 0);
    auto elsewhere = Context::make(shelf_, false);
    Talk fresh(client_.get(), (*elsewhere)->native(), "a.example");
    SSL_set_session(fresh.client.get(), ticket.get());
    ASSERT_TRUE(fresh.shake_hands());
    EXPECT_EQ(SSL_session_reused(fresh.client.get()), 0) << "keys of another server";
  }
}

TEST_F(R2_2_TlsContext, AnAuthorityIsShownItsChallenge) {
  const auto made = make("DNS:c.example");
  ASSERT_TRUE(shelf_.put_challenge("c.example", made.chain, made.key));
  offer(
      "\x0a"
      "acme-tls/1");
  auto asked = talk("c.example");
  ASSERT_TRUE(asked.shake_hands());
  EXPECT_EQ(chosen(asked), "acme-tls/1");
  EXPECT_EQ(shown_to(asked), "c.example");
  EXPECT_TRUE(Context::was_challenge(asked.server.get()));
  EXPECT_FALSE(talk("a.example").shake_hands()) << "no challenge is there for this one";
  offer("\x08http/1.1");
  EXPECT_FALSE(talk("c.example").shake_hands()) << "it is no certificate for others";
}

struct Says final : Doorman {
  explicit Says(Verdict what) : verdict(what) {}
  Verdict on_hello(const Hello& hello) override {
    asked = hello.name;
    return verdict;
  }
  Verdict verdict;
  std::string asked;
};

TEST_F(R2_2_TlsContext, ADoormanIsAskedWhereEachGoes) {
  Says elsewhere(Verdict::kElsewhere), unknown(Verdict::kUnknown), raw(Verdict::kRaw);
  auto left = talk("nobody.example", &elsewhere);
  EXPECT_FALSE(left.shake_hands());
  EXPECT_TRUE(left.suspended);
  EXPECT_EQ(elsewhere.asked, "nobody.example");
  EXPECT_EQ(BIO_ctrl_pending(SSL_get_wbio(left.client.get())), 0U) << "nothing is said to the client";
  auto refused = talk("a.example", &unknown);
  EXPECT_FALSE(refused.shake_hands());
  EXPECT_EQ(refused.alert(), "tlsv1 unrecognized name");
  offer("\x03irc");
  auto any = talk("a.example", &raw);
  ASSERT_TRUE(any.shake_hands());
  EXPECT_EQ(chosen(any), "");
}

class R2_2_TicketKeys : public ::testing::Test {
 protected:
  using Time = TicketKeys::Time;
  struct Cipher {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    ~Cipher() { EVP_CIPHER_CTX_free(context); }
  };
  int use(Time now, bool seal) {
    Cipher cipher;
    EVP_MAC* kind = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* mac = EVP_MAC_CTX_new(kind);
    const int done = keys_.use(now, name_, iv_, cipher.context, mac, seal);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(kind);
    return done;
  }
  TicketKeys keys_;
  unsigned char name_[16] = {}, iv_[EVP_MAX_IV_LENGTH] = {};
};

TEST_F(R2_2_TicketKeys, RotateAndOpenWhatTheOneBeforeHasSealed) {
  const Time start = Time() + 1000h;
  ASSERT_EQ(use(start, true), 1);
  const std::string first(reinterpret_cast<char*>(name_), 16);
  EXPECT_EQ(use(start + 11h, false), 1);
  EXPECT_EQ(use(start + 13h, false), 2) << "it is opened, and a new one given";
  EXPECT_EQ(use(start + 26h, false), 0) << "two keys later it is nobody's";
  ASSERT_EQ(use(start + 26h, true), 1);
  EXPECT_NE(std::string(reinterpret_cast<char*>(name_), 16), first);
}

TEST_F(R2_2_TicketKeys, AKeyThatNobodyUsedForLongOpensNothing) {
  const Time start = Time() + 1000h;
  ASSERT_EQ(use(start, true), 1);
  EXPECT_EQ(use(start + 100h, false), 0);
}

}  // namespace
}  // namespace tiltyard::tls
