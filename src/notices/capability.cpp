#include "notices/capability.h"

#include "house/ground.h"

namespace tiltyard::notices {

Result<> Capability::make(house::Ground& ground) {
  options_.data_folder = ground.data;
  options_.public_url = ground.site.public_url;
  service_ = std::make_unique<Service>(options_, ground.store, ground.clock, ground.jobs, ground.kinds);
  return service_->prepare();
}

}  // namespace tiltyard::notices
