// Klodd: a custom resource of Kubernetes. https://klodd.tjcsec.club/, manifests/klodd-crd.yaml.
#include <fmt/format.h>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

void read_expose(Draft& draft, const Node& expose) {
  Keys keys(expose, draft, "spec.expose.");
  Way way;
  way.kind = keys.text("kind");
  way.machine = keys.text("pod");
  way.port = static_cast<std::uint16_t>(keys.whole("port", 1, 65535).value_or(0));
  if (way.kind != "http" && way.kind != "tcp")
    return draft.cannot(keys.place("kind"),
                        fmt::format("spec.expose.kind: \"{}\" is none that the gateway passes on", way.kind));
  if (const auto* middlewares = keys.find("middlewares"))
    draft.cannot(middlewares->place, "spec.expose.middlewares: Traefik's middlewares");
  keys.finish();
  draft.machines.ways.push_back(std::move(way));
}

}  // namespace

bool is_klodd(const Document& document) {
  return text_in(document.root, "apiVersion").starts_with("klodd.tjcsec.club/") &&
         text_in(document.root, "kind") == "Challenge";
}

void read_klodd(const Document& document, const Origin& origin, Draft& draft) {
  Keys top(document.root, draft);
  top.skip("apiVersion");
  top.skip("kind");
  if (const auto* metadata = top.find("metadata")) {
    draft.ask_id = text_in(*metadata, "name");
    draft.id_place = metadata->place;
    if (!draft.ask_id.empty()) draft.taken(metadata->place, "metadata.name");
  }
  const auto* said = top.find("spec");
  if (!said || !said->is_map()) return draft.refuse(document.root.place, "spec is missing");
  Keys spec(*said, draft, "spec.");
  draft.challenge.name = spec.text("name");
  if (const auto ms = spec.whole("timeout", 1, 31'536'000'000)) lease(draft, *ms / 1000);
  if (const auto* pods = spec.find("pods")) start_pods(origin, draft, *pods, "spec.pods");
  else draft.refuse(said->place, "spec.pods is missing");
  if (const auto* expose = spec.find("expose")) {
    if (expose->is_map()) read_expose(draft, *expose);
    for (const auto& item : expose->items) read_expose(draft, item);
  }
  spec.cannot("middlewares", "Traefik's middlewares; put them into a machine of the instance");
  spec.finish();
  top.finish();
  draft.challenge.own_flags = true;
}

}  // namespace tiltyard::imports
