// What an ACME server is told and what it says: signatures, identifiers, requests, problems, pauses.
#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

#include "base/base64url.h"
#include "base/json.h"
#include "certificates/acme.h"
#include "certificates/dns.h"
#include "certificates/jose.h"
#include "certificates/openssl.h"
#include "certificates/state.h"
#include "certificates/x509.h"
#include "tls/testing.h"

namespace tiltyard::certificates {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// RFC 7517, A.2, its first key.
constexpr char kKnownKey[] = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg870MB6gfuTJ4HtUn
UvYMyJpr5eUZNP4Bk43bVdj3eAGhRANCAAQwoEJM0hwpRIOKLXXJKzfnbqINnwCJ
OjtO7oo8Cq/sPuBLZekkVtmIi1Kzeb371R7oae8fD8ZbZllpW2zOCBcj
-----END PRIVATE KEY-----
)";
// RFC 9773, A.
constexpr char kKnownCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
)";

const TimePoint kNow = from_micros(1'767'225'600'000'000);

json::object object_of(const std::string& part) { return json::parse(*from_base64url(part)).as_object(); }

/// Whether the signature, r and s, is the key's for these bytes.
bool verifies(const Secret& pem, const std::string& bytes, const std::string& signature) {
  if (signature.size() != 64) return false;
  const auto* at = bytes_of(std::string_view(signature));
  const Signature both(ECDSA_SIG_new());
  ECDSA_SIG_set0(both.get(), BN_bin2bn(at, 32, nullptr), BN_bin2bn(at + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &der);
  const auto key = private_key(pem);
  const Digest digest(EVP_MD_CTX_new());
  EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get());
  const bool good = EVP_DigestVerify(digest.get(), der, static_cast<std::size_t>(size),
                                     bytes_of(std::string_view(bytes)), bytes.size()) == 1;
  OPENSSL_free(der);
  return good;
}

TEST(R2_2, AThumbprintIsThatOfTheKeyAsRfc7638WritesIt) {
  const auto key = AccountKey::from_pem(Secret(kKnownKey));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->jwk(), R"({"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
                        R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})");
  EXPECT_EQ(key->thumbprint(), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
  EXPECT_EQ(key_authorization("tok", *key), "tok.cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
}

TEST(R2_2, ARequestIsSignedForItsPlaceWithKeyOrAccountNeverBoth) {
  const auto key = AccountKey::make();
  ASSERT_TRUE(key);
  const auto again = AccountKey::from_pem(key->pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->thumbprint(), key->thumbprint());
  for (const std::string kid : {"", "https://ca.test/account/1"}) {
    // Numbers with leading zeros are still 32 bytes: of so many signatures some have them.
    for (int i = 0; i < 300; ++i) {
      const auto body = signed_body(*key, kid, "nonce-" + std::to_string(i), "https://ca.test/new-order", "{\"a\":1}");
      ASSERT_TRUE(body);
      const auto whole = json::parse(*body).as_object();
      const auto head = object_of(text_of(whole, "protected"));
      EXPECT_EQ(text_of(head, "alg"), "ES256");
      EXPECT_EQ(text_of(head, "nonce"), "nonce-" + std::to_string(i));
      EXPECT_EQ(text_of(head, "url"), "https://ca.test/new-order");
      EXPECT_EQ(head.contains("jwk"), kid.empty());
      EXPECT_EQ(text_of(head, "kid"), kid);
      EXPECT_EQ(from_base64url(text_of(whole, "payload")), "{\"a\":1}");
      ASSERT_TRUE(verifies(key->pem(), text_of(whole, "protected") + "." + text_of(whole, "payload"),
                           *from_base64url(text_of(whole, "signature"))));
    }
  }
  const auto get = signed_body(*key, "k", "n", "u", "");
  EXPECT_EQ(text_of(json::parse(*get), "payload"), "") << "POST-as-GET";
}

TEST(R2_2, AnAccountIsBoundWithTheKeyThatTheAuthorityGaveOut) {
  const auto key = AccountKey::from_pem(Secret(kKnownKey));
  const std::string mac_key = "a key of thirty-two bytes, nearly";
  const auto body = external_binding(*key, "kid-1", Secret(base64url(mac_key)), "https://ca.test/new-account");
  ASSERT_TRUE(body);
  const auto whole = json::parse(*body).as_object();
  const auto head = object_of(text_of(whole, "protected"));
  EXPECT_EQ(head, json::parse(R"({"alg":"HS256","kid":"kid-1","url":"https://ca.test/new-account"})").as_object())
      << "and no nonce";
  EXPECT_EQ(from_base64url(text_of(whole, "payload")), key->jwk());
  const auto input = text_of(whole, "protected") + "." + text_of(whole, "payload");
  unsigned char mac[32];
  unsigned size = 0;
  HMAC(EVP_sha256(), mac_key.data(), static_cast<int>(mac_key.size()), bytes_of(std::string_view(input)), input.size(),
       mac, &size);
  EXPECT_EQ(from_base64url(text_of(whole, "signature")), std::string(reinterpret_cast<char*>(mac), size));
  const auto bad = external_binding(*key, "kid-1", Secret("with+slashes/"), "u");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().reason, "eab-key");
}

TEST(R2_2, AnythingThatIsNoP256KeyIsNoAccount) {
  const auto rsa = tls::testing::make({.names = {"DNS:a.test"}, .rsa_bits = 2048});
  for (const auto& bad : {rsa.key, Secret("nothing"), Secret()}) {
    const auto key = AccountKey::from_pem(bad);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().reason, "key-unreadable");
  }
}

TEST(R2_2, ACertificateIsKnownToTheAuthorityByIssuerAndSerial) {
  EXPECT_EQ(ari_id(kKnownCertificate), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE") << "RFC 9773, 4.1";
  EXPECT_EQ(ari_id("no certificate"), "");
  EXPECT_EQ(ari_id(tls::testing::make("DNS:a.test").chain), "") << "without an authority key identifier";
}

TEST(R2_2, ARequestHasAllNamesAndIsSignedWithItsKey) {
  const auto key = new_key();
  ASSERT_TRUE(key);
  const auto der = signing_request(*key, {"a.test", "*.a.test"});
  ASSERT_TRUE(der);
  const auto* at = bytes_of(std::string_view(*der));
  const RequestRef request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der->size())));
  ASSERT_TRUE(request);
  EXPECT_EQ(X509_REQ_verify(request.get(), private_key(*key).get()), 1);
  EXPECT_NE(der->find("a.test"), std::string::npos);
  EXPECT_NE(der->find("*.a.test"), std::string::npos);
}

