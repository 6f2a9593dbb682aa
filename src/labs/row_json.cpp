#include "labs/row_json.h"

#include <sodium/utils.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "engine/engines.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;

/// Calls `use` with each object of the array `key`.
template <class Use>
void for_each_object(const json::object& from, std::string_view key, Use use) {
  const auto* value = from.if_contains(key);
  if (!value || !value->is_array()) return;
  for (const auto& item : value->get_array()) {
    if (item.is_object()) use(item.get_object());
  }
}

json::array array_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

Result<json::object> parse_object(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error || !value.is_object()) {
    return fail(Code::kInternal, "row-damaged", "A stored row could not be read.",
                error ? error.message() : "no object");
  }
  return std::move(value.get_object());
}

json::object network_json(const PlannedNetwork& network) {
  return {{"key", network.key},
          {"name", network.spec.name},
          {"subnet", network.spec.subnet},
          {"gateway", network.spec.gateway},
          {"shared", network.spec.shared},
          {"egress", network.spec.egress}};
}

json::object machine_json(const PlannedMachine& machine) {
  json::array attachments;
  for (const auto& at : machine.attachments) {
    attachments.push_back(
        json::object{{"network", at.network}, {"address", at.address}, {"aliases", array_of(at.aliases)}});
  }
  return {{"service", machine.service}, {"name", machine.name}, {"at", std::move(attachments)}};
}

/// Most are on one engine: they share its name.
Shared<std::string> engine_named(std::string name) {
  static const Shared<std::string> standard{std::string(engine::kDefaultEngine)};
  return name == engine::kDefaultEngine ? standard : Shared<std::string>(std::move(name));
}

/// Of a row of before: the first versions kept no handle, and theirs was the machine's name on every engine that they
/// knew.
engine::Handle handle_of(const json::object& machine) {
  const auto* kept = machine.if_contains("handle");
  if (!kept) return {1, text_of(machine, "name")};
  if (!kept->is_array() || kept->get_array().size() != 2) return {};
  const auto& parts = kept->get_array();
  if (!parts[0].is_int64() || !parts[1].is_string()) return {};
  return {static_cast<int>(parts[0].get_int64()), std::string(parts[1].get_string())};
}

/// Rows of before there were words say `"http": true|false`. What a word names that this program does not know is never
/// taken for something else.
Result<EndpointKind> kind_of(const json::object& from) {
  const auto word = text_of(from, "kind");
  if (word.empty()) return flag_of(from, "http") ? EndpointKind::kHttp : EndpointKind::kTcp;
  auto kind = endpoint_kind(word);
  if (!kind) return fail(std::move(kind.error()).because("endpoint " + text_of(from, "name") + " of kind " + word));
  return kind;
}

Handover handover_of(const json::object& from) {
  Handover handover;
  if (text_of(from, "tls") == word_of(TlsEnd::kGateway)) handover.tls = TlsEnd::kGateway;
  handover.proxy_protocol = static_cast<std::uint8_t>(number_of(from, "proxy_protocol"));
  handover.client_claims = flag_of(from, "client_claims");
  return handover;
}

decltype(PlannedEndpoint::host) label_of(const std::string& text) {
  decltype(PlannedEndpoint::host) label{};
  std::size_t size = 0;
  const bool whole = sodium_hex2bin(label.data(), label.size(), text.data(), text.size(), nullptr, &size, nullptr) == 0;
  return whole && size == label.size() ? label : decltype(label){};
}

json::object endpoint_json(const PlannedEndpoint& endpoint) {
  json::object out{{"name", endpoint.name},          {"machine", endpoint.machine},
                   {"address", endpoint.address},    {"machine_port", endpoint.machine_port},
                   {"kind", word_of(endpoint.kind)}, {"port", endpoint.port},
                   {"host", hex(endpoint.host)}};
  if (endpoint.called) out["called"] = *endpoint.called;
  if (endpoint.guessed) out["guessed"] = true;
  if (endpoint.opened) out["opened"] = true;
  if (endpoint.handover.tls == TlsEnd::kGateway) out["tls"] = word_of(endpoint.handover.tls);
  if (endpoint.handover.proxy_protocol != 0) out["proxy_protocol"] = endpoint.handover.proxy_protocol;
  if (endpoint.handover.client_claims) out["client_claims"] = true;
  if (endpoint.door != Door::kUnsaid) out["door"] = word_of(endpoint.door);
  return out;
}

}  // namespace

std::string to_json(const Plan& plan) {
  json::array networks, machines, volumes, endpoints;
  for (const auto& network : plan.networks) networks.push_back(network_json(*network));
  for (const auto& machine : plan.machines) machines.push_back(machine_json(machine));
  for (const auto& [key, name] : plan.volumes) volumes.push_back(json::object{{"key", key}, {"name", name}});
  for (const auto& endpoint : plan.endpoints) endpoints.push_back(endpoint_json(endpoint));
  json::object all{{"networks", std::move(networks)},
                   {"machines", std::move(machines)},
                   {"volumes", std::move(volumes)},
                   {"endpoints", std::move(endpoints)}};
  if (plan.record_terminals) all["record"] = json::array{"terminal"};
  return json::serialize(all);
}

