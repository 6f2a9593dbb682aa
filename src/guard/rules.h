#pragma once

#include <boost/json/object.hpp>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// What of the Engine API a server without rights may call. Whoever reaches the engine's socket is root on the host, so
/// what passes is listed, member by member, and all else is refused: nothing here knows what is dangerous, only what
/// the server needs. Pure, but for looking at who owns a template's files.
namespace tiltyard::guard {

/// What the privileged half's own configuration says.
struct Rules {
  std::string name_space;        ///< of our machines, networks and volumes; all of their names begin with it and a dash
  std::string files;             ///< absolute: the instances' own files
  std::string templates;         ///< absolute: the folders of templates
  std::string runtime;           ///< of machines, beside those that are allowed
  std::set<std::string> grants;  ///< what an operator allows some template: "setuid", "privileged", "cap:NET_RAW", …
};

/// What a call is about, or names besides.
enum class Kind { kMachine, kNetwork, kVolume, kExec };
struct Thing {
  Kind kind = Kind::kMachine;
  std::string name;
};

enum class Body { kNone, kJson, kArchive };
/// What has to be known about a call beside that it may pass.
enum class Effect { kNone, kMakes, kRemoves, kStarts, kHijacks };

struct Row;
/// A call that may pass if all that it names is ours.
struct Call {
  const Row* row = nullptr;
  Body body = Body::kNone;
  Effect effect = Effect::kNone;
  std::vector<Thing> named;  ///< that is there
  std::vector<Thing> made;   ///< when it succeeds
};

/// `target` as it came: "/v1.41/containers/NAME/json?size=1". `engine-call-refused` with what may not be.
Result<Call> read_call(std::string_view method, std::string_view target, const Rules& rules);

/// Reads the body of a call that has one of kind kJson; what is to be sent on in its place, so that nobody reads it
/// otherwise than we did. Adds what it names to the call.
Result<std::string> read_body(Call& call, std::string_view body, const Rules& rules);

/// A name of ours, or an id as the engine gives it.
bool may_be_ours(std::string_view name, const Rules& rules);

/// Whether the labels are those of our things.
bool ours(const boost::json::object* labels, const Rules& rules);

std::unexpected<Error> refuse(std::string what);

}  // namespace tiltyard::guard
