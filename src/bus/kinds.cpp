#include "bus/kinds.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiltyard::bus {
namespace {

std::string_view word_of(Readers readers) { return readers == Readers::kAdmins ? "admins" : "operators"; }

}  // namespace

Result<> Kinds::add(std::string_view owner, EventKinds kinds) {
  for (const auto* kind : kinds) {
    const auto twin = std::ranges::find(all_, kind->name, [](const Declared& one) { return one.kind->name; });
    if (twin != all_.end()) {
      return fail(Code::kInternal, "event-kind-twice",
                  fmt::format("The kind of event \"{}\" is declared by {} and by {}.", kind->name, twin->owner, owner));
    }
    all_.push_back({std::string(owner), kind});
  }
  return {};
}

std::vector<const EventKind*> Kinds::kept() const {
  std::vector<const EventKind*> out;
  for (const auto& one : all_) {
    if (one.kind->rows != Rows::kNone) out.push_back(one.kind);
  }
  return out;
}

const EventKind* Kinds::find(std::string_view name) const {
  const auto found = std::ranges::find(all_, name, [](const Declared& one) { return one.kind->name; });
  return found == all_.end() ? nullptr : found->kind;
}

KindRef Kinds::of(std::string_view name) const {
  const auto* found = find(name);
  return found == nullptr ? KindRef() : KindRef(*found);
}

std::string Kinds::markdown() const {
  std::string out =
      "# Kinds of events\n\n"
      "Made from the declarations in `src/*/events.h` by `tiltyard events --markdown`; [events.md](events.md) says "
      "what "
      "the log is.\n"
      "*Kept*: each one is a row of the log, those of one source in one minute are counted together, or it only passes "
      "to those who\nlook on.\n\n"
      "| kind | of | severity | kept | read by | meaning |\n|---|---|---|---|---|---|\n";
  for (const auto& [owner, kind] : all_) {
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", kind->name, owner, to_string(kind->severity),
                       to_string(kind->rows), kind->rows == Rows::kNone ? "" : word_of(kind->readers), kind->prose);
  }
  return out;
}

}  // namespace tiltyard::bus
