#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/offload.h"
#include "house/routes.h"
#include "identity/identity.h"
#include "store/store.h"

namespace tiltyard::identity::testing {

/// A request as a test writes it down: Request{"GET", "/api/v1/me"}.token(secret).
struct Ask {
  http::Request request;

  Ask(std::string method, std::string target, std::string body = {});
  Ask& bearer(const std::string& secret);
  /// As the page asks: cookie, CSRF header, own origin.
  Ask& cookie(const std::string& value, const std::string& name = "tiltyard");
  Ask& header(const std::string& name, const std::string& value);
  Ask& from(const std::string& address);
};

/// What came back, read.
struct Answered {
  int status = 0;
  http::Headers headers;
  boost::json::value body;

  std::string reason() const;  ///< of a problem's type
  std::string cookie() const;  ///< the value that Set-Cookie sets
  std::string text(const char* key) const;
};

/// Identity as the server has it: a real database in a folder of its own, a router, a clock that tests turn. No
/// sockets.
class Site {
 public:
  static Options fast();  ///< cheap hashes, all strategies

  explicit Site(Options options = fast());
  ~Site();

  Answered operator()(Ask ask);
  /// All at the same time. `answered` is called with the number of answers so far.
  std::vector<Answered> together(std::vector<Ask> asks, std::function<void(std::size_t)> answered = {});
  /// Keeps every hashing thread busy until the promise is kept, for 10 s at most.
  void hold_hashing(std::shared_future<void> until);
  template <class T>
  T run(asio::awaitable<T> work);

  std::string sign_in(const std::string& name, const std::string& password);  ///< the cookie's value
  /// Makes a user through the API and gives its id.
  std::string user(const std::string& name, const std::string& password, const std::string& role = "player");
  std::string admin() const;  ///< the admin token
  /// Every byte that the database has on disk.
  std::string database() const;
  const house::Routes& routes() const { return *routes_; }
  const std::string& folder() const { return folder_; }
  /// Completes when all that was asked to be written before is written, and whoever waited for it has gone on.
  void settle();
  /// The server is started anew on the same folder, with other options.
  void restart(Options options);

  ManualClock clock;
  std::unique_ptr<Service> service;

 private:
  void start(Options options);
  void stop();

  std::string folder_;
  asio::io_context home_;
  static constexpr std::size_t kHashing = 2;
  WorkerPool hashing_{"hashing", kHashing};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<house::Routes> routes_;
};

}  // namespace tiltyard::identity::testing
