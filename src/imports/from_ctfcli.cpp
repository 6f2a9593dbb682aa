// CTFd's command line: challenge.yml. Keys: https://github.com/CTFd/ctfcli, ctfcli/spec/challenge-example.yml.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

/// One of these makes it a challenge; what is common elsewhere does so only with a category.
constexpr std::array<std::string_view, 8> kOnlyThere{"value",  "flags",           "extra",    "hints",
                                                     "topics", "connection_info", "attempts", "requirements"};
constexpr std::array<std::string_view, 5> kAlsoThere{"type", "state", "image", "description", "author"};

void read_extra(Keys& top, Draft& draft) {
  const auto points = top.whole("value", 0, 1'000'000);
  const auto type = top.text("type");
  const bool plugin = !type.empty() && type != "standard" && type != "dynamic";
  if (plugin) draft.cannot(top.place("type"), fmt::format("type: \"{}\" is a plug-in's", type));
  Value value;
  const auto* extra = top.find("extra");
  if (extra && extra->is_map()) {
    Keys keys(*extra, draft, "extra.");
    const auto initial = keys.whole("initial", 0, 1'000'000), minimum = keys.whole("minimum", 0, 1'000'000);
    value.dynamic = initial.has_value();
    value.initial = initial.value_or(0);
    value.minimum = minimum.value_or(0);
    value.decay = keys.number("decay").value_or(0);
    value.function = keys.text("function");
    if (value.function.empty() || value.function == "static") value.function = "logarithmic";
    if (value.function != "linear" && value.function != "logarithmic")
      draft.refuse(keys.place("function"), "extra.function is linear or logarithmic");
    if (value.minimum > value.initial) draft.refuse(keys.place("minimum"), "extra.minimum is more than extra.initial");
    keys.finish();
  } else if (extra) {
    draft.refuse(top.place("extra"), "extra takes a map");
  }
  if (type == "dynamic" && !value.dynamic)
    return draft.refuse(top.place("type"), "a dynamic challenge needs extra.initial");
  if (!value.dynamic) value = {points.value_or(0), false, 0, 0, ""};
  if (points || value.dynamic) draft.challenge.value = value;
}

void read_one_flag(const Node& item, Draft& draft) {
  Flag flag;
  if (item.is_scalar()) {
    flag.content = item.text;
  } else if (item.is_map()) {
    Keys keys(item, draft, "flags.");
    const auto type = text_in(item, "type");
    for (const auto* key : {"type", "content", "data"}) keys.skip(key);
    flag.content = text_in(item, "content");
    flag.regex = type == "regex";
    flag.ignore_case = text_in(item, "data") == "case_insensitive";
    if (!type.empty() && type != "static" && type != "regex")
      return draft.cannot(item.place, fmt::format("flags: a flag of type \"{}\" is a plug-in's", type));
    keys.finish();
  }
  if (flag.content.empty()) return draft.refuse(item.place, "flags: a flag is a text, or has content");
  draft.challenge.flags.push_back(std::move(flag));
}

void read_hints_of(Keys& top, Draft& draft) {
  const auto* list = top.take("hints");
  if (!list) return;
  if (!list->is_sequence()) return draft.refuse(top.place("hints"), "hints takes a list");
  for (const auto& item : list->items) {
    Hint hint;
    if (item.is_scalar()) hint.text = item.text;
    else {
      Keys keys(item, draft, "hints.");
      for (const auto* key : {"key", "title", "content", "cost", "requirements"}) keys.skip(key);
      hint.id = text_in(item, "key");
      hint.title = text_in(item, "title");
      hint.text = text_in(item, "content");
      const auto* cost = item.find("cost");
      hint.cost = cost ? whole_of(*cost).value_or(-1) : 0;
      if (hint.cost < 0) draft.refuse(item.place, "hints: cost is a whole number from 0 on");
      if (const auto* needed = item.find("requirements")) {
        const auto* inner = needed->is_map() ? needed->find("prerequisites") : needed;
        for (const auto& one : inner ? inner->items : std::vector<Node>{}) hint.requires_ids.push_back(one.text);
      }
      keys.finish();
    }
    if (hint.text.empty()) draft.refuse(item.place, "hints: a hint is a text, or has content");
    else draft.challenge.hints.push_back(std::move(hint));
  }
}

void read_requirements(Keys& top, Draft& draft) {
  const auto* said = top.take("requirements");
  if (!said) return;
  draft.requires_place = top.place("requirements");
  const auto* list = said;
  if (said->is_map()) {
    Keys keys(*said, draft, "requirements.");
    keys.skip("anonymize");
    list = keys.find("prerequisites");
    if (const auto* how = said->find("anonymize"); how && truth(*how).value_or(true))
      draft.challenge.locked = how->text == "preview" ? "shown" : "anonymous";
    keys.finish();
  }
  if (!list) return;
  if (!list->is_sequence()) return draft.refuse(draft.requires_place, "requirements takes a list of names");
  for (const auto& item : list->items) draft.challenge.requires_ids.push_back(item.text);
}

