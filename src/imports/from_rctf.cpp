// rCTF: challenge.yaml, as rCTF's own uploads have it (instancerConfig: https://rctf.osec.io/integrations/instancer)
// and as rCDS reads it (containers, expose, provide: https://rcds.redpwn.net).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr std::array<std::string_view, 9> kOnlyRctf{"instancerConfig", "provide",          "containers",
                                                    "expose",          "points",           "sortWeight",
                                                    "adminBotConfig",  "tiebreakEligible", "releaseTime"};

void read_value_of(Keys& top, Draft& draft) {
  Value value;
  if (const auto* points = top.find("points"); points && points->is_map()) {
    Keys keys(*points, draft, "points.");
    value = {keys.whole("max", 0, 1'000'000).value_or(500), true, keys.whole("min", 0, 1'000'000).value_or(100), 0,
             "classic"};
    if (value.minimum > value.initial) draft.refuse(keys.place("min"), "points.min is more than points.max");
    if (value.minimum == value.initial) value = {value.initial, false, 0, 0, ""};
    keys.finish();
    draft.challenge.value = value;
  } else if (const auto fixed = top.whole("value", 0, 1'000'000)) {
    draft.challenge.value = Value{*fixed, false, 0, 0, ""};
  } else {
    top.skip("points");
  }
}

void read_flag_of(Keys& top, const Origin& origin, Draft& draft) {
  const auto* said = top.take("flag");
  if (!said) return;
  if (said->is_scalar()) {
    draft.challenge.flags.push_back({said->text, false, false});
  } else if (const auto file = text_in(*said, "file"); !file.empty()) {
    const auto path = resolved(draft.folder, file);
    auto flag = path ? flag_in_file(origin, *path) : std::string{};
    if (flag.empty()) draft.refuse(said->place, fmt::format("flag.file: \"{}\" is no file with one line", file));
    else draft.challenge.flags.push_back({std::move(flag), false, false});
  } else if (const auto regex = text_in(*said, "regex"); !regex.empty()) {
    draft.challenge.flags.push_back({regex, true, false});
  } else {
    draft.refuse(top.place("flag"), "flag takes a text, or a map with file or regex");
  }
}

void read_provided(Keys& top, const Origin& origin, Draft& draft) {
  for (const auto* key : {"provide", "files"}) {
    const auto* list = top.take(key);
    if (!list) continue;
    for (const auto& item : list->items) {
      if (item.is_scalar()) hand_out(origin, draft, item.text, item.place);
      else if (const auto file = text_in(item, "file"); !file.empty())
        hand_out(origin, draft, file, item.place, text_in(item, "as"));
      else if (const auto url = text_in(item, "url"); !url.empty())
        draft.challenge.files.push_back({"", text_in(item, "name"), url});
      else
        draft.cannot(item.place,
                     fmt::format("{}: an archive that is packed when it is deployed; pack it, and name it", key));
    }
  }
}

/// ${RCTF_FLAG} is the flag, wherever it stands.
void replace_flag(Node& node, const std::string& flag) {
  for (const auto* name : {"${RCTF_FLAG}", "$RCTF_FLAG"}) {
    for (auto at = node.text.find(name); at != std::string::npos; at = node.text.find(name, at + flag.size()))
      node.text.replace(at, std::string_view(name).size(), flag);
  }
  for (auto& item : node.items) replace_flag(item, flag);
  for (auto& member : node.members) replace_flag(member.value, flag);
}

void use_flag(Draft& draft) {
  auto& challenge = draft.challenge;
  const bool text = !challenge.flags.empty() && !challenge.flags.front().regex;
  challenge.own_flags = challenge.flags.empty();
  replace_flag(draft.machines.made, text ? without_dollars(challenge.flags.front().content) : "${FLAG}");
  fixed_flags(draft);
}

void read_exposed(Draft& draft, const Node& list) {
  for (const auto& item : list.items) {
    if (!item.is_map()) continue;
    Keys keys(item, draft, "instancerConfig.expose.");
    Way way;
    const auto kind = keys.text("kind");
    way.kind = kind.starts_with("http") ? "http" : "tcp";
    way.machine = keys.text("containerName");
    way.port = static_cast<std::uint16_t>(keys.whole("containerPort", 1, 65535).value_or(0));
    if (kind == "tcp-ssl")
      draft.changed(keys.place("kind"), "instancerConfig.expose.kind: plain TCP, as the gateway speaks it");
    keys.skip("title");
    keys.changed("hostPrefix", "instances have names of their own");
    const bool shown = keys.flag("shouldDisplay").value_or(true);
    if (!shown)
      draft.cannot(keys.place("shouldDisplay"),
                   "instancerConfig.expose.shouldDisplay: what is reached is shown to its owner");
    keys.finish();
    if (way.port != 0) draft.machines.ways.push_back(std::move(way));
  }
}

Node build_of(Draft& draft, const Node& said) {
  draft.machines.sources = true;
  const auto below = [](const std::string& path) {
    return path == "." || path == "./" || path.empty() ? std::string("./source") : "./source/" + path;
  };
  if (said.is_scalar()) return scalar(below(said.text));
  Node out = map_of({{"context", scalar(below(text_in(said, "context")))}});
  if (const auto file = text_in(said, "dockerfile"); !file.empty()) out.set("dockerfile", {}, scalar(file));
  if (const auto* args = said.find("args")) out.set("args", {}, *args);
  return out;
}

