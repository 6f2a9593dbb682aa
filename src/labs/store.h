#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "jobs/jobs.h"
#include "labs/model.h"
#include "store/store.h"

namespace tiltyard::labs {

namespace asio = boost::asio;

std::vector<store::Migration> migrations();

struct UsageRow {
  std::string key;
  std::int64_t instances = 0;
  double instance_hours = 0, cpu_seconds = 0, memory_gib_hours = 0;
};

struct InstanceFilter {
  std::string owner;                ///< empty: everybody's
  std::vector<std::string> states;  ///< words of labs::to_string; empty: all
  std::string after;                ///< cursor: "created_at/id" of the last one seen
  int limit = 100;                  ///< 1 to 500
};

/// The newest instances of an owner, as last read.
using OwnList = std::shared_ptr<const std::vector<Instance>>;

/// The kind of the jobs that end leases, one for each instance that is up and has one.
inline constexpr const char* kLeaseEnd = "labs.lease-end";

/// The SQL of labs; each statement stands beside the function that uses it. A function that changes an instance writes
/// the event that tells of it, and the job that ends its lease, in the same transaction.
class LabsStore {
 public:
  LabsStore(store::Store& store, jobs::Service& jobs) : store_(store), jobs_(jobs) {}

  /// A new row. `instance-exists` if the owner has a live one of this template (field instance_id).
  asio::awaitable<Result<>> insert(Instance instance, bus::Event event);
  /// The row of a waiting instance for its new owner (row 1.14). `claim-lost` if it waits no more, `instance-exists` as
  /// for `insert`.
  asio::awaitable<Result<>> claim(Instance instance, bus::Event event);
  asio::awaitable<Result<>> remove(InstanceId id);
  /// The whole row anew.
  asio::awaitable<Result<>> update(Instance instance, bus::Event event);
  /// How its machines are, and nothing else of it.
  asio::awaitable<Result<>> note_machines(Instance instance);
  /// Makes the jobs that end the leases of these instances, where they are not there or at another time.
  asio::awaitable<Result<>> keep_lease_ends(std::vector<Instance> instances);
  asio::awaitable<Result<std::vector<Instance>>> live();
  asio::awaitable<Result<std::optional<Instance>>> find(InstanceId id);
  /// Newest first.
  asio::awaitable<Result<std::vector<Instance>>> list(InstanceFilter filter);
  /// The same for one owner without further wishes, which is what every open page asks for again and again: from memory
  /// if nothing of the owner was written since. On the home loop, as all writers of instances are.
  asio::awaitable<Result<OwnList>> own(std::string owner);
  /// The gateway's port that this owner had before for this endpoint (row 2.3); 0: none.
  asio::awaitable<Result<std::uint16_t>> remembered_port(std::string owner, TemplateId tmpl, std::uint16_t machine_port,
                                                         Transport transport);
  /// Mean time from admission to running of earlier spawns, by template.
  asio::awaitable<Result<std::map<TemplateId, std::chrono::microseconds>>> usual_starts();
  asio::awaitable<Result<>> note_start(TemplateId tmpl, std::chrono::microseconds usual);
  /// What labs::Pace learned, by its names; `note_pace` changes only those that it is given.
  asio::awaitable<Result<std::map<std::string, double>>> pace();
  asio::awaitable<Result<>> note_pace(std::map<std::string, double> values);
  /// `by`: cost_centre, template or owner. Hours of instances that ran at some time in [from, to), cut to it.
  asio::awaitable<Result<std::vector<UsageRow>>> usage(std::string by, TimePoint from, TimePoint to);
  asio::awaitable<Result<>> add_usage(InstanceId id, double cpu_seconds, double memory_gib_hours);
  asio::awaitable<Result<>> note(bus::Event event);
  /// What the machines of an instance said last, by service.
  asio::awaitable<Result<>> keep_last_words(InstanceId id, std::map<std::string, std::string> said, TimePoint now);
  asio::awaitable<Result<std::map<std::string, std::string>>> last_words(InstanceId id);
  asio::awaitable<Result<>> forget_last_words(TimePoint before);

 private:
  struct Forgetting;

  Result<> keep_lease_end(soci::session& sql, const Instance& instance);

  store::Store& store_;
  jobs::Service& jobs_;
  std::map<std::string, OwnList, std::less<>> own_;
  std::uint64_t writes_ = 0;  ///< grows with every write of an instance
};

}  // namespace tiltyard::labs
