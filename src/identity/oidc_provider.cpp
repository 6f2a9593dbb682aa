// What a provider says of itself, its keys, codes for tokens.
#include <fmt/format.h>
#include <boost/json/object.hpp>

#include <algorithm>

#include "base/base64url.h"
#include "base/json.h"
#include "base/text.h"
#include "identity/oidc.h"
#include "net/client.h"
#include "observe/log.h"

namespace tiltyard::identity::oidc {
namespace {

namespace json = boost::json;

constexpr Duration kMetadataFor = std::chrono::hours{1};
constexpr Duration kKeysFor = std::chrono::hours{1};
/// A token with a key that nobody knows may make us look again this often and no more: such tokens cost their maker
/// nothing.
constexpr Duration kKeysAtMostEvery = std::chrono::seconds{3};
constexpr std::string_view kJwt = "application/jwt";

Error unavailable(const std::string& name, std::string cause) {
  return {
      Code::kUnavailable,
      "oidc-unavailable",
      fmt::format(
          "The sign-in provider \"{}\" does not answer as it should. Try again in a minute, or sign in another way.",
          name),
      std::move(cause),
      {}};
}

std::unexpected<Error> refused(std::string cause) {
  return fail(Code::kUnauthenticated, "token-invalid", "The provider did not accept this sign-in. Begin again.",
              std::move(cause));
}

/// Whether an end point may be used: as safe as the issuer's own address.
bool as_safe(const std::string& url, const std::string& issuer) {
  return url.starts_with("https://") || (issuer.starts_with("http://") && url.starts_with("http://"));
}

bool same_place(const std::string& url, const std::string& issuer) {
  const auto a = http::Target::parse(url), b = http::Target::parse(issuer);
  return a && b && a->host == b->host && a->port == b->port && a->tls == b->tls;
}

}  // namespace

asio::awaitable<Result<egress::Answer>> Provider::ask(egress::Ask ask) {
  if (!breaker_.closed(clock_.now())) co_return fail(unavailable(name_, "not asked: it has failed several times"));
  ask.ca_file = options_.tls_ca;
  if (!same_place(ask.url, options_.issuer)) ask.reach = &reach_;
  const auto url = ask.url;
  const bool question_takes_jwt = ask.accept.contains(kJwt);
  auto answer = co_await egress::call(std::move(ask));
  const bool read = answer && (answer->json || (question_takes_jwt && answer->type == kJwt));
  const bool good = answer && answer->status < 500 && (read || answer->status >= 400);
  if (!good) {
    breaker_.failed(clock_.now());
    const auto cause =
        answer ? fmt::format("{} answered {}{}", url, answer->status, answer->json ? "" : " without a JSON object")
               : fmt::format("{}: {} {}", url, answer.error().reason, answer.error().cause);
    log::warn("identity", "an OpenID provider does not answer as it should", {{"provider", name_}, {"cause", cause}});
    co_return fail(unavailable(name_, cause));
  }
  breaker_.succeeded();
  co_return answer;
}

asio::awaitable<Result<Metadata>> Provider::read_metadata() {
  auto issuer = options_.issuer;
  while (issuer.ends_with('/')) issuer.pop_back();
  egress::Ask question;
  question.url = issuer + "/.well-known/openid-configuration";
  auto answer = co_await ask(std::move(question));
  if (!answer) co_return fail(std::move(answer.error()));
  const auto& body = answer->body;
  Metadata read{text_of(body, "authorization_endpoint"),
                text_of(body, "token_endpoint"),
                text_of(body, "jwks_uri"),
                text_of(body, "userinfo_endpoint"),
                false,
                true,
                {}};
  // Discovery 4.3: another issuer's document must not be taken for this one's.
  if (answer->status != 200 || text_of(body, "issuer") != options_.issuer) {
    auto cause = fmt::format("status {}, the issuer calls itself \"{}\", and auth.oidc.{}.issuer is \"{}\"",
                             answer->status, text_of(body, "issuer").substr(0, 200), name_, options_.issuer);
    warn(
        "what an OpenID provider says of itself is not of the issuer that is configured; they must be the same to the "
        "last slash",
        cause);
    co_return fail(unavailable(name_, std::move(cause)));
  }
  for (const auto& url : {read.authorization, read.token, read.keys}) {
    if (as_safe(url, options_.issuer)) continue;
    warn("an end point of an OpenID provider is missing or not https", url.substr(0, 200));
    co_return fail(unavailable(name_, "an end point is missing or not https"));
  }
  if (!read.userinfo.empty() && !as_safe(read.userinfo, options_.issuer)) read.userinfo.clear();
  if (const auto* promised = body.if_contains("authorization_response_iss_parameter_supported")) {
    read.iss_in_answer = promised->is_bool() && promised->get_bool();
  }
  if (const auto* algorithms = body.if_contains("id_token_signing_alg_values_supported");
      algorithms != nullptr && algorithms->is_array()) {
    for (const auto& one : algorithms->get_array())
      if (one.is_string()) read.algorithms.emplace_back(one.get_string());
  }
  if (const auto* methods = body.if_contains("token_endpoint_auth_methods_supported");
      methods != nullptr && methods->is_array()) {
    read.basic = false;
    for (const auto& one : methods->get_array())
      read.basic = read.basic || (one.is_string() && one.get_string() == "client_secret_basic");
  }
  co_return read;
}

asio::awaitable<Result<Metadata>> Provider::metadata() { co_return co_await metadata_since(kMetadataFor); }

asio::awaitable<Result<Metadata>> Provider::metadata_since(Duration oldest) {
  const auto fresh = [&] { return !metadata_.token.empty() && clock_.now() - metadata_at_ < oldest; };
  if (fresh()) co_return metadata_;
  const auto ticket = co_await flights_.enter("metadata");
  if (fresh()) co_return metadata_;
  auto read = co_await read_metadata();
  if (!read) co_return fail(std::move(read.error()));
  metadata_ = *read;
  metadata_at_ = clock_.now();
  co_return metadata_;
}

asio::awaitable<Result<>> Provider::read_keys() {
  const auto known = co_await metadata();
  if (!known) co_return fail(known.error());
  egress::Ask question;
  question.url = known->keys;
  auto answer = co_await ask(std::move(question));
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(unavailable(name_, fmt::format("its keys: status {}", answer->status)));
  keys_ = jwt::read_keys(answer->body);
  co_return Result<>{};
}

const jwt::Key* Provider::find_key(const std::string& id, const std::string& algorithm) const {
  const jwt::Key* only = nullptr;
  for (const auto& key : keys_) {
    if (!jwt::fits(key, algorithm)) continue;
    if (!id.empty() && key.id == id) return &key;
    if (!id.empty()) continue;
    // Without an id only a set that has one such key is clear.
    if (only != nullptr) return nullptr;
    only = &key;
  }
  return only;
}

asio::awaitable<Result<jwt::Key>> Provider::key_for(std::string id, std::string algorithm) {
  const auto now = clock_.now();
  const auto* known = find_key(id, algorithm);
  if (known != nullptr && now - keys_at_ < kKeysFor) co_return *known;
  if (keys_at_ == TimePoint{} || now - keys_at_ >= kKeysAtMostEvery) {
    const auto ticket = co_await flights_.enter("keys");
    if (ticket) {
      keys_at_ = now;
      auto read = co_await read_keys();
      if (!read) {
        if (keys_.empty()) keys_at_ = {};  // the first look failed: the next sign-in looks again
        co_return fail(std::move(read.error()));
      }
    }
    known = find_key(id, algorithm);
  }
  if (known == nullptr) co_return refused("signed with a key that the provider does not publish");
  co_return *known;
}

asio::awaitable<Result<Tokens>> Provider::exchange(std::string code, std::string verifier, std::string redirect) {
  const auto known = co_await metadata();
  if (!known) co_return fail(known.error());
  const auto encode = [](const std::string& text) { return http::percent_encode(text); };
  egress::Ask question;
  question.method = "POST";
  question.url = known->token;
  question.headers.set("Content-Type", "application/x-www-form-urlencoded");
  question.body = fmt::format("grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}", encode(code),
                              encode(redirect), encode(verifier));
  const auto& secret = options_.client_secret.reveal();
  if (secret.empty()) {
    question.body += "&client_id=" + encode(options_.client_id);
  } else if (known->basic) {
    // RFC 6749, 2.3.1: both are form-encoded before they are joined. The padding is wanted here.
    auto pair = base64url(encode(options_.client_id) + ":" + encode(secret));
    for (char& c : pair) c = c == '-' ? '+' : c == '_' ? '/' : c;
    while (pair.size() % 4 != 0) pair += '=';
    question.headers.set("Authorization", "Basic " + pair);
  } else {
    question.body += "&client_id=" + encode(options_.client_id) + "&client_secret=" + encode(secret);
  }
  question.deadline = std::chrono::seconds{10};
  auto answer = co_await ask(std::move(question));
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) {
    auto cause = fmt::format("the code: status {} {}", answer->status, text_of(answer->body, "error").substr(0, 60));
    warn("an OpenID provider gives no token for a code", cause);
    co_return refused(std::move(cause));
  }
  Tokens tokens{text_of(answer->body, "id_token"), text_of(answer->body, "access_token")};
  if (tokens.id_token.empty()) co_return refused("no id_token in the answer");
  co_return tokens;
}

