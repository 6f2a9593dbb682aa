#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/gate.h"
#include "base/offload.h"
#include "base/process.h"
#include "farm/farm.h"
#include "farm/fence.h"

namespace tiltyard::farm {

struct SupervisorOptions {
  std::string farm_url;      ///< what senders are told
  std::string data_folder;   ///< where the farm keeps its token when farm.toml names none
  std::string_view program;  ///< the bytes of the sender that the server carries (a Python zip application)
  std::string certificate;   ///< of our own TLS, as PEM: senders take it and no other, whatever name it is for; empty:
                             ///< plain HTTP
  std::string user;          ///< whom senders run as; empty: see account.h
  std::vector<std::string> allow_targets;  ///< what they may call although it would be refused
};

/// Keeps as many sender programs running as farm.toml says: starts them again with growing pauses, follows changes of
/// the file, puts what they write into our log, and ends them with the server. A sender gets the farm's token and
/// nothing else of ours: an account of its own without groups and capabilities (account.h), behind a fence in the
/// kernel (fence.h), no other files or variables. Where that cannot be had none is started. What one had in its hands
/// when it died goes back by itself (batches.cpp). Lives on the home loop.
class Supervisor {
 public:
  Supervisor(Service& farm, asio::any_io_executor home, WorkerPool& files, SupervisorOptions options);
  ~Supervisor();

  void run();
  /// Asks the senders to finish what is at the jury, and kills those that have not after five seconds. To be called
  /// while the server still answers them.
  asio::awaitable<void> close();
  std::size_t running() const;

 private:
  struct Slot;
  void follow();
  asio::awaitable<void> keep(std::shared_ptr<Slot> slot);
  asio::awaitable<Result<>> prepare();
  FenceRules fence_rules() const;
  asio::awaitable<void> hold_fence();
  asio::awaitable<Result<>> live(Slot& slot);
  Result<int> start(Slot& slot);
  void adjust(const SenderPrograms& wanted);
  void signal(int number) const;

  Service& farm_;
  const asio::any_io_executor home_;
  WorkerPool& workers_;  ///< nft, and what is read of /proc
  const SupervisorOptions options_;
  std::optional<Program::Account> account_;  ///< found at the first start
  bool fenced_ = false;                      ///< the table has been made, and is made again and again
  asio::steady_timer fence_pause_;
  int file_ = -1;  ///< the program in memory, which senders get as their descriptor 3
  SenderPrograms wanted_;
  std::vector<std::shared_ptr<Slot>> slots_, leaving_;
  Gate gate_{"farm-senders"};
};

}  // namespace tiltyard::farm
