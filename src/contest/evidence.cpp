#include "contest/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tiltyard::contest {
namespace {

constexpr std::chrono::minutes kSoon{15};
constexpr int kMostRead = 500;

std::string minutes(Duration time) {
  const auto count = std::chrono::duration_cast<std::chrono::minutes>(time).count();
  return count == 0 ? "Less than a minute" : fmt::format("{} minute{}", count, count == 1 ? "" : "s");
}

/// What its own machine says: whether it had one, and whether anybody of theirs came to it.
asio::awaitable<Result<>> look_at_machines(Service* service, TemplateId tmpl, Shared one, Evidence* out) {
  auto instances = co_await service->instances_of(one.owner, tmpl);
  if (!instances) co_return fail(std::move(instances.error()));
  std::erase_if(*instances, [&](const labs::Instance& had) { return had.created_at > one.first; });
  if (instances->empty()) {
    out->reasons.push_back({25, "It had never had a machine for this challenge."});
    co_return Result<>{};
  }
  const auto first = std::ranges::min(*instances, {}, &labs::Instance::created_at).created_at;
  out->reasons.push_back({0, fmt::format("{} before it had started a machine.", minutes(one.first - first))});
  auto seen = co_await service->visits_of(one.owner, tmpl);
  if (!seen) co_return fail(std::move(seen.error()));
  if (!*seen) co_return Result<>{};
  const auto before =
      std::ranges::count_if(**seen, [&](const access::Seen& visit) { return visit.first <= one.first; });
  if (before == 0) out->reasons.push_back({20, "Nobody had come to its machine through the gateway."});
  else
    out->reasons.push_back(
        {-10, fmt::format("Its machine had been visited from {} address{}.", before, before == 1 ? "" : "es")});
  co_return Result<>{};
}

/// What was handed in, by both of them.
asio::awaitable<Result<>> look_at_submissions(Service* service, Shared one, Evidence* out) {
  auto own = co_await service->store().submissions({one.contest, "", one.owner, "", 0, kMostRead});
  if (!own) co_return fail(std::move(own.error()));
  auto theirs = co_await service->store().submissions({one.contest, "", one.flag_owner, "", 0, kMostRead});
  if (!theirs) co_return fail(std::move(theirs.error()));
  const auto tries = std::ranges::count_if(*own, [&](const Submission& s) {
    return s.challenge == one.challenge && s.result == Submission::Result::kWrong && s.at < one.first;
  });
  if (tries == 0) out->reasons.push_back({5, "It had not tried anything else before."});
  if (tries >= 3)
    out->reasons.push_back({-10, fmt::format("It had handed in {} wrong ones of its own before.", tries)});
  const bool same = !one.address.empty() &&
                    std::ranges::any_of(*theirs, [&](const Submission& s) { return s.address == one.address; });
  if (same) out->reasons.push_back({10, "Both have handed in from the same address; whole rooms can share one."});
  co_return Result<>{};
}

void look_at_times(const Running& running, const Shared& one, Evidence& out) {
  const auto theirs = running.live.solved_at(one.challenge, one.flag_owner);
  if (theirs && *theirs <= one.first && one.first - *theirs <= kSoon)
    out.reasons.push_back({20, fmt::format("{} after the flag's owner had solved it.", minutes(one.first - *theirs))});
  else if (theirs && *theirs <= one.first)
    out.reasons.push_back({5, fmt::format("{} after the flag's owner had solved it.", minutes(one.first - *theirs))});
  else out.reasons.push_back({0, "The flag's owner had not solved it then."});
  const auto own = running.live.solved_at(one.challenge, one.owner);
  if (own && *own > one.first)
    out.reasons.push_back(
        {-15, fmt::format("{} later it has solved it with a flag of its own.", minutes(*own - one.first))});
  if (own && *own <= one.first) out.reasons.push_back({-20, "It had solved it with a flag of its own before."});
}

}  // namespace

int Evidence::score() const {
  int sum = 0;
  for (const auto& reason : reasons) sum += reason.weight;
  return std::clamp(sum, 0, 100);
}

asio::awaitable<Result<Evidence>> evidence_of(Service* service, RunningRef running, Shared one,
                                              std::vector<Shared> all) {
  Evidence out;
  out.reasons.push_back({30, "It handed in a flag that was made for another owner."});
  look_at_times(*running, one, out);
  if (const auto task = service->shelf().find(one.challenge); task && task->tmpl) {
    auto looked = co_await look_at_machines(service, *task->tmpl, one, &out);
    if (!looked) co_return fail(std::move(looked.error()));
  }
  auto looked = co_await look_at_submissions(service, one, &out);
  if (!looked) co_return fail(std::move(looked.error()));
  std::set<std::string> others;
  for (const auto& other : all) {
    if (other.owner == one.owner && other.flag_owner == one.flag_owner && other.challenge != one.challenge)
      others.insert(other.challenge);
  }
  if (!others.empty())
    out.reasons.push_back(
        {20, fmt::format("The same two share {} other challenge{}.", others.size(), others.size() == 1 ? "" : "s")});
  co_return out;
}

}  // namespace tiltyard::contest
