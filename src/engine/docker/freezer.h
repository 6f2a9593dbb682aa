#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"

namespace tiltyard::engine::docker {

/// Where a container's processes are frozen and thawed: `freezer.state` of cgroup v1 or `cgroup.freeze` of v2 (kernel
/// documentation, cgroup-v1/freezer-subsystem and cgroup-v2). `mounts` is a table like /proc/self/mounts, `groups` the
/// container's first process' /proc/PID/cgroup. nullopt where the file is not to be seen from here, or where the group
/// is not that of the container `engine_id`: the process number may belong to somebody else by now.
std::optional<std::string> freezer_file(const std::string& mounts, const std::string& groups,
                                        const std::string& engine_id);

/// Where the time is counted that the container's programs have run: `cpuacct.usage` of cgroup v1 or `cpu.stat` of v2;
/// otherwise as `freezer_file`.
std::optional<std::string> processor_file(const std::string& mounts, const std::string& groups,
                                          const std::string& engine_id);

/// Writes the freezer without asking the daemon (0.1 ms instead of 9 ms). False: it could not be written.
bool write_freezer(const std::string& file, bool frozen);
/// Whether the processes go on; false where it cannot be read.
bool is_thawed(const std::string& file);

/// Freezes a machine for as long as the daemon needs to see it frozen; thaws it again unless the daemon has.
class Standstill {
 public:
  explicit Standstill(std::string file) : file_(std::move(file)) { write_freezer(file_, true); }
  ~Standstill() {
    if (!file_.empty()) write_freezer(file_, false);
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;
  void ended_by_daemon() { file_.clear(); }

 private:
  std::string file_;
};

/// What the driver knows of its machines' freezers, by machine name. Lives on the engine's loop.
class Freezers {
 public:
  Freezers(asio::any_io_executor executor, bool local);

  bool local() const { return local_; }
  /// Looks the file up and remembers it; empty where there is none that we can write.
  std::string find(const std::string& name, const std::string& engine_id, std::int64_t pid);
  std::string known(const std::string& name) const;
  /// The number, if that is a process of this container on this host; else 0.
  std::int64_t process_here(const std::string& engine_id, std::int64_t pid) const;
  void forget(const std::string& name);
  /// The hierarchies that are mounted here.
  const std::string& mounts() const { return mounts_; }

  /// Thawed by us; the daemon still says "paused".
  void note_thawed(const std::string& name) { thawed_.insert(name); }
  void note_settled(const std::string& name) { thawed_.erase(name); }
  bool is_thawed(const std::string& name) const { return thawed_.contains(name); }

  /// Somebody's right to go on, which ends when it is destroyed.
  class Turn {
   public:
    Turn() = default;
    Turn(Freezers& freezer, std::string name) : freezer_(&freezer), name_(std::move(name)) {}
    Turn(Turn&& other) noexcept : freezer_(std::exchange(other.freezer_, nullptr)), name_(std::move(other.name_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    Freezers* freezer_ = nullptr;
    std::string name_;
  };
  /// One at a time for each machine.
  asio::awaitable<Turn> turn(std::string name);
  /// Few at a time for all: a machine stands still while the daemon brings its view up to date, and a busy daemon would
  /// make that long.
  asio::awaitable<Turn> standstill();

 private:
  /// A thousand machines may be frozen: their files' paths differ in the container's id alone (64 hexadecimal digits).
  struct Place {
    std::size_t form = 0;
    std::array<unsigned char, 32> id{};
  };
  struct Form {
    std::string before, behind;
    bool with_id = false;
    bool operator==(const Form&) const = default;
  };

  bool local_;
  std::string mounts_;
  std::vector<Form> forms_;
  std::map<std::string, Place> files_;
  std::set<std::string> thawed_, having_turn_;
  Signal changed_;
};

}  // namespace tiltyard::engine::docker
