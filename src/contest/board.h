#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "contest/model.h"
#include "imports/model.h"

namespace tiltyard::contest {

/// What a board needs to know of a challenge.
struct Worth {
  imports::Value value;
  bool breaks_ties = true;
};

/// One who plays, as a board has it.
struct Place {
  std::string owner, division;
  int position = 0;  ///< from 1; of those who share all that counts, the one who was first
  std::int64_t score = 0;
  TimePoint last{};                     ///< of the last solve that counts for ties; zero: none
  std::vector<std::string> challenges;  ///< solved, in their order
  std::int64_t bonus = 0;               ///< of first solves, within the score
  std::int64_t others = 0;              ///< hints and awards, within the score
};

/// What somebody had at a time: a step of a plot.
struct Step {
  TimePoint at{};
  std::int64_t score = 0;
};

/// The board of one contest: a fold over its marks. A solve changes the values of its challenge alone, and the scores
/// of those who have it, so that nothing is computed as a whole again. Whether it is computed step by step or at once,
/// it is the same. Pure: no clock, no store.
class Board {
 public:
  struct Rules {
    std::array<int, 3> bloods{0, 0, 0};
    std::optional<TimePoint> starts_at;
    double length = 0;  ///< seconds; 0: it has no end
  };
  struct Solve {
    int owner = 0;
    TimePoint at{};
    std::int64_t seq = 0;
    std::string user;
  };

  explicit Board(Rules rules) : rules_(rules) {}

  /// What challenges are worth from now on; those that are not named count nothing, and keep their solves.
  void set_worths(std::map<std::string, Worth, std::less<>> worths);
  void set_standings(const std::map<std::string, Standing>& standings);
  void set_standing(const std::string& owner, const Standing& standing);

  /// In the order of `seq`. A solve that is there is not counted twice. Returns false then.
  bool apply(const Mark& mark);
  std::int64_t last_seq() const { return last_; }

  std::int64_t value(std::string_view challenge) const;
  /// Solves that count, the first one first.
  std::vector<const Solve*> solves(std::string_view challenge) const;
  std::size_t solve_count(std::string_view challenge) const;
  /// 1 to 3 where the owner was among the first three that count, else 0.
  int blood(std::string_view challenge, const std::string& owner) const;
  const std::string& owner_of(const Solve& solve) const { return owners_[static_cast<std::size_t>(solve.owner)].id; }
  std::optional<TimePoint> solved_at(std::string_view challenge, const std::string& owner) const;

  /// All who are ranked, the first one first; of one division, or (empty) of all.
  std::vector<Place> places(std::string_view division = {}) const;
  std::optional<Place> place(const std::string& owner) const;
  std::int64_t score(const std::string& owner) const;
  /// How an owner's score came about: with the values as they were at each time.
  std::map<std::string, std::vector<Step>> history(const std::vector<std::string>& owners) const;

 private:
  struct Task {
    Worth worth;
    bool counts = false;  ///< it is one of the contest's
    std::vector<Solve> solves;
    std::size_t counted = 0;
    std::int64_t value = 0;
  };
  struct Other {
    std::int64_t seq = 0;
    TimePoint at{};
    std::int64_t points = 0;
  };
  struct Owner {
    std::string id, division;
    Standing::State state = Standing::State::kPlays;
    std::vector<std::pair<std::int64_t, std::string>> solved;  ///< by seq
    std::vector<Other> others;
    std::int64_t score = 0;
    bool counts() const { return state == Standing::State::kPlays; }
  };

  int owner_index(const std::string& id);
  const Owner* find(const std::string& owner) const;
  Owner& at(int index) { return owners_[static_cast<std::size_t>(index)]; }
  const Owner& at(int index) const { return owners_[static_cast<std::size_t>(index)]; }
  bool counts(const Solve& solve) const { return at(solve.owner).counts(); }
  std::int64_t worth_now(const Task& task, std::size_t solves, const Solve* first) const;
  void reprice(Task& task);
  void add_score(const Task& task, std::int64_t sign);
  void compute_all();
  Place place_of(const Owner& owner) const;

  Rules rules_;
  std::map<std::string, Task, std::less<>> tasks_;
  std::vector<Owner> owners_;
  std::unordered_map<std::string, int> index_;
  std::size_t most_ = 0;  ///< counted solves of any challenge
  std::int64_t last_ = 0;
};

}  // namespace tiltyard::contest
