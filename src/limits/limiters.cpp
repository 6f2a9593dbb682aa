#include "limits/limiters.h"

namespace tiltyard::limits {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
constexpr minutes kMinute{1};
constexpr hours kHour{1};

// Sized for people, with room: a class of two hundred behind one address, a page that polls every two seconds, a script
// that is a little too eager. What costs the machine (starts, shells, rebuilds, hashing) is tight, what is read is
// wide.
const std::vector<Limiter> kStandard = {
    // name, what for, whose, {burst, rate, per day}, window
    Limiter{"address",
            "Every request to the API from one address, whoever asks",
            Key::kAddress,
            {3000, 12'000, 0},
            kMinute},
    Limiter{"list-read", "Reading lists", Key::kUser, {120, 300, 0}, kMinute},
    Limiter{"item-read", "Reading one thing", Key::kUser, {200, 600, 0}, kMinute},
    Limiter{"admin-read", "Staff reading lists and figures", Key::kUser, {300, 600, 0}, kMinute},
    Limiter{"admin-change", "Staff changing settings", Key::kUser, {60, 120, 10'000}, kMinute},
    Limiter{"probe", "Load balancers and monitoring asking how the server is", Key::kAddress, {120, 600, 0}, kMinute},
    Limiter{"document", "The API's own description", Key::kAddress, {60, 120, 0}, kMinute},
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

std::vector<Limiter> standard_limiters() { return kStandard; }

}  // namespace tiltyard::limits