std::string kind_of_way(Keys& top, Draft& draft) {
  const auto protocol = top.text("protocol");
  if (protocol.empty()) return {};
  if (protocol == "http" || protocol == "https") return "http";
  if (protocol == "tcp" || protocol == "ssh") return "tcp";
  if (protocol == "udp") return "udp";
  draft.cannot(top.place("protocol"), fmt::format("protocol: \"{}\" is none that the gateway passes on", protocol));
  return {};
}

void read_image(Keys& top, const Origin& origin, Draft& draft) {
  const auto kind = kind_of_way(top, draft);
  const auto image = top.text("image");
  if (image.empty()) return;
  if (image == "__compose__") {
    draft.machines.compose = compose_files(origin, draft.folder);
    if (!draft.machines.any()) draft.refuse(top.place("image"), "image: there is no compose file in the folder");
    return;
  }
  const auto folder = resolved(draft.folder, image);
  const bool local = image.starts_with('.') || (folder && origin.is_folder(*folder));
  if (!local) {
    start_image(draft, image);
    draft.changed(top.place("image"), "image: its ports are not known; write [[endpoint]] in its instance.toml");
    setting(draft, "access", "[\"terminal\"]");
    return;
  }
  const bool below =
      folder && (*folder == draft.folder || draft.folder.empty() || folder->starts_with(draft.folder + "/"));
  if (!below || !origin.is_file(joined(*folder, "Dockerfile")))
    return draft.refuse(top.place("image"), fmt::format("image: there is no Dockerfile in \"{}\"", image));
  const auto context =
      *folder == draft.folder ? "." : folder->substr(draft.folder.empty() ? 0 : draft.folder.size() + 1);
  start_build(origin, draft, context);
  ways_from_dockerfile(origin, draft, context, "", kind);
}

void read_texts(Keys& top, Draft& draft) {
  auto& challenge = draft.challenge;
  challenge.name = top.text("name");
  challenge.authors = top.texts("author");
  if (const auto category = top.text("category"); !category.empty()) challenge.category = category;
  challenge.description = top.text("description", 64'000);
  challenge.attribution = top.text("attribution", 2000);
  challenge.connection = top.text("connection_info", 2000);
  challenge.attempts = top.whole("attempts", 0, 1'000'000).value_or(0);
  if (const auto logic = top.text("logic"); !logic.empty()) challenge.logic = logic;
  challenge.topics = top.texts("topics");
  challenge.tags = top.texts("tags");
  challenge.next = top.text("next");
  draft.next_place = top.place("next");
  challenge.opens = top.text("scheduled_at");
  challenge.hidden = top.text("state") == "hidden";
}

}  // namespace

bool is_ctfcli(const Document& document) {
  const auto& root = document.root;
  if (!root.find("name") || root.find("apiVersion") || root.find("services")) return false;
  const auto has = [&](std::string_view key) { return root.find(key) != nullptr; };
  return std::ranges::any_of(kOnlyThere, has) || (has("category") && std::ranges::any_of(kAlsoThere, has));
}

void read_ctfcli(const Document& document, const Origin& origin, Draft& draft) {
  Keys top(document.root, draft);
  read_texts(top, draft);
  read_extra(top, draft);
  if (const auto* flags = top.take("flags"); flags && flags->is_sequence()) {
    for (const auto& item : flags->items) read_one_flag(item, draft);
  } else if (flags) {
    read_one_flag(*flags, draft);
  }
  read_hints_of(top, draft);
  read_requirements(top, draft);
  for (const auto& file : top.texts("files", 1000)) hand_out(origin, draft, file, top.place("files"));
  if (const auto* solution = top.find("solution")) {
    const auto path = solution->is_scalar() ? solution->text : text_in(*solution, "path");
    const auto from = resolved(draft.folder, path);
    if (from && origin.is_file(*from)) {
      draft.taken(top.place("solution"), "solution");
      draft.challenge.solution = "solution/" + leaf(*from);
      draft.copies.push_back({*from, draft.challenge.solution, top.place("solution")});
    } else {
      draft.cannot(top.place("solution"), "solution: there is no such file");
    }
  }
  read_image(top, origin, draft);
  top.changed("host", "the server runs it itself, on its own engine");
  top.cannot("healthcheck",
             "a program of the author's is not run on the server; say [ready] or [solve] in its instance.toml");
  top.cannot("module", "there are no modules");
  top.skip("version");
  top.finish();
  fixed_flags(draft);
}

}  // namespace tiltyard::imports
