#include "app/measured.h"

#include "app/measures.h"
#include "bus/measures.h"
#include "gateway/measures.h"
#include "jobs/measures.h"
#include "limits/measures.h"
#include "net/measures.h"
#include "observe/measures.h"
#include "store/measures.h"

namespace tiltyard::app {

Result<std::vector<house::Measured>> measured(const Capabilities& all) {
  const std::pair<const char*, metrics::Metrics> floors[] = {
      {"process", metrics::measures::kAll}, {"server", measures::kAll},    {"store", store::measures::kAll},
      {"bus", bus::measures::kAll},         {"net", http::measures::kAll}, {"gateway", gateway::measures::kAll},
      {"limits", limits::measures::kAll},   {"jobs", jobs::measures::kAll}};
  std::vector<house::Measured> below;
  for (const auto& [of, metrics] : floors) {
    for (const auto* metric : metrics) below.push_back({of, metric});
  }
  return house::measures_of(all, std::move(below));
}

}  // namespace tiltyard::app
