// A sender's batch from its begin to its end: flags are leased to it, and what it has not answered when its time is
// over, because it is dead or its jury is slow, goes back to the others. A sender that knows that it ends gives its
// batch back by itself (`done` in verdicts.cpp).
#include <algorithm>

#include "base/id.h"
#include "farm/books.h"

namespace tiltyard::farm {
namespace {

constexpr std::size_t kLongestSender = 64;
/// How long, and for how many flags, ended leases are remembered, so that late answers are known as such.
constexpr Duration kRememberLeases = std::chrono::hours{1};
constexpr std::size_t kRememberFlags = 500'000;
constexpr Duration kLongestDelay = std::chrono::seconds{30};

}  // namespace

std::optional<Lease> Books::lease(std::string_view sender, std::size_t most, TimePoint now, Log log) {
  advance(now, log);
  std::vector<std::uint32_t> flags;
  while (flags.size() < most) {
    const auto flag = queue_.pop();
    if (!flag) break;
    flags.push_back(*flag);
  }
  if (flags.empty()) return std::nullopt;
  note_time(now);
  std::string cleaned;
  const auto name = clean(sender, kLongestSender, cleaned);
  Lease lease;
  lease.id = new_ulid();
  lease.expires_at = now + rules_.lease_time;
  const auto number = ++last_lease_;
  RecordWriter record(log.text);
  record.kind('L')
      .number(to_micros(now))
      .number(to_micros(lease.expires_at))
      .number(number)
      .text(lease.id)
      .text(name)
      .number(flags.size())
      .end();
  for (const auto flag : flags) {
    if (flag != flags.front()) record.raw(' ');
    record.digits(flag);
    record.raw(',');
    record.digits(table_[flag].lease_row);
    hand_out(flag, number, now, log.row);
    const Entry& entry = table_[flag];
    lease.flags.push_back({flag, std::string(table_.text(flag)), sploits_.text(entry.sploit), teams_.text(entry.team),
                           entry.attempts, expires_at(entry)});
  }
  record.end();
  auto counts = series_.at(now);
  counts.add(&Counts::sent, static_cast<std::uint32_t>(flags.size()));
  counts.set(&Counts::queued, static_cast<std::uint32_t>(totals_.at(Status::kQueued)));
  open_lease(lease.id, std::string(name), number, lease.expires_at, std::move(flags));
  return lease;
}

void Books::open_lease(std::string id, std::string sender, std::uint32_t number, TimePoint deadline,
                       std::vector<std::uint32_t> flags) {
  std::ranges::sort(flags);
  LeaseState state{std::move(id), std::move(sender), number, deadline, std::move(flags), 0, false};
  state.open = state.flags.size();
  lease_numbers_[state.id] = number;
  deadlines_.emplace(deadline, number);
  leases_.insert_or_assign(number, std::move(state));
}

void Books::hand_out(std::uint32_t flag, std::uint32_t lease, TimePoint now, std::uint32_t row) {
  Entry& entry = table_[flag];
  move(entry, Status::kLeased);
  entry.lease = lease;
  entry.lease_row = row;
  entry.submitted_ms = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>((to_micros(now) - entry.received_at) / 1000 + 1, 1, UINT32_MAX));
  if (entry.attempts < UINT16_MAX) ++entry.attempts;
  ++since_.attempts;
}

bool Books::LeaseState::had(std::uint32_t flag) const { return std::ranges::binary_search(flags, flag); }

Books::LeaseState* Books::find_lease(const std::string& id) {
  const auto number = lease_numbers_.find(id);
  return number == lease_numbers_.end() ? nullptr : &leases_.at(number->second);
}

std::unexpected<Error> Books::unknown_lease() {
  return fail(Code::kNotFound, "lease-unknown", "There is no such lease, or it ended long ago.");
}

Result<TimePoint> Books::extend(const std::string& id, TimePoint now, Log log) {
  advance(now, log);
  LeaseState* lease = find_lease(id);
  if (lease == nullptr) return unknown_lease();
  if (lease->ended)
    return fail(Code::kConflict, "lease-ended", "The lease has ended; its flags are somebody else's by now.");
  deadlines_.erase({lease->deadline, lease->number});
  lease->deadline = now + rules_.lease_time;
  deadlines_.emplace(lease->deadline, lease->number);
  RecordWriter(log.text)
      .kind('X')
      .number(to_micros(now))
      .number(lease->number)
      .number(to_micros(lease->deadline))
      .end();
  note_time(now);
  return lease->deadline;
}

void Books::put_back(std::uint32_t flag, TimePoint not_before, TimePoint now) {
  Entry& entry = table_[flag];
  move(entry, Status::kQueued);
  if (not_before > now && !replaying_) delayed_.emplace(not_before, flag);
  else enqueue(flag);
}

/// What was not answered is taken back, and others may have it.
void Books::end_lease(LeaseState& lease, TimePoint now) {
  if (lease.ended) return;
  lease.ended = true;
  deadlines_.erase({lease.deadline, lease.number});
  ended_.emplace_back(now, lease.number);
  kept_flags_ += lease.flags.size();
  if (lease.open == 0) return;
  for (const auto flag : lease.flags) {
    if (flag < table_.first()) continue;
    Entry& entry = table_[flag];
    if (entry.lease != lease.number || entry.status != Status::kLeased) continue;
    // The first time it may have been the sender's death; when it goes on, something is wrong with the way to the jury.
    const Duration delay =
        entry.attempts <= 1 ? Duration{0} : std::min(rules_.retry_after * (entry.attempts - 1), kLongestDelay);
    put_back(flag, now + delay, now);
  }
  lease.open = 0;
}

void Books::end_leases(TimePoint now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    ++since_.expired_leases;
    end_lease(leases_.at(deadlines_.begin()->second), now);
  }
}

void Books::purge_leases(TimePoint now) {
  while (!ended_.empty() && (ended_.front().first + kRememberLeases <= now || kept_flags_ > kRememberFlags)) {
    const auto found = leases_.find(ended_.front().second);
    ended_.pop_front();
    kept_flags_ -= found->second.flags.size();
    lease_numbers_.erase(found->second.id);
    leases_.erase(found);
  }
}

}  // namespace tiltyard::farm
