#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <optional>
#include <string_view>

#include "net/http.h"

namespace tiltyard::http {

/// Who may call a route at all; whether the thing is theirs is the handler's matter.
enum class Access { kOpen, kSignedIn, kAuthor, kOperator, kAdmin };

using Handler = std::function<asio::awaitable<Result<Response>>(Request)>;

/// How many bytes of body this request may bring, asked once it is known who sends it and before more than a piece of
/// it is read; an error refuses it. On the home loop.
using Takes = std::function<Result<std::size_t>(const Request&)>;

/// What is taken from whom nobody knows, whatever a route takes from others.
inline constexpr std::size_t kStrangersBody = 64 * 1024;

struct Route {
  std::string method;
  std::string pattern;  ///< "/api/v1/instances/{id}"; a last "{rest...}" takes the remaining path
  Access access = Access::kSignedIn;
  Handler handler;
  std::size_t body_limit = 64 * 1024;  ///< bytes; a larger body is answered 413 without being read to its end
  std::vector<std::string_view> limits =
      {};                   ///< names of the rate limiters that every request passes (limits/limiters.h)
  Takes takes = {};         ///< where it depends on more than whether one is signed in; empty: on nothing else
  bool body_first = false;  ///< the filter has to see the body (a limit counts by a name that stands in it)
};

/// One request on its way through the router, in steps, for a connection that reads the body in between.
struct Visit {
  const Route* route = nullptr;                               ///< null: there is none
  std::vector<std::string> allowed;                           ///< then: the methods that the path knows
  std::chrono::steady_clock::time_point began{}, admitted{};  ///< the second: before the body, if then
  std::size_t body_limit = kStrangersBody;
  bool known = false;                  ///< who sends it may send more than a stranger
  std::any principal;                  ///< once the filter has passed it
  std::optional<Response> refused;     ///< what it is answered, without another step
  std::vector<Headers::Field> fields;  ///< that the filter wants on the answer
};

/// Who stands behind a request; what is counted for each address and user asks here. Empty functions: each connection
/// speaks for the address that it comes from, and nobody is known.
struct Callers {
  std::function<bool(const asio::ip::address& peer)> proxy;  ///< speaks for others, and names them
  std::function<std::optional<asio::ip::address>(const Request&)> address;
  std::function<std::string_view(const std::any& principal)> user;  ///< empty: nobody is signed in
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

  void set_callers(Callers callers) { callers_ = std::move(callers); }
  const Callers& callers() const { return callers_; }

  /// Finds the route, fills in `params`; nullptr: none. `allowed` gets the methods of the path if only the method is
  /// wrong.
  const Route* find(std::string_view method, std::string_view path,
                    std::vector<std::pair<std::string, std::string>>& params, std::vector<std::string>& allowed) const;
  /// The whole way of one request: find, guard, filter, handle, turn failures into problems; never throws.
  asio::awaitable<Response> answer(Request request) const;
  /// The same in steps. First: which route, and whether the guard lets it pass. On the connection's loop.
  Visit begin(Request& request) const;
  /// Asks all that is to be asked before the body; both live until it completes. Leave it out where the body is there.
  asio::awaitable<void> admit(Visit* visit, Request* request) const;
  asio::awaitable<Response> finish(Visit* visit, Request request) const;

  const std::vector<Route>& routes() const { return routes_; }
  /// The place of a route in that list.
  std::size_t place(const Route& route) const { return static_cast<std::size_t>(&route - routes_.data()); }
  /// Puts limiters on a route that names none itself; before the first request.
  void set_limits(std::size_t place, std::vector<std::string_view> limits, bool body_first = false) {
    routes_[place].limits = std::move(limits);
    routes_[place].body_first = body_first;
  }
  const asio::any_io_executor& home() const { return home_; }

 private:
  struct Index;
  Result<> let_in(Visit& visit, Request& request, Result<> allowed) const;
  asio::awaitable<void> ask(Visit* visit, Request* request) const;
  asio::awaitable<Result<>> still_allowed(const Visit* visit) const;
  asio::awaitable<Response> handle(Visit* visit, Request* request) const;
  Response unrouted(const std::vector<std::string>& allowed, const Request& request) const;

  asio::any_io_executor home_;
  std::vector<Route> routes_;
  std::unique_ptr<Index> index_;
  Filter filter_;
  Guard guard_;
  Watch watch_;
  Fallback fallback_;
  Callers callers_;
};

}  // namespace tiltyard::http
