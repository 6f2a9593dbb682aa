#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "farm/model.h"
#include "farm/names.h"
#include "farm/queue.h"
#include "farm/record.h"
#include "farm/series.h"
#include "farm/table.h"

namespace tiltyard::farm {

/// Where a change is written down: the end of the log's open row, and that row's number.
struct Log {
  std::string& text;
  std::uint32_t row;
};

/// The farm's books: every flag, where it stands, who has it. Plain data and rules, no I/O and no clock of its own;
/// lives on one loop. Each change is written into a log as it is made, and replaying the log gives the same books, so
/// that one code decides and the same code remembers. The rules are those of docs/farm.md.
class Books {
 public:
  struct Rules {
    Duration lifetime = std::chrono::minutes{5};  ///< of a flag, from its arrival
    Duration lease_time = std::chrono::seconds{30};
    Duration retry_after = std::chrono::seconds{5};  ///< before a flag is offered again that the jury wants later
  };

  Books();
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;

  void set_rules(const Rules& rules) { rules_ = rules; }
  const Rules& rules() const { return rules_; }

  // Every call is told the time, which must never go back from call to call.

  struct Added {
    std::size_t fresh = 0, duplicate = 0;
  };
  /// Takes flags in that are known to be well-formed. Who comes first is kept.
  Added add(std::span<const NewFlag> flags, TimePoint now, Log log);

  /// Hands up to `most` flags out; nullopt when none waits. Those past their time are never among them.
  std::optional<Lease> lease(std::string_view sender, std::size_t most, TimePoint now, Log log);
  /// `lease-unknown`.
  Result<VerdictReceipt> report(const VerdictReport& report, TimePoint now, Log log);
  /// `lease-unknown`, `lease-ended`.
  Result<TimePoint> extend(const std::string& lease, TimePoint now, Log log);
  /// What happens by itself: leases end, flags are due again, flags expire.
  void advance(TimePoint now, Log log);
  /// When `advance` next makes flags available; nullopt: nothing is due.
  std::optional<TimePoint> next_due() const;

  /// Takes up one row of the log; rows in their order, before anything else. `farm-log-broken`.
  Result<> replay(std::string_view text, std::uint32_t row);
  /// After the last row.
  void finish_replay();
  /// The time of the last record that was replayed or written.
  TimePoint last_at() const { return last_at_; }
  /// How many flags are final and older than `keep` and could be forgotten, in whole chunks: the number of the first
  /// flag to stay. Its row in the log and those after it must stay too.
  std::uint32_t forgettable(TimePoint now, Duration keep) const;
  void forget_before(std::uint32_t flag);

  // Looking at it.
  const FlagTable& flags() const { return table_; }
  const Names& sploits() const { return sploits_; }
  const Names& teams() const { return teams_; }
  const Names& services() const { return services_; }
  const Names& responses() const { return responses_; }
  const Tally& totals() const { return totals_; }
  std::vector<NamedTally> by_sploit() const { return named(sploits_, sploit_tallies_); }
  std::vector<NamedTally> by_team() const { return named(teams_, team_tallies_); }
  std::vector<NamedTally> by_service() const { return named(services_, service_tallies_); }
  std::size_t waiting() const { return queue_.size(); }
  std::optional<std::uint32_t> oldest_waiting() { return queue_.oldest(); }
  std::size_t open_leases() const { return deadlines_.size(); }
  TimePoint expires_at(const Entry& entry) const { return from_micros(entry.received_at) + rules_.lifetime; }
  Series& series() { return series_; }

  /// Who has or had a lease; empty: it is not known.
  std::string sender_of(const std::string& lease) const {
    const auto* found = find_lease(lease);
    return found == nullptr ? std::string() : found->sender;
  }

  /// What the log that is kept tells beside the flags themselves. Reports of flags that were there are written with the
  /// next new flag: alone they are worth no disk.
  struct Since {
    std::uint64_t duplicates = 0, late = 0, attempts = 0, expired_leases = 0;
    double points = 0;
  };
  const Since& since() const { return since_; }
  std::uint64_t probable() const { return probable_; }

 private:
  struct LeaseState {
    std::string id, sender;
    std::uint32_t number = 0;
    TimePoint deadline{};
    std::vector<std::uint32_t> flags;  ///< ascending
    std::size_t open = 0;              ///< not answered yet
    bool ended = false;
    bool had(std::uint32_t flag) const;
  };
  struct Decision {
    Status status;
    bool probable = false;
  };
  /// One verdict on its way into the books and the log.
  struct Answer {
    std::uint32_t flag;
    Verdict verdict;
    bool late;
    Decision decision;
    double points;
    std::string_view message;
  };

  // books.cpp
  void count(const Entry& entry, std::int64_t by);
  void move(Entry& entry, Status to);
  void enqueue(std::uint32_t flag);
  static std::vector<NamedTally> named(const Names& names, const std::vector<Tally>& tallies);
  void skip_expired(TimePoint now, Log log);
  void skip(std::uint32_t flag, TimePoint now);
  void set_decided(Entry& entry, TimePoint now) const;
  void note_time(TimePoint at) { last_at_ = std::max(last_at_, at); }

  // batches.cpp
  void open_lease(std::string id, std::string sender, std::uint32_t number, TimePoint deadline,
                  std::vector<std::uint32_t> flags);
  void hand_out(std::uint32_t flag, std::uint32_t lease, TimePoint now, std::uint32_t row);
  void end_leases(TimePoint now);
  void end_lease(LeaseState& lease, TimePoint now);
  void put_back(std::uint32_t flag, TimePoint not_before, TimePoint now);
  void purge_leases(TimePoint now);
  LeaseState* find_lease(const std::string& id);
  const LeaseState* find_lease(const std::string& id) const { return const_cast<Books*>(this)->find_lease(id); }
  static std::unexpected<Error> unknown_lease();

  // verdicts.cpp
  static Decision decide(const Entry& entry, Verdict verdict, bool resent);
  std::optional<Answer> answer_to(const LeaseState& lease, const FlagVerdict& verdict, VerdictReceipt& receipt) const;
  void apply(LeaseState* lease, const Answer& answer, TimePoint now, std::uint32_t row);
  void answered(LeaseState& lease, TimePoint now);

  // replay.cpp
  void replay_record(char kind, std::string_view head, RecordReader& reader, std::uint32_t row);
  void replay_flags(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row);
  void replay_lease(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row);
  void replay_verdicts(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row);
  void replay_skipped(TimePoint at, RecordReader& reader);

  Rules rules_;
  FlagTable table_;
  Names sploits_{20'000}, teams_{20'000}, services_{5'000}, responses_{50'000};
  std::vector<Tally> sploit_tallies_, team_tallies_, service_tallies_;
  Tally totals_;
  Since since_;
  std::uint64_t probable_ = 0, unwritten_duplicates_ = 0;
  FairQueue queue_;
  /// Flags that are to be offered later.
  using Due = std::pair<TimePoint, std::uint32_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> delayed_;
  std::unordered_map<std::uint32_t, LeaseState> leases_;
  std::unordered_map<std::string, std::uint32_t> lease_numbers_;
  std::set<std::pair<TimePoint, std::uint32_t>> deadlines_;  ///< of the open ones
  std::deque<std::pair<TimePoint, std::uint32_t>> ended_;    ///< kept for a while, to know late answers
  std::size_t kept_flags_ = 0;                               ///< of the ended ones
  std::uint32_t last_lease_ = 0;
  Series series_;
  TimePoint last_at_{};
  bool replaying_ = false;
};

}  // namespace tiltyard::farm
