#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <mutex>

#include "base/gate.h"
#include "farm.pb.h"
#include "farm/farm.h"

namespace tiltyard::farm {

/// One sender's stream. gRPC's threads call the On… functions, the farm's answers come from the home loop; what both
/// touch is behind the mutex. Lives from the call to OnDone, which comes when nothing is under way any more.
class WorkStream final : public grpc::ServerBidiReactor<v1::SenderMessage, v1::FarmMessage> {
 public:
  WorkStream(Service& farm, Gate& gate, asio::any_io_executor home);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  /// Counts a coroutine as under way, also one that is dropped before it has begun.
  class Underway;
  using Ticket = std::shared_ptr<Underway>;

  void handle(const v1::SenderMessage& message);
  asio::awaitable<void> take(Ticket ticket, v1::Take wanted);
  asio::awaitable<void> note(Ticket ticket, v1::Verdicts verdicts);
  asio::awaitable<void> extend(Ticket ticket, std::string lease);
  void give_back(const v1::Lease& lease);
  /// Sends a message when those before it have gone; false when nobody reads any more.
  bool push(v1::FarmMessage message);
  void fail_with(const Error& error, const std::string& lease);
  bool gone();
  void write_next(std::unique_lock<std::mutex>& lock);
  void finish_if_idle(std::unique_lock<std::mutex>& lock);

  Service& farm_;
  Gate& gate_;
  const asio::any_io_executor home_;
  v1::SenderMessage incoming_;

  std::mutex mutex_;
  std::deque<v1::FarmMessage> outgoing_;  ///< the first is being written
  bool writing_ = false, reading_ = true, gone_ = false, finished_ = false;
  int underway_ = 0, takes_ = 0;
};

}  // namespace tiltyard::farm
