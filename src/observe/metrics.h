#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::metrics {

using Labels = std::map<std::string, std::string>;

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

/// Names are Prometheus names ("tiltyard_spawn_seconds"); the same name and labels give the same handle.
Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                    const Labels& labels = {});

/// Adds a function that is called before each exposition, to set gauges from somebody's live state. It is called on the
/// thread that serves /metrics.
void on_collect(std::function<void()> refresh);

/// The Prometheus text format 0.0.4 of everything.
std::string expose();

}  // namespace tiltyard::metrics
