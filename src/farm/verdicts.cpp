// What the jury said of flags, and what becomes of each by it.
#include "farm/books.h"

namespace tiltyard::farm {
namespace {

constexpr std::size_t kLongestMessage = 200;

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
  if (lease == nullptr) return unknown_lease();
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

}  // namespace tiltyard::farm
