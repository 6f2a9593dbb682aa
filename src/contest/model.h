#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace tiltyard::contest {

/// What staff say of a contest; what its challenges are worth stands in their own files.
struct Contest {
  std::string id;                                          ///< as paths have it: a-z, 0-9 and "-"
  std::string title;                                       ///< for people
  std::string about;                                       ///< Markdown
  std::optional<TimePoint> starts_at, ends_at, freeze_at;  ///< nullopt: it always runs, is never frozen
  bool thawed = false;                                     ///< the freeze is over: all that happened in it is shown
  std::vector<std::string> challenges;                     ///< ids; empty: all that there are
  std::vector<std::string> divisions;                      ///< names; the first is everybody's who has none
  std::array<int, 3> bloods{0, 0, 0};  ///< bonus of the first three solves, in thousandths of the value
  std::string feed;                    ///< the secret part of the address that CTFtime reads; empty: there is none

  bool began(TimePoint now) const { return !starts_at || *starts_at <= now; }
  bool ended(TimePoint now) const { return ends_at && *ends_at <= now; }
  bool frozen(TimePoint now) const { return freeze_at && !thawed && *freeze_at <= now; }
  /// Whether what happened then is kept back from everybody else for now.
  bool hides(TimePoint at, TimePoint now) const { return frozen(now) && at >= *freeze_at; }
};

/// The contest that is always there: no beginning, no end, every challenge.
inline constexpr char kPractice[] = "practice";

/// Something that counts: the rows that a board is a fold over, in the order in which they were committed.
struct Mark {
  enum class Kind { kSolve, kHint, kAward };
  std::int64_t seq = 0;
  std::string contest = {};
  Kind kind = Kind::kSolve;
  std::string owner = {}, user = {};
  std::string challenge = {};  ///< empty for awards
  std::string name = {};       ///< of hints: which; of awards: their id
  std::int64_t points = 0;     ///< of hints (below 0) and awards; what a solve is worth changes with the others
  TimePoint at{};
  std::string note = {};  ///< of awards: what for
};

/// How an owner stands in a contest.
struct Standing {
  enum class State { kPlays, kHidden, kDisqualified };
  std::string division;
  State state = State::kPlays;
  bool operator==(const Standing&) const = default;
};
std::string_view to_string(Standing::State state);
std::optional<Standing::State> standing_named(std::string_view text);

/// Somebody handed in another owner's flag. Kept once for each submitter, owner and flag.
struct Shared {
  std::string hash;  ///< SHA-256 of submitter, owner and flag (row 5.4)
  std::string contest, challenge;
  std::string owner, user;  ///< who handed it in
  std::string flag_owner;   ///< whose it is
  std::string address;
  std::int64_t times = 1;
  TimePoint first{}, last{};
  std::string verdict;  ///< of staff: empty, innocent, warned, disqualified
  std::string verdict_by, note;
  std::optional<TimePoint> verdict_at;
};

/// One hand-in.
struct Submission {
  enum class Result { kCorrect, kPart, kWrong, kForeign, kAlready };
  std::int64_t id = 0;
  std::string contest, challenge, owner, user;
  std::string text;  ///< what was handed in, in one line that can be shown, at most 256 bytes of it
  Result result = Result::kWrong;
  std::string address;
  TimePoint at{};
};
std::string_view to_string(Submission::Result result);

}  // namespace tiltyard::contest
