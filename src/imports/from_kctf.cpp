// kCTF: a custom resource of Kubernetes beside challenge/Dockerfile. https://google.github.io/kctf/custom-domains.html,
// kctf-operator/api/v1.
#include <fmt/format.h>

#include <algorithm>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

void read_port(Draft& draft, const Node& item) {
  Keys keys(item, draft, "spec.network.ports.");
  Way way{"main", 1337, "tcp"};
  keys.skip("name");
  const auto port = keys.whole("port", 1, 65535);
  way.port = static_cast<std::uint16_t>(keys.whole("targetPort", 1, 65535).value_or(port.value_or(1337)));
  const auto protocol = keys.text("protocol");
  if (protocol == "HTTPS" || protocol == "HTTP") way.kind = "http";
  else if (!protocol.empty() && protocol != "TCP")
    return draft.cannot(keys.place("protocol"),
                        fmt::format("spec.network.ports.protocol: {} is not passed on", protocol));
  keys.changed("domains", "instances have names of their own");
  keys.finish();
  draft.machines.ways.push_back(std::move(way));
}

void read_network(Draft& draft, Keys& spec) {
  if (const auto* network = spec.find("network")) {
    Keys keys(*network, draft, "spec.network.");
    keys.changed("public", "the gateway publishes each instance");
    if (const auto* ports = keys.find("ports")) {
      for (const auto& item : ports->items) read_port(draft, item);
    }
    keys.finish();
  }
  if (draft.machines.ways.empty()) draft.machines.ways.push_back({"main", 1337, "tcp"});
}

void use_jail(Draft& draft, const Origin& origin, const std::string& folder) {
  const auto text = origin.read(joined(folder, "Dockerfile"));
  if (!text || (text->find("nsjail") == std::string::npos && text->find("kctf-docker") == std::string::npos)) return;
  auto* main = draft.machines.made.find("services")->find("main");
  main->set("cap_add", {}, list_of({scalar("SYS_ADMIN")}));
  draft.changed(
      templates::place_of(joined(folder, "Dockerfile")),
      "nsjail needs SYS_ADMIN, as kCTF gives it: the operator must allow it, with allow.ID = [\"cap:SYS_ADMIN\"] below "
      "[templates] of the server's configuration, and then it is imported");
}

}  // namespace

bool is_kctf(const Document& document) {
  return text_in(document.root, "apiVersion").starts_with("kctf.dev/") && text_in(document.root, "kind") == "Challenge";
}

void read_kctf(const Document& document, const Origin& origin, Draft& draft) {
  Keys top(document.root, draft);
  top.skip("apiVersion");
  top.skip("kind");
  if (const auto* metadata = top.find("metadata"); metadata && !text_in(*metadata, "name").empty()) {
    draft.title = text_in(*metadata, "name");
    draft.taken(metadata->place, "metadata.name");
  }
  const auto* said = top.find("spec");
  if (!said) return draft.refuse(document.root.place, "spec is missing");
  Keys spec(*said, draft, "spec.");
  const auto image = spec.text("image");
  std::string context;
  for (const auto* folder : {"challenge", "challenge/image", "image", "."}) {
    if (context.empty() &&
        origin.is_file(joined(draft.folder, joined(std::string(folder) == "." ? "" : folder, "Dockerfile"))))
      context = folder;
  }
  const auto built = joined(draft.folder, context == "." ? "" : context);
  if (!context.empty()) {
    start_build(origin, draft, context);
    use_jail(draft, origin, built);
  } else if (!image.empty()) {
    start_image(draft, image);
  } else {
    draft.refuse(document.root.place, "there is no Dockerfile in challenge/, and no spec.image");
  }
  read_network(draft, spec);
  if (spec.has("deployed") && !spec.flag("deployed").value_or(true)) setting(draft, "active", "false");
  for (const auto* key : {"replicas", "horizontalPodAutoscalerSpec"})
    spec.changed(key, "each owner has an instance of their own");
  if (const auto* difficulty = spec.find("powDifficultySeconds"); difficulty && difficulty->text != "0")
    draft.cannot(spec.place("powDifficultySeconds"),
                 "spec.powDifficultySeconds: there is no proof of work; starts are limited by rates");
  spec.cannot("healthcheck", "it runs beside the challenge, there; say [ready] or [solve] in its instance.toml");
  spec.cannot("podTemplate", "write its variables and limits into its compose.yaml");
  spec.cannot("persistentVolumeClaims", "an instance begins anew each time");
  spec.cannot("allowConnectTo", "instances do not reach each other");
  spec.finish();
  top.skip("status");
  top.finish();
  for (const auto* name : {"flag", "flag.txt"}) {
    const auto path = joined(built, name);
    auto flag = context.empty() ? std::string{} : flag_in_file(origin, path);
    if (flag.empty()) continue;
    draft.taken(templates::place_of(path, 1), "flag");
    draft.challenge.flags.push_back({std::move(flag), false, false});
    return fixed_flags(draft);
  }
  draft.challenge.own_flags = true;
}

}  // namespace tiltyard::imports
