#include "notices/capability.h"

#include "house/ground.h"

namespace tiltyard::notices {

Result<> Capability::make(house::Ground& ground) {
  const auto& from = ground.settings.notices;
  Options options;
  options.discord_url = from.discord_url;
  options.discord_kinds = from.discord_kinds;
  options.smtp_url = from.smtp_url;
  options.smtp_user = from.smtp_user;
  options.smtp_password = from.smtp_password;
  options.smtp_ca = from.smtp_ca;
  options.mail_from = from.mail_from;
  options.mail_to = from.mail_to;
  options.mail_kinds = from.mail_kinds;
  options.tries = from.tries;
  options.plain_loopback = from.plain_loopback;
  options.data_folder = ground.data;
  options.public_url = ground.settings.server.public_url;
  service_ = std::make_unique<Service>(std::move(options), ground.store, ground.clock, ground.jobs, ground.kinds);
  return service_->prepare();
}

}  // namespace tiltyard::notices
