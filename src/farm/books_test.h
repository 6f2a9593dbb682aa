#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "farm/books.h"

namespace tiltyard::farm::testing {

/// Books with a clock that is turned by hand, and the log that they write.
class Farm {
 public:
  Farm() : books(std::make_unique<Books>()) {}

  Books::Added post(const std::vector<std::string>& flags, std::string_view sploit = "s", std::string_view team = "t") {
    std::vector<NewFlag> views;
    for (const auto& flag : flags) views.push_back({flag, sploit, team, {}});
    return books->add(views, now, log());
  }
  std::optional<Lease> take(std::size_t most = 100, std::string_view sender = "sender") {
    return books->lease(sender, most, now, log());
  }
  Result<VerdictReceipt> say(const Lease& lease, const std::vector<std::pair<std::string, Verdict>>& verdicts,
                             bool done = false) {
    VerdictReport report{lease.id, {}, false, Duration{0}, done};
    for (const auto& [flag, verdict] : verdicts)
      report.verdicts.push_back({flag, verdict, std::string(to_string(verdict)) + " it is", 1, false});
    return books->report(report, now, log());
  }
  void pass(Duration time) {
    now += time;
    books->advance(now, log());
  }
  /// Closes the open row, as a commit does.
  void commit() {
    if (!open_.empty()) rows.push_back(std::exchange(open_, {}));
  }
  Log log() { return {open_, static_cast<std::uint32_t>(rows.size() + 1)}; }

  const Entry& entry(std::string_view flag) const { return books->flags()[*books->flags().find(flag)]; }
  Status status(std::string_view flag) const { return entry(flag).status; }

  /// What a server that starts now would know: the books read from the log.
  std::unique_ptr<Books> read_again() {
    commit();
    auto again = std::make_unique<Books>();
    again->set_rules(books->rules());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!again->replay(rows[i], static_cast<std::uint32_t>(i + 1))) return nullptr;
    }
    again->finish_replay();
    return again;
  }
  /// The process dies and starts again.
  void restart() {
    books = read_again();
    books->advance(now, log());
  }

  std::unique_ptr<Books> books;
  std::vector<std::string> rows;
  TimePoint now = from_micros(1'700'000'000'000'000);

 private:
  std::string open_;
};

/// Everything that the books say of a flag.
inline std::string describe(const Books& books, std::uint32_t flag) {
  const auto& entry = books.flags()[flag];
  std::string out(books.flags().text(flag));
  for (const auto* text : {&books.sploits().text(entry.sploit), &books.teams().text(entry.team),
                           &books.services().text(entry.service), &books.responses().text(entry.response)}) {
    out += "|" + *text;
  }
  out += "|" + std::string(to_string(entry.status)) + "|" + std::to_string(entry.attempts) + "|" +
         std::to_string(entry.received_at) + "|" + std::to_string(entry.decided_ms) + "|" +
         std::to_string(entry.submitted_ms) + "|" + std::to_string(entry.lease_row) + "|" +
         std::to_string(entry.verdict_row) + (entry.probable ? "|probable" : "");
  return out;
}

inline std::string describe(const Books& books) {
  std::string out;
  for (auto flag = books.flags().first(); flag < books.flags().end(); ++flag) out += describe(books, flag) + "\n";
  for (const auto count : books.totals().by_status) out += std::to_string(count) + " ";
  const auto& since = books.since();
  return out + std::to_string(since.late) + " late " + std::to_string(since.attempts) + " attempts " +
         std::to_string(since.points) + " points";
}

}  // namespace tiltyard::farm::testing
