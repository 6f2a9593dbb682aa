#pragma once

#include <memory>
#include <string>
#include <vector>

#include "house/routes.h"
#include "identity/identity.h"
#include "limits/limits.h"

/// How often what may be called: the limiters at the API's door, and what staff see and change of them (row 7.6).
namespace tiltyard::rates {

namespace asio = boost::asio;

/// The limiters in front of the API. All that it is made of outlives it.
class Door {
 public:
  Door(const house::Routes& routes, const identity::Service& identity, limits::Service& limits);

  /// Before anybody knows who asks: the limiters by address. On the connection's own loop.
  std::optional<http::Response> guard(const http::Request& request, const http::Route& route) const;
  /// Once it is known who asks: the others. On the home loop.
  asio::awaitable<Result<>> pass(http::Request& request, const http::Route& route) const;

 private:
  std::string share_of(const http::Request& request, const http::Route& route) const;
  limits::Caller caller_of(std::size_t place, const http::Route& route, const http::Request& request) const;

  const house::Routes& routes_;
  const identity::Service& identity_;
  limits::Service& limits_;
};

/// GET and PATCH /api/v1/admin/limits. The service and the routes outlive what is added.
void add_routes(house::Routes& routes, limits::Service& service);

}  // namespace tiltyard::rates
