// What others call within their writes: jobs are made, moved and cancelled together with what wants it.
#include <soci/soci.h>

#include <fmt/format.h>

#include "jobs/number.h"
#include "jobs/state.h"

namespace tiltyard::jobs {

std::unexpected<Error> unknown_kind(const std::string& kind) {
  return fail(Code::kNotFound, "kind-unknown", fmt::format("There are no jobs of a kind \"{}\".", kind.substr(0, 60)));
}

namespace {

Result<rows::Fresh> fresh_of(const Service::State& state, NewJob job, JobId id) {
  const auto found = state.declared.find(job.kind);
  if (found == state.declared.end()) return unknown_kind(job.kind);
  rows::Fresh fresh;
  fresh.id = id;
  fresh.made_at = state.now();
  fresh.due = job.due ? to_micros(*job.due) : fresh.made_at;
  fresh.priority = job.priority.value_or(found->second->kind.priority);
  fresh.kind = std::move(job.kind);
  fresh.payload = std::move(job.payload);
  fresh.lane = std::move(job.lane);
  fresh.unique = std::move(job.unique);
  fresh.bundle = std::move(job.bundle);
  return fresh;
}

Result<> check_room(const Service::State& state, const std::string& kind, std::size_t more) {
  const auto found = state.declared.find(kind);
  if (found == state.declared.end()) return unknown_kind(kind);
  if (found->second->waiting + more <= found->second->kind.most_waiting) return {};
  return fail(Code::kLimited, "jobs-full",
              fmt::format("{} jobs of the kind {} wait already.", found->second->waiting.load(), kind));
}

}  // namespace

Result<JobId> Service::enqueue(soci::session& sql, NewJob job) { return enqueue(sql, std::move(job), IfTaken::kKeep); }

Result<JobId> Service::enqueue(soci::session& sql, NewJob job, IfTaken if_taken) {
  if (auto room = check_room(*state_, job.kind, 1); !room) return fail(std::move(room.error()));
  auto fresh = fresh_of(*state_, std::move(job), next_number());
  if (!fresh) return fail(std::move(fresh.error()));
  if (fresh->unique.empty()) {
    const std::vector<rows::Fresh> one{std::move(*fresh)};
    rows::insert(sql, one);
    tell_new(sql, one);
    return one.front().id;
  }
  const auto kept = rows::insert_unique(sql, *fresh, if_taken);
  if (kept.fresh) tell_new(sql, {*fresh});
  else if (kept.changed && !kept.running) tell(sql, "due", kept.id);
  return kept.id;
}

Result<std::vector<JobId>> Service::enqueue_all(soci::session& sql, std::vector<NewJob> jobs) {
  std::vector<JobId> ids;
  if (jobs.empty()) return ids;
  std::vector<rows::Fresh> fresh;
  fresh.reserve(jobs.size());
  auto id = next_number(jobs.size());
  for (auto& job : jobs) {
    if (!job.unique.empty()) return fail(Code::kInvalid, "job-invalid", "Jobs with a unique key are made one by one.");
    auto one = fresh_of(*state_, std::move(job), id);
    if (!one) return fail(std::move(one.error()));
    ids.push_back(id);
    fresh.push_back(std::move(*one));
    id += kNumberStep;
  }
  if (auto room = check_room(*state_, fresh.front().kind, fresh.size()); !room) return fail(std::move(room.error()));
  rows::insert(sql, fresh);
  tell_new(sql, fresh);
  return ids;
}

bool Service::cancel(soci::session& sql, JobId id) {
  if (!rows::remove(sql, id)) return false;
  tell(sql, "gone", id);
  return true;
}

bool Service::cancel(soci::session& sql, const std::string& kind, const std::string& unique) {
  JobId id = 0;
  if (!rows::remove_unique(sql, kind, unique, id)) return false;
  tell(sql, "gone", id);
  return true;
}

std::size_t Service::cancel_bundle(soci::session& sql, const std::string& kind, const std::string& bundle) {
  const auto count = rows::remove_bundle(sql, kind, bundle);
  if (count > 0) tell_bundle(sql, "gone-bundle", kind, bundle, 0);
  return count;
}

std::size_t Service::shift_bundle(soci::session& sql, const std::string& kind, const std::string& bundle, Duration by) {
  const auto count = rows::shift_bundle(sql, kind, bundle, by.count());
  if (count > 0) tell_bundle(sql, "shift", kind, bundle, by.count());
  return count;
}

asio::awaitable<Result<JobId>> Service::enqueue(NewJob job, IfTaken if_taken) {
  auto work = [this, job = std::move(job), if_taken](soci::session& sql) { return enqueue(sql, job, if_taken); };
  co_return co_await state_->parts.store.write(std::move(work));
}

asio::awaitable<Result<std::vector<JobId>>> Service::enqueue_all(std::vector<NewJob> jobs) {
  auto work = [this, jobs = std::move(jobs)](soci::session& sql) { return enqueue_all(sql, jobs); };
  co_return co_await state_->parts.store.write(std::move(work));
}

}  // namespace tiltyard::jobs
