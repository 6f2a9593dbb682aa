#pragma once

#include <boost/json/value.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"

namespace tiltyard::engine::docker {

/// What a call was about: the same words of the daemon mean different things for different verbs.
enum class About { kEngine, kImage, kBuild, kMachine, kStart, kNetwork, kVolume };

/// Turns an answer of the Engine API that is not a success into one of the errors that engine.h lists. The daemon has
/// no machine-readable reasons, so this is the one place that knows its words (moby 20.10 to 28).
Error refusal(About about, int status, std::string_view body);
inline Error refusal(About about, const http::Response& answer) { return refusal(about, answer.status, answer.body); }

/// The daemon's own words out of a failure's body (`{"message": "…"}`), or the body itself.
std::string words_of(std::string_view body);

/// The error of a build whose last lines are `tail`.
Error build_failed(std::string_view message, std::string_view tail);

/// An error of the connection (see net/client.h) in the words of engine.h.
Error transport_error(const std::string& engine, const Error& error);

/// Parses a body; `engine-refused` where it is not JSON.
Result<boost::json::value> parse_json(std::string_view body);

/// "path?name=value&…" with the values percent-encoded; empty values are left out.
std::string with_query(std::string path, std::initializer_list<std::pair<std::string_view, std::string>> parameters);

}  // namespace tiltyard::engine::docker
