#include "labs/pace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <queue>

namespace tiltyard::labs {
namespace {

using std::chrono::milliseconds;
using Seconds = std::chrono::duration<double>;

/// Spawns that a slowdown remembers: more is calmer, less follows sooner.
constexpr double kMemory = 40;
/// What a stored slowdown counts for after a restart.
constexpr double kStoredCount = 8;
/// Of a number that is not in use, per round: it was true once.
constexpr double kFading = 0.9;
/// One more at once must bring this much, because each spawn takes longer for it; one less may cost a little.
constexpr double kGainUp = 1.03, kGainDown = 0.98;
/// A round this far from what was known means that the server itself has become slower or faster.
constexpr double kShift = 1.35;
constexpr int kPatienceAtMost = 6;
constexpr double kWeightStep = 0.15, kResidualStep = 0.1;
constexpr double kUnknownWeight = 2;  // seconds
constexpr std::size_t kFirstLimit = 4;
constexpr std::chrono::minutes kForgetsAfter{10};
/// What is left, at least, of a spawn that takes longer than expected, as a part of what was expected.
constexpr double kOverdue = 0.1;

/// What others cost where nothing has been measured: one machine with few cores and a local engine, where four at a
/// time take 2.8 times as long each.
double prior(double beside) { return 1 + 0.6 * (beside - 1); }

std::size_t samples_needed(std::size_t limit) { return std::max<std::size_t>(10, 3 * limit); }

bool sane(double value) { return std::isfinite(value) && value > 1e-6 && value < 1e6; }

}  // namespace

Pace::Pace(std::size_t most)
    : most_(std::max<std::size_t>(1, most)), slowdowns_(most_ + 1), base_(std::min(most_, kFirstLimit)) {}

void Pace::restore(const Known& known) {
  for (const auto& [name, value] : known) {
    if (!sane(value)) continue;
    if (name == "limit") {
      base_ = std::clamp<std::size_t>(static_cast<std::size_t>(std::lround(value)), 1, most_);
    } else if (name.starts_with("slowdown.")) {
      std::size_t beside = 0;
      std::from_chars(name.data() + 9, name.data() + name.size(), beside);
      if (beside >= 1 && beside <= most_) slowdowns_[beside] = {value, kStoredCount};
    } else if (name.starts_with("weight.")) {
      weights_[TemplateId(name.substr(7))] = {value, true};
    }
  }
}

Pace::Known Pace::known() const {
  Known known{{"limit", static_cast<double>(base_)}};
  for (std::size_t n = 1; n <= most_; ++n) {
    if (slowdowns_[n].value > 0) known[fmt::format("slowdown.{}", n)] = slowdowns_[n].value;
  }
  for (const auto& [tmpl, weight] : weights_) {
    if (weight.measured) known["weight." + tmpl.str()] = weight.seconds;
  }
  return known;
}

void Pace::expect(const TemplateId& tmpl, std::chrono::microseconds alone) {
  auto& weight = weights_[tmpl];
  if (!weight.measured) weight.seconds = std::max(0.001, Seconds(alone).count());
}

double Pace::weight(const TemplateId& tmpl) const {
  const auto found = weights_.find(tmpl);
  if (found != weights_.end()) return found->second.seconds;
  return usual_ > 0 ? usual_ : kUnknownWeight;
}

/// Measured at the nearest number, and from there as the prior goes; between two measured ones a line.
double Pace::slowdown(double beside) const {
  beside = std::clamp(beside, 1.0, static_cast<double>(most_));
  const auto at = [this](std::size_t n) {
    for (std::size_t away = 0; away < most_; ++away) {
      for (const auto m : {n - away, n + away}) {
        if (m >= 1 && m <= most_ && slowdowns_[m].value > 0) {
          return slowdowns_[m].value * prior(static_cast<double>(n)) / prior(static_cast<double>(m));
        }
      }
    }
    return prior(static_cast<double>(n));
  };
  const auto below = static_cast<std::size_t>(beside);
  const double part = beside - static_cast<double>(below);
  return part < 1e-9 ? at(below) : at(below) * (1 - part) + at(below + 1) * part;
}

double Pace::rate(std::size_t limit) const { return static_cast<double>(limit) / slowdown(static_cast<double>(limit)); }

std::size_t Pace::limit() const {
  return static_cast<std::size_t>(std::clamp<long>(static_cast<long>(base_) + step_, 1, static_cast<long>(most_)));
}

double Pace::per_second() const { return usual_ > 0 ? rate(base_) / (usual_ * std::exp(residual_)) : 0; }

void Pace::pass(Time now) {
  if (!running_.empty()) area_ += static_cast<double>(running_.size()) * std::max(0.0, Seconds(now - last_).count());
  last_ = std::max(last_, now);
}

void Pace::begin(const InstanceId& id, const TemplateId& tmpl, Time now) {
  if (running_.empty() && last_ != Time{} && now - last_ > kForgetsAfter) {
    // After a long pause the server may be another one: what is known stays, and weighs less.
    for (auto& slowdown : slowdowns_) slowdown.count /= 2;
    patience_ = 1;
  }
  pass(now);
  running_[id] = {tmpl, now, area_, epoch_};
}

void Pace::end(const InstanceId& id, bool success, Time now) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  pass(now);
  const Running spawn = found->second;
  running_.erase(found);
  const double took = Seconds(now - spawn.begun).count();
  if (!success || took <= 0) return;
  learn(spawn, took, std::max(1.0, (area_ - spawn.area) / took));
}

