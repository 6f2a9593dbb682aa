// Networks and volumes.
#include <net/if.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/backoff.h"
#include "base/parallel.h"
#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/docker/machine_body.h"
#include "engine/isolation/bridge.h"
#include "engine/isolation/firewall.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;
namespace json = boost::json;

constexpr auto kChangeDeadline = 60s, kAskDeadline = 15s;

std::string network_path(const std::string& name, std::string_view what = "") {
  return "/networks/" + http::percent_encode(name) + std::string(what);
}

std::string volume_path(const std::string& name) { return "/volumes/" + http::percent_encode(name); }

/// Whether a network that is there does what the specification says. How its bridge is called does not matter as long
/// as the firewall table treats it alike: servers of earlier versions called it otherwise.
bool serves(const json::value& found, const NetworkSpec& spec) {
  const json::array* ranges = member(member(found, "IPAM"), "Config").if_array();
  if (!ranges || ranges->size() != 1) return false;
  const json::value& range = ranges->front();
  const json::value& options = member(found, "Options");
  const auto guard = isolation::guard_of(text_of(member(options, kBridgeOption)));
  return text_of(range, "Subnet") == spec.subnet && text_of(range, "Gateway") == spec.gateway &&
         flag_of(found, "Internal") == !spec.egress && guard == isolation::Guard{spec.shared, spec.egress} &&
         text_of(member(options, kPortTrafficOption)) == (spec.shared ? "false" : "true");
}

bool says_taken(const http::Response& answer) {
  const std::string words = words_of(answer.body);
  return (answer.status == 409 && words.contains("already exists")) || words.contains("uses same bridge name");
}

bool says_overlap(const http::Response& answer) {
  const std::string words = words_of(answer.body);
  return words.contains("overlap") || words.contains("conflicts with network");
}

}  // namespace

asio::awaitable<Result<>> DockerEngine::create_network(NetworkSpec spec) {
  const std::string bridge = isolation::bridge_name(spec);
  const std::string body = network_body(spec, bridge, mine(spec.labels));
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto answer = co_await connection_->call("POST", "/networks/create", body, kChangeDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 201) co_return co_await bridge_is_here(spec.name, bridge);
    if (says_overlap(*answer)) {
      // Perhaps it is our own: a create whose caller died may still be under way in the engine, and is listed only
      // later.
      const auto own = co_await appears(spec);
      if (own) co_return co_await bridge_is_here(spec.name, *own);
    }
    if (!says_taken(*answer)) co_return fail(refusal(About::kNetwork, *answer));
    auto there = co_await look_at_network(spec);
    if (!there) co_return fail(std::move(there.error()));
    if (there->holder == NetworkHolder::kSame) co_return co_await bridge_is_here(spec.name, there->bridge);
    if (there->holder == NetworkHolder::kStranger) break;
    if (there->holder == NetworkHolder::kNobody) {
      // The bridge, not the name, is in use: by a network of another name.
      if (attempt > 0) co_return fail(refusal(About::kNetwork, *answer));
      continue;
    }
    // Ours, but not as it should be. Without machines on it nobody misses it; with machines this is refused there.
    auto removed = co_await connection_->call("DELETE", network_path(spec.name), {}, kChangeDeadline);
    if (!removed) co_return fail(std::move(removed.error()));
    if (removed->status != 204 && removed->status != 404) break;
  }
  co_return fail(Code::kConflict, reason::kNameTaken, "Another network has the name " + spec.name + ".");
}

/// The bridge of a network of this name that does what the spec says, if it is there or comes within about 1.5 s.
asio::awaitable<std::optional<std::string>> DockerEngine::appears(NetworkSpec spec) {
  Growing<std::chrono::milliseconds> delay(50ms, 800ms);
  for (int tries = 0; tries < 5; ++tries) {
    auto there = co_await look_at_network(spec);
    if (there && there->holder == NetworkHolder::kSame) co_return std::move(there->bridge);
    if (there && there->holder == NetworkHolder::kStranger) co_return std::nullopt;
    co_await sleep_for(delay.next());
  }
  co_return std::nullopt;
}

