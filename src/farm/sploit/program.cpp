// What an exploit is started with: whom, which words, which environment.
#include <fmt/core.h>
#include <zlib.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "farm/sploit/attack.h"

namespace tiltyard::farm::sploit {
namespace {

/// Linux takes at most 128 KiB a variable (MAX_ARG_STRLEN), name and end included.
constexpr std::size_t kLongestVariable = 120 * 1024;

bool replace_all(std::string& text, std::string_view from, const std::string& to) {
  bool found = false;
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
    found = true;
  }
  return found;
}

/// "Team 07" → "7"; empty without a number at the end.
std::string trailing_number(std::string_view name) {
  auto from = name.size();
  while (from > 0 && name[from - 1] >= '0' && name[from - 1] <= '9') --from;
  auto digits = name.substr(from);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return std::string(digits);
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

}  // namespace

bool Share::has(const Target& target) const {
  const auto sum =
      ::crc32(0, reinterpret_cast<const Bytef*>(target.address.data()), static_cast<uInt>(target.address.size()));
  return parts == 1 || sum % parts == part - 1;
}

Result<Share> parse_share(std::string_view text) {
  if (text.empty()) return Share{};
  const auto slash = text.find('/');
  const auto part = number(text.substr(0, slash));
  const auto parts = slash == std::string_view::npos ? std::nullopt : number(text.substr(slash + 1));
  if (part && parts && *parts >= 2 && *part >= 1 && *part <= *parts) return Share{*part, *parts};
  return fail(Code::kInvalid, cli::reason::kUsage,
              fmt::format("--distribute takes K/N with N from 2 and K from 1 to N, not \"{}\".", text));
}

boost::json::object ids_of_team(const boost::json::value& ids, const Target& target) {
  boost::json::object out;
  if (!ids.is_object()) return out;
  for (const auto& [service, teams] : ids.get_object()) {
    if (!teams.is_object()) continue;
    for (const auto& key : {target.address, target.name, trailing_number(target.name)}) {
      const auto* found = key.empty() ? nullptr : teams.get_object().if_contains(key);
      if (found == nullptr) continue;
      out[service] = *found;
      break;
    }
  }
  return out;
}

std::vector<std::string> command_for(const AttackOptions& options, const Target& target, const std::string& ids) {
  std::vector<std::string> out;
  if (!options.interpreter.empty()) out.push_back(options.interpreter);
  out.push_back(std::filesystem::absolute(options.sploit).string());
  const auto first = out.size();
  bool placed = false;
  for (auto word : options.arguments) {
    placed = replace_all(word, "{host}", target.address) || placed;
    replace_all(word, "{team}", target.name);
    replace_all(word, "{ids}", ids);
    out.push_back(std::move(word));
  }
  if (!placed && !target.address.empty()) out.insert(out.begin() + static_cast<std::ptrdiff_t>(first), target.address);
  return out;
}

std::vector<std::string> environment_for(const std::map<std::string, std::string>& ours, const Target& target,
                                         const std::string& ids, const std::string& ids_file, int round) {
  auto all = ours;
  all.erase("TILTYARD_TOKEN");
  all.erase("TILTYARD_FARM_TOKEN");
  all["PYTHONUNBUFFERED"] = "1";
  all["TILTYARD_TEAM"] = target.name;
  all["TILTYARD_HOST"] = target.address;
  all["TILTYARD_ROUND"] = std::to_string(round);
  all["TILTYARD_FLAG_IDS_FILE"] = ids_file;
  all.erase("TILTYARD_FLAG_IDS");
  if (ids.size() < kLongestVariable) all["TILTYARD_FLAG_IDS"] = ids;
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

}  // namespace tiltyard::farm::sploit
