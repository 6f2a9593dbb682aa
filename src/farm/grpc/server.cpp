#include "farm/grpc/server.h"

#include <fmt/core.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <fstream>
#include <sstream>

#include "base/gate.h"
#include "base/offload.h"
#include "farm.grpc.pb.h"
#include "farm/grpc/convert.h"
#include "farm/grpc/work_stream.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

constexpr int kSlack = 64 * 1024;     ///< of protobuf's own, above the bytes of a post
constexpr int kKeepaliveMs = 20'000;  ///< a sender whose machine is gone is noticed after twice that
constexpr int kThreads = 4;
constexpr std::size_t kMemory = 128UL << 20;  ///< of all calls together; over it connections are read no further
constexpr int kStreams = 100;                 ///< of one connection
constexpr std::chrono::milliseconds kEndOfCalls{500};

/// Ends a unary call exactly once: with what the coroutine says, or, when it is dropped, with UNAVAILABLE.
class Ending {
 public:
  explicit Ending(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}
  Ending(Ending&& other) noexcept : reactor_(std::exchange(other.reactor_, nullptr)) {}
  Ending& operator=(Ending&&) = delete;
  ~Ending() {
    if (reactor_ != nullptr) reactor_->Finish(unavailable());
  }
  void with(const grpc::Status& status) { std::exchange(reactor_, nullptr)->Finish(status); }

 private:
  grpc::ServerUnaryReactor* reactor_;
};

asio::awaitable<void> post(Service& farm, Ending ending, grpc::CallbackServerContext* context,
                           const v1::PostFlagsRequest* request, v1::PostFlagsReply* reply) {
  auto receipt = co_await farm.post(flags_of(*request));
  if (receipt) fill(*reply, *receipt);
  ending.with(receipt ? grpc::Status::OK : status_of(receipt.error(), *context));
}

asio::awaitable<void> stats(Service& farm, Ending ending, v1::Stats* reply) {
  fill(*reply, farm.totals());
  ending.with(grpc::Status::OK);
  co_return;
}

asio::awaitable<void> game(Service& farm, Ending ending, v1::Game* reply) {
  fill(*reply, *farm.config(), farm.attack_data());
  ending.with(grpc::Status::OK);
  co_return;
}

/// Flags as a stream: one request at a time, each answered when it is on disk.
class FlagStream final : public grpc::ServerBidiReactor<v1::PostFlagsRequest, v1::PostFlagsReply> {
 public:
  FlagStream(Service& farm, Gate& gate, asio::any_io_executor home, grpc::CallbackServerContext& context)
      : farm_(farm), gate_(gate), home_(std::move(home)), context_(context) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    if (!farm_.may_call(from_)) {
      return Finish(status_of({Code::kLimited, "rate-limited", "That is more than this server takes at once.", {}, {}},
                              context_));
    }
    gate_.spawn(home_, "grpc flags", take_in(Turn(this)));
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  /// One request's turn; a coroutine that is dropped ends the stream.
  class Turn {
   public:
    explicit Turn(FlagStream* stream) : stream_(stream) {}
    Turn(Turn&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (stream_ != nullptr) stream_->Finish(unavailable());
    }
    void over() { stream_ = nullptr; }

   private:
    FlagStream* stream_;
  };

  asio::awaitable<void> take_in(Turn turn) {
    auto receipt = co_await farm_.post(flags_of(request_));
    turn.over();
    if (!receipt) {
      Finish(status_of(receipt.error(), context_));
      co_return;
    }
    fill(reply_, *receipt);
    StartWrite(&reply_);
  }

  Service& farm_;
  Gate& gate_;
  const asio::any_io_executor home_;
  grpc::CallbackServerContext& context_;
  const std::string from_ = address_of(context_);
  v1::PostFlagsRequest request_;
  v1::PostFlagsReply reply_;
};

/// A stream that is refused as it opens.
template <class In, class Out>
class Refused final : public grpc::ServerBidiReactor<In, Out> {
 public:
  explicit Refused(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return file ? std::optional(out.str()) : std::nullopt;
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const GrpcOptions& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  const auto certificate = read_file(options.tls_certificate);
  const auto key = read_file(options.tls_key);
  if (!certificate || !key)
    return fail(Code::kInvalid, "tls-unreadable",
                fmt::format("{} or {} cannot be read.", options.tls_certificate, options.tls_key));
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({*key, *certificate});
  return grpc::SslServerCredentials(tls);
}

}  // namespace

