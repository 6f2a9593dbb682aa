#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>

#include "base/gate.h"
#include "base/offload.h"
#include "base/parallel.h"
#include "notices/notices.h"
#include "notices/queue.h"
#include "notices/seal.h"
#include "notices/smtp.h"
#include "notices/webhook.h"
#include "observe/metrics.h"

namespace tiltyard::notices {

/// Lives on the home loop.
struct Service::State {
  State(Options o, asio::any_io_executor h, store::Store& s, const Clock& c)
      : options(std::move(o)), home(std::move(h)), queue(s), clock(c), news(home) {}

  Options options;
  asio::any_io_executor home;
  Queue queue;
  const Clock& clock;
  WorkerPool pool{"mail", 1};
  Gate gate{"notices"};
  Signal news;  ///< something new waits
  std::optional<Seal> seal;
  std::optional<MailServer> mail_server;
  std::optional<Webhook> webhook;

  bool wants_events() const { return webhook.has_value() || (mail_server && !options.mail_to.empty()); }
  std::string sealed(const Mail& letter) const;
  std::optional<Mail> unsealed(const std::string& payload) const;

  // feed.cpp
  asio::awaitable<void> feed_loop();
  std::vector<Notice> notices_of(const LoggedEvent& logged) const;

  // delivery.cpp
  asio::awaitable<void> discord_loop();
  asio::awaitable<void> mail_loop();
  asio::awaitable<void> post(std::vector<Notice> batch);
  asio::awaitable<void> send_letter(Notice notice);
  asio::awaitable<void> settle(std::vector<Notice> batch, Delivery outcome, std::string cause);
  asio::awaitable<void> rest(std::string channel);
};

using StatePtr = std::shared_ptr<Service::State>;

inline constexpr const char* kDiscord = "discord";
inline constexpr const char* kMail = "mail";

}  // namespace tiltyard::notices
