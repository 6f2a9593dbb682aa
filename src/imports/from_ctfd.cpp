// CTFd: an export (Admin, Config, Backup): db/*.json and uploads/. https://docs.ctfd.io/docs/exports/ctfd-exports and
// the tables of CTFd/models/__init__.py.
#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

constexpr std::size_t kLargestTable = 64 * 1024 * 1024;

/// A table's rows, each with its place.
class Tables {
 public:
  Tables(const Origin& origin, std::string folder, std::vector<Note>& notes)
      : origin_(origin), folder_(std::move(folder)), notes_(notes) {}

  const std::vector<Node>& rows(const std::string& table) {
    static const std::vector<Node> kNone;
    auto [known, fresh] = tables_.try_emplace(table);
    const auto path = joined(folder_, "db/" + table + ".json");
    if (fresh && origin_.is_file(path)) {
      if (auto document = json_document(origin_, path, notes_, kLargestTable))
        known->second = std::move(document->root);
    }
    const auto* results = known->second.find("results");
    return results && results->is_sequence() ? results->items : kNone;
  }
  /// Those whose `key` is `value`.
  std::vector<const Node*> rows_of(const std::string& table, std::string_view key, const std::string& value) {
    std::vector<const Node*> out;
    for (const auto& row : rows(table)) {
      if (text_in(row, key) == value) out.push_back(&row);
    }
    return out;
  }

 private:
  const Origin& origin_;
  std::string folder_;
  std::vector<Note>& notes_;
  std::map<std::string, Node> tables_;
};

std::int64_t whole_in(const Node& row, std::string_view key) {
  const auto* node = row.find(key);
  return node ? whole_of(*node).value_or(0) : 0;
}

/// {"prerequisites": [ids], "anonymize": true}; SQLite's exports have it as a text.
void read_requirements_of(Draft& draft, Keys& row) {
  const auto* said = row.take("requirements");
  if (!said) return;
  draft.requires_place = row.place("requirements");
  boost::json::value value;
  if (said->is_scalar()) {
    boost::system::error_code failure;
    value = boost::json::parse(said->text, failure);
    if (failure) return draft.refuse(draft.requires_place, "requirements is no JSON");
    if (const auto* list = member(value, "prerequisites").if_array()) {
      for (const auto& id : *list) draft.challenge.requires_ids.push_back(std::to_string(number_of(id)));
    }
    if (flag_of(value, "anonymize")) draft.challenge.locked = "anonymous";
    return;
  }
  if (const auto* list = said->find("prerequisites")) {
    for (const auto& id : list->items) draft.challenge.requires_ids.push_back(id.text);
  }
  if (const auto* how = said->find("anonymize")) {
    if (how->text == "preview") draft.challenge.locked = "shown";
    else if (truth(*how).value_or(false)) draft.challenge.locked = "anonymous";
  }
}

void read_value_of_row(Tables& tables, Draft& draft, Keys& row, const std::string& id) {
  const auto type = row.text("type");
  const auto points = row.whole("value", -1'000'000, 1'000'000).value_or(0);
  Value value{std::max<std::int64_t>(points, 0), false, 0, 0, ""};
  const auto extra = tables.rows_of("dynamic_challenge", "id", id);
  const auto& from = extra.empty() ? row.map() : *extra.front();
  const auto function = text_in(from, "function");
  if (whole_in(from, "initial") > 0 && function != "static") {
    value = {whole_in(from, "initial"), true, whole_in(from, "minimum"), static_cast<double>(whole_in(from, "decay")),
             function == "linear" ? "linear" : "logarithmic"};
    draft.taken(from.place, "initial, minimum, decay, function");
  }
  for (const auto* key : {"initial", "minimum", "decay", "function"}) row.skip(key);
  if (value.minimum > value.initial) draft.refuse(from.place, "minimum is more than initial");
  if (!type.empty() && type != "standard" && type != "dynamic")
    draft.cannot(
        row.place("type"),
        fmt::format("type: \"{}\" is a plug-in's: what it starts is not in the export; import its folder, too", type));
  draft.challenge.value = value;
}

