// Tokens of OpenID providers, good and forged: keys of our own, every algorithm, every claim.
#include "identity/jwt.h"

#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/base64url.h"
#include "identity/identity.h"
#include "identity/oidc.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

constexpr auto kNow = 1'767'225'600;
const TimePoint kClock = from_micros(kNow * 1'000'000LL);

using KeyRef = std::shared_ptr<EVP_PKEY>;

KeyRef rsa(int bits = 2048) { return {EVP_RSA_gen(bits), EVP_PKEY_free}; }
KeyRef curve(const char* name = "P-256") { return {EVP_EC_gen(name), EVP_PKEY_free}; }
KeyRef edwards() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free}; }

std::string number(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  std::string bytes(BN_num_bytes(value), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(value);
  return bytes;
}

json::object jwk(const KeyRef& key, const std::string& id, const std::string& kind) {
  json::object out{{"kid", id}, {"use", "sig"}, {"kty", kind}};
  if (kind == "RSA") {
    out["n"] = base64url(number(key.get(), "n"));
    out["e"] = base64url(number(key.get(), "e"));
  } else if (kind == "EC") {
    const auto size = static_cast<std::size_t>((EVP_PKEY_get_bits(key.get()) + 7) / 8);
    const auto padded = [size](std::string bytes) { return std::string(size - bytes.size(), '\0') + bytes; };
    out["crv"] = size == 32 ? "P-256" : size == 48 ? "P-384" : "P-521";
    out["x"] = base64url(padded(number(key.get(), "qx")));
    out["y"] = base64url(padded(number(key.get(), "qy")));
  } else {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    out["crv"] = "Ed25519";
    out["x"] = base64url(raw);
  }
  return out;
}

std::string signature(const KeyRef& key, const std::string& algorithm, const std::string& text) {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_PKEY_CTX* context = nullptr;
  const EVP_MD* hash = algorithm.ends_with("256")   ? EVP_sha256()
                       : algorithm.ends_with("384") ? EVP_sha384()
                       : algorithm.ends_with("512") ? EVP_sha512()
                                                    : nullptr;
  EVP_DigestSignInit(digest, &context, hash, nullptr, key.get());
  if (algorithm.starts_with("PS")) {
    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST);
  }
  std::size_t size = 1024;
  std::string out(size, '\0');
  EVP_DigestSign(digest, reinterpret_cast<unsigned char*>(out.data()), &size,
                 reinterpret_cast<const unsigned char*>(text.data()), text.size());
  out.resize(size);
  EVP_MD_CTX_free(digest);
  if (!algorithm.starts_with("ES")) return out;
  const auto* in = reinterpret_cast<const unsigned char*>(out.data());
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(out.size()));
  const int each = (EVP_PKEY_get_bits(key.get()) + 7) / 8;
  std::string raw(2 * static_cast<std::size_t>(each), '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(raw.data()), each);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(raw.data()) + each, each);
  ECDSA_SIG_free(pair);
  return raw;
}

json::object good_claims() {
  return {{"iss", "https://id.example"},
          {"sub", "42"},
          {"aud", "range"},
          {"nonce", "n"},
          {"iat", kNow},
          {"exp", kNow + 300}};
}

std::string unsigned_part(const json::object& header, const json::object& claims) {
  return base64url(json::serialize(header)) + "." + base64url(json::serialize(claims));
}

std::string make(const KeyRef& key, const std::string& algorithm, const json::object& claims = good_claims()) {
  const auto part = unsigned_part({{"alg", algorithm}, {"kid", "k"}}, claims);
  return part + "." + base64url(signature(key, algorithm, part));
}

jwt::Key only_key(const KeyRef& key, const std::string& kind) {
  auto keys = jwt::read_keys({{"keys", json::array{jwk(key, "k", kind)}}});
  EXPECT_EQ(keys.size(), 1U);
  return keys.front();
}

jwt::Expected expected() { return {"https://id.example", "range", "n", "access", kClock}; }

/// Why the claims are refused; empty: they are not.
std::string complaint(const json::object& claims) {
  const auto token = jwt::parse(make(edwards(), "EdDSA", claims));
  if (!token) return token.error().cause;
  const auto checked = jwt::check_claims(*token, expected());
  return checked ? std::string() : checked.error().cause;
}

json::object with(std::string_view name, json::value value) {
  auto claims = good_claims();
  claims[name] = std::move(value);
  return claims;
}

json::object without(std::string_view name) {
  auto claims = good_claims();
  claims.erase(name);
  return claims;
}

