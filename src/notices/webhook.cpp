#include "notices/webhook.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <cmath>

#include "net/retry_after.h"

namespace tiltyard::notices {
namespace {

constexpr std::chrono::seconds kDeadline{10};
constexpr std::chrono::milliseconds kShortestPause{1000}, kLongestPause{std::chrono::hours{1}};

http::ClientOptions client_options() {
  http::ClientOptions options;
  options.max_idle = 1;
  options.connect_timeout = std::chrono::seconds{5};
  options.body_limit = 64 * 1024;
  return options;
}

std::optional<std::chrono::milliseconds> bounded(std::optional<double> seconds) {
  if (!seconds || !std::isfinite(*seconds)) return std::nullopt;
  const double most = static_cast<double>(kLongestPause.count()), least = static_cast<double>(kShortestPause.count());
  return std::chrono::milliseconds{static_cast<std::int64_t>(std::clamp(*seconds * 1000, least, most))};
}

/// From Discord's body, or a header; nullopt where none says. At least a second: an answer that asks for none
/// would be asked for again at once, and what is refused too often is banned. Source:
/// https://discord.com/developers/docs/topics/rate-limits
std::optional<std::chrono::milliseconds> pause_of(const http::Response& response) {
  std::optional<double> seconds;
  boost::system::error_code error;
  const auto body = boost::json::parse(response.body, error);
  if (!error && body.is_object() && body.get_object().contains("retry_after") && body.at("retry_after").is_number()) {
    seconds = body.at("retry_after").to_number<double>();
  } else {
    for (const auto* field : {"Retry-After", "X-RateLimit-Reset-After"}) {
      if (!seconds) seconds = http::seconds_until(std::string(response.headers.get(field)));
    }
  }
  return bounded(seconds);
}

}  // namespace

Posted judge(const http::Response& response) {
  Posted out;
  out.status = response.status;
  out.cause = fmt::format("status {}", response.status);
  if (response.status >= 200 && response.status < 300) out.outcome = Delivery::kDone;
  else if (response.status == 429) out.outcome = Delivery::kLater, out.pause = pause_of(response);
  else if (response.status >= 500 || response.status == 408) out.outcome = Delivery::kLater;
  else out.outcome = Delivery::kNever;
  if (response.status == 503)
    out.not_before = bounded(http::seconds_until(std::string(response.headers.get("Retry-After"))));
  return out;
}

Result<WebhookTarget> webhook_of(const Options& options) {
  const auto wrong = [](std::string_view why) {
    return fail(Code::kInvalid, "notices-invalid",
                fmt::format("notices.discord_url must be the https address of a webhook: {}.", why));
  };
  const auto parsed = boost::urls::parse_uri(options.discord_url.reveal());
  if (!parsed || parsed->host().empty()) return wrong("this is no address");
  if (parsed->has_userinfo()) return wrong("it may hold no name and password");
  const auto host = std::string(parsed->host_address());
  const bool loopback = host == "127.0.0.1" || host == "::1" || host == "localhost";
  const bool plain = parsed->scheme() == "http" && options.plain_loopback && loopback;
  if (parsed->scheme() != "https" && !plain) return wrong("it begins with another scheme");
  WebhookTarget out;
  out.target.host = host;
  out.target.tls = !plain;
  out.target.port = parsed->port_number() != 0 ? parsed->port_number() : static_cast<std::uint16_t>(plain ? 80 : 443);
  out.path = Secret(std::string(parsed->encoded_target().empty() ? "/" : std::string(parsed->encoded_target())));
  return out;
}

Webhook::Webhook(WebhookTarget to) : path_(std::move(to.path)), client_(std::move(to.target), client_options()) {}

asio::awaitable<Posted> Webhook::post(std::string body) {
  http::Request request;
  request.method = "POST";
  request.target = path_.reveal();
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", "Tiltyard");
  request.body = std::move(body);
  auto answer = co_await client_.send(std::move(request), kDeadline);
  if (answer) co_return judge(*answer);
  Posted out;
  out.cause = answer.error().reason;
  co_return out;
}

}  // namespace tiltyard::notices
