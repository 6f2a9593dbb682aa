// Handing out and taking back: leases, verdicts, and what becomes of a flag.
#include <algorithm>

#include "base/id.h"
#include "farm/books.h"

namespace tiltyard::farm {
namespace {

constexpr std::size_t kLongestMessage = 200;
constexpr std::size_t kLongestSender = 64;

std::unexpected<Error> lease_unknown() {
  return fail(Code::kNotFound, "lease-unknown", "There is no such lease, or it ended long ago.");
}

/// Juries like to repeat the flag: "[FLAG] text", "FLAG OK". Without it the same words are the same text for every
/// flag.
std::string_view without_echo(std::string_view message, std::string_view flag) {
  if (message.starts_with('[') && message.substr(1).starts_with(flag) &&
      message.substr(1 + flag.size()).starts_with(']')) {
    message.remove_prefix(flag.size() + 2);
  } else if (message.starts_with(flag)) {
    message.remove_prefix(flag.size());
  }
  const auto first = message.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view() : message.substr(first);
}

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

Books::Decision Books::decide(const Entry& entry, Verdict verdict, bool resent) {
  switch (verdict) {
    case Verdict::kAccepted:
      return {Status::kAccepted};
    case Verdict::kRetry:
      return {Status::kQueued};
    case Verdict::kDuplicate:
      // An earlier attempt of ours ended without a final answer: it may be the one that the jury took.
      if (entry.attempts > 1 || resent) return {Status::kAccepted, true};
      return {Status::kRejected};
    case Verdict::kOwn:
    case Verdict::kOld:
    case Verdict::kInvalid:
    case Verdict::kNop:
    case Verdict::kRejected:
      return {Status::kRejected};
  }
  return {Status::kRejected};
}

Books::LeaseState* Books::find_lease(const std::string& id) {
  const auto number = lease_numbers_.find(id);
  return number == lease_numbers_.end() ? nullptr : &leases_.at(number->second);
}

/// What a verdict means to the books; nullopt when there is nothing to write down.
std::optional<Books::Answer> Books::answer_to(const LeaseState& lease, const FlagVerdict& verdict,
                                              VerdictReceipt& receipt) const {
  const auto flag = table_.find(verdict.flag);
  if (!flag || !lease.had(*flag)) {
    ++receipt.unknown;
    return std::nullopt;
  }
  const Entry& entry = table_[*flag];
  const bool holds = entry.lease == lease.number;
  if (holds && (entry.status == Status::kAccepted || entry.status == Status::kRejected)) {
    // The sender says it again, perhaps because our answer was lost: it is written down already.
    ++receipt.recorded;
    return std::nullopt;
  }
  const bool late = !holds || entry.status != Status::kLeased;
  ++(late ? receipt.late : receipt.recorded);
  const auto message = without_echo(verdict.message, verdict.flag);
  return Answer{*flag,          verdict.verdict,
                late,           late ? Decision{entry.status} : decide(entry, verdict.verdict, verdict.resent),
                verdict.points, message};
}

void Books::apply(LeaseState* lease, const Answer& answer, TimePoint now, std::uint32_t row) {
  Entry& entry = table_[answer.flag];
  entry.verdict_row = row;
  if (answer.late) {
    ++since_.late;
    return;
  }
  entry.response = responses_.number(answer.message);
  if (lease != nullptr && lease->open > 0) --lease->open;
  if (answer.decision.status == Status::kQueued) {
    put_back(answer.flag, now + rules_.retry_after, now);
    return;
  }
  move(entry, answer.decision.status);
  if (answer.decision.probable) {
    entry.probable = true;
    ++probable_;
  }
  set_decided(entry, now);
  since_.points += answer.points;
  series_.at(now).add(answer.decision.status == Status::kAccepted ? &Counts::accepted : &Counts::rejected);
}

void Books::answered(LeaseState& lease, TimePoint now) {
  if (lease.open == 0) end_lease(lease, now);
}

Result<VerdictReceipt> Books::report(const VerdictReport& report, TimePoint now, Log log) {
  advance(now, log);
  LeaseState* lease = find_lease(report.lease);
  if (lease == nullptr) return lease_unknown();
  VerdictReceipt receipt;
  std::string lines, cleaned;
  std::string before;
  RecordWriter line(lines);
  std::size_t written = 0;
  for (const auto& verdict : report.verdicts) {
    auto answer = answer_to(*lease, verdict, receipt);
    if (!answer) continue;
    answer->message = clean(answer->message, kLongestMessage, cleaned);
    line.digits(answer->flag);
    line.raw('\t');
    line.raw(static_cast<char>('a' + static_cast<int>(answer->verdict)));
    if (answer->late) line.raw('L');
    if (answer->decision.probable) line.raw('P');
    line.number(table_[answer->flag].verdict_row);
    line.number(static_cast<std::int64_t>(answer->points * 1000));
    if (written > 0 && answer->message == before) line.text(std::string_view(&kSame, 1));
    else line.text(answer->message);
    line.end();
    before = answer->message;
    apply(lease, *answer, now, log.row);
    ++written;
  }
  if (written > 0) {
    RecordWriter(log.text).kind('V').number(to_micros(now)).number(lease->number).text(lease->id).number(written).end();
    log.text += lines;
  }
  if (report.done && !lease->ended && lease->open > 0) {
    RecordWriter(log.text).kind('D').number(to_micros(now)).number(lease->number).end();
    end_lease(*lease, now);
  }
  answered(*lease, now);
  note_time(now);
  series_.at(now).set(&Counts::queued, static_cast<std::uint32_t>(totals_.at(Status::kQueued)));
  return receipt;
}

Result<TimePoint> Books::extend(const std::string& id, TimePoint now, Log log) {
  advance(now, log);
  LeaseState* lease = find_lease(id);
  if (lease == nullptr) return lease_unknown();
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

}  // namespace tiltyard::farm
