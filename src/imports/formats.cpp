// What the formats have in common.
#include "imports/formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/text.h"
#include "imports/challenge.h"

namespace tiltyard::imports {
namespace {

constexpr std::array<const char*, 4> kComposeNames{"compose.yaml", "compose.yml", "docker-compose.yaml",
                                                   "docker-compose.yml"};
constexpr std::array<const char*, 4> kOverlays{"compose.override.yaml", "compose.override.yml",
                                               "docker-compose.override.yaml", "docker-compose.override.yml"};

/// The ports of EXPOSE in the last stage (Dockerfile reference); those with variables and of UDP are left out.
std::vector<std::uint16_t> exposed(std::string_view dockerfile) {
  std::vector<std::uint16_t> ports;
  std::string line;
  for (std::size_t at = 0; at <= dockerfile.size();) {
    const auto end = std::min(dockerfile.find('\n', at), dockerfile.size());
    line += dockerfile.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.ends_with('\\')) {
      line.back() = ' ';
      continue;
    }
    const std::string said = lower(std::exchange(line, {}));
    const auto text = trim(said);
    if (text.starts_with("from ")) ports.clear();
    if (!text.starts_with("expose ")) continue;
    for (auto words = trim(text.substr(7)); !words.empty();) {
      const auto stop = std::min(words.find_first_of(" \t"), words.size());
      auto word = words.substr(0, stop);
      words = trim(words.substr(stop));
      if (word.ends_with("/tcp")) word.remove_suffix(4);
      const auto port = whole_of(scalar(std::string(word)));
      if (port && *port > 0 && *port < 65536 && std::ranges::find(ports, *port) == ports.end())
        ports.push_back(static_cast<std::uint16_t>(*port));
    }
  }
  return ports;
}

}  // namespace

const std::vector<Format>& formats() {
  static const std::vector<Format> all{{"rctf", is_rctf, read_rctf},
                                       {"klodd", is_klodd, read_klodd},
                                       {"kctf", is_kctf, read_kctf},
                                       {"whaley", is_whaley, read_whaley},
                                       {"ctfcli", is_ctfcli, read_ctfcli}};
  return all;
}

Draft draft_of(std::string format, const std::string& folder, const std::string& file) {
  Draft draft;
  draft.format = std::move(format);
  draft.folder = folder;
  draft.source = folder.empty() ? "." : folder;
  draft.key = draft.source;
  draft.title = leaf(folder);
  if (!file.empty()) draft.descriptors.push_back(file);
  return draft;
}

std::string folder_of(const Document& document) { return parent(document.path); }

std::vector<std::string> compose_files(const Origin& origin, const std::string& folder) {
  std::vector<std::string> out;
  const auto first = [&](const auto& names) {
    const auto found =
        std::ranges::find_if(names, [&](const char* name) { return origin.is_file(joined(folder, name)); });
    if (found != names.end()) out.emplace_back(*found);
    return found != names.end();
  };
  if (first(kComposeNames)) first(kOverlays);
  return out;
}

bool start_what_lies_there(const Origin& origin, Draft& draft) {
  draft.machines.compose = compose_files(origin, draft.folder);
  if (draft.machines.any()) return true;
  if (!origin.is_file(joined(draft.folder, "Dockerfile"))) return false;
  start_build(origin, draft, ".");
  return true;
}

void start_build(const Origin& origin, Draft& draft, const std::string& context, const std::string& dockerfile) {
  draft.machines.sources = true;
  const std::string below = context == "." ? "./source" : "./source/" + context;
  Node build =
      dockerfile.empty() ? scalar(below) : map_of({{"context", scalar(below)}, {"dockerfile", scalar(dockerfile)}});
  draft.machines.made = map_of({{"services", map_of({{"main", map_of({{"build", std::move(build)}})}})}});
}

void start_image(Draft& draft, const std::string& image) {
  draft.machines.made = map_of({{"services", map_of({{"main", map_of({{"image", scalar(without_dollars(image))}})}})}});
}

std::string build_beside(const Origin& origin, Draft& draft, const std::string& service, bool alone) {
  std::string found;
  if (origin.is_file(joined(joined(draft.folder, service), "Dockerfile"))) found = "./source/" + service;
  else if (alone && origin.is_file(joined(draft.folder, "Dockerfile"))) found = "./source";
  if (!found.empty()) draft.machines.sources = true;
  return found;
}

