#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"

namespace tiltyard::names {

using NameId = Id<struct NameTag>;

enum class Kind : std::uint8_t {
  kFree,  ///< below the domain that the operator gives names of
  kOwn,   ///< of a domain that somebody has
};

/// The life of a name. Several people may have asked for one, but only one holds it, and nobody else until it has left
/// and rested.
enum class State : std::uint8_t {
  kAsked,    ///< an own domain whose ownership has not been proved
  kHeld,     ///< its owner's
  kLeaving,  ///< being taken back: the record, then the route, then the certificate
  kResting,  ///< a free one that nobody but who had it may have before its rest is over
};

/// Whether there is a record of ours for it. Written before the record is, so that a crash in between forgets none.
enum class Record : std::uint8_t { kNone, kMaybe, kThere };

/// What was found in the DNS when last looked.
struct Check {
  enum class Is : std::uint8_t { kUnknown, kGood, kBad };
  Is is = Is::kUnknown;
  std::string text;  ///< for its owner: what is there, and what should be
  bool operator==(const Check&) const = default;
};

struct Name {
  NameId id;
  std::string host;      ///< whole, in small letters, without a last dot, in its ASCII form
  std::string skeleton;  ///< of a free one: the same for all that look like it
  Kind kind = Kind::kFree;
  State state = State::kAsked;
  std::string owner;  ///< the team's id in team mode, else the user's
  std::string user;   ///< who asked
  std::string token;  ///< of an own one: what its TXT record holds; drawn anew for each who asks
  InstanceId instance;
  TemplateId tmpl;
  std::string endpoint;
  bool follow = false;  ///< it goes on to its owner's next instance of that template
  Record record = Record::kNone;
  bool certificate = false;  ///< one has been asked for, and is to be let go of
  TimePoint created_at{};
  std::optional<TimePoint> held_at, rests_until;
  Check ownership, address;
  std::string problem;  ///< what keeps it from working, beside the checks; for its owner
};

std::string_view to_string(Kind kind);
std::string_view to_string(State state);
std::string_view to_string(Record record);
std::string_view to_string(Check::Is is);
std::optional<Kind> parse_kind(std::string_view word);
std::optional<State> parse_state(std::string_view word);
std::optional<Record> parse_record(std::string_view word);
std::optional<Check::Is> parse_check(std::string_view word);

/// Where the TXT record stands that proves an own name.
inline std::string proof_host(std::string_view host) { return "_tiltyard." + std::string(host); }
/// What it holds.
inline std::string proof_text(const Name& name) { return "tiltyard=" + name.token; }

}  // namespace tiltyard::names
