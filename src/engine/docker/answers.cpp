#include "engine/docker/answers.h"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "engine/reasons.h"
#include "net/client.h"

namespace tiltyard::engine::docker {
namespace {

namespace json = boost::json;

struct Phrase {
  std::string_view words;  ///< in lower case
  Code code;
  std::string_view reason;
  std::string_view message;
};

// The host's own troubles: they mean the same whatever was asked.
constexpr std::array kTroubles{
    Phrase{"no space left on device", Code::kExhausted, reason::kOutOfDisk, "The engine has no disk space left."},
    Phrase{"disk quota exceeded", Code::kExhausted, reason::kOutOfDisk, "The engine has no disk space left."},
    Phrase{"cannot allocate memory", Code::kExhausted, reason::kOutOfMemory, "The engine has no memory left."},
    Phrase{"too many open files", Code::kExhausted, reason::kBusy, "The engine is at its limit of open files."},
    Phrase{"resource temporarily unavailable", Code::kExhausted, reason::kBusy,
           "The engine is at its limit of processes."},
    Phrase{"exchange full", Code::kExhausted, reason::kBusy, "A bridge of the engine has no port left."},
    Phrase{"non-overlapping ipv4 address pool", Code::kExhausted, reason::kBusy, "The engine has no network left."},
    // The daemon or containerd under it goes away while it works for us: nobody knows how far it came.
    Phrase{"transport is closing", Code::kUnavailable, reason::kLost, "The engine restarted in mid-call."},
    Phrase{"grpc: the client connection is closing", Code::kUnavailable, reason::kLost,
           "The engine restarted in mid-call."},
    Phrase{"containerd.sock: connect", Code::kUnavailable, reason::kLost, "The engine restarted in mid-call."},
    Phrase{"context canceled", Code::kUnavailable, reason::kLost, "The engine gave up in mid-call."},
    Phrase{"ttrpc: closed", Code::kUnavailable, reason::kLost, "The machine's supervisor ended in mid-call."},
};

// A registry's, when an image is fetched. The engine keeps no sign-ins of its own: they come with each call of its
// client.
constexpr char kRegistryAway[] = "The registry does not answer.";
constexpr char kRegistryDenied[] =
    "The registry wants a sign-in, which this server has none of: fetch the image on the engine's host (docker login, "
    "docker pull).";
constexpr std::array kRegistry{
    Phrase{"no basic auth credentials", Code::kForbidden, "registry-denied", kRegistryDenied},
    Phrase{"unauthorized", Code::kForbidden, "registry-denied", kRegistryDenied},
    Phrase{"connection refused", Code::kUnavailable, "registry-away", kRegistryAway},
    Phrase{"no such host", Code::kUnavailable, "registry-away", kRegistryAway},
    Phrase{"server misbehaving", Code::kUnavailable, "registry-away", kRegistryAway},
    Phrase{"i/o timeout", Code::kUnavailable, "registry-away", kRegistryAway},
    Phrase{"tls handshake timeout", Code::kUnavailable, "registry-away", kRegistryAway},
};

constexpr std::array kAddressTaken{
    Phrase{"pool overlaps", Code::kConflict, reason::kAddressTaken,
           "Another network of the engine uses these addresses."},
    Phrase{"address already in use", Code::kConflict, reason::kAddressTaken, "Another machine has this address."},
    Phrase{"conflicts with network", Code::kConflict, reason::kAddressTaken,
           "Another network of the engine uses these addresses."},
};

template <std::size_t N>
const Phrase* find_phrase(const std::array<Phrase, N>& phrases, std::string_view words) {
  const auto found = std::ranges::find_if(phrases, [&](const Phrase& phrase) { return words.contains(phrase.words); });
  return found == phrases.end() ? nullptr : &*found;
}

Error make(const Phrase& phrase, std::string_view words) {
  return Error{phrase.code, std::string(phrase.reason), std::string(phrase.message), std::string(words), {}};
}

Error refused(std::string_view words) {
  return Error{Code::kInvalid, reason::kRefused, "The engine refused: " + std::string(words), std::string(words), {}};
}

Error image_missing(std::string_view words) {
  return Error{Code::kNotFound, reason::kImageMissing, "The engine does not have the image.", std::string(words), {}};
}

bool says_image_missing(std::string_view words) {
  return words.contains("no such image") || words.contains("manifest unknown") ||
         words.contains("pull access denied") || words.contains("repository does not exist") ||
         (words.contains("manifest for") && words.contains("not found"));
}

// What runc and containerd say when a machine's own command or set-up is at fault.
bool says_did_not_start(std::string_view words) {
  constexpr std::array<std::string_view, 8> kWords{"executable file not found", "oci runtime create failed",
                                                   "failed to create shim",     "failed to create task",
                                                   "runc create failed",        "permission denied: unknown",
                                                   "unable to find user",       "no matching entries in passwd"};
  return std::ranges::any_of(kWords, [&](std::string_view phrase) { return words.contains(phrase); });
}

}  // namespace

std::string words_of(std::string_view body) {
  boost::system::error_code failed;
  const json::value value = json::parse(json::string_view(body.data(), body.size()), failed);
  if (!failed) {
    if (std::string message = text_of(value, "message"); !message.empty()) return message;
  }
  return std::string(body.substr(0, 2000));
}

Error refusal(About about, int status, std::string_view body) {
  const std::string words = words_of(body);
  const std::string low = lower(words);
  if (const Phrase* trouble = find_phrase(kTroubles, low)) return make(*trouble, words);
  if (about == About::kNetwork || about == About::kStart || about == About::kMachine) {
    if (const Phrase* taken = find_phrase(kAddressTaken, low)) return make(*taken, words);
  }
  if (about == About::kImage) {
    if (const Phrase* registry = find_phrase(kRegistry, low)) return make(*registry, words);
  }
  if (says_image_missing(low)) return image_missing(words);
  if (status == 404 && about == About::kImage) return image_missing(words);
  if (low.contains("no such container")) {
    return Error{Code::kNotFound, reason::kMachineMissing, "The engine does not have the machine.", words, {}};
  }
  if (about == About::kStart && says_did_not_start(low)) {
    return Error{Code::kInvalid, reason::kDidNotStart, "The machine did not start: " + words, words, {}};
  }
  if (status == 409 && low.contains("already in use")) {
    return Error{
        Code::kConflict, reason::kNameTaken, "Somebody else's resource has this name on the engine.", words, {}};
  }
  if (status == 503 || status == 429) {
    return Error{Code::kExhausted, reason::kBusy, "The engine has too much to do.", words, {}};
  }
  return refused(words.empty() ? "status " + std::to_string(status) : words);
}

Error build_failed(std::string_view message, std::string_view tail) {
  std::string shown(message);
  if (!tail.empty()) shown += "\n" + std::string(tail);
  return Error{Code::kInvalid, reason::kBuildFailed, std::move(shown), std::string(message), {}};
}

Error transport_error(const std::string& engine, const Error& error) {
  const std::string cause = error.reason + ": " + error.message + (error.cause.empty() ? "" : " (" + error.cause + ")");
  if (error.reason == http::reason::kConnectFailed) {
    return Error{
        Code::kUnavailable, reason::kAway, "The engine " + engine + " does not answer; nothing was done.", cause, {}};
  }
  if (error.reason == http::reason::kConnectionLost || error.reason == http::reason::kBadAnswer) {
    return Error{Code::kUnavailable, reason::kLost, "The engine " + engine + " was cut off in mid-call.", cause, {}};
  }
  if (error.reason == http::reason::kTimeout) {
    return Error{Code::kTimeout, "timeout", "The engine " + engine + " took too long.", cause, {}};
  }
  return error;
}

Result<json::value> parse_json(std::string_view body) {
  boost::system::error_code failed;
  json::value value = json::parse(json::string_view(body.data(), body.size()), failed);
  if (failed) {
    return fail(Code::kInvalid, reason::kRefused, "The engine's answer could not be read.",
                failed.message() + ": " + std::string(body.substr(0, 200)));
  }
  return value;
}

std::string with_query(std::string path, std::initializer_list<std::pair<std::string_view, std::string>> parameters) {
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    path += separator;
    path += name;
    path += '=';
    path += http::percent_encode(value);
    separator = '&';
  }
  return path;
}

}  // namespace tiltyard::engine::docker
