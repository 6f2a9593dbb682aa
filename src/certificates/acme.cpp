#include "certificates/acme.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>

#include "base/base64url.h"
#include "base/json.h"
#include "base/text.h"
#include "net/client.h"
#include "net/retry_after.h"

namespace tiltyard::certificates::acme {
namespace {

namespace json = boost::json;
using http::Response;

constexpr std::chrono::seconds kDeadline{30};
constexpr std::size_t kMostNonces = 16, kLongestNonce = 512, kLongestUrl = 2048, kMostNames = 100, kLongestProfile = 64;
constexpr int kNonceTries = 10;
constexpr std::chrono::hours kLongestWait{24 * 7};

std::unexpected<Error> no_protocol(std::string cause) {
  return fail(Code::kUnavailable, reason::kAnswer, "The CA answered something that is not ACME.", std::move(cause));
}

struct Url {
  std::string origin, target;
};
std::optional<Url> split(const std::string& url) {
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme) || url.size() > kLongestUrl) return std::nullopt;
  if (std::ranges::any_of(url, [](char c) { return c <= ' ' || c >= 0x7F; })) return std::nullopt;
  const auto slash = url.find('/', kScheme.size());
  if (slash == std::string::npos) return Url{url, "/"};
  return Url{url.substr(0, slash), url.substr(slash)};
}

Status status_of(const std::string& text) {
  if (text == "ready") return Status::kReady;
  if (text == "processing") return Status::kProcessing;
  if (text == "valid") return Status::kValid;
  // Some servers leave it out.
  if (text == "pending" || text.empty()) return Status::kPending;
  return Status::kInvalid;
}

std::optional<Error> error_in(const json::value& value) {
  const auto& problem = member(value, "error");
  if (!problem.is_object()) return std::nullopt;
  return error_of(problem, static_cast<int>(number_of(problem, "status")));
}

std::chrono::seconds retry_after(const Response& response) {
  const auto seconds = http::seconds_until(std::string(response.headers.get("Retry-After")));
  if (!seconds || !std::isfinite(*seconds) || *seconds <= 0) return {};
  return std::chrono::seconds{static_cast<std::int64_t>(
      std::ceil(std::min(*seconds, static_cast<double>(std::chrono::seconds(kLongestWait).count()))))};
}

Result<json::object> object_in(const Response& response) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  auto value = json::parse(response.body, error, {}, options);
  if (error || !value.is_object()) return no_protocol(fmt::format("status {} without JSON", response.status));
  return std::move(value.get_object());
}

bool good_nonce(std::string_view nonce) {
  return !nonce.empty() && nonce.size() <= kLongestNonce && std::ranges::all_of(nonce, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool good_profile(std::string_view name) {
  return name.size() <= kLongestProfile && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F; });
}

bool good_token(std::string_view token) { return good_nonce(token); }  // the same alphabet (RFC 8555, 8.1)

Error refusal(const Response& response) {
  boost::system::error_code error;
  const auto body = json::parse(response.body, error);
  auto out = error_of(error ? json::value(nullptr) : body, response.status);
  if (const auto wait = retry_after(response); wait.count() > 0)
    out.fields.emplace_back(kRetryAfter, std::to_string(wait.count()));
  return out;
}

Result<Order> order_of(const Response& response, std::string url) {
  const auto body = object_in(response);
  if (!body) return fail(body.error());
  Order order;
  order.url = std::move(url);
  order.status = status_of(text_of(*body, "status"));
  order.authorizations = texts_of(*body, "authorizations");
  order.finalize = text_of(*body, "finalize");
  order.certificate = text_of(*body, "certificate");
  order.error = error_in(*body);
  order.retry_after = retry_after(response);
  if (order.authorizations.size() > kMostNames) return no_protocol("too many authorizations");
  return order;
}

}  // namespace

const Challenge* Authorization::find(std::string_view type) const {
  const auto found = std::ranges::find(challenges, type, &Challenge::type);
  return found == challenges.end() ? nullptr : &*found;
}

