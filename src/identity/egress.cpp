#include "identity/egress.h"

#include <boost/asio/this_coro.hpp>
#include <boost/json/parse.hpp>

#include "base/text.h"
#include "net/client.h"

namespace tiltyard::identity::egress {
namespace {

constexpr std::size_t kMostBytes = 256 * 1024;

/// The path and query of a URL; what the request's first line says.
std::string target_of(const std::string& url) {
  const auto host = url.find("://");
  const auto path = host == std::string::npos ? host : url.find_first_of("/?", host + 3);
  if (path == std::string::npos) return "/";
  auto target = url.substr(path, url.find('#', path) - path);
  return target.starts_with('?') ? "/" + target : target;
}

}  // namespace

asio::awaitable<Result<Answer>> call(Ask ask) {
  auto target = http::Target::parse(ask.url);
  if (!target) co_return fail(std::move(target.error()));
  if (!target->unix_path.empty()) co_return fail(Code::kInvalid, "invalid-address", "Only http and https are asked.");
  target->ca_file = ask.ca_file;
  http::ClientOptions options;
  options.max_idle = 0;
  options.body_limit = kMostBytes;
  options.reach = ask.reach;
  http::Client client(std::move(*target), options);
  http::Request request;
  request.method = ask.method;
  request.target = target_of(ask.url);
  request.headers = std::move(ask.headers);
  request.headers.set("Accept", ask.accept);
  request.headers.set("User-Agent", "tiltyard");
  request.body = std::move(ask.body);
  auto response = co_await client.send(std::move(request), ask.deadline);
  if (!response) co_return fail(std::move(response.error()));
  Answer answer;
  answer.status = response->status;
  answer.retry_after = response->headers.get("Retry-After");
  const auto type = response->headers.get("Content-Type");
  answer.type = lower(trim(type.substr(0, type.find(';'))));
  boost::system::error_code error;
  boost::json::parse_options parsing;
  parsing.max_depth = 16;
  auto value = boost::json::parse(response->body, error, {}, parsing);
  if (!error && value.is_object()) {
    answer.json = true;
    answer.body = std::move(value.get_object());
  } else {
    answer.text = std::move(response->body);
  }
  co_return answer;
}

bool Breaker::closed(TimePoint now) {
  if (failures_ < kFailures) return true;
  if (now < open_until_) return false;
  open_until_ = now + kRest;  // this caller tries; the others wait for its outcome
  return true;
}

void Breaker::failed(TimePoint now) {
  if (++failures_ >= kFailures) open_until_ = now + kRest;
}

asio::awaitable<std::shared_ptr<SingleFlight::Ticket>> SingleFlight::enter(std::string key) {
  const auto executor = co_await asio::this_coro::executor;
  auto& place = under_way_[key];
  if (auto running = place.lock()) {
    co_await running->wait();
    co_return nullptr;
  }
  auto signal = std::make_shared<Signal>(executor);
  place = signal;
  if (under_way_.size() > 1000) std::erase_if(under_way_, [](const auto& entry) { return entry.second.expired(); });
  co_return std::make_shared<Ticket>(std::move(signal));
}

}  // namespace tiltyard::identity::egress
