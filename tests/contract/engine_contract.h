#pragma once

#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine_loop.h"

namespace tiltyard::engine::contract {

/// A back-end under test, and what a test can do to it from outside.
class Bench {
 public:
  virtual ~Bench() = default;
  virtual Engine& engine() = 0;
  /// An image that is there, whose own command runs until it is stopped; it has echo, cat, true, false, sleep and sh.
  virtual std::string image() = 0;
  virtual std::string name_space() = 0;
  /// "10.199.3" or "127.9.3": the first three numbers of a /24 that is the test's own.
  virtual std::string prefix() = 0;
  /// The engine is gone: what is on its way is cut, what comes is refused.
  virtual void cut() = 0;
  virtual void restore() = 0;
  /// The next call of `verb` ("create", "start", "destroy", "create_network") is done, but its answer is lost.
  virtual void lose_answer(std::string verb) = 0;
  /// Somebody else makes a machine and a volume of this name.
  virtual void add_stranger(std::string name) = 0;
  virtual void remove_stranger(std::string name) = 0;
  /// An image that the test has built goes.
  virtual void remove_image(std::string reference) = 0;
};

using MakeBench = std::unique_ptr<Bench> (*)(Loop& loop);

/// Every test has an engine of its own with a namespace of its own, of which nothing is left afterwards.
class EngineSuite : public testing::TestWithParam<MakeBench> {
 protected:
  void SetUp() override;
  void TearDown() override;

  Engine& engine() { return bench_->engine(); }
  template <class T>
  T await(asio::awaitable<T> work) {
    return loop_.await(std::move(work));
  }
  /// A name that is only this test's.
  std::string unique(const std::string& what) const;
  MachineSpec machine(const std::string& what);
  /// A network on `prefix().<block>/28`, and its address number `host`.
  NetworkSpec network(const std::string& what, int block, bool shared, bool egress = false);
  std::string address(int block, int host) const;
  /// Creates; what is of interest is mostly the handle alone.
  Result<Handle> created(const MachineSpec& spec);
  /// Creates and starts; fails the test where that does not work.
  Handle running(const MachineSpec& spec);
  std::string read_all(ByteStream& stream);
  struct Ran {
    std::string out, err;
    int exit_code = -1;
  };
  Ran run(const Handle& handle, std::vector<std::string> command, std::string input = {});
  std::vector<std::string> names(ResourceKind kind);
  /// Starts what runs in the engine's background and notes its events from now on.
  void watch();
  /// Runs the loop until `machine` (empty: the engine itself) has told of it.
  bool told(const std::string& machine, Happening what);

  Loop loop_;
  std::unique_ptr<Bench> bench_;
  std::vector<EngineEvent> events_;
  Subscription news_;
};

// One fixture per row that the tests prove.
class R14_2 : public EngineSuite {};
class R1_12 : public EngineSuite {};
class R1_13 : public EngineSuite {};
class R1_15 : public EngineSuite {};

/// A tar stream of one file.
std::string tar_of(const std::string& name, const std::string& content);

/// `EXPECT_TRUE(ok(result))` says why not.
template <class T>
testing::AssertionResult ok(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  const Error& error = result.error();
  return testing::AssertionFailure() << error.reason << ": " << error.message << " (" << error.cause << ")";
}

/// The reason of a failure; "ok" for a success.
template <class T>
std::string reason(const Result<T>& result) {
  return result ? "ok" : result.error().reason;
}

}  // namespace tiltyard::engine::contract