/// What lies beside it is built rather than fetched.
void use_builds(const Origin& origin, Draft& draft) {
  auto* services = draft.machines.made.find("services");
  for (auto& [name, place, service] : services->members) {
    if (const auto* build = service.find("build")) {
      service.set("build", {}, build_of(draft, *build));
      continue;
    }
    const auto beside = build_beside(origin, draft, name, services->members.size() == 1);
    if (beside.empty()) continue;
    draft.changed(
        place, fmt::format("instancerConfig.config.services.{}: built from the Dockerfile beside it, not fetched as {}",
                           name, text_in(service, "image")));
    service.erase("image");
    service.set("build", {}, scalar(beside));
  }
}

void read_instancer(Keys& top, const Origin& origin, Draft& draft) {
  const auto* said = top.find("instancerConfig");
  if (!said) return;
  if (!said->is_map()) return draft.refuse(top.place("instancerConfig"), "instancerConfig takes a map");
  Keys keys(*said, draft, "instancerConfig.");
  draft.ask_id = keys.text("challengeIntegrationId");
  draft.id_place = keys.place("challengeIntegrationId");
  keys.changed("instancer", "the server's own engine");
  if (const auto ms = keys.whole("timeoutMilliseconds", 0, 31'536'000'000); ms && *ms > 0) lease(draft, *ms / 1000);
  if (keys.has("extendable") && !keys.flag("extendable").value_or(true)) setting(draft, "extend_time", "0");
  if (const auto* config = keys.find("config")) {
    if (const auto* pods = config->find("pods")) {
      start_pods(origin, draft, *pods, "instancerConfig.config.pods");
    } else if (config->find("services")) {
      draft.taken(config->place, "instancerConfig.config");
      draft.machines.made = *config;
      use_builds(origin, draft);
    } else {
      draft.refuse(config->place, "instancerConfig.config has neither services nor pods");
    }
  }
  if (const auto* expose = keys.find("expose")) read_exposed(draft, *expose);
  keys.finish();
}

/// rCDS: one machine for each container.
void read_containers(Keys& top, Draft& draft) {
  const auto* said = top.find("containers");
  if (!said) return;
  Node services = map_of({});
  for (const auto& [name, place, container] : said->members) {
    Keys keys(container, draft, fmt::format("containers.{}.", name));
    Node service = map_of({});
    if (const auto* build = keys.take("build")) service.set("build", {}, build_of(draft, *build));
    if (const auto image = keys.text("image"); !image.empty()) service.set("image", {}, scalar(without_dollars(image)));
    for (const auto* key : {"command", "entrypoint", "environment"}) {
      if (const auto* value = keys.take(key)) service.set(key, {}, *value);
    }
    if (const auto* ports = keys.take("ports")) service.set("expose", {}, *ports);
    keys.changed("replicas", "each owner has an instance of their own");
    keys.changed("resources", "the server's limits hold; say mem_limit and cpus in its compose.yaml");
    keys.finish();
    services.set(name, {}, std::move(service));
  }
  if (const auto* expose = top.find("expose")) {
    for (const auto& [name, place, ways] : expose->members) {
      for (const auto& item : ways.items) {
        const auto* target = item.find("target");
        const auto port = target ? whole_of(*target) : std::nullopt;
        if (port && *port > 0 && *port < 65536)
          draft.machines.ways.push_back({name, static_cast<std::uint16_t>(*port), item.find("tcp") ? "tcp" : "http"});
      }
    }
    draft.taken(top.place("expose"), "expose");
  }
  draft.machines.made = map_of({{"services", std::move(services)}});
}

std::string moment(std::int64_t milliseconds) {
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

bool is_rctf(const Document& document) {
  const auto& root = document.root;
  return root.find("name") && !root.find("apiVersion") && !root.find("services") &&
         (root.find("flag") ||
          std::ranges::any_of(kOnlyRctf, [&](std::string_view key) { return root.find(key) != nullptr; }));
}

void read_rctf(const Document& document, const Origin& origin, Draft& draft) {
  Keys top(document.root, draft);
  auto& challenge = draft.challenge;
  if (const auto id = top.text("id"); !id.empty()) draft.known_as.push_back(id);
  challenge.name = top.text("name");
  challenge.authors = top.texts("author");
  challenge.description = top.text("description", 64'000);
  if (const auto category = top.text("category"); !category.empty()) challenge.category = category;
  challenge.tags = top.texts("tags");
  read_flag_of(top, origin, draft);
  read_value_of(top, draft);
  read_provided(top, origin, draft);
  challenge.breaks_ties = top.flag("tiebreakEligible").value_or(true);
  challenge.hidden = top.flag("hidden").value_or(false) || !top.flag("visible").value_or(true);
  if (const auto at = top.whole("releaseTime", 0, 253'402'300'799'000)) challenge.opens = moment(*at);
  read_instancer(top, origin, draft);
  read_containers(top, draft);
  use_flag(draft);
  for (const auto* key : {"sortWeight", "deployed"}) top.skip(key);
  top.cannot("adminBotConfig",
             "there is no browser that visits what players send; put it into a machine of the instance");
  top.finish();
}

}  // namespace tiltyard::imports
