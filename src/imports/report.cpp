#include "imports/report.h"

#include <fmt/format.h>
#include <boost/json/array.hpp>

#include <algorithm>
#include <iterator>

#include "cli/terminal_text.h"

namespace tiltyard::imports {
namespace {

namespace json = boost::json;

std::string place_text(const std::string& file, int line) {
  if (file.empty()) return {};
  return line > 0 ? fmt::format("{}:{}: ", file, line) : fmt::format("{}: ", file);
}

/// What was taken stands in one line a file: nobody reads forty of them.
std::string taken_text(const Item& item) {
  std::string out, last;
  for (const auto& note : item.notes) {
    if (note.kind != Note::Kind::kTaken) continue;
    if (note.file != last || out.empty()) {
      fmt::format_to(std::back_inserter(out), "{}  {}taken: ", out.empty() ? "" : "\n", place_text(note.file, 0));
      last = note.file;
    } else {
      out += ", ";
    }
    out += note.message;
    if (note.line > 0) fmt::format_to(std::back_inserter(out), " ({})", note.line);
  }
  return out.empty() ? out : out + "\n";
}

std::string note_text(const Note& note) {
  return fmt::format("  {}{}: {}\n", place_text(note.file, note.line), word_of(note.kind), note.message);
}

json::array notes_json(const std::vector<Note>& notes) {
  json::array out;
  for (const auto& note : notes) {
    out.push_back(json::object{
        {"kind", word_of(note.kind)}, {"file", note.file}, {"line", note.line}, {"message", note.message}});
  }
  return out;
}

json::object item_json(const Item& item) {
  json::array problems;
  for (const auto& problem : item.problems) {
    problems.push_back(json::object{{"severity", templates::word_of(problem.severity)},
                                    {"file", problem.file},
                                    {"line", problem.line},
                                    {"message", problem.message}});
  }
  return {{"id", item.id},
          {"name", item.name},
          {"format", item.format},
          {"source", item.source},
          {"state", word_of(item.state)},
          {"starts", item.starts},
          {"notes", notes_json(item.notes)},
          {"problems", std::move(problems)}};
}

std::string item_text(const Item& item) {
  std::string out = fmt::format("{} ({}) -> {}: {}{}\n", item.source, item.format, item.id, word_of(item.state),
                                item.starts || item.state == Item::State::kRefused ? "" : ", nothing to start");
  out += taken_text(item);
  for (const auto& note : item.notes) {
    if (note.kind != Note::Kind::kTaken) out += note_text(note);
  }
  for (const auto& problem : item.problems) {
    fmt::format_to(std::back_inserter(out), "  {}/{}{}: {}\n", item.id, place_text(problem.file, problem.line),
                   templates::word_of(problem.severity), problem.message);
  }
  return out;
}

}  // namespace

int Report::refused() const {
  return static_cast<int>(std::ranges::count(items, Item::State::kRefused, &Item::state) +
                          std::ranges::count(notes, Note::Kind::kRefused, &Note::kind));
}

std::string_view word_of(Note::Kind kind) {
  switch (kind) {
    case Note::Kind::kTaken:
      return "taken";
    case Note::Kind::kChanged:
      return "changed";
    case Note::Kind::kUnavailable:
      return "cannot be had";
    case Note::Kind::kRefused:
      return "refused";
    case Note::Kind::kKept:
      return "kept";
  }
  return "";
}

std::string_view word_of(Item::State state) {
  switch (state) {
    case Item::State::kNew:
      return "new";
    case Item::State::kUpdated:
      return "updated";
    case Item::State::kSame:
      return "unchanged";
    case Item::State::kRefused:
      return "refused";
  }
  return "";
}

std::string report_text(const Report& report) {
  std::string out;
  for (const auto& item : report.items) out += item_text(item);
  for (const auto& note : report.notes) out += note_text(note).substr(2);
  const auto count = [&](Item::State state) { return std::ranges::count(report.items, state, &Item::state); };
  fmt::format_to(std::back_inserter(out), "{} challenge{}: {} new, {} updated, {} unchanged, {} refused{}\n",
                 report.items.size(), report.items.size() == 1 ? "" : "s", count(Item::State::kNew),
                 count(Item::State::kUpdated), count(Item::State::kSame), report.refused(),
                 report.dry ? "; nothing was written" : "");
  std::string tame;
  for (std::size_t at = 0; at < out.size();) {
    const auto end = std::min(out.find('\n', at), out.size());
    tame += cli::harmless(out.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return tame;
}

json::object report_json(const Report& report) {
  json::array items;
  for (const auto& item : report.items) items.push_back(item_json(item));
  return {{"items", std::move(items)}, {"notes", notes_json(report.notes)}, {"dry", report.dry}, {"next", nullptr}};
}

}  // namespace tiltyard::imports
