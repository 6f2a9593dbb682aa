#include "guard/owners.h"

#include <boost/json/parse.hpp>

#include <chrono>

#include "base/json.h"

namespace tiltyard::guard {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kDeadline{15};
constexpr std::size_t kMostKnown = 100'000;

std::string key_of(const Thing& thing) { return std::to_string(static_cast<int>(thing.kind)) + thing.name; }

http::Target at(const std::string& path) {
  http::Target target;
  target.unix_path = path;
  return target;
}

std::string path_of(const Thing& thing) {
  const auto name = http::percent_encode(thing.name);
  switch (thing.kind) {
    case Kind::kMachine:
      return "/containers/" + name + "/json";
    case Kind::kNetwork:
      return "/networks/" + name;
    case Kind::kVolume:
      return "/volumes/" + name;
    case Kind::kExec:
      return "/exec/" + name + "/json";
  }
  return {};
}

}  // namespace

Owners::Owners(const std::string& engine, const Rules& rules) : client_(at(engine)), rules_(rules) {}

/// Null: there is none.
asio::awaitable<Result<json::value>> Owners::ask(std::string path) {
  http::Request question;
  question.target = std::move(path);
  auto answer = co_await client_.send(std::move(question), kDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return json::value();
  boost::system::error_code failed;
  auto found = json::parse(answer->body, failed);
  if (answer->status != 200 || failed) co_return refuse("what the engine says nothing about");
  co_return found;
}

asio::awaitable<Result<>> Owners::check(Thing thing) {
  if (ours_.contains(key_of(thing))) co_return Result<>{};
  if (thing.kind != Kind::kExec && !may_be_ours(thing.name, rules_))
    co_return refuse("what belongs to others: " + thing.name);
  auto found = co_await ask(path_of(thing));
  if (!found) co_return fail(std::move(found.error()));
  if (found->is_null()) co_return Result<>{};
  if (thing.kind == Kind::kExec) {
    auto machine = co_await check({Kind::kMachine, text_of(*found, "ContainerID")});
    co_return machine;
  }
  const auto& labels =
      thing.kind == Kind::kMachine ? member(member(*found, "Config"), "Labels") : member(*found, "Labels");
  if (!ours(labels.if_object(), rules_)) co_return refuse("what belongs to others: " + thing.name);
  made(thing);
  co_return Result<>{};
}

void Owners::made(const Thing& thing) {
  // Far more than there can be; whoever wants to fill it only makes us ask again.
  if (ours_.size() >= kMostKnown) ours_.clear();
  ours_.insert(key_of(thing));
}

void Owners::gone(const Thing& thing) { ours_.erase(key_of(thing)); }

}  // namespace tiltyard::guard
