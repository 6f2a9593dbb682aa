#include "names/model.h"

#include <array>
#include <utility>

namespace tiltyard::names {
namespace {

template <class T, std::size_t N>
using Words = std::array<std::pair<T, std::string_view>, N>;

constexpr Words<Kind, 2> kKinds{{{Kind::kFree, "free"}, {Kind::kOwn, "own"}}};
constexpr Words<State, 4> kStates{
    {{State::kAsked, "asked"}, {State::kHeld, "held"}, {State::kLeaving, "leaving"}, {State::kResting, "resting"}}};
constexpr Words<Record, 3> kRecords{{{Record::kNone, "none"}, {Record::kMaybe, "maybe"}, {Record::kThere, "there"}}};
constexpr Words<Check::Is, 3> kChecks{
    {{Check::Is::kUnknown, "unknown"}, {Check::Is::kGood, "good"}, {Check::Is::kBad, "bad"}}};

template <class T, std::size_t N>
std::string_view word_in(const Words<T, N>& words, T value) {
  for (const auto& [one, word] : words) {
    if (one == value) return word;
  }
  return "";
}

template <class T, std::size_t N>
std::optional<T> value_in(const Words<T, N>& words, std::string_view text) {
  for (const auto& [one, word] : words) {
    if (word == text) return one;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Kind kind) { return word_in(kKinds, kind); }
std::string_view to_string(State state) { return word_in(kStates, state); }
std::string_view to_string(Record record) { return word_in(kRecords, record); }
std::string_view to_string(Check::Is is) { return word_in(kChecks, is); }
std::optional<Kind> parse_kind(std::string_view word) { return value_in(kKinds, word); }
std::optional<State> parse_state(std::string_view word) { return value_in(kStates, word); }
std::optional<Record> parse_record(std::string_view word) { return value_in(kRecords, word); }
std::optional<Check::Is> parse_check(std::string_view word) { return value_in(kChecks, word); }

}  // namespace tiltyard::names