TEST(R7_1, EveryAlgorithmVerifiesItsOwnAndNothingElse) {
  const auto big = rsa();
  const auto p256 = curve();
  const auto ed = edwards();
  const auto p384 = curve("P-384"), p521 = curve("P-521");
  const std::vector<std::tuple<std::string, KeyRef, std::string>> all = {
      {"RS256", big, "RSA"}, {"RS384", big, "RSA"}, {"RS512", big, "RSA"}, {"PS256", big, "RSA"},
      {"PS384", big, "RSA"}, {"PS512", big, "RSA"}, {"ES256", p256, "EC"}, {"ES384", p384, "EC"},
      {"ES512", p521, "EC"}, {"EdDSA", ed, "OKP"},  {"Ed25519", ed, "OKP"}};
  for (const auto& [algorithm, key, kind] : all) {
    auto token = jwt::parse(make(key, algorithm));
    ASSERT_TRUE(token) << algorithm;
    for (const auto& [other, other_key, other_kind] : all) {
      EXPECT_EQ(bool(jwt::verify(*token, only_key(other_key, other_kind))), other_key == key)
          << algorithm << " by a key of " << other;
    }
    token->signed_part.back() ^= 1;
    EXPECT_FALSE(jwt::verify(*token, only_key(key, kind))) << algorithm << ": changed after signing";
  }
  // A key that says what it is for is used for nothing else.
  auto narrow = only_key(big, "RSA");
  narrow.algorithm = "PS256";
  EXPECT_FALSE(jwt::verify(*jwt::parse(make(big, "RS256")), narrow));
  EXPECT_TRUE(jwt::verify(*jwt::parse(make(big, "PS256")), narrow));
  EXPECT_TRUE(jwt::verify(*jwt::parse(make(big, "PS512")), narrow)) << "the same over a longer hash";
  EXPECT_FALSE(jwt::fits(narrow, "RS256") || jwt::fits(only_key(p256, "EC"), "ES384") || jwt::fits(narrow, "HS256"));
  EXPECT_FALSE(jwt::verify(*jwt::parse(make(rsa(), "RS256")), only_key(big, "RSA"))) << "somebody else's key";
}

