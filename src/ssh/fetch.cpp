#include "ssh/fetch.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/client.h"
#include "ssh/store.h"

namespace tiltyard::ssh {
namespace {

constexpr std::size_t kMostBytes = 64 * 1024;
constexpr std::chrono::milliseconds kPatience{5'000};

std::unexpected<Error> away(std::string why) {
  return fail(Code::kUnavailable, "key-source-away", "The keys could not be fetched there. Try again, or give the key.",
              std::move(why));
}

}  // namespace

bool may_be_asked(std::string_view url, const std::vector<std::string>& from) {
  const bool plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
  if (!plain || url.contains("..") || url.contains('@') || url.contains('#') || url.contains('?') || url.contains('%'))
    return false;
  return std::ranges::any_of(
      from, [&](const std::string& place) { return url.starts_with(place) && url.size() > place.size(); });
}

asio::awaitable<Result<std::vector<PublicKey>>> fetch_keys(std::string url, std::vector<std::string> from,
                                                           const net::Reach* reach) {
  if (!may_be_asked(url, from)) {
    co_return fail(Code::kInvalid, "key-source",
                   from.empty() ? "Keys are fetched from nowhere here (ssh.keys_from)."
                                : fmt::format("Keys are fetched from {} alone (ssh.keys_from), such as {}NAME.keys.",
                                              fmt::join(from, ", "), from.front()));
  }
  auto target = http::Target::parse(url);
  if (!target) co_return fail(std::move(target.error()));
  http::ClientOptions options;
  options.max_idle = 0;
  options.body_limit = kMostBytes;
  options.reach = reach;
  http::Client client(std::move(*target), options);
  http::Request request;
  request.target = url.substr(url.find('/', url.find("://") + 3));
  request.headers.set("Accept", "text/plain");
  auto answer = co_await client.send(std::move(request), kPatience);
  if (!answer) co_return away(answer.error().reason + ": " + answer.error().cause);
  if (answer->status != 200) co_return away(fmt::format("status {}", answer->status));
  auto keys = read_public_keys(answer->body, kMostKeys);
  if (keys.empty()) co_return fail(Code::kInvalid, "key-invalid", "No key that can be used stands there.");
  co_return keys;
}

}  // namespace tiltyard::ssh
