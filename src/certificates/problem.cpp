// What a CA says is wrong, as people are told it.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <array>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "certificates/acme.h"

namespace tiltyard::certificates::acme {
namespace {

namespace json = boost::json;

constexpr std::string_view kPrefix = "urn:ietf:params:acme:error:";
constexpr std::size_t kMostOfADetail = 400, kMostSubproblems = 5;

/// "rateLimited" → "rate-limited"; what is no word of letters is left out.
std::string kebab(std::string_view type) {
  std::string out;
  for (const char c : type.substr(0, 40)) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (!upper && (c < 'a' || c > 'z')) continue;
    if (upper && !out.empty()) out += '-';
    out += lower(c);
  }
  return out;
}

std::string readable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMostOfADetail)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

struct Known {
  std::string_view type, words;
};
/// What there is to do where that does not follow from the CA's own words.
constexpr std::array<Known, 9> kKnown = {{
    {"rate-limited", "The CA limits how often it is asked"},
    {"unauthorized", "The CA did not find the answer that proves the name"},
    {"connection", "The CA could not connect to the name; its DNS must lead here, and the port must be open"},
    {"dns", "The CA could not look the name up"},
    {"tls", "The CA could not speak TLS with the name"},
    {"incorrect-response", "The CA found another answer than ours; the name may lead to another server"},
    {"caa", "A CAA record of the name forbids this CA"},
    {"rejected-identifier", "The CA gives no certificate for this name"},
    {"external-account-required", "The CA wants an account that is bound: set acme.eab_kid and acme.eab_key"},
}};

Code code_of(std::string_view type, int status) {
  if (type == "rate-limited" || status == 429) return Code::kLimited;
  if (type == "account-does-not-exist" || status == 404) return Code::kNotFound;
  if (status >= 500) return Code::kUnavailable;
  return Code::kConflict;
}

}  // namespace

Error error_of(const json::value& problem, int status) {
  const auto full = text_of(problem, "type");
  auto type = full.starts_with(kPrefix) ? kebab(std::string_view(full).substr(kPrefix.size())) : std::string();
  if (type.empty() && status == 429) type = "rate-limited";
  if (type.empty() && status == 404) type = "gone";
  if (type.empty()) type = "refused";
  std::string message = "The CA refused";
  for (const auto& known : kKnown) {
    if (known.type == type) message = known.words;
  }
  const auto detail = readable(text_of(problem, "detail"));
  if (!detail.empty()) message += ": " + detail;
  else message += fmt::format(" ({}).", status);
  const auto* parts = member(problem, "subproblems").if_array();
  std::size_t told = 0;
  for (const auto& part : parts == nullptr ? json::array() : *parts) {
    if (told++ == kMostSubproblems) break;
    message += fmt::format(" [{}: {}]", readable(text_of(member(part, "identifier"), "value")),
                           readable(text_of(part, "detail")));
  }
  return {code_of(type, status),
          "acme-" + type,
          std::move(message),
          fmt::format("status {}, {}", status, readable(full)),
          {}};
}

}  // namespace tiltyard::certificates::acme
