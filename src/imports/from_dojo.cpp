// Dojos of pwn.college: dojo.yml, MODULE/module.yml, MODULE/CHALLENGE/. https://github.com/pwncollege/dojo: docs/, and
// dojo_plugin/utils/dojo.py. What stands in a file above wins over the files below; an image is that of the innermost
// who says one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr char kUsualImage[] = "pwncollege/challenge-simple";

/// `above` with what only `below` says.
Node laid_under(const Node& above, const Node* below) {
  Node out = above;
  out.kind = Node::Kind::kMap;
  if (!below) return out;
  if (!out.place.source) out.place = below->place;
  for (const auto& member : below->members) {
    if (!out.find(member.key)) out.set(member.key, member.place, member.value);
  }
  return out;
}

/// "hello-world" as "Hello World".
std::string title_of(std::string id) {
  bool first = true;
  for (auto& c : id) {
    if (c == '-') c = ' ';
    if (first) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    first = c == ' ';
  }
  return id;
}

class Dojo {
 public:
  Dojo(const Origin& origin, std::string folder, std::vector<Note>& notes)
      : origin_(origin), folder_(std::move(folder)), notes_(notes) {}

  std::vector<Draft> read() {
    const auto dojo = node_at(joined(folder_, "dojo.yml"));
    if (!dojo) return {};
    dojo_ = *dojo;
    id_ = text_in(dojo_, "id").empty() ? leaf(folder_) : text_in(dojo_, "id");
    for (const auto* key : {"award", "survey", "survey-sources", "pages", "auxiliary", "password", "import", "files"})
      tell(dojo_, key, "a matter of whole dojos");
    if (const auto* modules = dojo_.find("modules")) {
      for (const auto& module : modules->items) read_module(module);
    }
    return std::move(drafts_);
  }

 private:
  std::optional<Node> node_at(const std::string& path) {
    if (!origin_.is_file(path)) return std::nullopt;
    auto read = documents(origin_, path, notes_);
    return read.empty() ? std::nullopt : std::optional(std::move(read.front().root));
  }

  void tell(const Node& map, const char* key, const std::string& why) {
    if (const auto* member = map.member(key))
      notes_.push_back(
          {Note::Kind::kUnavailable, member->place.file(), member->place.line, fmt::format("{}: {}", key, why)});
  }

