#include "farm/books.h"

#include <algorithm>
#include <limits>

namespace tiltyard::farm {
namespace {

constexpr std::size_t kLongestName = 100;

std::uint32_t ms_after(std::int64_t received_at, TimePoint now) {
  const auto ms = (to_micros(now) - received_at) / 1000 + 1;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, std::numeric_limits<std::uint32_t>::max()));
}

Tally& at(std::vector<Tally>& tallies, Names::Number number) {
  if (number >= tallies.size()) tallies.resize(number + 1u);
  return tallies[number];
}

}  // namespace

Books::Books()
    : queue_([this](std::uint32_t flag) {
        const auto& entry = table_[flag];
        return static_cast<std::uint32_t>(entry.sploit) << 16 | entry.team;
      }) {}

void Books::count(const Entry& entry, std::int64_t by) {
  const auto change = static_cast<std::uint64_t>(by);  // wraps as wanted
  for (Tally* tally : {&totals_, &at(sploit_tallies_, entry.sploit), &at(team_tallies_, entry.team),
                       &at(service_tallies_, entry.service)}) {
    tally->at(entry.status) += change;
  }
  if (entry.probable) probable_ += change;
}

void Books::move(Entry& entry, Status to) {
  count(entry, -1);
  entry.status = to;
  count(entry, 1);
}

std::vector<NamedTally> Books::named(const Names& names, const std::vector<Tally>& tallies) {
  std::vector<NamedTally> out;
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    if (tallies[i].total() > 0) out.push_back({names.text(static_cast<Names::Number>(i)), tallies[i]});
  }
  return out;
}

void Books::enqueue(std::uint32_t flag) {
  // The log says who was handed out; the order in which the others wait is made once it is read.
  if (!replaying_) queue_.push(flag);
}

namespace {

/// Writes the lines of a record of flags. A line has one field when nothing but the flag differs from the line before.
class FlagLines {
 public:
  void add(const NewFlag& flag) {
    const std::string_view fields[] = {flag.sploit, flag.team, flag.service};
    text_ += flag.flag;
    const bool same = !first_ && std::ranges::equal(fields, before_);
    for (std::size_t i = 0; i < std::size(fields) && !same; ++i) {
      text_ += '\t';
      if (!first_ && fields[i] == before_[i]) {
        text_ += kSame;
      } else {
        text_ += fields[i];
        before_[i] = fields[i];
      }
    }
    text_ += '\n';
    first_ = false;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::string before_[3];
  bool first_ = true;
};

}  // namespace

Books::Added Books::add(std::span<const NewFlag> flags, TimePoint now, Log log) {
  Added added;
  note_time(now);
  FlagLines lines;
  std::string cleaned[3];
  const std::uint32_t first = table_.end();
  for (const auto& flag : flags) {
    const auto [number, fresh] = table_.add(flag.flag, {}, log.row);
    if (!fresh) {
      ++added.duplicate;
      continue;
    }
    const NewFlag kept{flag.flag, clean(flag.sploit, kLongestName, cleaned[0]),
                       clean(flag.team, kLongestName, cleaned[1]), clean(flag.service, kLongestName, cleaned[2])};
    Entry& entry = table_[number];
    entry.received_at = to_micros(now);
    entry.sploit = sploits_.number(kept.sploit);
    entry.team = teams_.number(kept.team);
    entry.service = services_.number(kept.service);
    count(entry, 1);
    enqueue(number);
    lines.add(kept);
    ++added.fresh;
  }
  since_.duplicates += added.duplicate;
  unwritten_duplicates_ += added.duplicate;
  if (added.fresh > 0) {
    // The head says how many, which is known last.
    RecordWriter(log.text)
        .kind('F')
        .number(to_micros(now))
        .number(first)
        .number(added.fresh)
        .number(std::exchange(unwritten_duplicates_, 0))
        .end();
    log.text += lines.text();
  }
  auto counts = series_.at(now);
  counts.add(&Counts::received, static_cast<std::uint32_t>(added.fresh));
  counts.add(&Counts::duplicate, static_cast<std::uint32_t>(added.duplicate));
  counts.set(&Counts::queued, static_cast<std::uint32_t>(totals_.at(Status::kQueued)));
  return added;
}

void Books::set_decided(Entry& entry, TimePoint now) const { entry.decided_ms = ms_after(entry.received_at, now); }

void Books::skip(std::uint32_t flag, TimePoint now) {
  Entry& entry = table_[flag];
  move(entry, Status::kSkipped);
  set_decided(entry, now);
  series_.at(now).add(&Counts::skipped);
}

void Books::skip_expired(TimePoint now, Log log) {
  std::string numbers;
  RecordWriter line(numbers);
  std::size_t skipped = 0;
  for (auto oldest = queue_.oldest(); oldest && expires_at(table_[*oldest]) <= now; oldest = queue_.oldest()) {
    queue_.pop_oldest();
    skip(*oldest, now);
    if (skipped++ > 0) line.raw(',');
    line.digits(*oldest);
  }
  if (skipped == 0) return;
  note_time(now);
  RecordWriter(log.text).kind('S').number(to_micros(now)).number(skipped).end();
  log.text += numbers;
  log.text += '\n';
}

void Books::advance(TimePoint now, Log log) {
  end_leases(now);
  while (!delayed_.empty() && delayed_.top().first <= now) {
    queue_.push(delayed_.top().second);
    delayed_.pop();
  }
  skip_expired(now, log);
  purge_leases(now);
}

std::optional<TimePoint> Books::next_due() const {
  std::optional<TimePoint> due;
  if (!deadlines_.empty()) due = deadlines_.begin()->first;
  if (!delayed_.empty() && (!due || delayed_.top().first < *due)) due = delayed_.top().first;
  return due;
}

std::uint32_t Books::forgettable(TimePoint now, Duration keep) const {
  const auto before = to_micros(now - keep);
  std::uint32_t flag = table_.first();
  while (flag < table_.end() && is_final(table_[flag].status) && table_[flag].received_at < before) ++flag;
  return std::max(flag / FlagTable::kChunk * FlagTable::kChunk, table_.first());
}

void Books::forget_before(std::uint32_t flag) {
  for (auto gone = table_.first(); gone < flag; ++gone) count(table_[gone], -1);
  table_.forget_before(flag);
}

}  // namespace tiltyard::farm
