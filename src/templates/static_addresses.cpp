// Addresses that a compose file pins: an instance has others, so whoever has them written down is told where.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostAddresses = 64;
constexpr int kMostLookedAt = 2000;
constexpr std::size_t kLargestFile = 256 * 1024;
constexpr std::size_t kMostText = 8 * 1024 * 1024;
constexpr int kMostHits = 20;

struct Pinned {
  std::string text;    ///< "172.28.5.10" or "172.28.5.0/24"
  std::string advice;  ///< what stands for it here
};

void pin(std::vector<Pinned>& pinned, const Node* said, std::string advice) {
  if (!said || !said->is_scalar() || said->at_spawn || said->text.size() < 7 || pinned.size() >= kMostAddresses) return;
  pinned.push_back({said->text, std::move(advice)});
}

const Node& part(const Node& node, std::string_view key) {
  static const Node kNothing;
  const Node* found = node.find(key);
  return found ? *found : kNothing;
}

std::vector<Pinned> pinned_of(const Node& root) {
  std::vector<Pinned> pinned;
  for (const auto& service : part(root, "services").members) {
    for (const auto& use : part(service.value, "networks").members) {
      const auto advice = fmt::format(
          "the address of \"{0}\", which every instance has another for; write its name, {0}", printable(service.key));
      for (const auto* key : {"ipv4_address", "ipv6_address"}) pin(pinned, use.value.find(key), advice);
    }
  }
  for (const auto& network : part(root, "networks").members) {
    for (const auto& range : part(part(network.value, "ipam"), "config").items) {
      pin(pinned, range.find("subnet"),
          fmt::format("the range of \"{}\", which every instance has another for; let the program look at its own "
                      "interface",
                      printable(network.key)));
    }
  }
  return pinned;
}

/// Where `text` has the address, not as a part of a longer one.
std::size_t find_address(std::string_view text, const std::string& address) {
  const auto part = [text](std::size_t at) {
    return at < text.size() && std::string_view("0123456789abcdefABCDEF").find(text[at]) != std::string_view::npos;
  };
  const auto longer = [&](std::size_t end) {
    return part(end) || (end < text.size() && (text[end] == '.' || text[end] == ':') && part(end + 1) &&
                         address.find(text[end]) != std::string::npos);
  };
  for (auto at = text.find(address); at != std::string_view::npos; at = text.find(address, at + 1)) {
    const bool before = at > 0 && (part(at - 1) || text[at - 1] == '.');
    if (!before && !longer(at + address.size())) return at;
  }
  return std::string_view::npos;
}

class AddressHunt {
 public:
  AddressHunt(std::vector<Pinned> pinned, ReadContext& context) : pinned_(std::move(pinned)), context_(context) {}

  /// What the compose file itself says, but for the places that pin.
  void look_at(const Node& node) {
    if (node.is_scalar()) look_at(node.text, [&](std::size_t) { return node.place; });
    for (const auto& item : node.items) look_at(item);
    for (const auto& [key, place, value] : node.members) {
      // These are where it is pinned, and what the reader understands or warns of itself.
      if (key != "networks" && key != "dns" && key != "ports" && key != "extra_hosts" && !key.starts_with("x-"))
        look_at(value);
    }
  }

  /// The folder's own texts: sources, configurations, build contexts.
  void look_at_files() {
    const fs::path folder(context_.inside.folder());
    std::error_code failure;
    fs::recursive_directory_iterator files(folder, failure);
    for (int seen = 0; !failure && files != fs::recursive_directory_iterator() && seen < kMostLookedAt;
         files.increment(failure), ++seen) {
      std::error_code gone;
      const auto name = files->path().filename().string();
      const bool folder_here = files->symlink_status(gone).type() == fs::file_type::directory;
      if (folder_here && (name == ".git" || name == "node_modules")) files.disable_recursion_pending();
      if (files->symlink_status(gone).type() == fs::file_type::regular)
        look_at_file(files->path().lexically_relative(folder));
      if (hits_ >= kMostHits || bytes_ > kMostText) return;
    }
  }

 private:
  void look_at_file(const fs::path& path) {
    const auto name = path.string();
    if (name.ends_with(".yml") || name.ends_with(".yaml")) {
      // What was loaded was looked at; another compose file's addresses are not this one's.
      if (path.filename().string().find("compose") != std::string::npos) return;
    }
    const auto text = context_.inside.read({}, name, kLargestFile);
    if (!text || text->find('\0') != std::string::npos) return;
    bytes_ += text->size();
    look_at(*text, [&](std::size_t at) {
      return place_of(
          name, 1 + static_cast<int>(std::count(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(at), '\n')));
    });
  }

  template <class Where>
  void look_at(std::string_view text, Where where) {
    for (const auto& one : pinned_) {
      const auto at = find_address(text, one.text);
      if (at == std::string_view::npos || ++hits_ > kMostHits) continue;
      context_.problems.warn(where(at), fmt::format("{} is {}", printable(one.text), one.advice));
    }
  }

  std::vector<Pinned> pinned_;
  ReadContext& context_;
  int hits_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

std::map<std::string, std::string> pinned_addresses(const Node& services) {
  std::map<std::string, std::string> owners;
  for (const auto& service : services.members) {
    for (const auto& use : part(service.value, "networks").members) {
      for (const auto* key : {"ipv4_address", "ipv6_address"}) {
        if (const Node& said = part(use.value, key); said.is_scalar()) owners.emplace(said.text, service.key);
      }
    }
  }
  return owners;
}

void warn_of_addresses(const Node& root, ReadContext& context) {
  auto pinned = pinned_of(root);
  if (pinned.empty()) return;
  AddressHunt hunt(std::move(pinned), context);
  for (const auto* section : {"services", "configs"}) {
    if (const Node* node = root.find(section)) hunt.look_at(*node);
  }
  hunt.look_at_files();
}

}  // namespace tiltyard::templates
