#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imports/model.h"
#include "imports/report.h"
#include "templates/yaml_tree.h"

namespace tiltyard::imports {

using templates::Node;
using templates::Place;

/// A way to the machines that players get.
struct Way {
  std::string machine;  ///< empty: the one that has the port
  std::uint16_t port = 0;
  std::string kind;  ///< "http", "tcp"; empty: not said
};

/// What is to be started, and how.
struct Machines {
  std::vector<std::string> compose;  ///< files below the challenge's folder, used as they are
  Node made;                         ///< or a compose file that is made of what the format says; null: none
  bool sources = false;              ///< what is made is built from the challenge's folder
  std::vector<std::pair<std::string, std::string>> files;  ///< written below the result: path, text
  std::vector<Way> ways;
  std::vector<std::pair<std::string, std::string>> settings;  ///< lines of instance.toml: key, TOML value
  std::vector<std::pair<std::string, std::string>> flag;      ///< of its [flag]

  bool any() const { return !compose.empty() || !made.is_null(); }
  bool need_sources() const { return !compose.empty() || sources; }
};

/// A file for players that must be copied.
struct Copy {
  std::string from;  ///< from the root of what is imported
  std::string to;    ///< below the result
  Place place;
};

/// A challenge as one format says it, on its way to a template.
struct Draft {
  std::string format;
  std::string folder;  ///< its folder, from the root of what is imported; its files become `source/`
  std::string source;  ///< what the report calls it
  std::string event;   ///< of an export: whose it is; empty: what is imported
  std::string key;     ///< names it among all that are imported from there, whatever its id
  std::string ask_id;  ///< the id that the format says; empty: none
  Place id_place;
  bool as_is = false;                    ///< its folder is the result
  std::string title;                     ///< what an id is made of where none is said
  std::vector<std::string> known_as;     ///< what others may name it by, beside its name
  std::vector<std::string> descriptors;  ///< file names in `folder` that are no part of its sources
  Challenge challenge;                   ///< names of others are resolved at the end
  Place requires_place, next_place;
  Machines machines;
  std::vector<Copy> copies;
  std::vector<Note> notes;

  void note(Note::Kind kind, const Place& place, std::string message) {
    notes.push_back({kind, place.file(), place.line, std::move(message)});
  }
  void taken(const Place& place, std::string message) { note(Note::Kind::kTaken, place, std::move(message)); }
  void changed(const Place& place, std::string message) { note(Note::Kind::kChanged, place, std::move(message)); }
  void cannot(const Place& place, std::string message) { note(Note::Kind::kUnavailable, place, std::move(message)); }
  void refuse(const Place& place, std::string message) { note(Note::Kind::kRefused, place, std::move(message)); }
  bool refused() const;
};

}  // namespace tiltyard::imports
