#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <optional>
#include <string_view>

#include "net/http.h"

namespace tiltyard::http {

/// Who may call a route at all; whether the thing is theirs is the handler's matter.
enum class Access { kOpen, kSignedIn, kAuthor, kOperator, kAdmin };

using Handler = std::function<asio::awaitable<Result<Response>>(Request)>;

struct Route {
  std::string method;
  std::string pattern;  ///< "/api/v1/instances/{id}"; a last "{rest...}" takes the remaining path
  Access access = Access::kSignedIn;
  Handler handler;
  std::size_t body_limit = 64 * 1024;  ///< bytes; a larger body is answered 413 without being read to its end
  std::vector<std::string_view> limits =
      {};  ///< names of the rate limiters that every request passes (limits/limiters.h)
};

/// The route table of the API: built once at composition, then read by all loops. Handlers run on the home executor.
class Router {
 public:
  explicit Router(asio::any_io_executor home);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  void add(Route route);
  /// Runs before each handler (also for open routes): finds out who asks, sets `request.principal`, refuses.
  using Filter = std::function<asio::awaitable<Result<>>(Request&, const Route&)>;
  void set_filter(Filter filter) { filter_ = std::move(filter); }
  /// Runs before that, on the connection's own loop and so on several threads at once: what must be refused at little
  /// cost never reaches the home loop. An answer ends the request.
  using Guard = std::function<std::optional<Response>(const Request&, const Route&)>;
  void set_guard(Guard guard) { guard_ = std::move(guard); }
  /// Runs after handlers whose answer goes on (streams, WebSockets) or that took more than a second: whoever asked may
  /// have lost the right to it meanwhile. Gets what the filter has put into `request.principal`; an error replaces the
  /// answer.
  using Watch = std::function<asio::awaitable<Result<>>(std::any principal, Response&)>;
  void set_watch(Watch watch) { watch_ = std::move(watch); }
  /// Answers GET and HEAD of paths that no route knows (the page's files). Runs on the connection's loop.
  using Fallback = std::function<Response(const Request&)>;
  void set_fallback(Fallback fallback) { fallback_ = std::move(fallback); }

  /// Finds the route, fills in `params`; nullptr: none. `allowed` gets the methods of the path if only the method is
  /// wrong.
  const Route* find(std::string_view method, std::string_view path,
                    std::vector<std::pair<std::string, std::string>>& params, std::vector<std::string>& allowed) const;
  /// The whole way of one request: find, filter, handle, turn failures into problems; never throws.
  asio::awaitable<Response> answer(Request request) const;
  /// The same after `find`, for a caller that had to look at the route before it read the body. `request.params` is
  /// set.
  asio::awaitable<Response> run(const Route* route, std::vector<std::string> allowed, Request request) const;

  const std::vector<Route>& routes() const { return routes_; }
  /// The place of a route in that list.
  std::size_t place(const Route& route) const { return static_cast<std::size_t>(&route - routes_.data()); }
  /// Puts limiters on a route that names none itself; before the first request.
  void set_limits(std::size_t place, std::vector<std::string_view> limits) {
    routes_[place].limits = std::move(limits);
  }
  const asio::any_io_executor& home() const { return home_; }

 private:
  struct Index;
  asio::awaitable<Response> handle(const Route& route, Request request) const;
  Response unrouted(const std::vector<std::string>& allowed, const Request& request) const;

  asio::any_io_executor home_;
  std::vector<Route> routes_;
  std::unique_ptr<Index> index_;
  Filter filter_;
  Guard guard_;
  Watch watch_;
  Fallback fallback_;
};

}  // namespace tiltyard::http
