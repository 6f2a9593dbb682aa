#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "house/rights.h"

namespace tiltyard::house {

/// Which rate limiters a request to a route passes; or that it passes none, and why that does no harm.
class Limits {
 public:
  Limits(std::initializer_list<std::string_view> names) : names_(names) {}
  static Limits none(std::string_view because) {
    Limits limits({});
    limits.because_ = because;
    return limits;
  }
  const std::vector<std::string_view>& names() const { return names_; }
  std::string_view because() const { return because_; }

 private:
  std::vector<std::string_view> names_;
  std::string_view because_;
};

/// How much body a route takes: from whom nobody knows at most http::kStrangersBody, and from everybody else what
/// `takes` says, where it depends on the request.
struct Body {
  Body(std::size_t bytes, http::Takes by_request = {}) : most(bytes), takes(std::move(by_request)) {}
  std::size_t most;
  http::Takes takes;
};

/// What a capability has said of one of its routes. The handler is the router's.
struct Declared {
  std::string capability;
  std::string method;
  std::string pattern;
  Rights rights;
  Limits limits;
  std::size_t body_limit;  ///< bytes

  std::string name() const { return method + " " + pattern; }
};

inline constexpr std::size_t kUsualBody = 64 * 1024;

/// Where capabilities declare their routes: each one with everything that there is to say of it, in one place. Filled
/// once at composition, in the order of the router's own table; afterwards only read, by all loops.
class Routes {
 public:
  explicit Routes(http::Router& router) : router_(router) {}
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  /// What is added from here on belongs to this capability.
  void begin(std::string_view capability) { capability_ = capability; }
  /// A route that another capability has, or one that names neither limiters nor a reason for having none, is noted in
  /// `faults`, and the server does not start.
  void add(std::string method, std::string pattern, Rights rights, Limits limits, http::Handler handler,
           Body body = kUsualBody);

  const std::deque<Declared>& all() const { return declared_; }
  const std::vector<std::string>& faults() const { return faults_; }
  /// Good as long as the routes are; nullptr: nobody has declared it.
  const Declared* find(std::string_view method, std::string_view pattern) const;
  /// `route` is one of the router's own.
  const Declared& of(const http::Route& route) const { return declared_.at(router_.place(route)); }
  http::Router& router() const { return router_; }

 private:
  http::Router& router_;
  std::string capability_;
  std::deque<Declared> declared_;  ///< whoever has found one keeps it while others are added
  std::vector<std::string> faults_;
};

/// The table that people audit (docs/routes.md): one line a route, by capability, in Markdown.
std::string markdown(const Routes& routes);

}  // namespace tiltyard::house
