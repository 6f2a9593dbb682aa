#include "farm/attempts.h"

#include "farm/record.h"

namespace tiltyard::farm {
namespace {

void read_lease(std::string_view head, RecordReader& reader, TimePoint at, std::uint32_t row, std::uint32_t flag,
                Attempts& into) {
  RecordReader::field(head);
  const auto number = reader.number<std::uint32_t>(head);
  const auto id = RecordReader::field(head);
  const auto sender = RecordReader::field(head);
  auto line = reader.line();
  while (!line.empty() && reader.good()) {
    const auto one = reader.number<std::uint32_t>(line, ',');
    const auto earlier = reader.number<std::uint32_t>(line, ' ');
    if (one != flag) continue;
    auto& attempt = into.by_lease[number];
    attempt.lease = id;
    attempt.sender = sender;
    attempt.sent_at = at;
    if (earlier < row) into.earlier_lease_row = earlier;
    return;
  }
}

void read_verdicts(std::string_view head, RecordReader& reader, TimePoint at, std::uint32_t row, std::uint32_t flag,
                   Attempts& into) {
  const auto number = reader.number<std::uint32_t>(head);
  const auto id = RecordReader::field(head);
  const auto count = reader.number<std::size_t>(head);
  std::string_view message;
  for (std::size_t i = 0; i < count && reader.good(); ++i) {
    auto line = reader.line();
    const auto one = reader.number<std::uint32_t>(line);
    const auto marks = RecordReader::field(line);
    const auto earlier = reader.number<std::uint32_t>(line);
    RecordReader::field(line);
    if (line.size() != 1 || line.front() != kSame) message = line;
    if (one != flag || marks.empty()) continue;
    auto& attempt = into.by_lease[number];
    if (attempt.lease.empty()) attempt.lease = id;
    attempt.answered_at = at;
    attempt.verdict = static_cast<Verdict>(marks.front() - 'a');
    attempt.late = marks.find('L') != std::string_view::npos;
    attempt.message = message;
    if (earlier < row) into.earlier_verdict_row = earlier;
  }
}

}  // namespace

void read_attempts(std::string_view row_text, std::uint32_t row, std::uint32_t flag, Attempts& into) {
  into.earlier_lease_row = into.earlier_verdict_row = 0;
  RecordReader reader(row_text);
  while (!reader.at_end() && reader.good()) {
    auto head = reader.line();
    const auto kind = RecordReader::field(head);
    const auto at = from_micros(reader.number<std::int64_t>(head));
    if (kind == "L") {
      read_lease(head, reader, at, row, flag, into);
    } else if (kind == "V") {
      read_verdicts(head, reader, at, row, flag, into);
    } else if (kind == "F") {
      reader.number<std::uint32_t>(head);
      const auto count = reader.number<std::uint32_t>(head);
      for (std::uint32_t i = 0; i < count && reader.good(); ++i) reader.line();
    } else if (kind == "S") {
      reader.line();
    }
  }
}

}  // namespace tiltyard::farm
