#pragma once

#include "observe/metric.h"

namespace tiltyard::metrics::measures {

inline constexpr Metric kCpu{.name = "process_cpu_seconds_total",
                             .kind = Kind::kCounter,
                             .unit = "seconds",
                             .help = "Processor time used, user and system, in seconds"};
inline constexpr Metric kMostFiles{
    .name = "process_max_fds", .kind = Kind::kGauge, .unit = "files", .help = "How many file descriptors may be open"};
inline constexpr Metric kOpenFiles{
    .name = "process_open_fds", .kind = Kind::kGauge, .unit = "files", .help = "Open file descriptors"};
inline constexpr Metric kMemory{.name = "process_resident_memory_bytes",
                                .kind = Kind::kGauge,
                                .unit = "bytes",
                                .help = "Memory of this process that is in RAM, in bytes"};
inline constexpr Metric kStart{.name = "process_start_time_seconds",
                               .kind = Kind::kGauge,
                               .unit = "seconds since 1970 UTC",
                               .help = "When this process started"};
inline constexpr Metric kThreads{
    .name = "process_threads", .kind = Kind::kGauge, .unit = "threads", .help = "Threads of this process"};

inline constexpr const Metric* kAll[] = {&kCpu, &kMostFiles, &kOpenFiles, &kMemory, &kStart, &kThreads};

}  // namespace tiltyard::metrics::measures
