#include "certificates/capability.h"

#include "house/ground.h"

namespace tiltyard::certificates {

Result<> Capability::make(house::Ground& ground) {
  service_ =
      std::make_unique<Service>(options_, Parts{ground.home, ground.store, ground.jobs, ground.clock, ground.gateway,
                                                ground.certificates, ground.data, ground.gateway.options().domain});
  return service_->prepare();
}

}  // namespace tiltyard::certificates
