#include "templates/view.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

namespace tiltyard::templates {
namespace {

namespace json = boost::json;

template <class Rep, class Period>
double in_ms(std::chrono::duration<Rep, Period> duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// "1 h", "30 min", "7 d", "90 s": as short as it can be said exactly.
std::string words(std::chrono::seconds length) {
  const auto count = length.count();
  if (count > 0 && count % 86'400 == 0) return fmt::format("{} d", count / 86'400);
  if (count > 0 && count % 3'600 == 0) return fmt::format("{} h", count / 3'600);
  if (count > 0 && count % 60 == 0) return fmt::format("{} min", count / 60);
  return fmt::format("{} s", count);
}

std::string lease_text(const LeasePolicy& lease) {
  std::string text = words(lease.timeout);
  if (lease.extend_by <= std::chrono::seconds{0}) return text + ", cannot be extended";
  text += ", extendable by " + words(lease.extend_by);
  if (lease.max_extensions > 0)
    text += fmt::format(" {}", lease.max_extensions == 1 ? "once" : fmt::format("{} times", lease.max_extensions));
  if (lease.extend_after > std::chrono::seconds{0}) text += " after " + words(lease.extend_after);
  if (lease.extend_within > std::chrono::seconds{0}) text += " in the last " + words(lease.extend_within);
  if (lease.max_added > std::chrono::seconds{0}) text += ", at most " + words(lease.max_added) + " more";
  if (lease.max_total > std::chrono::seconds{0}) text += ", never past " + words(lease.max_total);
  return text;
}

json::value build_view(const Entry& entry) {
  if (!entry.build) return nullptr;
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  return {{"step", entry.build->step},
          {"steps", entry.build->steps},
          {"text", entry.build->text},
          {"started_at", to_rfc3339(entry.build->started_at)},
          {"elapsed_ms", std::max(0.0, in_ms(now - entry.build->started_at))},
          {"usual_ms", entry.build->usual ? json::value(in_ms(*entry.build->usual)) : json::value(nullptr)}};
}

std::string_view word_of(State state) {
  switch (state) {
    case State::kReady:
      return "ready";
    case State::kBuilding:
      return "building";
    case State::kWaiting:
      return "waiting";
    case State::kBroken:
      return "broken";
    case State::kInactive:
      return "inactive";
  }
  return "broken";
}

/// What everybody signs in with; null also where each owner has a password of their own.
json::value credentials_view(const Template& tmpl) {
  if (!tmpl.credentials || tmpl.credentials->per_owner) return nullptr;
  return {{"user", tmpl.credentials->user}, {"password", tmpl.credentials->password}};
}

json::object limits_view(const Template& tmpl) {
  // What one instance may use in all.
  double cpus = 0;
  std::int64_t memory = 0, pids = 0;
  for (const auto& service : tmpl.services) {
    cpus += service.machine.resources.cpus;
    memory += service.machine.resources.memory;
    pids += service.machine.resources.pids;
  }
  return {{"cpus", cpus}, {"memory_bytes", memory}, {"pids", pids}};
}

}  // namespace

json::object view(const Shown& shown, const Entry& entry, bool for_staff) {
  const auto tmpl = shown.offers.overridden(entry.tmpl);
  json::array endpoints;
  for (const auto& endpoint : tmpl->endpoints) {
    endpoints.push_back({{"name", endpoint.name},
                         {"kind", word_of(endpoint.kind)},
                         {"machine", endpoint.machine},
                         {"port", endpoint.port}});
  }
  auto state = entry.state;
  if (state == State::kReady && !tmpl->active) state = State::kInactive;
  json::object out{{"id", tmpl->id.str()},
                   {"name", tmpl->name},
                   {"category", tmpl->category},
                   {"description", tmpl->description},
                   {"active", tmpl->active},
                   {"state", std::string(word_of(state))},
                   {"reason", entry.reason.empty() ? json::value(nullptr) : json::value(entry.reason)},
                   {"build", build_view(entry)},
                   {"endpoints", std::move(endpoints)},
                   {"machines", tmpl->services.size()},
                   {"lease",
                    {{"policy", tmpl->lease.name},
                     {"timeout_s", tmpl->lease.timeout.count()},
                     {"extend_s", tmpl->lease.extend_by.count()},
                     {"text", lease_text(tmpl->lease)}}},
                   {"expected_boot_ms", in_ms(tmpl->expected_boot)},
                   {"usual_start_ms", nullptr},
                   {"pool", nullptr},
                   {"cost_centre", tmpl->cost_centre},
                   {"limits", limits_view(*tmpl)},
                   {"credentials", credentials_view(*tmpl)}};
  for (const auto* one : shown.facts) one->add_facts(*tmpl, out);
  if (for_staff) {
    json::array problems;
    for (const auto& problem : tmpl->problems) {
      problems.push_back({{"severity", word_of(problem.severity)},
                          {"file", problem.file},
                          {"line", problem.line},
                          {"message", problem.message}});
    }
    out["problems"] = std::move(problems);
  }
  return out;
}

bool is_shown(const Shown& shown, const Entry& entry, bool to_staff) {
  return to_staff || shown.offers.overridden(entry.tmpl)->active;
}

}  // namespace tiltyard::templates