void ways_from_dockerfile(const Origin& origin, Draft& draft, const std::string& context, const std::string& dockerfile,
                          const std::string& kind) {
  if (!draft.machines.ways.empty()) return;
  const auto inside = context == "." ? draft.folder : joined(draft.folder, context);
  const auto path = joined(inside, dockerfile.empty() ? "Dockerfile" : dockerfile);
  const auto text = origin.read(path);
  const auto ports = text ? exposed(*text) : std::vector<std::uint16_t>{};
  for (const auto port : ports) draft.machines.ways.push_back({"main", port, kind});
  const auto place = templates::place_of(path);
  if (!ports.empty()) return draft.taken(place, "EXPOSE");
  draft.cannot(place, "no port is known: there is no EXPOSE with a number; write [[endpoint]] in its instance.toml");
  setting(draft, "access", "[\"terminal\"]");
}

void hand_out(const Origin& origin, Draft& draft, const std::string& path, const Place& place, std::string name) {
  if (path.starts_with("https://") || path.starts_with("http://")) {
    draft.challenge.files.push_back({"", name.empty() ? leaf(path) : std::move(name), path});
    return;
  }
  const auto from = resolved(draft.folder, path);
  if (!from) return draft.refuse(place, fmt::format("the file \"{}\": {}", path, from.error()));
  if (origin.is_folder(*from)) {
    return draft.cannot(place, fmt::format("the file \"{}\" is a folder; pack it, and name the archive", path));
  }
  if (!origin.is_file(*from)) return draft.refuse(place, fmt::format("the file \"{}\" is not there", path));
  // Whatever it is called there, here it lies in files/.
  name = leaf(name.empty() ? path : name);
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\'; });
  if (name.empty() || name == "." || name == ".." || name.size() > 200)
    return draft.refuse(place, fmt::format("the file \"{}\" cannot have the name \"{}\"", path, name));
  std::set<std::string> taken;
  for (const auto& file : draft.challenge.files) taken.insert(lower(file.name));
  std::string unique = name;
  for (int number = 2; taken.contains(lower(unique)); ++number) unique = fmt::format("{}-{}", number, name);
  if (unique != name) draft.changed(place, fmt::format("a second file \"{}\" is called \"{}\"", name, unique));
  draft.copies.push_back({*from, "files/" + unique, place});
  draft.challenge.files.push_back({"files/" + unique, unique, ""});
}

void fixed_flags(Draft& draft) {
  if (draft.challenge.own_flags) return;
  setting(draft, "disable_dynamic_flags", "true");
}

std::string flag_in_file(const Origin& origin, const std::string& path) {
  const auto text = origin.read(path, 4096);
  if (!text) return {};
  auto flag = *text;
  while (!flag.empty() && std::isspace(static_cast<unsigned char>(flag.back()))) flag.pop_back();
  return flag.find('\n') == std::string::npos && flag.find('\0') == std::string::npos ? flag : std::string{};
}

void setting(Draft& draft, std::string key, std::string toml) {
  auto& settings = draft.machines.settings;
  const auto known = std::ranges::find(settings, key, &std::pair<std::string, std::string>::first);
  if (known != settings.end()) known->second = std::move(toml);
  else settings.emplace_back(std::move(key), std::move(toml));
}

void lease(Draft& draft, std::int64_t seconds) {
  setting(draft, "timeout", std::to_string(std::max<std::int64_t>(seconds, 1)));
}

bool is_tiltyard(const Origin& origin, const std::string& folder, const std::optional<Document>& instance) {
  if (origin.is_file(joined(folder, kChallengeFile))) return true;
  return instance && !is_whaley(*instance);
}

void read_tiltyard(const Origin& origin, const std::string& folder, const std::optional<Document>& instance,
                   Draft& draft) {
  draft.as_is = true;
  if (instance) {
    draft.ask_id = text_in(instance->root, "id");
    draft.id_place = instance->root.place;
    draft.challenge.name = text_in(instance->root, "name");
    draft.changed(instance->root.place, "a template already: copied as it is");
  }
  if (draft.challenge.name.empty()) draft.challenge.name = draft.title;
  const auto path = joined(folder, kChallengeFile);
  if (!origin.is_file(path)) return;
  const auto text = origin.read(path);
  if (!text) return draft.refuse(templates::place_of(path), text.error());
  auto read = read_challenge(*text, draft.challenge.name);
  draft.challenge = std::move(read.challenge);
  draft.taken(templates::place_of(path), kChallengeFile);
  for (const auto& problem : read.problems) draft.refuse(templates::place_of(path, problem.line), problem.message);
}

}  // namespace tiltyard::imports
