#include "limits/limiters.h"

#include <array>

namespace tiltyard::limits {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
constexpr minutes kMinute{1};
constexpr hours kHour{1};

// Sized for people, with room: a class of two hundred behind one address, a page that polls every two seconds, a script
// that is a little too eager. What costs the machine (starts, shells, rebuilds, hashing) is tight, what is read is
// wide.
constexpr std::array kLimiters = {
    // name, what for, whose, {burst, rate, per day}, window
    Limiter{"address",
            "Every request to the API from one address, whoever asks",
            Key::kAddress,
            {3000, 12'000, 0},
            kMinute},

    Limiter{"sign-in-page", "Asking which ways of signing in there are", Key::kAddress, {300, 600, 0}, kMinute},
    Limiter{"sign-in-address", "Sign-ins from one address, right or wrong", Key::kAddress, {300, 120, 20'000}, kMinute},
    Limiter{"sign-in-name", "Sign-ins with one name, from wherever", Key::kName, {30, 60, 500}, kHour},
    Limiter{
        "sign-in-redirect", "Sign-ins by way of another site: there and back", Key::kAddress, {300, 240, 0}, kMinute},
    Limiter{"sign-out", "Signing out", Key::kUser, {20, 30, 0}, kMinute},
    Limiter{"registration", "New accounts from one address", Key::kAddress, {60, 60, 300}, kHour},
    Limiter{"reset-mail",
            "Mails to a forgotten password's owner, asked for from one address",
            Key::kAddress,
            {5, 20, 60},
            kHour},
    Limiter{"reset-name", "Mails to one account's owner", Key::kName, {3, 6, 12}, kHour},
    Limiter{"password-change",
            "Changing the password, or showing it once more; each costs a slow hash",
            Key::kUser,
            {10, 20, 60},
            kHour},

    Limiter{"profile-read", "Reading one's own account, sessions and tokens", Key::kUser, {60, 100, 0}, kMinute},
    Limiter{"profile-change",
            "Changing one's own account: ending sessions, leaving or joining a team",
            Key::kUser,
            {30, 60, 2000},
            kMinute},
    Limiter{"team-join", "Trying team invitations", Key::kUser, {10, 20, 100}, kHour},
    Limiter{"token-create", "Making tokens", Key::kUser, {20, 60, 200}, kHour},
    Limiter{"token-revoke", "Revoking tokens", Key::kUser, {30, 60, 0}, kMinute},

    Limiter{"list-read", "Reading lists: instances, templates", Key::kUser, {120, 300, 0}, kMinute},
    Limiter{"item-read", "Reading one thing", Key::kUser, {200, 600, 0}, kMinute},
    Limiter{"stream-open", "Opening the stream of news", Key::kUser, {20, 30, 5000}, kMinute},

    Limiter{"realtime-open",
            "Requests to the real-time transport from one address: polls, posts and WebSockets",
            Key::kAddress,
            {3000, 6000, 0},
            kMinute},
    Limiter{"realtime-connect", "Opening real-time connections", Key::kUser, {60, 60, 10'000}, kMinute},
    Limiter{"realtime-act",
            "Joining and leaving rooms over a real-time connection",
            Key::kUser,
            {200, 300, 50'000},
            kMinute},
    Limiter{"chat-say", "Chat messages", Key::kUser, {10, 30, 2000}, kMinute},

    Limiter{"instance-start", "Starting instances", Key::kTeam, {10, 10, 0}, kMinute},
    Limiter{"instance-start-hourly", "Starting instances, over the hour and the day", Key::kTeam, {60, 60, 500}, kHour},
    Limiter{"instance-extend", "Extending leases", Key::kTeam, {20, 20, 0}, kMinute},
    Limiter{"instance-stop", "Stopping instances", Key::kTeam, {30, 30, 0}, kMinute},

    Limiter{"exec", "Running a command in a machine", Key::kUser, {30, 60, 5000}, kMinute},
    Limiter{"terminal-open", "Opening a shell in a machine", Key::kUser, {15, 20, 1000}, kMinute},
    Limiter{"logs-read", "Reading a machine's output", Key::kUser, {30, 60, 10'000}, kMinute},

    // Machines among themselves, many of them behind one address; what the farm can take is far above people's measure.
    Limiter{"farm",
            "Flags in, leases, verdicts, and all that exploits and senders ask of the flag farm",
            Key::kAddress,
            {100'000, 1'000'000, 0},
            kMinute},

    Limiter{"admin-read", "Staff reading lists and figures", Key::kUser, {300, 600, 0}, kMinute},
    Limiter{"admin-change", "Staff changing settings", Key::kUser, {60, 120, 10'000}, kMinute},
    Limiter{"people-change",
            "Staff making, changing and removing users and teams",
            Key::kUser,
            {300, 300, 20'000},
            kMinute},
    Limiter{"template-rebuild", "Building a template's image again", Key::kUser, {6, 10, 200}, kMinute},
    Limiter{"export", "Taking out whole records", Key::kUser, {5, 10, 500}, kMinute},

    Limiter{"document", "The API's own description", Key::kAddress, {60, 120, 0}, kMinute},
    // What a route falls to that names no limiter of its own.
    Limiter{"other", "Whatever has no limiter of its own", Key::kUser, {60, 120, 0}, kMinute},
    Limiter{"other-open", "The same where nobody is signed in", Key::kAddress, {120, 240, 0}, kMinute},
};

}  // namespace

std::string_view to_string(Key key) {
  switch (key) {
    case Key::kUser:
      return "user";
    case Key::kTeam:
      return "team";
    case Key::kAddress:
      return "address";
    case Key::kToken:
      return "token";
    case Key::kName:
      return "name";
  }
  return "user";
}

std::span<const Limiter> limiters() { return kLimiters; }

std::optional<std::size_t> find_limiter(std::string_view name) {
  for (std::size_t i = 0; i < kLimiters.size(); ++i) {
    if (kLimiters[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace tiltyard::limits
