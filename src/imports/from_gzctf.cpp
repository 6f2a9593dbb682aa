// GZCTF: a game's export: manifest.json, game.json, challenges/challenge-ID.json, files/HASH.
// https://github.com/GZTimeWalker/GZCTF, src/GZCTF/Models/Transfer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr std::size_t kLargestJson = 8 * 1024 * 1024;

/// Keys are written in either case, by version.
void lower_keys(Node& node) {
  for (auto& item : node.items) lower_keys(item);
  for (auto& member : node.members) {
    if (!member.key.empty()) member.key[0] = lower(member.key[0]);
    lower_keys(member.value);
  }
}

void read_attachment(const Origin& origin, Draft& draft, const std::string& root, Keys& keys, std::string_view key) {
  const auto* said = keys.find(key);
  if (!said) return;
  const auto name = text_in(*said, "fileName"), hash = text_in(*said, "hash"), url = text_in(*said, "remoteUrl");
  if (!url.empty()) {
    draft.challenge.files.push_back({"", name.empty() ? leaf(url) : name, url});
  } else if (!hash.empty()) {
    const auto folder = std::exchange(draft.folder, root);
    hand_out(origin, draft, "files/" + hash, keys.place(key), name);
    draft.folder = folder;
  }
  draft.taken(keys.place(key), keys.name(key));
}

void read_scoring(Draft& draft, Keys& top) {
  const auto* said = top.find("scoring");
  if (!said) return;
  Keys keys(*said, draft, "scoring.");
  const auto original = keys.whole("original", 1, 1'000'000).value_or(1000);
  const auto rate = keys.number("minRate").value_or(0.25);
  const auto difficulty = keys.number("difficulty").value_or(5);
  if (rate > 1) draft.refuse(keys.place("minRate"), "scoring.minRate is more than 1");
  draft.challenge.value =
      Value{original, true, static_cast<std::int64_t>(std::floor(static_cast<double>(original) * std::min(rate, 1.0))),
            difficulty, "exponential"};
  if (rate == 1) draft.challenge.value = Value{original, false, 0, 0, ""};
  keys.finish();
}

void read_limits(Draft& draft, Keys& top) {
  const auto* said = top.find("limits");
  if (!said) return;
  Keys keys(*said, draft, "limits.");
  draft.challenge.attempts = keys.whole("submission", 0, 1'000'000).value_or(0);
  draft.challenge.closes = keys.text("deadline");
  keys.finish();
}

void read_flags_of(const Origin& origin, Draft& draft, const std::string& root, Keys& top, bool dynamic) {
  const auto* said = top.find("flags");
  if (!said) {
    draft.challenge.own_flags = dynamic;
    return;
  }
  Keys keys(*said, draft, "flags.");
  if (keys.flag("disableBloodBonus").value_or(false))
    draft.cannot(keys.place("disableBloodBonus"), "flags.disableBloodBonus: a bonus is a rule of the whole contest");
  if (keys.flag("enableTrafficCapture").value_or(false))
    draft.cannot(keys.place("enableTrafficCapture"), "flags.enableTrafficCapture: traffic is not recorded");
  const auto pattern = keys.text("template", 1000);
  draft.challenge.own_flags = dynamic;
  if (const auto brace = pattern.find('{'); dynamic && brace != std::string::npos && brace > 0) {
    draft.machines.flag.emplace_back("prefix", "\"" + pattern.substr(0, brace) + "\"");
    draft.changed(keys.place("template"), fmt::format("flags.template: each owner's flag is {}{{...}} with 16 drawn "
                                                      "characters; [GUID], [TEAM_HASH] and [LEET] are not filled in",
                                                      pattern.substr(0, brace)));
  }
  if (const auto* list = keys.take("static")) {
    for (const auto& item : list->items) {
      if (const auto value = text_in(item, "value"); !value.empty())
        draft.challenge.flags.push_back({value, false, false});
      Keys one(item, draft, "flags.static.");
      read_attachment(origin, draft, root, one, "attachment");
    }
  }
  keys.finish();
}

