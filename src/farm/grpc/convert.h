#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "base/result.h"
#include "farm.pb.h"
#include "farm/farm.h"

/// Between the messages of api/proto/farm.proto and the farm's own types.
namespace tiltyard::farm {

/// The one table from our codes to gRPC's.
grpc::StatusCode grpc_code(Code code);
/// The status of a failure; its stable reason goes into the trailing metadata "tiltyard-reason".
grpc::Status status_of(const Error& error, grpc::ServerContextBase& context);
/// The same where a coroutine was dropped: nothing is certain, the caller may try again.
grpc::Status unavailable();

/// Where the call comes from, without the port.
std::string address_of(const grpc::ServerContextBase& context);
/// Whether the call carries the farm's token in "x-token" or "authorization", there bare or after "Bearer ".
bool has_token(const grpc::ServerContextBase& context, const Service& farm);

/// Views into the request, which must live as long as they do.
std::vector<NewFlag> flags_of(const v1::PostFlagsRequest& request);
void fill(v1::PostFlagsReply& reply, const PostReceipt& receipt);
void fill(v1::Lease& out, const Lease& lease);
VerdictReport report_of(const v1::Verdicts& verdicts);
/// What puts all flags of a lease back at once: it was granted and could not be delivered, nothing of it was sent.
VerdictReport undelivered(const v1::Lease& lease);
void fill(v1::Stats& out, const Tally& tally);
void fill(v1::Game& out, const Config& config, const Service::AttackData& attack);
void fill(v1::Failure& out, const Error& error, const std::string& lease);

}  // namespace tiltyard::farm