Client::Client(std::string directory, std::string ca_file, AccountKey key)
    : directory_url_(std::move(directory)), ca_file_(std::move(ca_file)), key_(std::move(key)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::make(std::string directory, std::string ca_file, AccountKey key) {
  const auto url = split(directory);
  if (!url || !http::Target::parse(url->origin))
    return fail(Code::kInvalid, "invalid-address", "acme.directory must be an https URL.");
  return std::unique_ptr<Client>(new Client(std::move(directory), std::move(ca_file), std::move(key)));
}

void Client::use_account(std::string url) { kid_ = std::move(url); }

http::Client& Client::client_of(const std::string& origin) {
  auto& client = clients_[origin];
  if (!client) {
    auto target = http::Target::parse(origin);
    http::ClientOptions options;
    options.max_idle = 4;
    // Shorter than any server's patience: what is sent on a connection that was closed meanwhile is lost.
    options.idle_for = std::chrono::seconds{2};
    options.connect_timeout = std::chrono::seconds{10};
    options.body_limit = 512 * 1024;
    if (target) target->ca_file = ca_file_;
    client = std::make_unique<http::Client>(target ? std::move(*target) : http::Target{}, options);
  }
  return *client;
}

asio::awaitable<Result<Response>> Client::send(std::string method, std::string url, std::string body) {
  const auto parts = split(url);
  if (!parts || !http::Target::parse(parts->origin)) co_return no_protocol("a link that is no https URL");
  if (!clients_.contains(parts->origin) && clients_.size() >= 8) co_return no_protocol("links to too many hosts");
  http::Request request;
  request.method = std::move(method);
  request.target = parts->target;
  request.headers.set("User-Agent", "Tiltyard");
  if (request.method == "POST") {
    request.headers.set("Content-Type", "application/jose+json");
    request.body = std::move(body);
  }
  auto& client = client_of(parts->origin);
  auto answer = co_await client.send(std::move(request), kDeadline);
  if (!answer) {
    auto& error = answer.error();
    co_return fail(Code::kUnavailable, reason::kAway,
                   fmt::format("The CA at {} does not answer ({}).", parts->origin, error.reason), error.cause);
  }
  // Errors bring one too, and it is as good (RFC 8555, 6.5).
  const auto nonce = answer->headers.get("Replay-Nonce");
  if (good_nonce(nonce) && nonces_.size() < kMostNonces) nonces_.emplace_back(nonce);
  co_return std::move(*answer);
}

asio::awaitable<Result<Directory>> Client::directory() {
  if (directory_) co_return *directory_;
  auto answer = co_await send("GET", directory_url_, {});
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(*answer));
  const auto body = object_in(*answer);
  if (!body) co_return fail(body.error());
  Directory found{text_of(*body, "newNonce"),
                  text_of(*body, "newAccount"),
                  text_of(*body, "newOrder"),
                  text_of(*body, "renewalInfo"),
                  {},
                  false};
  const auto& meta = member(*body, "meta");
  found.external_account_required = flag_of(meta, "externalAccountRequired");
  if (const auto* profiles = member(meta, "profiles").if_object()) {
    for (const auto& profile : *profiles) {
      // They are told to staff.
      if (found.profiles.size() < kMostNames && good_profile(profile.key())) found.profiles.emplace_back(profile.key());
    }
  }
  if (found.new_nonce.empty() || found.new_account.empty() || found.new_order.empty())
    co_return fail(Code::kUnavailable, reason::kAnswer,
                   fmt::format("{} is no ACME directory; acme.directory must name one.", directory_url_));
  directory_ = std::move(found);
  co_return *directory_;
}

asio::awaitable<Result<std::string>> Client::nonce() {
  if (!nonces_.empty()) {
    auto taken = std::move(nonces_.front());
    nonces_.pop_front();
    co_return taken;
  }
  auto known = co_await directory();
  if (!known) co_return fail(std::move(known.error()));
  auto answer = co_await send("HEAD", known->new_nonce, {});
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status >= 400) co_return fail(refusal(*answer));
  if (nonces_.empty()) co_return no_protocol("newNonce gave none");
  auto taken = std::move(nonces_.front());
  nonces_.pop_front();
  co_return taken;
}

asio::awaitable<Result<Response>> Client::post(std::string url, std::string payload) {
  co_return co_await post(std::move(url), std::move(payload), false);
}

asio::awaitable<Result<Response>> Client::post(std::string url, std::string payload, bool with_key) {
  for (int tries = 1;; ++tries) {
    auto taken = co_await nonce();
    if (!taken) co_return fail(std::move(taken.error()));
    auto body = signed_body(key_, with_key ? std::string() : kid_, *taken, url, payload);
    if (!body) co_return fail(std::move(body.error()));
    auto answer = co_await send("POST", url, std::move(*body));
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status < 300) co_return std::move(*answer);
    auto refused = refusal(*answer);
    if (refused.reason != reason::kBadNonce || tries == kNonceTries) co_return fail(std::move(refused));
    // The others of the stock may be as old; the one that came with this answer is not.
    while (nonces_.size() > 1) nonces_.pop_front();
  }
}

asio::awaitable<Result<std::string>> Client::open_account(Account account) {
  auto known = co_await directory();
  if (!known) co_return fail(std::move(known.error()));
  json::object payload{{"termsOfServiceAgreed", true}};
  if (!account.contact.empty()) payload["contact"] = json::array{"mailto:" + account.contact};
  if (!account.eab_kid.empty()) {
    auto binding = external_binding(key_, account.eab_kid, account.eab_key, known->new_account);
    if (!binding) co_return fail(std::move(binding.error()));
    payload["externalAccountBinding"] = json::parse(*binding);
  } else if (known->external_account_required) {
    co_return fail(Code::kConflict, "acme-external-account-required",
                   "The CA wants an account that is bound: set acme.eab_kid and acme.eab_key.");
  }
  auto answer = co_await post(known->new_account, json::serialize(payload), true);
  if (!answer) co_return fail(std::move(answer.error()));
  auto url = std::string(answer->headers.get("Location"));
  if (!split(url)) co_return no_protocol("an account without a Location");
  kid_ = url;
  co_return url;
}

