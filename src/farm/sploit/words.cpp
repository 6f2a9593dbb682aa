// tiltyard attack SPLOIT: what it takes.
#include <CLI/App.hpp>

#include "cli/words.h"
#include "farm/sploit/attack.h"

namespace tiltyard::farm::sploit {
namespace {

using namespace cli;
constexpr auto kAttackFooter =
    R"(The address comes first among the program's arguments, or where they say {host}; {team} and {ids} (flag ids as JSON) are
replaced too. Its environment has TILTYARD_TEAM, TILTYARD_HOST, TILTYARD_ROUND, TILTYARD_FLAG_IDS and TILTYARD_FLAG_IDS_FILE.
The farm's token: --token-file, or TILTYARD_FARM_TOKEN. Ctrl-C sends what was found; what cannot be sent stays on disk.)";

}  // namespace

void add_attack(Words& words) {
  auto* word = words.add("attack", "Run an exploit against all teams and hand its flags to the farm");
  auto options = std::make_shared<AttackOptions>();
  word->add_option("sploit", options->sploit, "Any program; it is given a team's address and prints flags")
      ->required()
      ->type_name("");
  word->add_option("arguments", options->arguments, "Its arguments, after --")->type_name("");
  word->add_option("-u,--farm", options->farm, "The farm's address (default: TILTYARD_URL)")->type_name("URL");
  word->add_option("--token-file", options->token_file, "A file with the farm's token")->type_name("FILE");
  word->add_option("-a,--name", options->name, "The sploit's name in the farm (default: the file's)")
      ->type_name("NAME");
  word->add_option("--interpreter", options->interpreter, "What to run it with, where it is not executable")
      ->type_name("PROGRAM");
  word->add_option("--pool", options->pool, "How many at a time")->check(CLI::Range(1, 10'000))->type_name("N");
  word->add_option("--period", options->period, "Seconds from one round to the next")
      ->check(CLI::Range(0.1, 86'400.0))
      ->type_name("S");
  word->add_option("--timeout", options->timeout, "Seconds for one program (default: what fits into the period)")
      ->check(CLI::Range(0.0, 86'400.0))
      ->type_name("S");
  word->add_option("--rounds", options->rounds, "End after so many (default: Ctrl-C)")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  word->add_option("-v,--verbose", options->verbose, "Show the output of the first N rounds")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  word->add_option("--memory", options->memory,
                   "Address space for each of its processes: 512MB, 2GB (default: no limit)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE");
  word->add_option("--state", options->state,
                   "Where what is not yet sent is kept (default: ~/.local/state/tiltyard/attack)")
      ->type_name("FOLDER");
  auto* all = word->add_flag("--all,--not-per-team", options->all, "One program for all teams instead of one for each");
  word->add_option("--distribute", options->distribute,
                   "Only part K of N of the teams, as start_sploit.py divides them")
      ->type_name("K/N")
      ->excludes(all);
  word->add_flag("-e,--endless", options->endless, "Programs run for ever; what ends is started again");
  word->footer(kAttackFooter);
  words.does(word, [c = &words.context, options] { return attack(*c, *options); });
}

}  // namespace tiltyard::farm::sploit