Result<Plan> parse_plan(std::string_view text, PlanForm form) {
  auto root = parse_object(text);
  if (!root) return fail(std::move(root.error()));
  Plan plan;
  const bool before = form == PlanForm::kOfBefore;
  for_each_object(*root, "networks", [&](const json::object& from) {
    PlannedNetwork network;
    network.key = text_of(from, "key");
    network.spec.name = text_of(from, "name");
    network.spec.subnet = text_of(from, "subnet");
    network.spec.gateway = text_of(from, "gateway");
    network.spec.shared = flag_of(from, "shared");
    network.spec.egress = flag_of(from, "egress");
    plan.networks.emplace_back(std::move(network));
  });
  for_each_object(*root, "machines", [&](const json::object& from) {
    PlannedMachine machine{
        text_of(from, "service"), text_of(from, "name"), {}, before ? handle_of(from) : engine::Handle{}};
    for_each_object(from, "at", [&](const json::object& at) {
      machine.attachments.push_back({text_of(at, "network"), text_of(at, "address"), texts_of(at, "aliases")});
    });
    plan.machines.push_back(std::move(machine));
  });
  // What was never placed has no machines either, and no engine.
  if (before && root->contains("engine")) plan.engine = engine_named(text_of(*root, "engine"));
  else if (before && !plan.machines.empty()) plan.engine = engine_named(engine::kDefaultEngine);
  for_each_object(*root, "volumes", [&](const json::object& from) {
    plan.volumes.emplace_back(text_of(from, "key"), text_of(from, "name"));
  });
  Result<> kinds;
  for_each_object(*root, "endpoints", [&](const json::object& from) {
    PlannedEndpoint endpoint;
    endpoint.name = text_of(from, "name");
    endpoint.machine = text_of(from, "machine");
    endpoint.address = text_of(from, "address");
    endpoint.machine_port = static_cast<std::uint16_t>(number_of(from, "machine_port"));
    if (auto kind = kind_of(from)) endpoint.kind = *kind;
    else kinds = fail(std::move(kind.error()));
    endpoint.guessed = flag_of(from, "guessed");
    endpoint.opened = flag_of(from, "opened");
    endpoint.handover = handover_of(from);
    // A word of a newer version closes the door, whatever it means.
    endpoint.door = door_of(text_of(from, "door")).value_or(Door::kOwner);
    endpoint.port = static_cast<std::uint16_t>(number_of(from, "port"));
    endpoint.host = label_of(text_of(from, "host"));
    if (auto called = text_of(from, "called"); !called.empty()) endpoint.called = std::move(called);
    plan.endpoints.push_back(std::move(endpoint));
  });
  if (!kinds) return fail(std::move(kinds.error()));
  // Whatever it names, words of a newer version among it, was not to be done unseen.
  plan.record_terminals = !texts_of(*root, "record").empty();
  return plan;
}

std::string to_json(const templates::LeasePolicy& lease) {
  json::object contexts;
  for (const auto& [context, length] : lease.by_context) contexts[context] = length.count();
  const json::object all{{"name", lease.name},
                         {"timeout", lease.timeout.count()},
                         {"extend_by", lease.extend_by.count()},
                         {"extend_after", lease.extend_after.count()},
                         {"extend_within", lease.extend_within.count()},
                         {"max_extensions", lease.max_extensions},
                         {"max_added", lease.max_added.count()},
                         {"max_total", lease.max_total.count()},
                         {"by_context", std::move(contexts)},
                         {"sweep_at", lease.sweep_at}};
  return json::serialize(all);
}

Result<templates::LeasePolicy> parse_lease(std::string_view text) {
  auto root = parse_object(text);
  if (!root) return fail(std::move(root.error()));
  templates::LeasePolicy lease;
  lease.name = text_of(*root, "name");
  lease.timeout = std::chrono::seconds{number_of(*root, "timeout")};
  lease.extend_by = std::chrono::seconds{number_of(*root, "extend_by")};
  lease.extend_after = std::chrono::seconds{number_of(*root, "extend_after")};
  lease.extend_within = std::chrono::seconds{number_of(*root, "extend_within")};
  lease.max_extensions = static_cast<int>(number_of(*root, "max_extensions"));
  lease.max_added = std::chrono::seconds{number_of(*root, "max_added")};
  lease.max_total = std::chrono::seconds{number_of(*root, "max_total")};
  if (const auto* contexts = root->if_contains("by_context"); contexts && contexts->is_object()) {
    for (const auto& item : contexts->get_object()) {
      lease.by_context[std::string(item.key())] = std::chrono::seconds{number_of(contexts->get_object(), item.key())};
    }
  }
  lease.sweep_at = text_of(*root, "sweep_at");
  return lease;
}

std::string timings_json(const Timings& timings) {
  json::array out;
  for (const auto& [name, took] : timings) out.push_back(json::object{{"name", name}, {"us", took.count()}});
  return json::serialize(out);
}

Timings parse_timings(std::string_view text) {
  Timings out;
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error || !value.is_array()) return out;
  for (const auto& item : value.get_array()) {
    if (!item.is_object()) continue;
    out.emplace_back(text_of(item.get_object(), "name"), std::chrono::microseconds{number_of(item.get_object(), "us")});
  }
  return out;
}

}  // namespace tiltyard::labs
