#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "templates/model.h"

namespace tiltyard::imports {

/// What became of one thing that the original says.
struct Note {
  enum class Kind {
    kTaken,        ///< it is in the result
    kChanged,      ///< it is, but otherwise
    kUnavailable,  ///< it cannot be had here
    kRefused,      ///< the challenge is not imported because of it
    kKept,         ///< the result was changed by hand and stays so
  };
  Kind kind = Kind::kTaken;
  std::string file;  ///< from what is imported; for kKept in the result
  int line = 0;      ///< from 1; 0: the whole file
  std::string message;
};

/// What became of one challenge.
struct Item {
  enum class State { kNew, kUpdated, kSame, kRefused };
  std::string id, name;
  std::string format;  ///< "ctfcli", …
  std::string source;  ///< its folder or file, from what is imported
  State state = State::kRefused;
  bool starts = false;  ///< there is something that can be started
  std::vector<Note> notes;
  std::vector<templates::Problem> problems;  ///< what the templates' reader says of the result
};

struct Report {
  std::vector<Item> items;  ///< by source
  std::vector<Note> notes;  ///< about the whole
  bool dry = false;         ///< nothing was written

  int refused() const;
};

std::string_view word_of(Note::Kind kind);
std::string_view word_of(Item::State state);

/// For people; each line ends with a line feed. Nothing in it can steer a terminal.
std::string report_text(const Report& report);
boost::json::object report_json(const Report& report);

}  // namespace tiltyard::imports
