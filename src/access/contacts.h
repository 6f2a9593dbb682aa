#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace tiltyard::access {

namespace asio = boost::asio;

/// What is written down of one who came to an endpoint.
struct Entry {
  std::string instance, tmpl, owner, endpoint;
  std::string address;
  std::int64_t visitor = 0;  ///< the user, as the gateway's passes name them; 0: not known
  TimePoint at;
};

/// One visitor of one endpoint: the same user from the same address.
struct Seen {
  std::int64_t id = 0;
  std::string instance, tmpl, owner, endpoint, address;
  std::string user;  ///< empty: not known
  TimePoint first, last;
  std::int64_t noted = 0;  ///< contacts that were written down: the first, and those that were drawn by lot
};

struct Query {
  std::string instance = {}, tmpl = {}, owner = {}, endpoint = {}, user = {};  ///< empty: any
  std::int64_t after = 0;  ///< the last one of the page before, in the order of the first time
  TimePoint after_time{};
  int limit = 100;
};

std::vector<store::Migration> migrations();

/// The table of who came. A visitor's first contact with an endpoint has a row; what is noted of them later changes its
/// last time. So the first stays the first whatever the gateway has forgotten in between. Of one instance there are at
/// most kMostOfOne rows: more come only from a flood of addresses, and say nothing.
class Contacts {
 public:
  static constexpr int kMostOfOne = 10'000;

  explicit Contacts(store::Store& store) : store_(store) {}

  /// How many were left out, as their instance has too many.
  asio::awaitable<Result<std::size_t>> write(std::vector<Entry> entries);
  /// Who stands behind a visitor's number.
  asio::awaitable<Result<>> name(std::int64_t visitor, std::string user);
  /// The first one first.
  asio::awaitable<Result<std::vector<Seen>>> read(Query query);
  /// Those whose last time is before; at most `most`. How many it was.
  asio::awaitable<Result<std::size_t>> forget(TimePoint before, int most);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::access
