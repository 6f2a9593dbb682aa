#pragma once

#include <functional>
#include <string>
#include <vector>

#include "observe/metric.h"

namespace tiltyard::metrics {

/// Handles are cheap to copy and valid for the life of the process; all calls are thread-safe. Look a handle up once
/// and keep it: the look-up takes a lock, the use does not.
class Counter {
 public:
  void add(double by = 1) const;
  explicit Counter(void* impl) : impl_(impl) {}

 private:
  void* impl_;
};

class Gauge {
 public:
  void set(double value) const;
  void add(double by) const;
  explicit Gauge(void* impl) : impl_(impl) {}

 private:
  void* impl_;
};

class Histogram {
 public:
  void observe(double value) const;
  explicit Histogram(void* impl) : impl_(impl) {}

 private:
  void* impl_;
};

/// `values` are those of the declared labels, in their order; the same values give the same handle.
Counter counter(Of<Kind::kCounter> metric, const std::vector<std::string>& values = {});
Gauge gauge(Of<Kind::kGauge> metric, const std::vector<std::string>& values = {});
Histogram histogram(Of<Kind::kHistogram> metric, const std::vector<double>& buckets,
                    const std::vector<std::string>& values = {});

/// Adds a function that is called before each exposition, to set gauges from somebody's live state. It is called on the
/// thread that serves /metrics.
void on_collect(std::function<void()> refresh);

/// The Prometheus text format 0.0.4 of everything.
std::string expose();

}  // namespace tiltyard::metrics
