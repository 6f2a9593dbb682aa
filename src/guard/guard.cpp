#include "guard/guard.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <set>

#include "base/gate.h"
#include "base/parallel.h"
#include "guard/owners.h"
#include "guard/session.h"
#include "observe/log.h"

namespace tiltyard::guard {
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// The server keeps a few connections open, and has one for each terminal, log and command that somebody looks at.
constexpr std::size_t kMostSessions = 20'000;
constexpr std::chrono::milliseconds kBreath{50};

}  // namespace

struct Guard::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor loop, std::string path, Rules what, std::function<asio::awaitable<Result<>>()> isolated)
      : executor(loop),
        rules(std::move(what)),
        owners(path, rules),
        needs{std::move(path), rules, owners, std::move(isolated)},
        acceptor(executor) {}

  asio::awaitable<void> accept();
  asio::awaitable<void> attend(asio::local::stream_protocol::socket socket);

  asio::any_io_executor executor;
  Rules rules;
  Owners owners;
  Needs needs;
  privileged::Account caller;
  asio::local::stream_protocol::acceptor acceptor;
  std::size_t sessions = 0;
  Gate gate{"engine guard"};
};

asio::awaitable<void> Guard::State::accept() {
  const auto self = shared_from_this();
  while (!gate.closing()) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // no descriptor is free: in a moment one may be
      co_await sleep_for(kBreath);
      continue;
    }
    const auto peer = privileged::peer_of(socket.native_handle());
    if (peer.user != caller.user || sessions >= kMostSessions) {
      log::warn("privileged", "a connection to the engine was refused",
                {{"user", static_cast<std::int64_t>(peer.user)}, {"pid", static_cast<std::int64_t>(peer.process)}});
      continue;
    }
    gate.spawn(executor, "engine session", attend(std::move(socket)));
  }
}

asio::awaitable<void> Guard::State::attend(asio::local::stream_protocol::socket socket) {
  const auto self = shared_from_this();
  struct Count {
    std::size_t& number;
    explicit Count(std::size_t& of) : number(of) { ++number; }
    ~Count() { --number; }
  };
  const Count count(sessions);
  Session session(needs, http::Transport::Socket(std::move(socket)));
  co_await session.run();
}

Guard::Guard(asio::any_io_executor executor, std::string engine, Rules rules,
             std::function<asio::awaitable<Result<>>()> isolated)
    : state_(std::make_shared<State>(std::move(executor), std::move(engine), std::move(rules), std::move(isolated))) {}

Guard::~Guard() = default;

void Guard::serve(privileged::Descriptor listener, privileged::Account caller) {
  state_->caller = caller;
  state_->acceptor.assign(asio::local::stream_protocol(), listener.release());
  state_->gate.spawn(state_->executor, "engine guard", state_->accept());
}

asio::awaitable<void> Guard::close() {
  const auto state = state_;
  co_await state->gate.close();
}

}  // namespace tiltyard::guard
