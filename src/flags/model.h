#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "flags/folder_scan.h"
#include "flags/image_scan.h"
#include "flags/text.h"
#include "labs/model.h"
#include "templates/model.h"

namespace tiltyard::flags {

/// A file of a machine that every instance has its own of.
struct Patch {
  std::string service;
  std::string target;  ///< absolute in the machine
  int file = 0;        ///< number of the instance's own file; names of one hard link share it
  FileFacts facts;
  bool binary = false;
  std::size_t room = 0;                ///< binary: the longest flag that fits
  bool in_layer = false;               ///< an ordinary file of the machine's own layer; otherwise mounted
  bool read_only = false;              ///< where it is mounted
  std::string source;                  ///< host path of the original; empty: `content` is it
  std::optional<std::string> content;  ///< nullopt with an empty source: the flag, or the password, and a line end
  bool password = false;
  bool as_is = false;  ///< no flag's: a program that starts without the capability that its image's asks for
};

/// Where a template's flag goes (row 5.2): found once per template and image.
struct Plan {
  TemplateId tmpl;
  std::string hash;
  bool dynamic = true;
  std::string placeholder;  ///< "PREFIX{base}", which stands where the flag shall be; empty: there is none
  std::string found_in;     ///< where the placeholder was seen first, for people
  Shape shape;
  std::vector<Patch> patches;
  std::map<std::string, std::vector<std::string>>
      environment;                            ///< "NAME=value" by service, with kFlagMark for the flag
  std::map<std::string, std::string> images;  ///< reference → id
  std::set<std::string> set_user_id;          ///< services whose set-user-ID programs count
  bool whole = true;                          ///< false: which those are was not looked for yet
  std::vector<std::string> retaggable;        ///< references that somebody else may point elsewhere
  std::vector<templates::Problem> problems;

  bool broken() const { return first_error() != nullptr; }
  const templates::Problem* first_error() const;
};

/// Stands for the flag in Plan::environment; no template can hold it, for it has a NUL.
inline constexpr std::string_view kFlagMark{"\0flag", 5};

/// The same for the owner's password.
inline constexpr std::string_view kPasswordMark{"\0password", 9};

/// A flag in the environment is fixed when a machine is made: no pool. A flag that is read when the program starts, or
/// that is inside the program: machines wait created, not started.
labs::PoolChoice pool_kind(const templates::Template& tmpl, const Plan& plan);

/// An image as a plan needs it.
struct ImageFacts {
  std::string reference, id;
  std::vector<std::string> environment;  ///< "NAME=value"
  std::vector<std::string> volumes;      ///< paths
  const ImageScan* scan = nullptr;       ///< null: it was not looked into
  std::string folder;                    ///< of the kept contents
};

struct PlanInput {
  std::string prefix;               ///< the server's
  std::vector<FoundBase> found;     ///< in the folder, the likeliest first
  std::vector<ImageFacts> images;   ///< one per service, in their order
  std::vector<std::string> unread;  ///< why images were not looked into that need not be for the flag
};

/// Lays out where the flag goes, and what is wrong with that. Blocking: reads the template's bound files.
Plan make_plan(const templates::Template& tmpl, PlanInput input);

}  // namespace tiltyard::flags
