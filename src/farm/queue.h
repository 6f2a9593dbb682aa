#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tiltyard::farm {

/// The flags that wait for a sender, by their numbers. A flag's number tells its age, and all flags live equally long,
/// so the lowest number is nearest to its expiry.
///
/// Three hands take turns: one goes round the sploits (and within a sploit round its teams), one round the teams (and
/// within a team round its sploits), one takes the flag nearest to expiry whosever it is. So of any 3 S flags that
/// leave while S sploits have some, each of them has at least one, however many flags another throws in; the same goes
/// for teams; and what would expire first gets a third of everything. Within a sploit and team the flag nearest to
/// expiry goes first.
class FairQueue {
 public:
  /// Which sploit (above) and team (below, 16 bits each) a flag is of.
  using ClassKey = std::uint32_t;
  using ClassOf = std::function<ClassKey(std::uint32_t flag)>;

  explicit FairQueue(ClassOf class_of) : class_of_(std::move(class_of)) {}

  /// A flag that is not in the queue.
  void push(std::uint32_t flag);
  /// The next flag to send; it is out of the queue then.
  std::optional<std::uint32_t> pop();
  /// The flag nearest to expiry, which stays.
  std::optional<std::uint32_t> oldest();
  /// Takes that one out.
  void pop_oldest();
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  using Heap = std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>>;

  /// Goes round the upper halves of its keys, and within each round the lower ones.
  class Round {
   public:
    void add(std::uint32_t key) { keys_.insert(key); }
    void remove(std::uint32_t key);
    /// The next key; there must be one.
    std::uint32_t next();

   private:
    std::uint32_t at_or_after(std::uint64_t key) const;
    std::set<std::uint32_t> keys_;
    std::uint32_t last_upper_ = 0;
    std::unordered_map<std::uint32_t, std::uint32_t> last_lower_;  ///< of the upper halves that have keys
  };

  static std::uint32_t turned(std::uint32_t key) { return key << 16 | key >> 16; }
  std::uint32_t pop_from(ClassKey key);

  ClassOf class_of_;
  std::unordered_map<ClassKey, Heap> classes_;
  Round by_sploit_, by_team_;
  std::vector<std::uint64_t> waiting_;  ///< one bit a flag
  std::size_t first_word_ = 0;          ///< no bit is set before it
  std::size_t size_ = 0;
  unsigned turn_ = 0;
};

}  // namespace tiltyard::farm