struct GrpcServer::State final : v1::Farm::CallbackService {
  // (CallbackService has a type named Service of its own.)
  State(tiltyard::farm::Service& service, asio::any_io_executor executor) : farm(service), home(std::move(executor)) {}

  std::optional<grpc::Status> refusal(grpc::CallbackServerContext& context) const {
    const auto from = address_of(context);
    if (!farm.may_call(from) || farm.bars(from)) {
      return status_of({Code::kLimited, "rate-limited", "That is more than this server takes at once.", {}, {}},
                       context);
    }
    if (has_token(context, farm)) return std::nullopt;
    return status_of({Code::kUnauthenticated, "farm-token-wrong", "The farm's token is missing or wrong.", {}, {}},
                     context);
  }

  /// A unary call: refused at once, or `work(ending)` on the home loop.
  template <class Work>
  grpc::ServerUnaryReactor* unary(grpc::CallbackServerContext* context, Work work) {
    auto* reactor = context->DefaultReactor();
    if (const auto refused = refusal(*context)) {
      reactor->Finish(*refused);
    } else {
      gate.spawn(home, "grpc call", work(Ending(reactor)));
    }
    return reactor;
  }

  grpc::ServerUnaryReactor* PostFlags(grpc::CallbackServerContext* context, const v1::PostFlagsRequest* request,
                                      v1::PostFlagsReply* reply) override {
    return unary(context, [&](Ending ending) { return post(farm, std::move(ending), context, request, reply); });
  }
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context, const v1::GetStatsRequest*,
                                     v1::Stats* reply) override {
    return unary(context, [&](Ending ending) { return stats(farm, std::move(ending), reply); });
  }
  grpc::ServerUnaryReactor* GetGame(grpc::CallbackServerContext* context, const v1::GetGameRequest*,
                                    v1::Game* reply) override {
    return unary(context, [&](Ending ending) { return game(farm, std::move(ending), reply); });
  }
  grpc::ServerBidiReactor<v1::PostFlagsRequest, v1::PostFlagsReply>* StreamFlags(
      grpc::CallbackServerContext* context) override {
    if (const auto refused = refusal(*context)) return new Refused<v1::PostFlagsRequest, v1::PostFlagsReply>(*refused);
    return new FlagStream(farm, gate, home, *context);
  }
  grpc::ServerBidiReactor<v1::SenderMessage, v1::FarmMessage>* Work(grpc::CallbackServerContext* context) override {
    if (const auto refused = refusal(*context)) return new Refused<v1::SenderMessage, v1::FarmMessage>(*refused);
    return new WorkStream(farm, gate, home);
  }

  tiltyard::farm::Service& farm;
  const asio::any_io_executor home;
  Gate gate{"farm-grpc"};
  WorkerPool ender{"grpc-end", 1};
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(Service& farm, asio::any_io_executor home)
    : state_(std::make_unique<State>(farm, std::move(home))) {}

GrpcServer::~GrpcServer() = default;

Result<> GrpcServer::start(const GrpcOptions& options) {
  auto secured = credentials(options);
  if (!secured) return fail(std::move(secured.error()));
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMostPostBytes) + kSlack);
  builder.SetResourceQuota(grpc::ResourceQuota("farm").SetMaxThreads(kThreads).Resize(kMemory));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
  // Two servers at one port would share the calls between them without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(options.listen, std::move(*secured), &state_->port);
  builder.RegisterService(state_.get());
  state_->server = builder.BuildAndStart();
  if (!state_->server || state_->port == 0) {
    return fail(Code::kConflict, "grpc-listen-failed",
                fmt::format("gRPC cannot listen on {}; is the port taken?", options.listen));
  }
  log::info("farm", "gRPC listens", {{"address", options.listen}, {"port", std::to_string(state_->port)}});
  return {};
}

std::uint16_t GrpcServer::port() const { return static_cast<std::uint16_t>(state_->port); }

asio::awaitable<void> GrpcServer::stop() {
  if (!state_->server) co_return;
  co_await state_->gate.close();
  // It waits for the calls to end, which must not hold up the home loop.
  auto ending = [state = state_.get()] {
    state->server->Shutdown(std::chrono::system_clock::now() + kEndOfCalls);
    return true;
  };
  co_await offload(state_->ender, ending);
  state_->server.reset();
}

}  // namespace tiltyard::farm
