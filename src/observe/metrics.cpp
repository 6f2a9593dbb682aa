#include "observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

#include "observe/measures.h"
#include "observe/process.h"

namespace tiltyard::metrics {
namespace {

/// Never destroyed: handles are valid for the life of the process, static destructors of others included.
struct State {
  prometheus::Registry registry;
  std::mutex mutex;
  std::vector<std::function<void()>> refreshers;
};

State& state() {
  static State* const instance = new State;
  return *instance;
}

prometheus::Labels labels(const Metric& metric, const std::vector<std::string>& values) {
  prometheus::Labels out;
  for (std::size_t i = 0; i < metric.labels.size() && !metric.labels[i].empty(); ++i)
    out.emplace(metric.labels[i], i < values.size() ? values[i] : std::string());
  return out;
}

auto& family(auto builder, const Metric& metric) {
  return builder.Name(std::string(metric.name)).Help(std::string(metric.help)).Register(state().registry);
}

/// The kernel's view of this process, under the names that every Prometheus client uses.
class ProcessFamily {
 public:
  void refresh() {
    const detail::ProcessUse use = detail::process_use();
    memory_.set(static_cast<double>(use.resident_bytes));
    files_.set(static_cast<double>(use.open_files));
    most_files_.set(static_cast<double>(use.most_files));
    threads_.set(static_cast<double>(use.threads));
    start_.set(use.start_time);
    std::lock_guard lock(mutex_);
    if (use.cpu_seconds > seen_cpu_) cpu_.add(use.cpu_seconds - seen_cpu_);
    seen_cpu_ = use.cpu_seconds;
  }

 private:
  Gauge memory_ = gauge(measures::kMemory);
  Gauge files_ = gauge(measures::kOpenFiles);
  Gauge most_files_ = gauge(measures::kMostFiles);
  Gauge threads_ = gauge(measures::kThreads);
  Gauge start_ = gauge(measures::kStart);
  Counter cpu_ = counter(measures::kCpu);
  std::mutex mutex_;
  double seen_cpu_ = 0;
};

}  // namespace

void Counter::add(double by) const { static_cast<prometheus::Counter*>(impl_)->Increment(by); }
void Gauge::set(double value) const { static_cast<prometheus::Gauge*>(impl_)->Set(value); }
void Gauge::add(double by) const { static_cast<prometheus::Gauge*>(impl_)->Increment(by); }
void Histogram::observe(double value) const { static_cast<prometheus::Histogram*>(impl_)->Observe(value); }

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "gauge";
}

Counter counter(Of<Kind::kCounter> metric, const std::vector<std::string>& values) {
  return Counter(&family(prometheus::BuildCounter(), *metric).Add(labels(*metric, values)));
}

Gauge gauge(Of<Kind::kGauge> metric, const std::vector<std::string>& values) {
  return Gauge(&family(prometheus::BuildGauge(), *metric).Add(labels(*metric, values)));
}

Histogram histogram(Of<Kind::kHistogram> metric, const std::vector<double>& buckets,
                    const std::vector<std::string>& values) {
  return Histogram(&family(prometheus::BuildHistogram(), *metric).Add(labels(*metric, values), buckets));
}

void on_collect(std::function<void()> refresh) {
  std::lock_guard lock(state().mutex);
  state().refreshers.push_back(std::move(refresh));
}

std::string expose() {
  static ProcessFamily* const process = new ProcessFamily;
  process->refresh();
  std::vector<std::function<void()>> refreshers;
  {
    // Copied, because a refresher may look up a handle or add a refresher of its own.
    std::lock_guard lock(state().mutex);
    refreshers = state().refreshers;
  }
  for (const auto& refresh : refreshers) refresh();
  return prometheus::TextSerializer().Serialize(state().registry.Collect());
}

}  // namespace tiltyard::metrics
