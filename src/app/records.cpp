#include "app/records.h"

#include <fmt/format.h>

#include "app/events.h"
#include "observe/log.h"

namespace tiltyard::app {
namespace {

notices::Options notice_options(const config::Settings& from) {
  notices::Options options;
  options.discord_url = from.notices.discord_url;
  options.discord_kinds = from.notices.discord_kinds;
  options.smtp_url = from.notices.smtp_url;
  options.smtp_user = from.notices.smtp_user;
  options.smtp_password = from.notices.smtp_password;
  options.smtp_ca = from.notices.smtp_ca;
  options.mail_from = from.notices.mail_from;
  options.mail_to = from.notices.mail_to;
  options.mail_kinds = from.notices.mail_kinds;
  options.tries = from.notices.tries;
  options.plain_loopback = from.notices.plain_loopback;
  options.data_folder = from.data.path;
  options.public_url = from.server.public_url;
  return options;
}

bus::Event server_event(bus::KindRef kind, const Clock& clock) {
  bus::Event event;
  event.kind = kind;
  event.at = clock.now();
  event.detail = fmt::format(R"({{"version":"{}"}})", TILTYARD_VERSION);
  return event;
}

}  // namespace

Result<> Records::make(const config::Settings& settings, asio::any_io_executor home, store::Store& store,
                       const Clock& clock, jobs::Service& jobs, const bus::Kinds& kinds) {
  events = std::make_unique<bus::EventLog>(home, store, clock);
  audit = std::make_unique<audit::Service>(audit::Options{settings.events.keep_days},
                                           audit::Parts{store, clock, jobs, kinds});
  notices = std::make_unique<notices::Service>(notice_options(settings), store, clock, jobs, kinds);
  return notices->prepare();
}

asio::awaitable<Result<>> Records::start(store::Store& store, const Clock& clock) {
  auto noted = co_await bus::record(store, server_event(events::kStarted, clock));
  if (!noted) co_return noted;
  events->run();
  co_return Result<>{};
}

asio::awaitable<void> Records::close(store::Store& store, const Clock& clock) {
  if (!events) co_return;
  co_await events->close();
  auto noted = co_await bus::record(store, server_event(events::kStopped, clock));
  if (!noted) log::warn("app", "the end could not be recorded", {{"reason", noted.error().reason}});
}

}  // namespace tiltyard::app