TEST(R2_2, WhatDoesNotFitTheOrderIsNotTaken) {
  const auto good = tls::testing::make({.names = {"DNS:a.test", "DNS:*.a.test"}});
  const auto now = from_micros(std::chrono::duration_cast<Duration>(SystemClock().now().time_since_epoch()).count());
  EXPECT_TRUE(fitting(good.chain, good.key, {"*.a.test", "a.test"}, now));
  const auto reason = [&](const std::string& chain, const Secret& key, std::vector<std::string> names, TimePoint at) {
    const auto pair = fitting(chain, key, names, at);
    return pair ? std::string("taken") : pair.error().reason;
  };
  EXPECT_EQ(reason(good.chain, good.key, {"b.test"}, now), "certificate-unfit");
  EXPECT_EQ(reason(good.chain, good.key, {"a.test"}, now + 48h), "certificate-unfit") << "it has ended";
  EXPECT_EQ(reason(good.chain, tls::testing::make("DNS:a.test").key, {"a.test"}, now), "key-mismatch");
  EXPECT_EQ(reason("garbage", good.key, {"a.test"}, now), "certificate-unreadable");
}

TEST(R2_2, WhatTlsAlpnIsAnsweredWithHasTheDigestInACriticalExtension) {
  const auto made = challenge_certificate("a.test", "token.thumbprint");
  ASSERT_TRUE(made);
  const Bio bio(BIO_new_mem_buf(made->chain_pem.data(), static_cast<int>(made->chain_pem.size())));
  const X509Ref certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_TRUE(certificate);
  const auto pair = tls::Pair::parse(made->chain_pem, made->key_pem);
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->names(), std::vector<std::string>{"a.test"});
  ASN1_OBJECT* oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
  const int at = X509_get_ext_by_OBJ(certificate.get(), oid, -1);
  ASN1_OBJECT_free(oid);
  ASSERT_GE(at, 0);
  auto* extension = X509_get_ext(certificate.get(), at);
  EXPECT_EQ(X509_EXTENSION_get_critical(extension), 1);
  const auto* value = X509_EXTENSION_get_data(extension);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                        static_cast<std::size_t>(ASN1_STRING_length(value))),
            std::string("\x04\x20", 2) + sha256("token.thumbprint"));
}