TEST(R7_1, AlgorithmConfusionIsRefused) {
  const auto key = rsa();
  const auto known = only_key(key, "RSA");
  for (const auto* algorithm : {"none", "None", "HS256", "HS512", "RS1", "", "ES256K"}) {
    EXPECT_FALSE(jwt::known_algorithm(algorithm)) << algorithm;
    const auto part = unsigned_part({{"alg", algorithm}, {"kid", "k"}}, good_claims());
    // The classic: the public key as the shared secret.
    const auto secret = number(key.get(), "n");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(part.data()), part.size(), mac, &size);
    const auto token = jwt::parse(part + "." + base64url(std::string(reinterpret_cast<char*>(mac), size)));
    ASSERT_TRUE(token);
    EXPECT_FALSE(jwt::verify(*token, known)) << algorithm;
  }
  const auto part = unsigned_part({{"alg", "none"}}, good_claims());
  EXPECT_FALSE(jwt::parse(part + ".")) << "no signature at all";
  EXPECT_FALSE(jwt::parse(part));
  const auto critical = unsigned_part({{"alg", "RS256"}, {"crit", json::array{"x"}}}, good_claims());
  EXPECT_FALSE(jwt::parse(critical + "." + base64url(signature(key, "RS256", critical))));
  EXPECT_FALSE(jwt::parse(std::string(20'000, 'a') + ".a.a")) << "too long";
}

TEST(R7_1, ASharedSecretChecksWhatItHasSigned) {
  const Secret secret("0123456789abcdef0123456789abcdef");
  const auto signed_by = [](const Secret& key, const char* algorithm, const EVP_MD* hash) {
    const auto part = unsigned_part({{"alg", algorithm}}, good_claims());
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(hash, key.reveal().data(), static_cast<int>(key.reveal().size()),
         reinterpret_cast<const unsigned char*>(part.data()), part.size(), mac, &size);
    return *jwt::parse(part + "." + base64url(std::string(reinterpret_cast<char*>(mac), size)));
  };
  EXPECT_TRUE(jwt::verify_shared(signed_by(secret, "HS256", EVP_sha256()), secret));
  EXPECT_TRUE(jwt::verify_shared(signed_by(secret, "HS512", EVP_sha512()), secret));
  EXPECT_FALSE(jwt::verify_shared(signed_by(secret, "HS512", EVP_sha256()), secret));
  EXPECT_FALSE(jwt::verify_shared(signed_by(Secret("another"), "HS256", EVP_sha256()), secret));
  EXPECT_FALSE(jwt::verify_shared(signed_by(Secret(), "HS256", EVP_sha256()), Secret()));
  EXPECT_FALSE(jwt::verify_shared(signed_by(secret, "none", EVP_sha256()), secret));
  EXPECT_FALSE(jwt::verify_shared(*jwt::parse(make(rsa(), "RS256")), secret));
}

TEST(R7_1, SignedUserInfoIsOfThisProviderAndForThisClient) {
  const auto complaint_of = [](json::object claims) {
    const auto checked = jwt::check_user_info(claims, {"https://id.example", "range", {}, {}, kClock});
    return checked ? std::string() : checked.error().cause;
  };
  EXPECT_EQ(complaint_of({{"sub", "42"}}), "") << "what is not said need not be true";
  EXPECT_EQ(complaint_of({{"iss", "https://id.example"}, {"aud", json::array{"range", "x"}}, {"exp", kNow}}), "");
  EXPECT_EQ(complaint_of({{"iss", "https://evil.example"}}), "iss is another issuer");
  EXPECT_EQ(complaint_of({{"aud", "other"}}), "aud is another client");
  EXPECT_EQ(complaint_of({{"exp", kNow - 60}}), "expired");
}

TEST(R7_1, WeakAndForeignKeysAreLeftOut) {
  auto encrypting = jwk(rsa(), "e", "RSA");
  encrypting["use"] = "enc";
  const json::object set{{"keys", json::array{jwk(rsa(1024), "weak", "RSA"), encrypting,
                                              json::object{{"kty", "oct"}, {"k", "c2VjcmV0"}}, 7}}};
  EXPECT_TRUE(jwt::read_keys(set).empty());
  EXPECT_TRUE(jwt::read_keys({}).empty());
}

TEST(R7_1, ClaimsOfAnotherSignInAreRefused) {
  EXPECT_EQ(complaint(good_claims()), "");
  EXPECT_EQ(complaint(with("iss", "https://id.example/")),
            "iss is \"https://id.example/\" and not \"https://id.example\"")
      << "to the letter, and both are named";
  EXPECT_EQ(complaint(with("aud", "other")), "aud is another client");
  EXPECT_EQ(complaint(without("aud")), "no aud");
  EXPECT_EQ(complaint(with("aud", json::array{"other"})), "aud is another client");
  EXPECT_EQ(complaint(with("aud", json::array{"other", "range"})), "") << "azp is looked at where it is";
  auto party = with("aud", json::array{"other", "range"});
  party["azp"] = "range";
  EXPECT_EQ(complaint(party), "");
  EXPECT_EQ(complaint(with("azp", "other")), "azp is another client");
  EXPECT_EQ(complaint(with("nonce", "m")), "the nonce is not the one of this sign-in");
  EXPECT_EQ(complaint(without("nonce")), "the nonce is not the one of this sign-in");
  EXPECT_NE(complaint(without("sub")), "");
  EXPECT_EQ(complaint(with("at_hash", "x")), "at_hash is of another access token");
}

TEST(R7_1, TimesAreHeldToWithAMinuteOfSkew) {
  EXPECT_EQ(complaint(with("exp", kNow - 59)), "");
  EXPECT_EQ(complaint(with("exp", kNow - 60)), "expired");
  EXPECT_EQ(complaint(with("iat", kNow + 60)), "");
  EXPECT_EQ(complaint(with("iat", kNow + 61)), "issued in the future");
  EXPECT_EQ(complaint(with("nbf", kNow + 60)), "");
  EXPECT_EQ(complaint(with("nbf", kNow + 61)), "not valid yet");
  EXPECT_EQ(complaint(with("nbf", "soon")), "not valid yet");
  EXPECT_EQ(complaint(without("exp")), "no exp or no iat");
  EXPECT_EQ(complaint(with("exp", "never")), "no exp or no iat");
}

TEST(R7_1, TheCookieOfASignInCannotBeForgedNorKept) {
  const Secret master("0123456789abcdef0123"), other("another-server's-token");
  const auto flow = oidc::new_flow("main", "/all?q=x", true, kClock);
  const auto sealed = oidc::seal(flow, master);
  const auto back = oidc::unseal(sealed, master, kClock + std::chrono::minutes{9});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, flow.state);
  EXPECT_EQ(back->verifier, flow.verifier);
  EXPECT_EQ(back->back, "/all?q=x");
  EXPECT_TRUE(back->again);
  EXPECT_EQ(back->began(), kClock);
  EXPECT_FALSE(sealed.contains(flow.verifier));
  EXPECT_FALSE(oidc::unseal(sealed, master, kClock + oidc::kFlowFor)) << "too old";
  EXPECT_FALSE(oidc::unseal(sealed, other, kClock)) << "another server's";
  auto bent = sealed;
  bent[40] = bent[40] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(oidc::unseal(bent, master, kClock));
  EXPECT_FALSE(oidc::unseal("", master, kClock));
}

TEST(R7_1, ComingBackStaysOnTheSite) {
  for (const auto* path : {"/", "/all?sort=-state", "/account#tokens"}) EXPECT_EQ(oidc::safe_path(path), path);
  for (const auto* path : {"", "all", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example",
                           "/a b", "\\\\evil"}) {
    EXPECT_EQ(oidc::safe_path(path), "/") << path;
  }
}

TEST(R7_1, TheNameOfAClaimMayHaveDots) {
  OidcProvider options;
  options.roles = {{"staff", "operator"}};
  const auto is_staff = [&](const char* path, const char* claims) {
    options.role_claim = path;
    return oidc::person_of(json::parse(claims).get_object(), options).role == Role::kOperator;
  };
  constexpr const char* kKeycloak = R"({"sub":"1","resource_access":{"range.example.org":{"roles":["staff"]}}})";
  EXPECT_TRUE(is_staff("resource_access.range.example.org.roles", kKeycloak));
  EXPECT_FALSE(is_staff("resource_access.range.example.roles", kKeycloak));
  EXPECT_TRUE(is_staff("https://range.example/roles", R"({"sub":"1","https://range.example/roles":"staff"})"));
  EXPECT_TRUE(
      is_staff("https://range.example/app.roles", R"({"sub":"1","https://range.example/app":{"roles":"staff"}})"));
  EXPECT_TRUE(is_staff("meta.https://x.example/r", R"({"sub":"1","meta":{"https://x.example/r":["staff"]}})"));
  // The longest name goes first, and a shorter one where that leads nowhere.
  EXPECT_TRUE(is_staff("a.b.c", R"({"sub":"1","a.b":{"c":"staff"},"a":{"b":{"c":"none"}}})"));
  EXPECT_TRUE(is_staff("a.b.c", R"({"sub":"1","a.b":{"d":"none"},"a":{"b":{"c":"staff"}}})"));
  for (const auto* path : {"groups", ".", "a.", ".a", "..", ""})
    EXPECT_FALSE(is_staff(path, R"({"sub":"1","groups":[{"name":"staff"}],"a":{"b":"staff"}})")) << path;
}

TEST(R7_1, NumbersTruthsAndTruthsAsTextsAreClaimsToo) {
  OidcProvider options;
  options.name_claim = "matriculation";
  options.role_claim = "is_staff";
  options.roles = {{"true", "operator"}};
  const auto person = oidc::person_of(
      json::parse(
          R"({"sub":"1","matriculation":1234567,"is_staff":true,"email":"a@b.example","email_verified":"true"})")
          .get_object(),
      options);
  EXPECT_EQ(person.name, "1234567");
  EXPECT_EQ(person.role, Role::kOperator);
  EXPECT_EQ(person.email, "a@b.example");
  const auto other = oidc::person_of(
      json::parse(R"({"sub":"1","is_staff":false,"email":"a@b.example","email_verified":"false"})").get_object(),
      options);
  EXPECT_EQ(other.role, Role::kPlayer);
  EXPECT_EQ(other.email, "");
}

TEST(R7_1, ClaimsBecomeRoleAndTeam) {
  OidcProvider options;
  options.role_claim = "realm.roles";
  options.roles = {{"staff", "operator"}, {"boss", "admin"}};
  options.team_claim = "team";
  const auto person = [&](const char* claims) { return oidc::person_of(json::parse(claims).get_object(), options); };
  const auto boss = person(
      R"({"sub":"1","preferred_username":"ada","realm":{"roles":["staff","boss"]},"team":"Red","email":"a@b.example","email_verified":true})");
  EXPECT_EQ(boss.role, Role::kAdmin) << "the highest counts";
  EXPECT_EQ(boss.name, "ada");
  EXPECT_EQ(boss.email, "a@b.example");
  EXPECT_EQ((*boss.team)->name, "Red");
  const auto nobody = person(R"({"sub":"2","name":"Bob","realm":{"roles":["admin"]},"email":"b@b.example"})");
  EXPECT_EQ(nobody.role, Role::kPlayer) << "only what is mapped";
  EXPECT_EQ(nobody.name, "Bob");
  EXPECT_EQ(nobody.email, "") << "an address that nobody confirmed is not believed";
  EXPECT_FALSE(nobody.team->has_value());
  options.teams = {{"r", "Red"}};
  EXPECT_EQ((*person(R"({"sub":"1","team":["x","r"]})").team)->name, "Red");
  EXPECT_FALSE(person(R"({"sub":"1","team":"x"})").team->has_value());
}

}  // namespace
}  // namespace tiltyard::identity
