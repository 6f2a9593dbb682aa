// The public keys of an account over HTTP.
#include "ssh/http.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "identity/identity.h"
#include "net/body.h"
#include "net/page.h"
#include "observe/log.h"
#include "ssh/fetch.h"

namespace tiltyard::ssh {
namespace {

namespace json = boost::json;
using house::Access;
using house::Proof;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::size_t kLongestName = 100, kLongestLine = 16 * 1024, kLongestUrl = 500;

json::object key_json(const Key& key) {
  return {{"id", key.id},
          {"name", key.name},
          {"type", key.key.type},
          {"fingerprint", key.fingerprint},
          {"source", key.source.empty() ? json::value(nullptr) : json::value(key.source)},
          {"created_at", to_rfc3339(key.created_at)}};
}

json::array keys_json(const std::vector<Key>& keys) {
  json::array items;
  for (const auto& key : keys) items.push_back(key_json(key));
  return items;
}

/// What somebody wants to have.
struct Wanted {
  std::string key, url, name;
};
Result<Wanted> read_wanted(const Request& request) {
  http::Body body(request.body);
  Wanted wanted;
  const auto key = body.maybe_text("key", 1, kLongestLine);
  const auto url = body.maybe_text("url", 1, kLongestUrl);
  wanted.name = body.maybe_text("name", 1, kLongestName).value_or("");
  if (key.has_value() == url.has_value()) body.refuse("Either 'key' or 'url' says which key it is.");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  wanted.key = key.value_or("");
  wanted.url = url.value_or("");
  return wanted;
}

asio::awaitable<Result<std::vector<PublicKey>>> keys_of(PartsRef parts, const Wanted& wanted) {
  if (!wanted.url.empty()) {
    auto fetched = fetch_keys(wanted.url, parts->keys_from, &parts->reach);
    co_return co_await std::move(fetched);
  }
  auto key = read_public_key(wanted.key);
  if (!key) co_return fail(std::move(key.error()));
  co_return std::vector<PublicKey>{std::move(*key)};
}

asio::awaitable<Result<Response>> list(PartsRef parts, Request request) {
  auto keys = co_await parts->keys.of(identity::principal_of(request).user);
  if (!keys) co_return fail(std::move(keys.error()));
  co_return http::page_answer(keys_json(*keys));
}

asio::awaitable<Result<Response>> add(PartsRef parts, Request request) {
  const auto& who = identity::principal_of(request);
  // A key works from everywhere, a seat only from its address; and nobody is the admin token over SSH.
  if (who.kind != "user") co_return fail(Code::kForbidden, "forbidden", "Only accounts have SSH keys.");
  const auto wanted = read_wanted(request);
  if (!wanted) co_return fail(wanted.error());
  auto found = co_await keys_of(parts, *wanted);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<Key> keys;
  for (auto& one : *found) {
    Key key;
    key.id = new_ulid();
    key.user = who.user;
    key.name = !wanted->name.empty() ? wanted->name : !one.comment.empty() ? one.comment : one.type;
    key.fingerprint = fingerprint_of(one.blob);
    key.key = std::move(one);
    key.source = wanted->url;
    key.created_at = parts->clock.now();
    keys.push_back(std::move(key));
  }
  auto added = co_await parts->keys.add(std::move(keys), identity::actor_of(request));
  if (!added) co_return fail(std::move(added.error()));
  if (added->empty()) co_return fail(Code::kConflict, "key-there", "The account has this key already.");
  log::info("ssh", "keys added", {{"user", who.user.str()}, {"keys", added->size()}});
  co_return Response::json(201, json::serialize(json::object{{"items", keys_json(*added)}}));
}

asio::awaitable<Result<Response>> remove(PartsRef parts, Request request) {
  const auto& who = identity::principal_of(request);
  auto removed = co_await parts->keys.remove(who.user, std::string(request.param("id")), identity::actor_of(request));
  if (!removed) co_return fail(std::move(removed.error()));
  co_return Response::empty(204);
}

}  // namespace

void add_routes(house::Routes& routes, HttpParts its_parts) {
  const auto parts = std::make_shared<const HttpParts>(its_parts);
  const house::Rights own{Access::kSignedIn, Scope::kAccount, Whose::kSelf};
  const house::Rights proved{Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh};
  routes.add("GET", "/api/v1/me/ssh-keys", own, {"profile-read"},
             [parts](Request request) { return list(parts, std::move(request)); });
  routes.add("POST", "/api/v1/me/ssh-keys", proved, {"ssh-keys"},
             [parts](Request request) { return add(parts, std::move(request)); });
  routes.add("DELETE", "/api/v1/me/ssh-keys/{id}", proved, {"ssh-keys"},
             [parts](Request request) { return remove(parts, std::move(request)); });
}

}  // namespace tiltyard::ssh
