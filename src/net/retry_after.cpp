#include "net/retry_after.h"

#include <time.h>

#include <cstdlib>

namespace tiltyard::http {

std::optional<double> seconds_until(const std::string& header) {
  if (header.empty()) return std::nullopt;
  char* end = nullptr;
  const double read = std::strtod(header.c_str(), &end);
  if (*end == '\0') return read;
  // As they should be written, as RFC 850 and as asctime(3) did.
  for (const auto* form : {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    tm date{};
    const char* rest = ::strptime(header.c_str(), form, &date);
    if (rest != nullptr && *rest == '\0') return static_cast<double>(::timegm(&date) - ::time(nullptr));
  }
  return std::nullopt;
}

}  // namespace tiltyard::http
