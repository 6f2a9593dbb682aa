// Reading the books from their log.
#include <algorithm>

#include "farm/books.h"

namespace tiltyard::farm {

Result<> Books::replay(std::string_view text, std::uint32_t row) {
  replaying_ = true;
  RecordReader reader(text);
  while (!reader.at_end() && reader.good()) {
    auto head = reader.line();
    const auto kind = RecordReader::field(head);
    if (kind.size() != 1) reader.spoil();
    else replay_record(kind.front(), head, reader, row);
  }
  if (reader.good()) return {};
  return fail(Code::kInternal, "farm-log-broken", "The farm's log in the database cannot be read.",
              "row " + std::to_string(row));
}

void Books::replay_record(char kind, std::string_view head, RecordReader& reader, std::uint32_t row) {
  const TimePoint at = from_micros(reader.number<std::int64_t>(head));
  if (!reader.good()) return;
  note_time(at);
  // What had happened by itself before this was written, the record takes for granted.
  end_leases(at);
  purge_leases(at);
  switch (kind) {
    case 'F':
      return replay_flags(at, head, reader, row);
    case 'L':
      return replay_lease(at, head, reader, row);
    case 'V':
      return replay_verdicts(at, head, reader, row);
    case 'S':
      return replay_skipped(at, reader);
    case 'X':
    case 'D': {
      const auto found = leases_.find(reader.number<std::uint32_t>(head));
      const auto deadline = kind == 'X' ? from_micros(reader.number<std::int64_t>(head)) : at;
      if (found == leases_.end() || found->second.ended) return;
      if (kind == 'D') return end_lease(found->second, at);
      deadlines_.erase({found->second.deadline, found->first});
      found->second.deadline = deadline;
      deadlines_.emplace(deadline, found->first);
      return;
    }
    default:
      reader.spoil();
  }
}

void Books::replay_flags(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row) {
  const auto first = reader.number<std::uint32_t>(head);
  const auto count_of = reader.number<std::uint32_t>(head);
  if (!head.empty()) since_.duplicates += reader.number<std::uint32_t>(head);
  if (table_.size() == 0 && table_.end() < first) table_.begin_at(first);
  if (first != table_.end()) reader.spoil();
  Names* const names[] = {&sploits_, &teams_, &services_};
  Names::Number numbers[3] = {};
  for (std::uint32_t i = 0; i < count_of && reader.good(); ++i) {
    auto line = reader.line();
    const bool whole = line.find('\t') != std::string_view::npos;
    const auto text = RecordReader::field(line);
    for (std::size_t place = 0; whole && place < 3; ++place) {
      const auto value = RecordReader::field(line);
      if (value.size() != 1 || value.front() != kSame) numbers[place] = names[place]->number(value);
    }
    Entry entry;
    entry.received_at = to_micros(at);
    entry.sploit = numbers[0];
    entry.team = numbers[1];
    entry.service = numbers[2];
    if (!table_.add(text, entry, row).fresh) return reader.spoil();
    count(entry, 1);
  }
  series_.at(at).add(&Counts::received, count_of);
}

void Books::replay_lease(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row) {
  const auto deadline = from_micros(reader.number<std::int64_t>(head));
  const auto number = reader.number<std::uint32_t>(head);
  std::string id(RecordReader::field(head)), sender(RecordReader::field(head));
  auto line = reader.line();
  std::vector<std::uint32_t> flags;
  while (!line.empty() && reader.good()) {
    const auto flag = reader.number<std::uint32_t>(line, ',');
    reader.number<std::uint32_t>(line, ' ');
    if (flag >= table_.end()) return reader.spoil();
    if (flag < table_.first()) continue;
    // Its lease before has ended without this being written: it ended by itself.
    hand_out(flag, number, at, row);
    flags.push_back(flag);
  }
  series_.at(at).add(&Counts::sent, static_cast<std::uint32_t>(flags.size()));
  last_lease_ = std::max(last_lease_, number);
  open_lease(std::move(id), std::move(sender), number, deadline, std::move(flags));
}

void Books::replay_verdicts(TimePoint at, std::string_view head, RecordReader& reader, std::uint32_t row) {
  const auto found = leases_.find(reader.number<std::uint32_t>(head));
  LeaseState* lease = found == leases_.end() ? nullptr : &found->second;
  RecordReader::field(head);
  const auto count_of = reader.number<std::size_t>(head);
  std::string_view before;
  for (std::size_t i = 0; i < count_of && reader.good(); ++i) {
    auto line = reader.line();
    const auto flag = reader.number<std::uint32_t>(line);
    const auto marks = RecordReader::field(line);
    reader.number<std::uint32_t>(line);
    const auto points = reader.number<std::int64_t>(line);
    if (line.size() != 1 || line.front() != kSame) before = line;
    if (marks.empty() || marks.front() < 'a' || marks.front() > 'h' || flag >= table_.end()) return reader.spoil();
    if (flag < table_.first()) continue;
    const bool probable = marks.find('P') != std::string_view::npos;
    const auto verdict = static_cast<Verdict>(marks.front() - 'a');
    Answer answer{flag,  verdict, marks.find('L') != std::string_view::npos, {}, static_cast<double>(points) / 1000,
                  before};
    answer.decision = probable ? Decision{Status::kAccepted, true} : decide(table_[flag], verdict, false);
    apply(lease, answer, at, row);
  }
  if (lease != nullptr) answered(*lease, at);
}

void Books::replay_skipped(TimePoint at, RecordReader& reader) {
  auto line = reader.line();
  while (!line.empty() && reader.good()) {
    const auto flag = reader.number<std::uint32_t>(line, ',');
    if (flag >= table_.end()) return reader.spoil();
    if (flag >= table_.first()) skip(flag, at);
  }
}

void Books::finish_replay() {
  replaying_ = false;
  for (auto flag = table_.first(); flag < table_.end(); ++flag) {
    if (table_[flag].status == Status::kQueued) queue_.push(flag);
  }
}

}  // namespace tiltyard::farm
