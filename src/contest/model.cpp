#include "contest/model.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tiltyard::contest {
namespace {

using State = Standing::State;
constexpr std::array<std::pair<State, std::string_view>, 3> kStates{
    {{State::kPlays, "plays"}, {State::kHidden, "hidden"}, {State::kDisqualified, "disqualified"}}};

}  // namespace

std::string_view to_string(Standing::State state) { return kStates[static_cast<std::size_t>(state)].second; }

std::optional<Standing::State> standing_named(std::string_view text) {
  const auto found = std::ranges::find(kStates, text, [](const auto& one) { return one.second; });
  return found == kStates.end() ? std::nullopt : std::optional(found->first);
}

std::string_view to_string(Submission::Result result) {
  using R = Submission::Result;
  switch (result) {
    case R::kCorrect:
      return "correct";
    case R::kPart:
      return "part";
    case R::kWrong:
      return "wrong";
    case R::kForeign:
      return "foreign";
    case R::kAlready:
      return "already-solved";
  }
  return "wrong";
}

}  // namespace tiltyard::contest