void read_rows_of(Tables& tables, Draft& draft, const std::string& id) {
  auto& challenge = draft.challenge;
  for (const auto* row : tables.rows_of("flags", "challenge_id", id)) {
    const auto type = text_in(*row, "type");
    if (type != "static" && type != "regex")
      draft.cannot(row->place, fmt::format("flags: a flag of type \"{}\" is a plug-in's", type));
    else
      challenge.flags.push_back(
          {text_in(*row, "content"), type == "regex", text_in(*row, "data") == "case_insensitive"});
  }
  for (const auto* row : tables.rows_of("tags", "challenge_id", id)) challenge.tags.push_back(text_in(*row, "value"));
  for (const auto* row : tables.rows_of("challenge_topics", "challenge_id", id)) {
    for (const auto* topic : tables.rows_of("topics", "id", text_in(*row, "topic_id")))
      challenge.topics.push_back(text_in(*topic, "value"));
  }
  for (const auto* row : tables.rows_of("hints", "challenge_id", id)) {
    Hint hint{text_in(*row, "id"),
              text_in(*row, "title"),
              text_in(*row, "content"),
              std::max<std::int64_t>(whole_in(*row, "cost"), 0),
              {}};
    if (const auto* needed = row->find("requirements"); needed && needed->is_map()) {
      if (const auto* list = needed->find("prerequisites")) {
        for (const auto& one : list->items) hint.requires_ids.push_back(one.text);
      }
    }
    if (hint.text.empty()) draft.cannot(row->place, "hints: a hint without a text");
    else challenge.hints.push_back(std::move(hint));
  }
  for (const auto* word : {"flags", "tags", "hints"}) {
    const auto rows = tables.rows_of(word, "challenge_id", id);
    if (!rows.empty()) draft.taken(rows.front()->place, word);
  }
}

void read_files_of(const Origin& origin, Tables& tables, Draft& draft, const std::string& root, const std::string& id) {
  for (const auto* row : tables.rows_of("files", "challenge_id", id)) {
    const auto location = text_in(*row, "location");
    if (location.empty()) continue;
    hand_out(origin, draft, joined("uploads", location), row->place);
    draft.taken(row->place, leaf(location));
  }
}

Draft read_row(const Origin& origin, Tables& tables, const Node& node, const std::string& root) {
  auto draft = draft_of("ctfd", root, "");
  Keys row(node, draft);
  const auto id = text_in(node, "id");
  row.skip("id");
  draft.source = fmt::format("{}#{}", node.place.file(), id);
  draft.key = fmt::format("challenges/{}", id);
  draft.known_as = {id};
  draft.title = draft.challenge.name = row.text("name");
  if (draft.title.empty()) draft.refuse(node.place, "name is missing");
  draft.challenge.description = row.text("description", 64'000);
  draft.challenge.attribution = row.text("attribution", 2000);
  draft.challenge.connection = row.text("connection_info", 2000);
  if (const auto category = row.text("category"); !category.empty()) draft.challenge.category = category;
  draft.challenge.hidden = row.text("state") != "visible";
  draft.challenge.attempts = row.whole("max_attempts", 0, 1'000'000).value_or(0);
  if (const auto logic = row.text("logic"); !logic.empty()) draft.challenge.logic = logic;
  if (const auto next = row.text("next_id"); !next.empty()) draft.challenge.next = next;
  draft.next_place = row.place("next_id");
  read_value_of_row(tables, draft, row, id);
  read_requirements_of(draft, row);
  read_rows_of(tables, draft, id);
  read_files_of(origin, tables, draft, root, id);
  for (const auto* key : {"position", "module_id", "audience"}) row.skip(key);
  row.finish();
  return draft;
}

}  // namespace

bool is_ctfd(const Origin& origin, const std::string& folder) {
  return origin.is_file(joined(folder, "db/challenges.json"));
}

std::vector<Draft> read_ctfd(const Origin& origin, const std::string& folder, std::vector<Note>& notes) {
  std::vector<Draft> out;
  Tables tables(origin, folder, notes);
  const auto names = tables.rows_of("config", "key", "ctf_name");
  for (const auto& row : tables.rows("challenges")) {
    if (!row.is_map()) continue;
    out.push_back(read_row(origin, tables, row, folder));
    if (!names.empty()) out.back().event = text_in(*names.front(), "value");
  }
  for (const auto* table : {"users", "teams", "submissions", "solves", "awards", "pages", "notifications"}) {
    if (origin.is_file(joined(folder, fmt::format("db/{}.json", table))))
      notes.push_back({Note::Kind::kUnavailable, joined(folder, fmt::format("db/{}.json", table)), 0,
                       "not of the challenges: left where it is"});
  }
  return out;
}

}  // namespace tiltyard::imports
