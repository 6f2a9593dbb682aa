#include "observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

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
  Gauge memory_ = gauge("process_resident_memory_bytes", "Memory of this process that is in RAM, in bytes.");
  Gauge files_ = gauge("process_open_fds", "Open file descriptors.");
  Gauge most_files_ = gauge("process_max_fds", "How many file descriptors may be open.");
  Gauge threads_ = gauge("process_threads", "Threads of this process.");
  Gauge start_ = gauge("process_start_time_seconds", "When this process started, in seconds since 1970 UTC.");
  Counter cpu_ = counter("process_cpu_seconds_total", "Processor time used, user and system, in seconds.");
  std::mutex mutex_;
  double seen_cpu_ = 0;
};

}  // namespace

void Counter::add(double by) const { static_cast<prometheus::Counter*>(impl_)->Increment(by); }
void Gauge::set(double value) const { static_cast<prometheus::Gauge*>(impl_)->Set(value); }
void Gauge::add(double by) const { static_cast<prometheus::Gauge*>(impl_)->Increment(by); }
void Histogram::observe(double value) const { static_cast<prometheus::Histogram*>(impl_)->Observe(value); }

Counter counter(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state().registry);
  return Counter(&family.Add(labels));
}

Gauge gauge(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state().registry);
  return Gauge(&family.Add(labels));
}

Histogram histogram(const std::string& name, const std::string& help, const std::vector<double>& buckets,
                    const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(state().registry);
  return Histogram(&family.Add(labels, buckets));
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