/// What the configuration names; else what the provider says that it uses, as far as nobody but it can sign so.
bool Provider::accepts(const std::string& algorithm, const Metadata& known) const {
  const auto has = [&](const std::vector<std::string>& list) {
    return std::ranges::find(list, algorithm) != list.end();
  };
  if (!jwt::known_algorithm(algorithm) && !jwt::is_shared_secret(algorithm)) return false;
  if (!options_.algorithms.empty()) return has(options_.algorithms);
  return !jwt::is_shared_secret(algorithm) && (known.algorithms.empty() || has(known.algorithms));
}

void Provider::warn(std::string_view what, std::string cause) const {
  log::warn("identity", std::string(what), {{"provider", name_}, {"cause", std::move(cause)}});
}

asio::awaitable<Result<>> Provider::check_signature(const jwt::Token& token) {
  if (jwt::is_shared_secret(token.algorithm())) co_return jwt::verify_shared(token, options_.client_secret);
  const auto key = co_await key_for(token.key_id(), token.algorithm());
  if (!key) co_return fail(key.error());
  co_return jwt::verify(token, *key);
}

asio::awaitable<Result<json::object>> Provider::believe(Tokens tokens, std::string nonce) {
  auto token = jwt::parse(tokens.id_token);
  if (!token) co_return fail(std::move(token.error()));
  auto known = co_await metadata();
  // It may sign in another way by now than when it was asked.
  if (known && !accepts(token->algorithm(), *known)) known = co_await metadata_since(kKeysAtMostEvery);
  if (!known) co_return fail(known.error());
  if (!accepts(token->algorithm(), *known)) {
    auto cause = fmt::format("ID tokens signed with {} are not accepted: see auth.oidc.{}.algorithms",
                             token->algorithm().substr(0, 20), name_);
    warn("an OpenID provider signs in a way that is not accepted", cause);
    co_return refused(std::move(cause));
  }
  const jwt::Expected expected{options_.issuer, options_.client_id, nonce, tokens.access_token, clock_.now()};
  auto ours = co_await check_signature(*token);
  if (ours) ours = jwt::check_claims(*token, expected);
  if (!ours) {
    if (ours.error().code != Code::kUnavailable) warn("an ID token was refused", ours.error().cause);
    co_return fail(std::move(ours.error()));
  }
  co_return std::move(token->claims);
}

