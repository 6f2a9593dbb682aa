#include "net/loops.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <pthread.h>

#include <optional>
#include <string>
#include <thread>

#include "observe/log.h"

namespace tiltyard::net {
namespace {

/// One event loop and its thread.
struct Loop {
  explicit Loop(std::string loop_name) : name(std::move(loop_name)), guard(asio::make_work_guard(context)) {
    thread = std::thread([this] { run(); });
    ::pthread_setname_np(thread.native_handle(), name.c_str());
  }

  void run() {
    while (true) {
      try {
        context.run();
        return;
      } catch (const std::exception& error) {
        // A bug in a completion handler must not take the other connections of the loop with it.
        log::error("net", "an exception reached the event loop", {{"loop", name}, {"error", error.what()}});
      }
    }
  }

  void stop() {
    guard.reset();
    if (thread.joinable()) thread.join();
  }

  std::string name;
  asio::io_context context{1};  // one thread runs it
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::thread thread;
};

}  // namespace

struct Loops::State {
  std::shared_ptr<Loop> home;
  std::vector<std::shared_ptr<Loop>> net;  ///< the first may be the home loop
};

Loops::Loops(std::size_t count, Home home) : state_(std::make_unique<State>()) {
  state_->home = std::make_shared<Loop>("home");
  if (home == Home::kWithTheFirst) state_->net.push_back(state_->home);
  while (state_->net.size() < std::max<std::size_t>(count, 1)) {
    state_->net.push_back(std::make_shared<Loop>("net-" + std::to_string(state_->net.size())));
  }
}

Loops::~Loops() { stop(); }

asio::any_io_executor Loops::home() const { return state_->home->context.get_executor(); }
std::size_t Loops::size() const { return state_->net.size(); }
asio::any_io_executor Loops::net(std::size_t index) const { return state_->net.at(index)->context.get_executor(); }

void Loops::stop() {
  // Connections hop to the home loop and back, so all guards go before the first join.
  state_->home->guard.reset();
  for (const auto& loop : state_->net) loop->guard.reset();
  for (const auto& loop : state_->net) loop->stop();
  state_->home->stop();
}

}  // namespace tiltyard::net