void read_container(Draft& draft, Keys& top, bool dynamic) {
  const auto* said = top.find("container");
  if (!said) return draft.refuse(top.map().place, "a container challenge without container");
  Keys keys(*said, draft, "container.");
  const auto image = keys.text("image", 300);
  if (image.empty()) return draft.refuse(said->place, "container.image is missing");
  Node service = map_of({{"image", scalar(without_dollars(image))}});
  if (const auto megabytes = keys.whole("memoryLimit", 1, 1'000'000))
    service.set("mem_limit", {}, scalar(fmt::format("{}m", *megabytes)));
  if (const auto tenths = keys.whole("cpuCount", 1, 10'000))
    service.set("cpus", {}, plain(fmt::format("{}", static_cast<double>(*tenths) / 10)));
  if (const auto megabytes = keys.whole("storageLimit", 1, 1'000'000))
    setting(draft, "disk", fmt::format("\"{}m\"", std::max<std::int64_t>(*megabytes, 16)));
  const auto port = keys.whole("exposePort", 1, 65535).value_or(80);
  draft.machines.ways.push_back({"main", static_cast<std::uint16_t>(port), ""});
  if (const auto mode = keys.text("networkMode"); mode == "Open" || mode == "Custom")
    draft.cannot(keys.place("networkMode"),
                 "container.networkMode: machines reach the internet only with the operator's allowance");
  keys.skip("fileName");
  keys.finish();
  std::vector<std::pair<std::string, Node>> variables;
  if (dynamic) variables.emplace_back("GZCTF_FLAG", scalar("${FLAG}"));
  else if (!draft.challenge.flags.empty())
    variables.emplace_back("GZCTF_FLAG", scalar(without_dollars(draft.challenge.flags.front().content)));
  if (!variables.empty()) service.set("environment", {}, map_of(std::move(variables)));
  if (dynamic)
    draft.changed(said->place,
                  "container: of the variables only GZCTF_FLAG is set; there are no GZCTF_TEAM_ID and the like");
  draft.machines.made = map_of({{"services", map_of({{"main", std::move(service)}})}});
}

Draft read_one(const Origin& origin, const Document& document, const std::string& root) {
  auto draft = draft_of("gzctf", root, "");
  draft.source = draft.key = document.path;
  Keys top(document.root, draft);
  const auto id = top.whole("id");
  if (id) draft.known_as.push_back(std::to_string(*id));
  draft.title = draft.challenge.name = top.text("title", 1000);
  if (draft.title.empty()) draft.refuse(document.root.place, "title is missing");
  draft.challenge.description = top.text("content", 64'000);
  if (const auto category = lower(top.text("category")); !category.empty()) draft.challenge.category = category;
  draft.challenge.hidden = !top.flag("enabled").value_or(false);
  for (const auto& hint : top.texts("hints", 16'000)) draft.challenge.hints.push_back({"", "", hint, 0, {}});
  read_scoring(draft, top);
  read_limits(draft, top);
  const auto type = top.text("type");
  const bool dynamic = type == "DynamicContainer";
  if (type == "DynamicAttachment") draft.refuse(top.place("type"), "type: one file for each team cannot be had");
  read_attachment(origin, draft, root, top, "attachment");
  read_flags_of(origin, draft, root, top, dynamic);
  if (dynamic || type == "StaticContainer") read_container(draft, top, dynamic);
  else top.skip("container");
  for (const auto* key : {"acceptedCount", "fileName", "isEnabled"}) top.skip(key);
  top.finish();
  fixed_flags(draft);
  return draft;
}

}  // namespace

bool is_gzctf(const Origin& origin, const std::string& folder) {
  if (!origin.is_file(joined(folder, "manifest.json")) || !origin.is_file(joined(folder, "game.json"))) return false;
  return origin.is_folder(joined(folder, "challenges")) ||
         std::ranges::any_of(origin.list(folder),
                             [](const auto& entry) { return entry.name.starts_with("challenge-"); });
}

std::vector<Draft> read_gzctf(const Origin& origin, const std::string& folder, std::vector<Note>& notes) {
  std::vector<Draft> out;
  auto game = json_document(origin, joined(folder, "game.json"), notes, kLargestJson);
  if (game) lower_keys(game->root);
  for (const auto& below : {joined(folder, "challenges"), folder}) {
    for (const auto& entry : origin.list(below)) {
      if (!entry.name.starts_with("challenge-") || !entry.name.ends_with(".json")) continue;
      auto document = json_document(origin, joined(below, entry.name), notes, kLargestJson);
      if (!document || !document->root.is_map()) continue;
      lower_keys(document->root);
      out.push_back(read_one(origin, *document, folder));
      if (game) out.back().event = text_in(game->root, "title");
    }
  }
  notes.push_back({Note::Kind::kUnavailable, joined(folder, "game.json"), 0,
                   "the game itself: its times, divisions and poster are the contest's"});
  return out;
}

}  // namespace tiltyard::imports