asio::awaitable<Result<Order>> Client::new_order(NewOrder wanted) {
  auto known = co_await directory();
  if (!known) co_return fail(std::move(known.error()));
  json::array identifiers;
  for (const auto& name : wanted.names) identifiers.push_back(json::object{{"type", "dns"}, {"value", name}});
  json::object payload{{"identifiers", std::move(identifiers)}};
  if (!wanted.profile.empty()) {
    if (std::ranges::find(known->profiles, wanted.profile) == known->profiles.end())
      co_return fail(
          Code::kConflict, "acme-profile-unknown",
          fmt::format("The CA has no profile {}; it has: {}. Change acme.profile.", wanted.profile,
                      known->profiles.empty() ? "none" : fmt::format("{}", fmt::join(known->profiles, ", "))));
    payload["profile"] = wanted.profile;
  }
  if (!wanted.replaces.empty()) payload["replaces"] = wanted.replaces;
  auto answer = co_await post(known->new_order, json::serialize(payload));
  if (!answer) co_return fail(std::move(answer.error()));
  auto url = std::string(answer->headers.get("Location"));
  if (!split(url)) co_return no_protocol("an order without a Location");
  co_return order_of(*answer, std::move(url));
}

asio::awaitable<Result<Order>> Client::order(std::string url) {
  auto answer = co_await post(url, {});
  if (!answer) co_return fail(std::move(answer.error()));
  co_return order_of(*answer, std::move(url));
}

asio::awaitable<Result<Authorization>> Client::authorization(std::string url) {
  auto answer = co_await post(url, {});
  if (!answer) co_return fail(std::move(answer.error()));
  const auto body = object_in(*answer);
  if (!body) co_return fail(body.error());
  Authorization out;
  out.url = std::move(url);
  out.name = lower(text_of(member(*body, "identifier"), "value"));
  out.wildcard = flag_of(*body, "wildcard");
  out.status = status_of(text_of(*body, "status"));
  out.retry_after = retry_after(*answer);
  const auto* challenges = member(*body, "challenges").if_array();
  for (const auto& one : challenges == nullptr ? json::array() : *challenges) {
    Challenge challenge{text_of(one, "type"), text_of(one, "url"), text_of(one, "token"),
                        status_of(text_of(one, "status")), error_in(one)};
    // Without a good token it can neither be answered nor be a file's name.
    if (good_token(challenge.token) && out.challenges.size() < kMostNames)
      out.challenges.push_back(std::move(challenge));
  }
  co_return out;
}

asio::awaitable<Result<>> Client::start_challenge(std::string url) {
  auto answer = co_await post(std::move(url), "{}");
  if (!answer) co_return fail(std::move(answer.error()));
  co_return Result<>{};
}

asio::awaitable<Result<>> Client::deactivate(std::string authorization_url) {
  auto answer = co_await post(std::move(authorization_url), R"({"status":"deactivated"})");
  if (!answer) co_return fail(std::move(answer.error()));
  co_return Result<>{};
}

asio::awaitable<Result<>> Client::finalize(Order order, std::string request_der) {
  auto answer = co_await post(order.finalize, json::serialize(json::object{{"csr", base64url(request_der)}}));
  if (!answer) co_return fail(std::move(answer.error()));
  co_return Result<>{};
}

asio::awaitable<Result<std::string>> Client::download(std::string url) {
  auto answer = co_await post(std::move(url), {});
  if (!answer) co_return fail(std::move(answer.error()));
  co_return std::move(answer->body);
}

asio::awaitable<Result<std::optional<RenewalInfo>>> Client::renewal_info(std::string ari_id) {
  auto known = co_await directory();
  if (!known) co_return fail(std::move(known.error()));
  if (known->renewal_info.empty() || ari_id.empty()) co_return std::optional<RenewalInfo>();
  auto base = known->renewal_info;
  while (base.ends_with('/')) base.pop_back();
  auto answer = co_await send("GET", base + "/" + ari_id, {});
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(*answer));
  const auto body = object_in(*answer);
  if (!body) co_return fail(body.error());
  const auto& window = member(*body, "suggestedWindow");
  const auto start = parse_rfc3339(text_of(window, "start")), end = parse_rfc3339(text_of(window, "end"));
  if (!start || !end || *end < *start) co_return no_protocol("renewal information without a window");
  co_return RenewalInfo{*start, *end, retry_after(*answer)};
}

}  // namespace tiltyard::certificates::acme