asio::awaitable<Result<DockerEngine::FoundNetwork>> DockerEngine::look_at_network(NetworkSpec spec) {
  auto answer = co_await connection_->call("GET", network_path(spec.name), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return FoundNetwork{NetworkHolder::kNobody, {}};
  if (answer->status != 200) co_return fail(refusal(About::kNetwork, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  if (!is_ours(labels_of(member(*found, "Labels")))) co_return FoundNetwork{NetworkHolder::kStranger, {}};
  co_return FoundNetwork{serves(*found, spec) ? NetworkHolder::kSame : NetworkHolder::kOurs,
                         text_of(member(member(*found, "Options"), kBridgeOption))};
}

/// Our firewall table stands on this host; so must the bridges it is about. An engine in another network namespace
/// (or on another host behind a forwarded socket) would leave its machines unguarded.
asio::awaitable<Result<>> DockerEngine::bridge_is_here(std::string network, std::string bridge) {
  if (!local_) co_return Result<>{};
  if (::if_nametoindex(bridge.c_str()) != 0) co_return Result<>{};
  auto removed = co_await destroy_network(std::move(network));
  if (!removed) co_return fail(std::move(removed.error()));
  co_return fail(Code::kUnavailable, reason::kIsolationMissing,
                 "The engine's bridges are not on this host, so that our firewall table does not guard them.",
                 "no interface " + bridge);
}

asio::awaitable<Result<>> DockerEngine::destroy_network(std::string name) {
  for (int attempt = 1;; ++attempt) {
    auto answer = co_await connection_->call("DELETE", network_path(name), {}, kChangeDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 204 || answer->status == 404) co_return Result<>{};
    if (words_of(answer->body).contains("is ambiguous")) co_return co_await destroy_namesakes(name);
    const bool in_use = words_of(answer->body).contains("has active endpoints");
    if (!in_use || attempt == 4) co_return fail(refusal(About::kNetwork, *answer));
    auto freed = co_await disconnect_leftovers(name);
    if (!freed) co_return fail(std::move(freed.error()));
    // An endpoint that nobody lists belongs to a machine that is just going away.
    co_await sleep_for(attempt * 50ms);
  }
}

/// The engine lets two creates at the same moment make two networks of one name, and then knows neither by it.
asio::awaitable<Result<>> DockerEngine::destroy_namesakes(std::string name) {
  auto answer =
      co_await connection_->call("GET", with_query("/networks", {{"filters", our_filter()}}), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<std::string> ids;
  if (const json::array* items = found->if_array()) {
    for (const auto& item : *items) {
      if (text_of(item, "Name") == name) ids.push_back(text_of(item, "Id"));
    }
  }
  for (const auto& id : ids) {
    auto removed = co_await destroy_network(id);
    if (!removed) co_return removed;
  }
  co_return Result<>{};
}

/// Takes machines of ours off a network that is to go. A stranger's machine on it stays, and with it the network.
asio::awaitable<Result<>> DockerEngine::disconnect_leftovers(std::string network) {
  auto answer = co_await connection_->call("GET", network_path(network), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return Result<>{};
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  const json::object* machines = member(*found, "Containers").if_object();
  if (!machines) co_return Result<>{};
  std::vector<std::string> names;
  for (const auto& [id, endpoint] : *machines) names.push_back(text_of(endpoint, "Name"));
  for (const auto& name : names) {
    auto mine = co_await recover(name);
    if (!mine) co_return fail(std::move(mine.error()));
    if (!*mine) continue;
    auto gone = co_await connection_->call("POST", network_path(network, "/disconnect"),
                                           R"({"Force":true,"Container":")" + name + "\"}", kChangeDeadline);
    if (!gone) co_return fail(std::move(gone.error()));
  }
  co_return Result<>{};
}

asio::awaitable<Result<std::vector<Resource>>> DockerEngine::list_networks() {
  auto answer =
      co_await connection_->call("GET", with_query("/networks", {{"filters", our_filter()}}), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kNetwork, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<Resource> out;
  if (const json::array* items = found->if_array()) {
    for (const auto& item : *items) out.push_back(listed_network(item));
  }
  co_return out;
}

asio::awaitable<Result<std::vector<UsedRange>>> DockerEngine::used_ranges() {
  auto answer = co_await connection_->call("GET", "/networks", {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kNetwork, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<UsedRange> out;
  std::set<std::string> bridges;
  const json::array* items = found->if_array();
  for (const auto& item : items ? *items : json::array()) {
    std::ranges::move(ranges_of(item), std::back_inserter(out));
    bridges.insert(bridge_of(item));
  }
  if (!local_) co_return out;
  std::ifstream routes("/proc/net/route");
  std::ranges::move(host_routes(routes, bridges), std::back_inserter(out));
  co_return out;
}

asio::awaitable<Result<>> DockerEngine::create_volume(std::string name, Labels labels) {
  json::object wanted;
  for (const auto& [key, value] : mine(std::move(labels))) wanted.emplace(key, value);
  const json::object body{{"Name", name}, {"Labels", std::move(wanted)}};
  auto answer = co_await connection_->call("POST", "/volumes/create", json::serialize(body), kChangeDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 201 && answer->status != 200) co_return fail(refusal(About::kVolume, *answer));
  // For a name that is there the engine answers with what is there, labels and all.
  auto made = parse_json(answer->body);
  if (!made) co_return fail(std::move(made.error()));
  if (is_ours(labels_of(member(*made, "Labels")))) co_return Result<>{};
  co_return fail(Code::kConflict, reason::kNameTaken, "Somebody else's volume has the name " + name + ".");
}

asio::awaitable<Result<>> DockerEngine::destroy_volume(std::string name) {
  auto answer = co_await connection_->call("DELETE", volume_path(name), {}, kChangeDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 204 || answer->status == 404) co_return Result<>{};
  if (answer->status == 409) {
    co_return fail(Code::kExhausted, reason::kBusy, "A machine still uses the volume " + name + ".", answer->body);
  }
  co_return fail(refusal(About::kVolume, *answer));
}

asio::awaitable<Result<std::vector<Resource>>> DockerEngine::list_volumes() {
  auto answer =
      co_await connection_->call("GET", with_query("/volumes", {{"filters", our_filter()}}), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kVolume, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  std::vector<Resource> out;
  if (const json::array* items = member(*found, "Volumes").if_array()) {
    for (const auto& item : *items) out.push_back(listed_volume(item));
  }
  co_return out;
}

}  // namespace tiltyard::engine
