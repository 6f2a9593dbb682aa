#include "contest/board.h"

#include <algorithm>
#include <functional>

#include "contest/scoring.h"

namespace tiltyard::contest {
namespace {

constexpr char kLegacy[] = "legacy";

double seconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration<double>(std::max(to - from, Duration::zero())).count();
}

std::int64_t with_bonus(std::int64_t value, const std::array<int, 3>& bloods, std::size_t rank) {
  return value + (rank < bloods.size() ? blood_bonus(value, bloods[rank]) : 0);
}

}  // namespace

void Board::set_worths(std::map<std::string, Worth, std::less<>> worths) {
  for (auto& [id, task] : tasks_) task.counts = false;
  for (auto& [id, worth] : worths) {
    auto& task = tasks_[id];
    task.worth = std::move(worth);
    task.counts = true;
  }
  compute_all();
}

void Board::set_standings(const std::map<std::string, Standing>& standings) {
  for (auto& owner : owners_) {
    owner.division.clear();
    owner.state = Standing::State::kPlays;
  }
  for (const auto& [id, standing] : standings) {
    auto& owner = at(owner_index(id));
    owner.division = standing.division;
    owner.state = standing.state;
  }
  compute_all();
}

void Board::set_standing(const std::string& id, const Standing& standing) {
  auto& owner = at(owner_index(id));
  const bool same = owner.state == standing.state;
  owner.division = standing.division;
  owner.state = standing.state;
  if (!same) compute_all();
}

int Board::owner_index(const std::string& id) {
  const auto [place, fresh] = index_.try_emplace(id, static_cast<int>(owners_.size()));
  if (fresh) owners_.emplace_back().id = id;
  return place->second;
}

const Board::Owner* Board::find(const std::string& owner) const {
  const auto found = index_.find(owner);
  return found == index_.end() ? nullptr : &at(found->second);
}

std::int64_t Board::worth_now(const Task& task, std::size_t solves, const Solve* first) const {
  Circumstances how;
  how.solves = static_cast<std::int64_t>(solves);
  how.most_solves = static_cast<std::int64_t>(most_);
  how.length = rules_.length;
  if (first && rules_.starts_at) how.first_after = seconds_between(*rules_.starts_at, first->at);
  return value_of(task.worth.value, how);
}

/// The value as the solves are now, and what it changes for those who have it.
void Board::reprice(Task& task) {
  const Solve* first = nullptr;
  for (const auto& solve : task.solves) {
    if (!counts(solve)) continue;
    first = &solve;
    break;
  }
  const auto value = worth_now(task, task.counted, first);
  if (value == task.value) return;
  add_score(task, -1);
  task.value = value;
  add_score(task, 1);
}

void Board::add_score(const Task& task, std::int64_t sign) {
  std::size_t rank = 0;
  for (const auto& solve : task.solves) {
    if (counts(solve)) at(solve.owner).score += sign * with_bonus(task.value, rules_.bloods, rank++);
  }
}

void Board::compute_all() {
  most_ = 0;
  for (auto& owner : owners_) {
    owner.score = 0;
    for (const auto& other : owner.others) owner.score += other.points;
  }
  for (auto& [id, task] : tasks_) {
    task.counted =
        static_cast<std::size_t>(std::ranges::count_if(task.solves, [&](const Solve& s) { return counts(s); }));
    if (task.counts) most_ = std::max(most_, task.counted);
  }
  for (auto& [id, task] : tasks_) {
    task.value = 0;
    if (task.counts) reprice(task);
  }
}

bool Board::apply(const Mark& mark) {
  last_ = std::max(last_, mark.seq);
  const int who = owner_index(mark.owner);
  auto& owner = at(who);
  if (mark.kind != Mark::Kind::kSolve) {
    owner.others.push_back({mark.seq, mark.at, mark.points});
    owner.score += mark.points;
    return true;
  }
  if (std::ranges::any_of(owner.solved, [&](const auto& one) { return one.second == mark.challenge; })) return false;
  owner.solved.emplace_back(mark.seq, mark.challenge);
  auto& task = tasks_[mark.challenge];
  task.solves.push_back({who, mark.at, mark.seq, mark.user});
  if (!owner.counts()) return true;
  ++task.counted;
  if (!task.counts) return true;
  owner.score += with_bonus(task.value, rules_.bloods, task.counted - 1);
  reprice(task);
  if (task.counted <= most_) return true;
  most_ = task.counted;
  for (auto& [id, other] : tasks_) {
    if (other.counts && other.worth.value.function == kLegacy) reprice(other);
  }
  return true;
}

std::int64_t Board::value(std::string_view challenge) const {
  const auto found = tasks_.find(challenge);
  return found == tasks_.end() || !found->second.counts ? 0 : found->second.value;
}

std::vector<const Board::Solve*> Board::solves(std::string_view challenge) const {
  std::vector<const Solve*> out;
  const auto found = tasks_.find(challenge);
  if (found == tasks_.end()) return out;
  for (const auto& solve : found->second.solves) {
    if (counts(solve)) out.push_back(&solve);
  }
  return out;
}

std::size_t Board::solve_count(std::string_view challenge) const {
  const auto found = tasks_.find(challenge);
  return found == tasks_.end() ? 0 : found->second.counted;
}

int Board::blood(std::string_view challenge, const std::string& owner) const {
  const auto found = tasks_.find(challenge);
  if (found == tasks_.end()) return 0;
  int rank = 0;
  for (const auto& solve : found->second.solves) {
    if (!counts(solve)) continue;
    if (++rank > 3) return 0;
    if (owner_of(solve) == owner) return rank;
  }
  return 0;
}

