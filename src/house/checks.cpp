#include "house/checks.h"

#include <fmt/format.h>

#include <map>

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

 private:
  std::string_view kind_;
  std::map<Thing, std::string> owners_;
};

}  // namespace

Result<std::vector<store::Migration>> migrations_of(std::span<const std::unique_ptr<Capability>> all,
                                                    std::vector<store::Migration> below) {
  Owners<int> owners("migration");
  for (const auto& one : below) {
    if (auto free = owners.claim(one.number, kBelow); !free) return fail(std::move(free.error()));
  }
  for (const auto& capability : all) {
    for (auto& one : capability->migrations()) {
      if (auto free = owners.claim(one.number, capability->name()); !free) return fail(std::move(free.error()));
      below.push_back(std::move(one));
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
