#pragma once

#include <array>
#include <span>
#include <string_view>

namespace tiltyard::metrics {

enum class Kind { kCounter, kGauge, kHistogram };
std::string_view to_string(Kind kind);

/// What is measured, declared as a constant in `<name>/measures.h` of the part that measures it. Names are Prometheus
/// names ("tiltyard_spawn_seconds"); labels have few values, never an instance or a user.
struct Metric {
  std::string_view name;
  Kind kind;
  std::string_view unit;  ///< what one of it is: "seconds", "bytes", "flags"
  std::string_view help;
  std::array<std::string_view, 3> labels = {};
};

/// What a part measures: its `measures::kAll`.
using Metrics = std::span<const Metric* const>;

/// A declared metric of one kind: another one does not compile, and neither does one that nobody has declared.
template <Kind kKind>
class Of {
 public:
  consteval Of(const Metric& metric) : metric_(&metric) {
    if (metric.kind != kKind) throw "declared as another kind";
  }
  Of(const Metric&&) = delete;

  const Metric& operator*() const { return *metric_; }

 private:
  const Metric* metric_;
};

}  // namespace tiltyard::metrics
