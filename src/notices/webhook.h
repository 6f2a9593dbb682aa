#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "net/client.h"
#include "notices/smtp.h"

namespace tiltyard::notices {

namespace asio = boost::asio;

/// Where the webhook is. The address is a secret: whoever knows it can write there.
struct WebhookTarget {
  http::Target target;
  Secret path;
};

/// https, or http to the loopback where that is allowed. `notices-invalid`, without the address.
Result<WebhookTarget> webhook_of(const Options& options);

struct Posted {
  Delivery outcome = Delivery::kLater;
  int status = 0;  ///< 0: no answer
  /// The other side asks us to wait so long. A 429 that says no time is a failure like others: it may be a ban, which
  /// ends only for those who ask ever less often.
  std::optional<std::chrono::milliseconds> pause;
  std::optional<std::chrono::milliseconds> not_before;  ///< a failure that says when to come again (RFC 9110, 10.2.3)
  std::string cause;
};

/// What an answer of the webhook means.
Posted judge(const http::Response& response);

/// One message to the webhook. A redirect is not followed: it would lead the server to wherever a stranger likes.
class Webhook {
 public:
  explicit Webhook(WebhookTarget to);
  asio::awaitable<Posted> post(std::string body);

 private:
  Secret path_;
  http::Client client_;
};

}  // namespace tiltyard::notices
