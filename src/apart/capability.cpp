#include "apart/capability.h"

#include "house/ground.h"

namespace tiltyard::apart {

Result<> Capability::make(house::Ground&) {
  if (options_.apart())
    files_ = std::make_shared<privileged::FilesApart>(privileged::Caller(privileged::whole(options_.socket)),
                                                      privileged::whole(options_.files));
  return {};
}

}  // namespace tiltyard::apart