  std::string prose(const std::string& folder) const {
    auto text = origin_.read(joined(folder, "DESCRIPTION.md"), 64'000);
    return text ? *text : std::string{};
  }

  void read_module(const Node& entry) {
    const auto id = entry.is_scalar() ? entry.text : text_in(entry, "id");
    const auto folder = joined(folder_, id);
    if (id.empty() || !resolved(folder_, id)) return;
    const auto below = node_at(joined(folder, "module.yml"));
    const auto module = laid_under(entry.is_map() ? entry : Node{}, below ? &*below : nullptr);
    for (const auto* key : {"import", "survey", "auxiliary"}) tell(module, key, "not of a challenge");
    std::string before;
    const auto all = [&](const Node* list, bool resources) {
      for (const auto& item : list ? list->items : std::vector<Node>{}) {
        const auto type = text_in(item, "type");
        if (!resources || type == "challenge") before = read_challenge(module, id, item, before);
        else
          notes_.push_back({Note::Kind::kUnavailable, item.place.file(), item.place.line,
                            fmt::format("a resource of type {}: prose between challenges", type)});
      }
    };
    all(module.find("challenges"), false);
    all(module.find("resources"), true);
  }

  /// Its name for others; empty: it is none.
  std::string read_challenge(const Node& module, const std::string& module_id, const Node& entry,
                             const std::string& before) {
    const auto id = entry.is_scalar() ? entry.text : text_in(entry, "id");
    const auto folder = joined(joined(folder_, module_id), id);
    if (id.empty() || !resolved(folder_, joined(module_id, id))) return before;
    auto draft = draft_of("dojo", folder, "challenge.yml");
    draft.descriptors.push_back("DESCRIPTION.md");
    const auto below = node_at(joined(folder, "challenge.yml"));
    const auto map = laid_under(entry.is_map() ? entry : Node{}, below ? &*below : nullptr);
    const auto name = module_id + "/" + id;
    draft.title = fmt::format("{}-{}-{}", id_, module_id, id);
    draft.known_as = {name};
    Keys keys(map, draft);
    keys.skip("id");
    keys.skip("type");
    draft.challenge.name = keys.text("name");
    if (draft.challenge.name.empty()) draft.challenge.name = title_of(id);
    draft.challenge.description = keys.text("description", 64'000);
    if (draft.challenge.description.empty()) draft.challenge.description = prose(folder);
    draft.challenge.category = module_id;
    if (keys.flag("progression_locked").value_or(false) && !before.empty()) {
      draft.challenge.requires_ids = {before};
      draft.requires_place = keys.place("progression_locked");
    }
    read_visibility(draft, keys);
    for (const auto* key : {"import", "transfer"}) {
      if (keys.find(key)) draft.refuse(keys.place(key), fmt::format("{}: it stands in another dojo; import that", key));
    }
    for (const auto* key : {"privileged", "allow_privileged"}) keys.cannot(key, "there is no practice mode");
    keys.cannot("survey", "there are no surveys");
    keys.cannot("interfaces", "a terminal is the way in; write [[endpoint]] for a port");
    for (const auto* key : {"importable", "required", "auxiliary"}) keys.skip(key);
    start(draft, folder, keys, module);
    keys.finish();
    drafts_.push_back(std::move(draft));
    return name;
  }

  static void read_visibility(Draft& draft, Keys& keys) {
    const auto* said = keys.find("visibility");
    if (!said) return;
    draft.taken(keys.place("visibility"), "visibility");
    draft.challenge.opens = text_in(*said, "start");
    draft.challenge.closes = text_in(*said, "stop");
  }

  /// The challenge's files lie in /challenge, are root's and run as root; the learner is 1000 and may not read /flag.
  void start(Draft& draft, const std::string& folder, Keys& keys, const Node& module) {
    if (!origin_.is_folder(folder)) {
      if (!draft.refused())
        draft.refuse(draft.requires_place.source ? draft.requires_place : keys.map().place,
                     fmt::format("there is no folder {}", folder));
      return;
    }
    auto image = keys.text("image");
    for (const auto* above : {&module, &std::as_const(dojo_)}) {
      if (image.empty()) image = text_in(*above, "image");
    }
    if (image.empty()) {
      image = kUsualImage;
      draft.changed(keys.map().place, fmt::format("image: none is said, so {}", image));
    }
    if (image.find_first_of("\n\r$ ") != std::string::npos)
      return draft.refuse(keys.place("image"), "image is no name of an image");
    if (origin_.is_file(joined(folder, ".init")))
      draft.cannot(templates::place_of(joined(folder, ".init")),
                   ".init: it runs as root at each start there; call it in the Dockerfile of its compose.yaml, or "
                   "start it by a set-user-ID program");
    const bool variants = origin_.is_folder(joined(folder, "_0"));
    if (variants)
      draft.cannot(templates::place_of(joined(folder, "_0")),
                   "variants: one is drawn for each learner there; all have _0");
    const auto text = fmt::format(
        "FROM {}\nUSER 0\nCOPY . /challenge\n{}RUN chown -R 0:0 /challenge && chmod -R 4755 /challenge && "
        "echo 'pwn.college{{dojo}}' > /flag && chmod 0400 /flag\nUSER 1000:1000\nENTRYPOINT []\nCMD [\"sleep\", "
        "\"infinity\"]\n",
        image, variants ? "COPY _0 /challenge\nRUN rm -rf /challenge/_[0-9]*\n" : "");
    draft.machines.sources = true;
    draft.machines.made =
        map_of({{"services", map_of({{"main", map_of({{"build", map_of({{"context", scalar("./source")},
                                                                        {"dockerfile_inline", scalar(text)}})},
                                                      {"init", plain("true")}})}})}});
    setting(draft, "access", "[\"terminal\"]");
    draft.machines.flag.emplace_back("prefix", "\"pwn.college\"");
    draft.challenge.own_flags = true;
  }

  const Origin& origin_;
  std::string folder_;
  std::vector<Note>& notes_;
  Node dojo_;
  std::string id_;
  std::vector<Draft> drafts_;
};

}  // namespace

bool is_dojo(const Origin& origin, const std::string& folder) { return origin.is_file(joined(folder, "dojo.yml")); }

std::vector<Draft> read_dojo(const Origin& origin, const std::string& folder, std::vector<Note>& notes) {
  return Dojo(origin, folder, notes).read();
}

}  // namespace tiltyard::imports
