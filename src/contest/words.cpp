// submit, contests, board.
#include "contest/words.h"

#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/object.hpp>

#include "cli/words.h"

namespace tiltyard::contest {
namespace {

using namespace cli;
namespace json = boost::json;

struct Asked {
  std::string contest, challenge, flag, division;
};

int submit(Context& context, const Asked& asked) {
  Api::Call call;
  call.method = "POST";
  call.path = "/flags/submit";
  call.body = json::object{{"challenge", asked.challenge},
                           {"flag", asked.flag},
                           {"contest", asked.contest.empty() ? json::value(nullptr) : json::value(asked.contest)}};
  const auto answer = context.api().call(std::move(call));
  if (!answer) return complain(context, answer.error());
  const auto result = text_of(*answer, "result");
  const bool good = result != "wrong";
  if (context.json) {
    print_json(*answer);
    return good ? kOk : kFailed;
  }
  const auto left = member(*answer, "attempts_left");
  if (result == "correct") print(fmt::format("Correct: {} points.\n", number_of(*answer, "value")));
  else if (result == "already-solved") print("It is solved already.\n");
  else if (result == "part")
    print(fmt::format("Right, and {} of {}.\n", number_of(*answer, "found"), number_of(*answer, "wanted")));
  else if (left.is_null()) print("Wrong.\n");
  else print(fmt::format("Wrong; {} attempts are left.\n", number_of(left)));
  return good ? kOk : kFailed;
}

int list_contests(Context& context) {
  const auto list = context.api().list("/contests");
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "TITLE", "STATE", "BEGINS", "ENDS"}, context.colours);
  for (const auto& one : items_of(*list)) {
    table.add({text_of(one, "id"), text_of(one, "title"), text_of(one, "state"), text_of(one, "starts_at"),
               text_of(one, "ends_at")});
  }
  print(table.text());
  return kOk;
}

int list_challenges(Context& context, const Asked& asked) {
  const auto list = context.api().list(fmt::format("/contests/{}/challenges", encoded(asked.contest)));
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "NAME", "CATEGORY", "VALUE", "SOLVES", "SOLVED"}, context.colours);
  for (const auto& one : items_of(*list)) {
    table.add({text_of(one, "id"), text_of(one, "name"), text_of(one, "category"),
               std::to_string(number_of(one, "value")), std::to_string(number_of(one, "solves")),
               text_of(one, "solved_at")});
  }
  print(table.text());
  return kOk;
}

int show_board(Context& context, const Asked& asked) {
  auto path = fmt::format("/contests/{}/board", encoded(asked.contest));
  if (!asked.division.empty()) path += "?division=" + encoded(asked.division);
  const auto board = context.api().get(path);
  if (!board) return complain(context, board.error());
  if (context.json) {
    print_json(*board);
    return kOk;
  }
  if (context.out_is_terminal && flag_of(member(*board, "contest"), "frozen")) note("The board is frozen.");
  Table table({"", "NAME", "SCORE", "SOLVED", "LAST"}, context.colours);
  for (const auto& one : items_of(*board)) {
    const auto* solved = member(one, "solved").if_array();
    table.add({std::to_string(number_of(one, "position")), text_of(one, "name"),
               std::to_string(number_of(one, "score")), std::to_string(solved ? solved->size() : 0),
               text_of(one, "last_at")});
  }
  print(table.text());
  return kOk;
}

void contest_of(Words& words, CLI::App* word, const std::shared_ptr<Asked>& asked) {
  asked->contest = "practice";
  auto* option = word->add_option("contest", asked->contest, "The contest's id; practice unless said")->type_name("ID");
  words.one_of_list(option, "/contests");
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto asked = std::make_shared<Asked>();
  auto* hand_in = words.add("submit", "Hand in a flag");
  words.one_thing(
      hand_in->add_option("challenge", asked->challenge, "The challenge's id")->type_name("ID")->required());
  hand_in->add_option("flag", asked->flag, "What was found")->type_name("FLAG")->required();
  hand_in->add_option("--contest", asked->contest, "In this contest; else where it counts now")->type_name("ID");
  words.does(hand_in, [c, asked] { return submit(*c, *asked); });

  auto* contests = words.add("contests", "List the contests");
  words.does(contests, [c] { return list_contests(*c); });

  auto of = std::make_shared<Asked>();
  auto* tasks = words.add("tasks", "List the challenges of a contest");
  contest_of(words, tasks, of);
  words.does(tasks, [c, of] { return list_challenges(*c, *of); });

  auto which = std::make_shared<Asked>();
  auto* board = words.add("board", "Show who is where");
  contest_of(words, board, which);
  board->add_option("--division", which->division, "Of one division alone")->type_name("NAME");
  words.does(board, [c, which] { return show_board(*c, *which); });
  words.advise("contest-unknown", "See them: tiltyard contests");
  words.advise("challenge-unknown", "See them: tiltyard tasks CONTEST");
}

}  // namespace tiltyard::contest
