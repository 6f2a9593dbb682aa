#include "house/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <ranges>
#include <set>

namespace tiltyard::house {
namespace {

constexpr std::string_view kBelow = "the floors below";

/// Who has what; the second one to claim a thing is an error that names both.
template <class Thing>
class Owners {
 public:
  explicit Owners(std::string_view kind) : kind_(kind) {}

  Result<> claim(const Thing& thing, std::string_view owner) {
    const auto [place, fresh] = owners_.try_emplace(thing, owner);
    if (fresh) return {};
    return fail(Code::kInternal, "declared-twice",
                fmt::format("The {} {} is declared by {} and by {}.", kind_, thing, place->second, owner));
  }

  bool has(const Thing& thing) const { return owners_.contains(thing); }

 private:
  std::string_view kind_;
  std::map<Thing, std::string> owners_;
};

/// The tables that a migration makes, in small letters.
std::vector<std::string> tables_made(std::string_view sql) {
  std::string small(sql);
  for (auto& c : small) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kMake = "create table ", kUnlessThere = "if not exists ";
  std::vector<std::string> out;
  for (auto at = small.find(kMake); at != std::string::npos; at = small.find(kMake, at)) {
    at += kMake.size();
    if (small.compare(at, kUnlessThere.size(), kUnlessThere) == 0) at += kUnlessThere.size();
    out.push_back(small.substr(at, small.find_first_of(" (\n", at) - at));
  }
  return out;
}

}  // namespace

Result<std::vector<store::Slice>> migrations_of(std::span<const std::unique_ptr<Capability>> all,
                                                std::vector<store::Slice> below) {
  for (const auto& capability : all) {
    if (auto own = capability->migrations(); !own.empty())
      below.push_back({std::string(capability->name()), std::move(own)});
  }
  Owners<std::string> slices("list of migrations"), tables("table");
  for (const auto& slice : below) {
    if (auto free = slices.claim(slice.name, slice.name); !free) return fail(std::move(free.error()));
    std::set<std::string> mine;
    for (const auto& one : slice.migrations) {
      for (auto& table : tables_made(one.sql)) {
        // Of the oldest, some take tables of others over; they have worked together since.
        if (!mine.insert(table).second || (one.formerly != 0 && tables.has(table))) continue;
        if (auto free = tables.claim(table, slice.name); !free) return fail(std::move(free.error()));
      }
    }
  }
  return below;
}

Result<std::vector<limits::Limiter>> limiters_of(std::span<const std::unique_ptr<Capability>> all,
                                                 std::vector<limits::Limiter> below) {
  Owners<std::string_view> owners("limiter");
  for (const auto& one : below) {
    if (auto free = owners.claim(one.name, kBelow); !free) return fail(std::move(free.error()));
  }
  for (const auto& capability : all) {
    for (const auto& one : capability->limiters()) {
      if (auto free = owners.claim(one.name, capability->name()); !free) return fail(std::move(free.error()));
      below.push_back(one);
    }
  }
  return below;
}

Result<std::vector<Measured>> measures_of(std::span<const std::unique_ptr<Capability>> all,
                                          std::vector<Measured> below) {
  for (const auto& capability : all) {
    for (const auto* one : capability->measures()) below.push_back({std::string(capability->name()), one});
  }
  Owners<std::string_view> owners("metric");
  for (const auto& one : below) {
    if (auto free = owners.claim(one.metric->name, one.of); !free) return fail(std::move(free.error()));
  }
  return below;
}

std::string markdown(std::span<const Measured> measured) {
  std::string out =
      "# Every metric\n\nMade from what the parts of the house declare (`src/NAME/measures.h`); a test keeps it true. "
      "`/metrics` has them as Prometheus\ntext; which are worth an alert stands in [operations.md](operations.md).\n\n"
      "| metric | of | kind | unit | labels | what |\n|---|---|---|---|---|---|\n";
  for (const auto& [of, metric] : measured) {
    const auto labels =
        std::ranges::subrange(metric->labels.begin(), std::ranges::find(metric->labels, std::string_view()));
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", metric->name, of, metrics::to_string(metric->kind),
                       metric->unit, fmt::join(labels, ", "), metric->help);
  }
  return out;
}

Result<> check_names(std::span<const std::unique_ptr<Capability>> all) {
  Owners<std::string> names("capability"), switches("switch");
  for (const auto& capability : all) {
    if (auto free = names.claim(std::string(capability->name()), capability->name()); !free) return free;
    for (const auto& one : capability->switches()) {
      if (auto free = switches.claim(one.name, capability->name()); !free) return free;
    }
  }
  return {};
}

Result<> check_routes(const Routes& routes) {
  if (routes.faults().empty()) return {};
  return fail(Code::kInternal, "declared-wrongly", fmt::format("Routes: {}.", fmt::join(routes.faults(), "; ")));
}

}  // namespace tiltyard::house