TEST(R2_2, AProblemSaysWhatToDoAndNothingUnbounded) {
  const auto limited = acme::error_of(
      json::parse(R"({"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"})"), 429);
  EXPECT_EQ(limited.reason, "acme-rate-limited");
  EXPECT_EQ(limited.code, Code::kLimited);
  EXPECT_EQ(limited.message, "The CA limits how often it is asked: too many certificates");
  const auto parts = acme::error_of(json::parse(R"({"type":"urn:ietf:params:acme:error:compound","detail":"two",
      "subproblems":[{"type":"x","detail":"no A record","identifier":{"type":"dns","value":"a.test"}}]})"),
                                    403);
  EXPECT_EQ(parts.reason, "acme-compound");
  EXPECT_EQ(parts.message, "The CA refused: two [a.test: no A record]");
  const auto evil = acme::error_of(json::object{{"type", "urn:ietf:params:acme:error:../../x y\n"},
                                                {"detail", "\x1b[31m" + std::string(100'000, 'x')}},
                                   400);
  EXPECT_EQ(evil.reason, "acme-xy");
  EXPECT_LT(evil.message.size(), 500U);
  EXPECT_EQ(evil.message.find('\x1b'), std::string::npos);
  EXPECT_EQ(acme::error_of(nullptr, 429).reason, "acme-rate-limited");
  EXPECT_EQ(acme::error_of(nullptr, 404).reason, "acme-gone");
  EXPECT_EQ(acme::error_of(nullptr, 500).reason, "acme-refused");
}

TEST(R2_2, NothingIsProvedThatWasNotOrdered) {
  const std::vector<std::string> names{"*.b.test", "a.test"};
  const auto asked = [&](std::string name) {
    acme::Authorization authorization;
    authorization.name = std::move(name);
    return is_ordered(authorization, names);
  };
  EXPECT_TRUE(asked("a.test"));
  EXPECT_TRUE(asked("b.test")) << "by which the wildcard is proved";
  for (const auto* bad : {"", "c.test", "x.a.test", "test", "*.b.test", ".b.test",
                          "a.test. TXT\nupdate add www.a.test. 60 A 192.0.2.6\nupdate delete x", "a.test,DNS:c.test"})
    EXPECT_FALSE(asked(bad)) << bad;
}

TEST(R2_2, AnUpdateReplacesTheWholeSetAndIsSigned) {
  Options options;
  options.dns_server = "[::1]:5353";
  EXPECT_EQ(update_script(options, "_acme-challenge.a.test", {"x", "y"}),
            "server ::1 5353\nupdate delete _acme-challenge.a.test. TXT\n"
            "update add _acme-challenge.a.test. 60 TXT \"x\"\nupdate add _acme-challenge.a.test. 60 TXT \"y\"\nsend\n");
  options.tsig_name = "k";
  options.tsig_key = Secret("c2VjcmV0");
  EXPECT_NE(update_script(options, "n", {}).find("key hmac-sha256:k c2VjcmV0\n"), std::string::npos);
}

TEST(R2_2, ItIsRenewedWithAThirdOfItsLifeLeftWhateverThatIs) {
  for (const Duration life : {Duration(24h * 90), Duration(160h), Duration(1h)}) {
    EXPECT_EQ(usual_renewal(kNow, kNow + life, 0), kNow + life - life / 3);
    const auto early = usual_renewal(kNow, kNow + life, 1);
    EXPECT_LT(early, kNow + life - life / 3);
    EXPECT_GT(early, kNow + life / 2);
  }
}

TEST(R2_2, FailuresAreTriedAgainEverMoreSeldomAndNeverGivenUp) {
  EXPECT_GE(pause_after(1, 0), 45s);
  EXPECT_LE(pause_after(1, 1), 75s);
  EXPECT_GT(pause_after(4, 0), pause_after(1, 1));
  for (int tries : {20, 1'000, 1'000'000}) {
    EXPECT_GE(pause_after(tries, 0), 4h);
    EXPECT_LE(pause_after(tries, 1), 8h);
  }
}

TEST(R2_2, AnOrderIsDueWhenWhatThereIsDoesNotDo) {
  Options options;
  options.directory = "https://ca.test/dir";
  Row row{.name = "site", .names = {"a.test"}, .chain = "there is one"};
  row.progress.directory = options.directory;
  row.progress.names = {"a.test"};
  row.progress.renew_at = kNow + 1h;
  EXPECT_FALSE(is_due(row, options, kNow));
  EXPECT_TRUE(is_due(row, options, kNow + 1h)) << "it is time";
  auto other = row;
  other.names.push_back("b.test");
  EXPECT_TRUE(is_due(other, options, kNow)) << "a name more";
  other = row;
  other.chain.clear();
  EXPECT_TRUE(is_due(other, options, kNow));
  other = row;
  other.asked_at = kNow;
  EXPECT_TRUE(is_due(other, options, kNow));
  other = row;
  other.progress.directory = "https://staging.test/dir";
  EXPECT_TRUE(is_due(other, options, kNow)) << "another CA";
}

TEST(R2_2, AnOrderOutlivesWhatIsNoAnswerToIt) {
  for (const auto* reason : {"acme-away", "acme-rate-limited", "acme-answer"})
    EXPECT_TRUE(keeps_order({Code::kConflict, reason, {}, {}, {}})) << reason;
  EXPECT_TRUE(keeps_order({Code::kUnavailable, "dns-away", {}, {}, {}}));
  for (const auto* reason : {"acme-unauthorized", "acme-caa", "acme-gone"})
    EXPECT_FALSE(keeps_order({Code::kConflict, reason, {}, {}, {}})) << reason;
}

TEST(R2_2, NamesOfCertificatesAreHostNames) {
  for (const auto* good : {"a.test", "*.a.test", "x-1.y.z.example", "xn--bcher-kva.example", "A.Test"})
    EXPECT_TRUE(is_certificate_name(good)) << good;
  for (const auto* bad : {"", "localhost", "a..test", "a.test.", ".a.test", "*a.test", "a.*.test", "-a.test", "a-.test",
                          "a b.test", "a.test,DNS:b.test", "*.*.test", "*.", "bücher.example"})
    EXPECT_FALSE(is_certificate_name(bad)) << bad;
  EXPECT_FALSE(is_certificate_name(std::string(64, 'a') + ".test"));
}

}  // namespace
}  // namespace tiltyard::certificates
