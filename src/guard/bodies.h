#pragma once

#include <boost/json/object.hpp>

#include "guard/rules.h"

/// The bodies of calls that make something, member by member.
namespace tiltyard::guard {

using Check = Result<> (*)(const boost::json::object& body, Call& call, const Rules& rules);

Result<> check_machine(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_network(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_connect(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_disconnect(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_snapshot(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_volume(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_exec(const boost::json::object& body, Call& call, const Rules& rules);
Result<> check_exec_start(const boost::json::object& body, Call& call, const Rules& rules);

/// Whether a folder or file that machines get to see, read only, can be nothing else by the time that they do: nobody
/// but root may change what any part of its path leads to, and none is a link.
Result<> check_roots_own(const std::string& path);

}  // namespace tiltyard::guard
