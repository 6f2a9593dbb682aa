#pragma once

#include <gtest/gtest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "store/store.h"

/// What every back-end of the store promises. A back-end's own test file instantiates the suites with a Backend; see
/// store_sqlite_test.cpp.
namespace tiltyard::store::contract {

/// How a suite gets at a back-end: `fresh` makes the URL of an empty database of its own, `drop` takes it away again.
struct Backend {
  std::string name;
  std::function<std::string()> fresh;
  std::function<void(const std::string& url)> drop;

  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }
};

/// Runs a coroutine to its end on a loop of its own and gives its value back.
template <class Out>
Out run(asio::awaitable<Out> work) {
  asio::io_context loop;
  std::optional<Out> out;
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown, Out value) {
    failure = thrown;
    if (!thrown) out.emplace(std::move(value));
  });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*out);
}

/// An empty database and a table `entries (id, text)` in it.
class StoreSuite : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Opens what is at the URL again, as a restarted server would.
  void reopen();

  long long count(const std::string& table = "entries");

  std::string url_;
  std::unique_ptr<Store> store_;
};

/// The suites are named for the rows that they prove.
class R14_1 : public StoreSuite {};  // one interface, several databases
class R1_13 : public StoreSuite {};  // a kill at any moment loses nothing
class R15_3 : public StoreSuite {};  // back-up and migrations

std::vector<Slice> table_of_entries();

}  // namespace tiltyard::store::contract
