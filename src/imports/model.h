#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What a contest must know of a challenge, as `challenge.toml` beside its template says it: docs/challenge.md.
namespace tiltyard::imports {

/// What solving it is worth. The formulas stand in docs/challenge.md.
struct Value {
  std::int64_t initial = 0;  ///< points of the first solve; all that a static value has
  bool dynamic = false;
  std::int64_t minimum = 0;
  double decay = 0;
  std::string function;  ///< one of `functions()`; empty where the value is static
};

struct Flag {
  std::string content;  ///< the text, or a regular expression (RE2) that has to match all of it
  bool regex = false;
  bool ignore_case = false;
};

struct Hint {
  std::string id;  ///< what other hints name it by; may be empty
  std::string title, text;
  std::int64_t cost = 0;
  std::vector<std::string> requires_ids;  ///< hints that must have been taken before
};

/// What players get to download.
struct Handout {
  std::string path;  ///< below the challenge's folder; empty where there is a `url`
  std::string name;  ///< what it is called for players
  std::string url;
};

struct Challenge {
  std::string name;
  std::string category = "misc";
  std::string description;
  std::string connection;     ///< how to reach it, in the author's words; the instance's own addresses are shown anyway
  std::string attribution;    ///< whom to thank
  std::string solution;       ///< a file below the challenge's folder, for staff
  std::string next;           ///< id of the challenge that is proposed after it
  std::string opens, closes;  ///< RFC 3339; empty: with the contest
  std::vector<std::string> authors, tags, topics;
  bool hidden = false;
  std::int64_t attempts = 0;              ///< 0: as many as one likes
  std::string logic = "any";              ///< which flags are wanted: any, all, team (each by another member)
  std::vector<std::string> requires_ids;  ///< challenges that must be solved before
  std::string locked = "hidden";          ///< until then it is: hidden, anonymous (its name is not shown), shown
  bool breaks_ties = true;                ///< whether its time counts where points are equal
  std::optional<Value> value;
  std::vector<Flag> flags;
  bool own_flags = false;  ///< the instance's flag, one for each owner, counts
  std::vector<Hint> hints;
  std::vector<Handout> files;
};

}  // namespace tiltyard::imports
