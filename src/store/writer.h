#pragma once

#include <memory>
#include <string>
#include <vector>

#include "observe/metrics.h"
#include "store/checkpointer.h"
#include "store/connection.h"
#include "store/hub.h"
#include "store/queue.h"

namespace tiltyard::store {

/// Group commit: all writes that wait run in one transaction, each in a savepoint of its own, and are committed by one
/// fsync. Only then do they answer, and what they said is told. Lives on the writer's thread.
class Writer {
 public:
  /// Throws soci::soci_error when the file cannot be opened.
  Writer(std::string path, Hub& hub);

  /// Runs the tasks in their order and completes every one of them. Never throws.
  void run(std::vector<Task> group);

 private:
  using Outcomes = std::vector<Result<Store::AnyValue>>;
  using Group = std::vector<Task*>;

  Outcomes attempt(const Group& group);
  Outcomes attempt_singly(const Group& group);
  Result<Store::AnyValue> run_in_savepoint(Task& task);
  Result<> reconnect_if_lost();
  void roll_back();
  void tell_news();
  static Outcomes all_fail(std::size_t count, const Error& error);

  std::string path_;
  Hub& hub_;
  std::unique_ptr<Connection> connection_;
  Checkpointer checkpointer_;
  metrics::Histogram write_seconds_;
  metrics::Histogram group_size_;
  metrics::Counter commits_;
};

}  // namespace tiltyard::store
