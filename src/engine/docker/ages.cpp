#include "engine/docker/ages.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "engine/docker/answers.h"

namespace tiltyard::engine::docker {
namespace {

using Number = std::array<int, 3>;

struct Mended {
  std::string_view part, known_as, harm;
  std::vector<Number> in;  ///< the first of each branch that has it, rising; whatever is beyond the last has it as well
  std::vector<std::string_view> revisions;  ///< of distributions, without the number at their end, which may be higher
  int revision = 0;                         ///< the least such number
};

// https://github.com/opencontainers/runc/security/advisories and https://github.com/moby/moby/security/advisories;
// Debian's: https://security-tracker.debian.org
const std::vector<Mended>& mendings() {
  static const std::vector<Mended> all{
      {"runc", "CVE-2019-5736", "a command in a hostile machine overwrites the host's runc", {{1, 0, 0}}, {}},
      {"runc",
       "CVE-2024-21626",
       "a command in a hostile machine gets a descriptor of the host's file system",
       {{1, 1, 12}},
       {"1.1.5+ds1-1+deb12u"},
       1},
      {"runc",
       "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
       "a hostile machine has the host's /proc written to while it starts, or while a command does",
       {{1, 2, 8}, {1, 3, 3}, {1, 4, 0}},
       {}},
      {"Engine",
       "CVE-2024-29018",
       "names that a closed machine asks for leave the host, where the host's resolver is a loopback address",
       {{23, 0, 11}, {25, 0, 5}, {26, 0, 0}},
       {}},
  };
  return all;
}

/// "1.1.5+ds1", "v26.1.0"; nullopt: no such form.
std::optional<Number> release_of(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  Number out{};
  for (auto& part : out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with('.')) text.remove_prefix(1);
  }
  return out;
}

bool has_it(const Mended& mended, const Number& version, std::string_view revision) {
  if (version >= mended.in.back()) return true;
  const auto same_branch = [&](const Number& in) {
    return in[0] == version[0] && in[1] == version[1] && version >= in;
  };
  if (std::ranges::any_of(mended.in, same_branch)) return true;
  return std::ranges::any_of(mended.revisions, [&](std::string_view known) {
    int number = 0;
    if (!revision.starts_with(known)) return false;
    std::from_chars(revision.data() + known.size(), revision.data() + revision.size(), number);
    return number >= mended.revision;
  });
}

std::string listed(const std::vector<Number>& versions) {
  std::string out;
  for (const auto& [major, minor, patch] : versions) {
    out +=
        (out.empty() ? "" : ", ") + std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
  return out;
}

}  // namespace

std::vector<OldPart> old_parts(const boost::json::value& version) {
  std::vector<OldPart> out;
  const auto* components = member(version, "Components").if_array();
  if (components == nullptr) return out;
  for (const auto& component : *components) {
    const std::string name = text_of(component, "Name"), said = text_of(component, "Version");
    const std::string revision = text_of(member(component, "Details"), "GitCommit");
    const auto number = release_of(said);
    for (const auto& mended : mendings()) {
      if (!number || mended.part != name || has_it(mended, *number, revision)) continue;
      const bool of_distribution = revision.starts_with(said);
      out.push_back({name, of_distribution ? revision : said, std::string(mended.known_as), std::string(mended.harm),
                     listed(mended.in)});
    }
  }
  return out;
}

}  // namespace tiltyard::engine::docker
