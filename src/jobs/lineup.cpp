#include "jobs/lineup.h"

#include <algorithm>

namespace tiltyard::jobs {
namespace {

std::int64_t millis_up(std::int64_t micros) { return micros / 1000 + (micros % 1000 > 0 ? 1 : 0); }

}  // namespace

std::uint64_t number_of(std::string_view text) {
  if (text.empty()) return 0;
  // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the same in every process, which std::hash need not be.
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ULL;
  return hash == 0 ? 1 : hash;
}

bool Line::has_room(std::int64_t now) const {
  return known && !paused && !ready.empty() && running < kind.at_once && rate_allows_at(now) <= now;
}

std::int64_t Line::rate_allows_at(std::int64_t now) const {
  if (!kind.rate) return now;
  const std::int64_t window = kind.rate->window.count();
  return rate_debt + window / kind.rate->count - window;
}

void Line::charge(std::int64_t now) {
  if (kind.rate) rate_debt = std::max(rate_debt, now) + kind.rate->window.count() / kind.rate->count;
}

Line& Lineup::line(const std::string& kind) {
  auto& line = lines_[kind];
  if (!line) {
    line = std::make_unique<Line>();
    line->kind.name = kind;
    line->known = false;
  }
  return *line;
}

void Lineup::learn(Waiting job) {
  if (const auto known = waiting_.find(job.id); known != waiting_.end()) drop(known);
  auto& kept = waiting_.emplace(job.id, job).first->second;
  ++job.line->waiting;
  if (job.lane != 0) job.line->lanes[job.lane].insert(job.id);
  if (job.bundle != 0) bundles_[job.bundle].insert(job.id);
  kept.place = Waiting::Place::kTimed;
  kept.timer = timers_.add(millis_up(std::max(job.due, job.not_before)), job.id);
}

/// Out of everything but its lane, where its place stays its own.
void Lineup::drop(std::unordered_map<JobId, Waiting>::iterator at) {
  Waiting& job = at->second;
  if (job.place == Waiting::Place::kTimed) timers_.remove(job.timer);
  if (job.place == Waiting::Place::kReady) job.line->ready.erase({job.priority, job.due, job.id});
  --job.line->waiting;
  if (const auto bundle = bundles_.find(job.bundle); job.bundle != 0 && bundle != bundles_.end()) {
    bundle->second.erase(job.id);
    if (bundle->second.empty()) bundles_.erase(bundle);
  }
  waiting_.erase(at);
}

void Lineup::forget(JobId id) {
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return;
  Line& line = *at->second.line;
  const auto lane = at->second.lane;
  drop(at);
  leave_lane(line, lane, id);
}

void Lineup::leave_lane(Line& line, std::uint64_t lane, JobId id) {
  if (lane == 0) return;
  const auto found = line.lanes.find(lane);
  if (found == line.lanes.end()) return;
  found->second.erase(id);
  if (found->second.empty()) {
    line.lanes.erase(found);
    return;
  }
  const auto next = waiting_.find(*found->second.begin());
  if (next != waiting_.end() && next->second.place == Waiting::Place::kParked) make_ready(next->second);
}

std::vector<JobId> Lineup::of_bundle(const Line& line, std::uint64_t bundle) const {
  std::vector<JobId> ids;
  const auto found = bundles_.find(bundle);
  if (found == bundles_.end()) return ids;
  for (const auto id : found->second) {
    if (waiting_.at(id).line == &line) ids.push_back(id);
  }
  return ids;
}

const Waiting* Lineup::find(JobId id) const {
  const auto found = waiting_.find(id);
  return found == waiting_.end() ? nullptr : &found->second;
}

void Lineup::make_ready(Waiting& job) {
  job.place = Waiting::Place::kReady;
  job.line->ready.insert({job.priority, job.due, job.id});
}

void Lineup::park_or_ready(Waiting& job) {
  const auto lane = job.line->lanes.find(job.lane);
  const bool first = job.lane == 0 || lane == job.line->lanes.end() || *lane->second.begin() == job.id;
  if (first) make_ready(job);
  else job.place = Waiting::Place::kParked;
}

void Lineup::advance(std::int64_t now) {
  fired_.clear();
  timers_.advance(now / 1000, fired_);
  for (const auto id : fired_) {
    if (const auto at = waiting_.find(id); at != waiting_.end()) park_or_ready(at->second);
  }
}

/// The line whose first job is the most urgent of all that may start. There are a few dozen lines at most.
Line* Lineup::best(std::int64_t now) {
  Line* best = nullptr;
  for (const auto& [name, line] : lines_) {
    if (line->has_room(now) && (best == nullptr || *line->ready.begin() < *best->ready.begin())) best = line.get();
  }
  return best;
}

std::vector<Waiting> Lineup::take(std::int64_t now, std::size_t most) {
  std::vector<Waiting> taken;
  while (taken.size() < most) {
    Line* line = best(now);
    if (line == nullptr) break;
    const auto at = waiting_.find(line->ready.begin()->id);
    // An earlier one of its lane has become known since it was made ready.
    const auto lane = line->lanes.find(at->second.lane);
    if (at->second.lane != 0 && lane != line->lanes.end() && *lane->second.begin() != at->first) {
      line->ready.erase(line->ready.begin());
      at->second.place = Waiting::Place::kParked;
      continue;
    }
    taken.push_back(at->second);
    drop(at);
    ++line->running;
    line->charge(now);
  }
  return taken;
}

std::optional<std::int64_t> Lineup::next(std::int64_t now) const {
  std::optional<std::int64_t> least;
  if (const auto timer = timers_.next()) least = *timer * 1000;
  for (const auto& [name, line] : lines_) {
    if (!line->known || line->paused || line->ready.empty() || line->running >= line->kind.at_once) continue;
    const auto at = std::max(line->rate_allows_at(now), now);
    least = std::min(least.value_or(at), at);
  }
  return least;
}

}  // namespace tiltyard::jobs
