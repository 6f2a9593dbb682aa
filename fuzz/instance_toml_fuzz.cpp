// instance.toml by itself: any text gives settings whose numbers keep their bounds.
#include <cstdlib>
#include <string_view>

#include "templates/problems.h"
#include "templates/settings.h"

namespace templates = tiltyard::templates;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  templates::Problems problems;
  const auto settings = templates::read_settings({reinterpret_cast<const char*>(data), size}, problems);
  const auto lease = templates::lease_policy(settings.lease, problems);
  constexpr std::int64_t kYear = 366LL * 86'400;
  if (lease.timeout.count() <= 0 || lease.timeout.count() > kYear || lease.extend_by.count() < 0 ||
      lease.extend_by.count() > kYear)
    std::abort();
  if (settings.expected_boot.count() < 0 || settings.max_instances < 0) std::abort();
  if (settings.ports.size() > 32 || settings.endpoints.size() > 32) std::abort();
  for (const auto& port : settings.ports) {
    if (port.value == 0 || port.place.line <= 0) std::abort();
  }
  for (const auto& problem : problems.take()) {
    if (problem.message.empty() || problem.line < 0) std::abort();
  }
  return 0;
}
