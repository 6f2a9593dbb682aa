#include "farm/grpc/convert.h"

#include <algorithm>
#include <cctype>

#include "farm/config.h"
#include "farm/format.h"

namespace tiltyard::farm {
namespace {

std::string_view metadata(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end() ? std::string_view()
                                                  : std::string_view(found->second.data(), found->second.size());
}

std::string_view without_bearer(std::string_view text) {
  constexpr std::string_view kBearer = "bearer ";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return std::ranges::equal(text.substr(0, kBearer.size()), kBearer, same) ? text.substr(kBearer.size()) : text;
}

Verdict verdict_of(v1::Verdict verdict) {
  switch (verdict) {
    case v1::ACCEPTED:
      return Verdict::kAccepted;
    case v1::DUPLICATE:
      return Verdict::kDuplicate;
    case v1::OWN:
      return Verdict::kOwn;
    case v1::OLD:
      return Verdict::kOld;
    case v1::INVALID:
      return Verdict::kInvalid;
    case v1::NOP:
      return Verdict::kNop;
    case v1::REJECTED:
      return Verdict::kRejected;
    // Also what a newer sender may say: the flag is not given up for a word that we do not know.
    default:
      return Verdict::kRetry;
  }
}

std::chrono::duration<double> seconds(std::chrono::milliseconds time) { return time; }

}  // namespace

grpc::StatusCode grpc_code(Code code) {
  switch (code) {
    case Code::kInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    case Code::kForbidden:
      return grpc::StatusCode::PERMISSION_DENIED;
    case Code::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case Code::kConflict:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case Code::kTooLarge:
      return grpc::StatusCode::OUT_OF_RANGE;
    case Code::kLimited:
    case Code::kExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Code::kUnavailable:
    case Code::kCancelled:
      return grpc::StatusCode::UNAVAILABLE;
    case Code::kTimeout:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Code::kInternal:
      break;
  }
  return grpc::StatusCode::INTERNAL;
}

grpc::Status status_of(const Error& error, grpc::ServerContextBase& context) {
  context.AddTrailingMetadata("tiltyard-reason", error.reason);
  return {grpc_code(error.code), error.message.empty() ? error.reason : error.message};
}

grpc::Status unavailable() { return {grpc::StatusCode::UNAVAILABLE, "The server shuts down; send the same again."}; }

std::string address_of(const grpc::ServerContextBase& context) {
  const std::string peer = context.peer();
  const auto begin = peer.find(':');
  const auto end = peer.rfind(':');
  if (begin == std::string::npos || begin == end) return peer;
  return peer.substr(begin + 1, end - begin - 1);
}

bool has_token(const grpc::ServerContextBase& context, const Service& farm) {
  auto shown = metadata(context, "x-token");
  if (shown.empty()) shown = without_bearer(metadata(context, "authorization"));
  return farm.knows(std::span(&shown, 1), address_of(context));
}

std::vector<NewFlag> flags_of(const v1::PostFlagsRequest& request) {
  std::vector<NewFlag> out;
  out.reserve(static_cast<std::size_t>(request.flags_size()));
  for (const auto& flag : request.flags()) out.push_back({flag.flag(), flag.sploit(), flag.team(), flag.service()});
  return out;
}

void fill(v1::PostFlagsReply& reply, const PostReceipt& receipt) {
  reply.Clear();
  reply.set_received(static_cast<std::uint32_t>(receipt.received));
  reply.set_new_(static_cast<std::uint32_t>(receipt.fresh));
  reply.set_duplicate(static_cast<std::uint32_t>(receipt.duplicate));
  reply.set_invalid_count(static_cast<std::uint32_t>(receipt.invalid_count));
  for (const auto& invalid : receipt.invalid) {
    auto& out = *reply.add_invalid();
    out.set_index(static_cast<std::uint32_t>(invalid.index));
    out.set_flag(invalid.flag);
    out.set_reason(invalid.reason);
  }
}

void fill(v1::Lease& out, const Lease& lease) {
  out.set_lease(lease.id);
  out.set_expires_at(to_micros(lease.expires_at));
  out.set_protocol(lease.protocol);
  out.set_settings_json(lease.settings);
  out.set_settings_version(lease.settings_version);
  for (const auto& flag : lease.flags) {
    auto& leased = *out.add_flags();
    leased.set_id(flag.id);
    leased.set_flag(flag.flag);
    leased.set_attempt(flag.attempt);
    leased.set_sploit(flag.sploit);
    leased.set_team(flag.team);
    leased.set_expires_at(to_micros(flag.expires_at));
  }
}

VerdictReport report_of(const v1::Verdicts& verdicts) {
  VerdictReport out;
  out.lease = verdicts.lease();
  out.limited = verdicts.limited();
  out.retry_after = std::chrono::milliseconds(verdicts.retry_after_ms());
  out.done = verdicts.done();
  out.verdicts.reserve(static_cast<std::size_t>(verdicts.verdicts_size()));
  for (const auto& verdict : verdicts.verdicts()) {
    out.verdicts.push_back(
        {verdict.flag(), verdict_of(verdict.verdict()), verdict.message(), verdict.points(), verdict.resent()});
  }
  return out;
}

VerdictReport undelivered(const v1::Lease& lease) {
  VerdictReport out;
  out.lease = lease.lease();
  out.done = true;
  for (const auto& flag : lease.flags())
    out.verdicts.push_back({flag.flag(), Verdict::kRetry, "not sent: the sender was gone", 0, false});
  return out;
}

void fill(v1::Stats& out, const Tally& tally) {
  out.set_total(tally.total());
  out.set_queued(tally.at(Status::kQueued));
  out.set_leased(tally.at(Status::kLeased));
  out.set_accepted(tally.at(Status::kAccepted));
  out.set_rejected(tally.at(Status::kRejected));
  out.set_skipped(tally.at(Status::kSkipped));
}

void fill(v1::Game& out, const Config& config, const Service::AttackData& attack) {
  for (const auto& team : config.teams) {
    auto& to = *out.add_teams();
    to.set_name(team.name);
    to.set_address(team.address);
  }
  if (config.format) out.set_flag_format(config.format->python());
  out.set_flag_lifetime_s(seconds(config.flag_lifetime).count());
  out.set_submit_period_s(seconds(config.submit_period).count());
  out.set_attack_data_json(attack.json);
  out.set_attack_data_stale(attack.stale);
}

void fill(v1::Failure& out, const Error& error, const std::string& lease) {
  out.set_reason(error.reason);
  out.set_message(error.message);
  out.set_lease(lease);
}

}  // namespace tiltyard::farm
