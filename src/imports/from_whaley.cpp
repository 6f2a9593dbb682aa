// Whaley: challenge.yaml, later instance.toml, beside a compose file or a Dockerfile.
#include <algorithm>
#include <array>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr std::array<std::string_view, 8> kWhaleyKeys{"id",    "name",    "category",    "description",
                                                      "ports", "timeout", "extend_time", "disable_dynamic_flags"};

}  // namespace

/// What says nothing but Whaley's keys, and at least one that is not everybody's.
bool is_whaley(const Document& document) {
  const auto& members = document.root.members;
  const bool known = std::ranges::all_of(
      members, [](const auto& member) { return std::ranges::find(kWhaleyKeys, member.key) != kWhaleyKeys.end(); });
  const bool toml = document.path.ends_with("instance.toml");
  const auto has = [&](const char* key) { return document.root.find(key) != nullptr; };
  return known && (toml || has("ports") || has("timeout") || has("id") || (has("name") && has("category")));
}

void read_whaley(const Document& document, const Origin& origin, Draft& draft) {
  Keys top(document.root, draft);
  draft.ask_id = top.text("id");
  draft.id_place = top.place("id");
  draft.challenge.name = top.text("name");
  if (const auto category = top.text("category"); !category.empty()) draft.challenge.category = category;
  draft.challenge.description = top.text("description", 64'000);
  if (const auto* ports = top.find("ports")) {
    if (!ports->is_sequence()) draft.refuse(top.place("ports"), "ports takes a list of port numbers");
    for (const auto& item : ports->items) {
      const auto port = whole_of(item);
      if (!port || *port < 1 || *port > 65535) draft.refuse(item.place, "ports takes numbers from 1 to 65535");
      else draft.machines.ways.push_back({"", static_cast<std::uint16_t>(*port), ""});
    }
    draft.taken(top.place("ports"), "ports");
  }
  if (const auto seconds = top.whole("timeout", 1, 31'536'000)) lease(draft, *seconds);
  if (const auto seconds = top.whole("extend_time", 0, 31'536'000))
    setting(draft, "extend_time", std::to_string(*seconds));
  const bool fixed = top.flag("disable_dynamic_flags").value_or(false);
  draft.challenge.own_flags = !fixed;
  if (fixed) fixed_flags(draft);
  top.finish();
  if (!start_what_lies_there(origin, draft))
    draft.refuse(templates::place_of(document.path), "there is neither a compose file nor a Dockerfile in the folder");
}

}  // namespace tiltyard::imports