void Pace::learn(const Running& spawn, double took, double beside) {
  auto& weight = weights_[spawn.tmpl];
  const double expected = slowdown(beside);
  if (!weight.measured) {
    weight = {took / expected, true};
  } else {
    // A template is heavier than thought only by as much as it stands out from what all take at present.
    const double stands_out = std::log(took / (weight.seconds * expected)) - residual_;
    weight.seconds *= std::exp(kWeightStep * std::clamp(stands_out, -1.0, 1.0));
  }
  const double value = took / weight.seconds;
  residual_ += kResidualStep * (std::clamp(std::log(value / expected), -1.0, 1.0) - residual_);
  usual_ = usual_ == 0 ? weight.seconds : usual_ + 0.1 * (weight.seconds - usual_);
  const auto below = static_cast<std::size_t>(beside);
  const double part = beside - static_cast<double>(below);
  note(below, value * slowdown(static_cast<double>(below)) / expected, 1 - part);
  note(below + 1, value * slowdown(static_cast<double>(below + 1)) / expected, part);
  const double away = beside - static_cast<double>(limit());
  if (spawn.epoch == epoch_ && std::abs(away) < 0.3) climb(value);
}

void Pace::note(std::size_t beside, double value, double part) {
  if (beside < 1 || beside > most_ || part <= 0) return;
  auto& slowdown = slowdowns_[beside];
  if (slowdown.value == 0) {
    if (part >= 0.5) slowdown = {value, part};
    return;
  }
  slowdown.count = std::min(kMemory, slowdown.count + part);
  slowdown.value += (value - slowdown.value) * part / std::max(1.0, slowdown.count);
}

/// Only spawns that had exactly the limit's number beside them all their life come here: the places were all taken.
void Pace::climb(double value) {
  round_.push_back(value);
  if (round_.size() < samples_needed(limit())) return;
  for (std::size_t n = 1; n <= most_; ++n) {
    if (n != limit()) slowdowns_[n].count *= kFading;
  }
  judge();
  round_.clear();
}

void Pace::judge() {
  double sum = 0;
  for (const double value : round_) sum += value;
  const double mean = sum / static_cast<double>(round_.size());
  if (step_ == 0) {
    const double known = slowdowns_[base_].value;
    if (mean > known * kShift || mean < known / kShift) {
      for (auto& slowdown : slowdowns_) {
        slowdown.value *= mean / known;
        slowdown.count = std::min(slowdown.count, 1.0);
      }
      slowdowns_[base_].count = static_cast<double>(round_.size());
      residual_ = 0;
      patience_ = 1;
    }
    if (++rounds_ < patience_) return;
    if (most_ == 1) return;
    if (base_ == 1) direction_ = 1;
    if (base_ == most_) direction_ = -1;
    step_ = direction_;
  } else {
    const bool paid = rate(limit()) > rate(base_) * (step_ > 0 ? kGainUp : kGainDown);
    if (paid) {
      base_ = limit();
      patience_ = 1;
    } else {
      direction_ = -direction_;
      patience_ = std::min(patience_ * 2, kPatienceAtMost);
    }
    step_ = 0;
    if (paid) {
      // The number stays as it is, and so does what is under way.
      rounds_ = 0;
      return;
    }
  }
  rounds_ = 0;
  ++epoch_;
}

std::vector<milliseconds> Pace::forecast(const std::vector<TemplateId>& waiting, std::size_t taken, Time now) const {
  // The places as they become free, in seconds from now; each who waits takes the first.
  const std::size_t places = limit();
  // The slowdowns follow slowly, for the climb's sake; what the last few took beside them says how it goes right now.
  const double others =
      slowdown(static_cast<double>(std::clamp<std::size_t>(taken + waiting.size(), 1, places))) * std::exp(residual_);
  std::priority_queue<double, std::vector<double>, std::greater<>> free;
  for (const auto& [id, spawn] : running_) {
    const double whole = weight(spawn.tmpl) * others;
    const double spent = Seconds(now - spawn.begun).count();
    free.push(std::max(whole - spent, kOverdue * whole));
  }
  const double usual = usual_ > 0 ? usual_ : kUnknownWeight;
  for (std::size_t n = running_.size(); n < taken; ++n) free.push(usual * others);
  while (free.size() < places) free.push(0);
  // More under way than there are places now: those first to end give nothing free.
  while (free.size() > places) free.pop();
  std::vector<milliseconds> out;
  out.reserve(waiting.size());
  double latest = 0;
  for (const auto& tmpl : waiting) {
    const double end = free.top() + weight(tmpl) * others;
    free.pop();
    free.push(end);
    latest = std::max(latest, end);
    out.push_back(std::chrono::ceil<milliseconds>(Seconds(latest)));
  }
  return out;
}

}  // namespace tiltyard::labs
