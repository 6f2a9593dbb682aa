#include "contest/scoring.h"

#include <algorithm>
#include <cmath>

namespace tiltyard::contest {
namespace {

/// Sums like 500·0.9 that are whole in decimal must not fall below or above it for the last bit.
constexpr double kSlack = 1e-9;

double later(std::int64_t solves) { return static_cast<double>(std::max<std::int64_t>(solves - 1, 0)); }

/// rCTF v1: both ends of the hyperbolic tangent that it takes.
double legacy_share(double t) {
  const double c0 = -std::atanh(0.7), c1 = std::atanh(0.96);
  const auto a = [](double x) { return (1 - std::tanh(x)) / 2; };
  return (a((c1 - c0) * t + c0) - a(c1)) / (a(c0) - a(c1));
}

double worth(const imports::Value& value, const Circumstances& how) {
  const auto most = static_cast<double>(value.initial), least = static_cast<double>(value.minimum);
  const double x = later(how.solves);
  if (value.function == "linear") return std::ceil(most - value.decay * x - kSlack);
  if (value.function == "logarithmic") {
    const double decay = value.decay == 0 ? 1 : value.decay;
    return std::ceil((least - most) / (decay * decay) * x * x + most - kSlack);
  }
  if (value.function == "exponential") {
    if (how.solves <= 1 || most == 0) return most;
    const double floor = least / most, decay = value.decay == 0 ? 1 : value.decay;
    return std::floor(most * (floor + (1 - floor) * std::exp(-x / decay)) + kSlack);
  }
  if (value.function == "classic") return std::round(least + (most - least) / (1 + std::pow(x / 11.92201, 1.206069)));
  if (value.function == "steep") return std::round(least + (most - least) / (1 + x / 6));
  if (value.function == "sekai") {
    const double m = 1 + 9.0 / 60, at = 1 + 9.0 * static_cast<double>(how.solves) / 60;
    return std::ceil(most - (most - least) * std::log(at / m) / std::log(10 / m) - kSlack);
  }
  if (value.function == "genni") return how.solves <= 2 ? most : 0;
  if (value.function == "jammy") {
    if (how.length <= 0) return most;
    return least + std::trunc(how.first_after / (0.8 * how.length / (most - least + 1)));
  }
  if (value.function == "legacy") {
    const auto all = static_cast<double>(std::max<std::int64_t>(how.most_solves, 1));
    return std::round(least + (most - least) * legacy_share(static_cast<double>(how.solves) / all));
  }
  return most;
}

}  // namespace

std::int64_t value_of(const imports::Value& value, const Circumstances& how) {
  if (!value.dynamic) return value.initial;
  const auto now = static_cast<std::int64_t>(worth(value, how));
  // Its author's word for "few have it, then it is nothing".
  if (value.function == "genni") return now;
  return std::clamp(now, value.minimum, value.initial);
}

std::int64_t blood_bonus(std::int64_t value, int thousandths) {
  const std::int64_t whole = value * thousandths;
  const std::int64_t down = whole / 1000, rest = whole % 1000;
  return down + (rest > 500 || (rest == 500 && down % 2 == 1) ? 1 : 0);
}

}  // namespace tiltyard::contest
