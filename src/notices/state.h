#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/offload.h"
#include "base/seal.h"
#include "notices/notices.h"
#include "notices/queue.h"
#include "notices/smtp.h"
#include "notices/webhook.h"
#include "observe/metrics.h"

namespace tiltyard::notices {

/// Lives on the home loop.
struct Service::State {
  State(Options o, store::Store& s, const Clock& c, jobs::Service& j, const bus::Kinds& k)
      : options(std::move(o)), queue(s), clock(c), jobs(j), kinds(k) {}

  Options options;
  Queue queue;
  const Clock& clock;
  jobs::Service& jobs;
  const bus::Kinds& kinds;
  WorkerPool pool{"mail", 1};
  std::optional<Seal> seal;
  std::optional<MailServer> mail_server;
  std::optional<Webhook> webhook;

  bool wants_events() const { return webhook.has_value() || (mail_server && !options.mail_to.empty()); }
  std::string sealed(const Mail& letter) const;
  std::optional<Mail> unsealed(const std::string& payload) const;

  void declare_jobs();

  // feed.cpp
  std::optional<long long> fed_until;  ///< the last event that was looked at
  asio::awaitable<Result<jobs::Next>> feed();
  std::vector<Notice> notices_of(const LoggedEvent& logged) const;

  // delivery.cpp
  std::map<std::string, TimePoint> quiet_until;  ///< the other side of a channel has asked for a pause
  int pauses_in_row = 0;                         ///< that the webhook has asked for
  asio::awaitable<Result<jobs::Next>> deliver(std::string channel);
  asio::awaitable<Result<>> post(std::vector<Notice> batch);
  asio::awaitable<Result<>> send_letter(Notice notice);
  asio::awaitable<Result<>> settle(std::vector<Notice> batch, Delivery outcome, std::string cause);
};

using StatePtr = std::shared_ptr<Service::State>;

inline constexpr const char* kDiscord = "discord";
inline constexpr const char* kMail = "mail";
/// The kind of the jobs that deliver, one for each channel.
inline constexpr const char* kDelivery = "notices.delivery";

}  // namespace tiltyard::notices