std::optional<TimePoint> Board::solved_at(std::string_view challenge, const std::string& owner) const {
  const auto* who = find(owner);
  const auto task = tasks_.find(challenge);
  if (!who || task == tasks_.end()) return std::nullopt;
  const auto mine =
      std::ranges::find(who->solved, challenge, [](const auto& one) -> std::string_view { return one.second; });
  if (mine == who->solved.end()) return std::nullopt;
  const auto solve = std::ranges::lower_bound(task->second.solves, mine->first, {}, &Solve::seq);
  return solve == task->second.solves.end() ? std::nullopt : std::optional(solve->at);
}

Place Board::place_of(const Owner& owner) const {
  Place place;
  place.owner = owner.id;
  place.division = owner.division;
  place.score = owner.score;
  for (const auto& other : owner.others) place.others += other.points;
  std::int64_t values = 0;
  for (const auto& [seq, challenge] : owner.solved) {
    const auto& task = tasks_.find(challenge)->second;
    if (!task.counts) continue;
    place.challenges.push_back(challenge);
    values += task.value;
    if (!task.worth.breaks_ties || task.worth.value.initial == 0) continue;
    const auto solve = std::ranges::lower_bound(task.solves, seq, {}, &Solve::seq);
    if (solve != task.solves.end()) place.last = std::max(place.last, solve->at);
  }
  place.bonus = owner.counts() ? owner.score - values - place.others : 0;
  return place;
}

std::vector<Place> Board::places(std::string_view division) const {
  std::vector<std::pair<Place, std::int64_t>> ranked;  // and the seq of their last solve
  for (const auto& owner : owners_) {
    const bool in = division.empty() || owner.division == division;
    if (!owner.counts() || !in || (owner.solved.empty() && owner.others.empty())) continue;
    ranked.emplace_back(place_of(owner), owner.solved.empty() ? 0 : owner.solved.back().first);
  }
  std::ranges::sort(ranked, [](const auto& left, const auto& right) {
    const auto& [a, a_seq] = left;
    const auto& [b, b_seq] = right;
    if (a.score != b.score) return a.score > b.score;
    if (a.last != b.last) return a.last < b.last;
    if (a_seq != b_seq) return a_seq < b_seq;
    return a.owner < b.owner;
  });
  std::vector<Place> out;
  out.reserve(ranked.size());
  for (auto& [place, seq] : ranked) {
    place.position = static_cast<int>(out.size()) + 1;
    out.push_back(std::move(place));
  }
  return out;
}

std::optional<Place> Board::place(const std::string& owner) const {
  const auto* found = find(owner);
  return found ? std::optional(place_of(*found)) : std::nullopt;
}

std::int64_t Board::score(const std::string& owner) const {
  const auto* found = find(owner);
  return found ? found->score : 0;
}

std::map<std::string, std::vector<Step>> Board::history(const std::vector<std::string>& wanted) const {
  struct Event {
    std::int64_t seq;
    TimePoint at;
    int owner;
    const Task* task;  // null: points
    std::int64_t points;
  };
  std::vector<Event> events;
  for (const auto& [id, task] : tasks_) {
    if (!task.counts) continue;
    for (const auto& solve : task.solves) {
      if (counts(solve)) events.push_back({solve.seq, solve.at, solve.owner, &task, 0});
    }
  }
  std::unordered_map<int, std::pair<std::int64_t, std::map<const Task*, std::size_t>>> followed;  // score, ranks
  for (const auto& id : wanted) {
    const auto found = index_.find(id);
    if (found == index_.end()) continue;
    followed[found->second];
    for (const auto& other : at(found->second).others)
      events.push_back({other.seq, other.at, found->second, nullptr, other.points});
  }
  std::ranges::sort(events, {}, &Event::seq);

  // A board of its own that knows how many have what, and who of those that are followed.
  struct Running {
    std::size_t counted = 0;
    std::int64_t value = 0;
    const Solve* first = nullptr;
  };
  std::map<const Task*, Running> running;
  Board values(rules_);
  std::map<std::string, std::vector<Step>> out;
  const auto reprice_all = [&](const Task* task) {
    auto& run = running[task];
    const auto value = values.worth_now(*task, run.counted, run.first);
    for (auto& [owner, state] : followed) {
      const auto rank = state.second.find(task);
      if (rank == state.second.end()) continue;
      state.first +=
          with_bonus(value, rules_.bloods, rank->second) - with_bonus(run.value, rules_.bloods, rank->second);
    }
    run.value = value;
  };
  for (const auto& event : events) {
    const auto mine = followed.find(event.owner);
    if (!event.task) {
      mine->second.first += event.points;
    } else {
      auto& run = running[event.task];
      if (!run.first)
        run.first = &event.task->solves[static_cast<std::size_t>(std::distance(
            event.task->solves.begin(), std::ranges::lower_bound(event.task->solves, event.seq, {}, &Solve::seq)))];
      if (mine != followed.end()) {
        mine->second.first += with_bonus(run.value, rules_.bloods, run.counted);
        mine->second.second.emplace(event.task, run.counted);
      }
      ++run.counted;
      const bool more = run.counted > values.most_;
      values.most_ = std::max(values.most_, run.counted);
      reprice_all(event.task);
      for (const auto& [task, other] : running) {
        if (more && task->worth.value.function == kLegacy) reprice_all(task);
      }
    }
    for (const auto& [owner, state] : followed) {
      auto& steps = out[at(owner).id];
      if ((steps.empty() ? 0 : steps.back().score) != state.first) steps.push_back({event.at, state.first});
    }
  }
  return out;
}

}  // namespace tiltyard::contest