/// A provider may sign user info (Core 5.3.2), or encrypt it for a key that we do not have.
asio::awaitable<Result<json::object>> Provider::open_user_info(std::string text) {
  if (std::ranges::count(text, '.') == 4)
    co_return refused("it is encrypted; switch the encryption of user info off at the provider");
  auto token = jwt::parse(trim(text));
  if (!token) co_return fail(std::move(token.error()));
  // Which algorithms the provider has for it need not be those of ID tokens; a shared secret must have been asked for.
  const auto algorithm = token->algorithm();
  if (jwt::is_shared_secret(algorithm) && !accepts(algorithm, {}))
    co_return refused(fmt::format("it is signed with {}", algorithm));
  auto ours = co_await check_signature(*token);
  if (ours) ours = jwt::check_user_info(token->claims, {options_.issuer, options_.client_id, {}, {}, clock_.now()});
  if (!ours) co_return fail(std::move(ours.error()));
  co_return std::move(token->claims);
}

asio::awaitable<Result<json::object>> Provider::userinfo(std::string access_token, std::string subject) {
  const auto known = co_await metadata();
  if (!known) co_return fail(known.error());
  if (known->userinfo.empty() || access_token.empty()) co_return json::object{};
  egress::Ask question;
  question.url = known->userinfo;
  question.accept = fmt::format("application/json, {}", kJwt);
  question.headers.set("Authorization", "Bearer " + access_token);
  auto answer = co_await ask(std::move(question));
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 200 && answer->type == kJwt) {
    auto opened = co_await open_user_info(std::move(answer->text));
    // It is not needed for the sign-in: what it would have said is missing, as where there is none.
    if (!opened) warn("user info of an OpenID provider is passed over", opened.error().cause);
    if (opened) answer->body = std::move(*opened);
  }
  // Core 5.3.2: only what is said of the same subject counts.
  if (answer->status != 200 || text_of(answer->body, "sub") != subject) co_return json::object{};
  co_return std::move(answer->body);
}

}  // namespace tiltyard::identity::oidc
