#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/parallel.h"
#include "net/http.h"
#include "net/reach.h"

/// Asking other people's servers: every call has a deadline and a bound on what is read, TLS is verified, redirects are
/// not followed.
namespace tiltyard::identity::egress {

namespace asio = boost::asio;

struct Ask {
  std::string method = "GET";
  std::string url;
  http::Headers headers;
  std::string body;
  std::string accept = "application/json";
  std::string ca_file;  ///< empty: the system's authorities
  std::chrono::milliseconds deadline{5'000};
  const net::Reach* reach = nullptr;  ///< set: what may be asked at all (`target-refused`)
};

struct Answer {
  int status = 0;
  bool json = false;  ///< the body was a JSON object
  boost::json::object body;
  std::string text;  ///< the body, if it was none
  std::string type;  ///< its media type in small letters, without parameters
  std::string retry_after;
};

/// The answer, whatever its status; an error when there was none: `connect-failed`, `timeout`, `too-large` (256 KiB),
/// ...
asio::awaitable<Result<Answer>> call(Ask ask);

/// Whether it is worth asking. After `kFailures` in a row nobody is for `kRest`; then one call may try.
class Breaker {
 public:
  static constexpr int kFailures = 3;
  static constexpr Duration kRest = std::chrono::seconds{10};

  bool closed(TimePoint now);
  void succeeded() { failures_ = 0; }
  void failed(TimePoint now);

 private:
  int failures_ = 0;
  TimePoint open_until_{};
};

/// Of several who want the same at the same time one does the work. Lives on the home loop.
class SingleFlight {
 public:
  /// Waits for whoever does it and answers false; or answers true: then the caller does it, and must keep the ticket
  /// until it has left its result where the others look.
  struct Ticket {
    std::shared_ptr<Signal> done;
    Ticket() = default;
    explicit Ticket(std::shared_ptr<Signal> signal) : done(std::move(signal)) {}
    Ticket(Ticket&&) = default;
    Ticket& operator=(Ticket&&) = default;
    ~Ticket() {
      if (done) done->set();
    }
  };
  asio::awaitable<std::shared_ptr<Ticket>> enter(std::string key);

 private:
  std::unordered_map<std::string, std::weak_ptr<Signal>> under_way_;
};

}  // namespace tiltyard::identity::egress
