// What flows: logs and archives. Commands: command.cpp.
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <variant>

#include "engine/docker/answers.h"
#include "engine/docker/command.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/frames.h"
#include "engine/docker/freezer.h"
#include "engine/docker/layer_verbs.h"
#include "engine/isolation/firewall.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;

constexpr auto kAskDeadline = 15s, kChangeDeadline = 60s;
constexpr auto kExportDeadline = 15min;  // the engine writes the layers to its disk before it sends the first byte
constexpr int kPausedTries = 100;
constexpr auto kPausedPause = 20ms;
constexpr auto kSilence = std::chrono::hours{24};  // a followed log may have nothing to say for a day

std::string container(const std::string& name, std::string_view what) {
  return "/containers/" + http::percent_encode(name) + std::string(what);
}

/// Waits until `timer` is cancelled.
asio::awaitable<void> until_cancelled(std::shared_ptr<asio::steady_timer> timer) {
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// The body of an answer as a stream; with frames it is taken apart and both outputs are given in order.
class BodyStream final : public ByteStream {
 public:
  BodyStream(asio::any_io_executor executor, std::string engine, std::unique_ptr<http::BodyReader> body, bool framed,
             std::chrono::milliseconds deadline)
      : engine_(std::move(engine)),
        body_(std::move(body)),
        framed_(framed),
        deadline_(deadline),
        closed_(std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max())) {}

  asio::awaitable<Result<std::string>> read() override {
    while (!ended_) {
      if (auto piece = frames_.next()) co_return std::move(piece->data);
      auto bytes = co_await read_or_close();
      if (!bytes) co_return fail(std::move(bytes.error()));
      if (bytes->empty()) break;
      if (!framed_) co_return std::move(*bytes);
      frames_.take(std::move(*bytes));
    }
    ended_ = true;
    co_return std::string();
  }

  void close() override {
    ended_ = true;
    closed_->cancel();
  }

 private:
  asio::awaitable<Result<std::string>> read_or_close() {
    using namespace asio::experimental::awaitable_operators;
    const auto closed = closed_;
    auto outcome = co_await (body_->read(deadline_) || until_cancelled(closed));
    if (outcome.index() == 1) co_return std::string();
    auto bytes = std::get<0>(std::move(outcome));
    if (!bytes) co_return fail(transport_error(engine_, bytes.error()));
    co_return std::move(bytes);
  }

  std::string engine_;
  std::unique_ptr<http::BodyReader> body_;
  Frames frames_;
  bool framed_, ended_ = false;
  std::chrono::milliseconds deadline_;
  std::shared_ptr<asio::steady_timer> closed_;
};

/// A failing answer to a streaming call, read whole.
asio::awaitable<Error> refused_stream(http::BodyReader* stream, About about = About::kMachine) {
  std::string body;
  while (body.size() < 64 * 1024) {
    auto bytes = co_await stream->read(kAskDeadline);
    if (!bytes || bytes->empty()) break;
    body += *bytes;
  }
  co_return refusal(about, stream->head().status, body);
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<ByteStream>>> DockerEngine::logs(Handle handle, LogOptions options) {
  // Only newer engines say in the answer whether it is framed; the machine's terminal decides on all of them.
  auto inspected = co_await connection_->call("GET", container(handle.data, "/json"), {}, kAskDeadline);
  if (!inspected) co_return fail(std::move(inspected.error()));
  if (inspected->status != 200) co_return fail(refusal(About::kMachine, *inspected));
  auto facts = parse_json(inspected->body);
  if (!facts) co_return fail(std::move(facts.error()));
  const bool terminal = flag_of(member(*facts, "Config"), "Tty");
  const std::string path =
      with_query(container(handle.data, "/logs"), {{"stdout", "1"},
                                                   {"stderr", "1"},
                                                   {"tail", options.tail < 0 ? "all" : std::to_string(options.tail)},
                                                   {"follow", options.follow ? "1" : ""},
                                                   {"timestamps", options.timestamps ? "1" : ""}});
  auto stream = co_await connection_->open("GET", path, {}, {}, kAskDeadline);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) co_return fail(co_await refused_stream(stream->get()));
  const auto deadline =
      options.follow ? std::chrono::milliseconds(kSilence) : std::chrono::milliseconds(kChangeDeadline);
  co_return std::make_unique<BodyStream>(executor_, options_.name, std::move(*stream), !terminal, deadline);
}

asio::awaitable<Result<std::unique_ptr<ExecSession>>> DockerEngine::exec(Handle handle, ExecSpec spec) {
  // The daemon runs nothing in a machine that it still takes for paused.
  if (freezers_->is_thawed(handle.data)) {
    auto settled = co_await resume(handle);
    if (!settled) co_return fail(std::move(settled.error()));
  }
  // A busy daemon hears of a pause from its runtime after it has answered the resume behind it, and refuses until it
  // has heard of that, too.
  for (int tries = 1;; ++tries) {
    auto session = co_await run_command(connection_, handle, spec, options_.signals_from_host);
    const bool late = !session && tries < kPausedTries && session.error().cause.contains("is paused") &&
                      is_thawed(freezers_->known(handle.data));
    if (!late) co_return session;
    co_await sleep_for(kPausedPause);
  }
}

asio::awaitable<Result<std::optional<DockerEngine::OwnLayer>>> DockerEngine::layer_at_hand(Handle handle) {
  co_await know_storage();
  if (!shares_files_ || !own_ids_) co_return std::nullopt;
  auto answer = co_await connection_->call("GET", container(handle.data, "/json"), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  auto layer = layer_of(*found);
  if (!layer || ::access(layer->upper.c_str(), R_OK | W_OK | X_OK) != 0) co_return std::nullopt;
  co_return OwnLayer{std::move(*layer), text_of(member(*found, "State"), "Status") != "created"};
}

/// True: it is done.
asio::awaitable<Result<bool>> DockerEngine::unpack_from_host(Handle handle, std::string tar) {
  if (privileged_) {
    co_await know_storage();
    if (!shares_files_ || !own_ids_) co_return false;
    auto ask = [half = privileged_, name = handle.data, tar = std::move(tar)] {
      return unpack_through(*half, name, tar);
    };
    co_return co_await offload(writer_, std::move(ask));
  }
  auto own = co_await layer_at_hand(handle);
  if (!own) co_return fail(std::move(own.error()));
  if (!*own || (*own)->has_run) co_return false;
  auto work = [layer = std::move((*own)->layer), tar = std::move(tar)] { return unpack(layer, tar); };
  auto done = co_await offload(writer_, std::move(work));
  if (!done) co_return fail(std::move(done.error()));
  co_return true;
}

asio::awaitable<Result<>> DockerEngine::put_archive(Handle handle, std::string path, std::string tar) {
  if (path == "/") {
    auto done = co_await unpack_from_host(handle, tar);
    if (!done) co_return fail(std::move(done.error()));
    if (*done) co_return Result<>{};
  }
  auto answer = co_await connection_->call("PUT", with_query(container(handle.data, "/archive"), {{"path", path}}),
                                           std::move(tar), kChangeDeadline, "application/x-tar");
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 200) co_return Result<>{};
  co_return fail(refusal(About::kMachine, *answer));
}

asio::awaitable<Result<bool>> DockerEngine::rewrite_from_host(Handle handle, std::vector<Rewrite> texts) {
  if (privileged_) {
    co_await know_storage();
    if (!shares_files_ || !own_ids_) co_return false;
    auto ask = [half = privileged_, name = handle.data, texts] { return rewrite_through(*half, name, texts); };
    co_return co_await offload(writer_, std::move(ask));
  }
  auto own = co_await layer_at_hand(handle);
  if (!own) co_return fail(std::move(own.error()));
  if (!*own) co_return false;
  auto work = [layer = std::move((*own)->layer), texts = std::move(texts)] { return docker::rewrite(layer, texts); };
  auto done = co_await offload(writer_, std::move(work));
  if (!done) co_return fail(std::move(done.error()));
  co_return true;
}

asio::awaitable<Result<bool>> DockerEngine::rewrite(Handle handle, std::vector<Rewrite> texts) {
  auto done = co_await rewrite_from_host(handle, texts);
  if (!done || *done) co_return done;
  // What is only looked for, the engine shows, if it may be asked: a tar of one file, as it is.
  for (const auto& text : texts) {
    if (text.was != text.becomes) continue;
    auto answer = co_await connection_->call(
        "GET", with_query(container(handle.data, "/archive"), {{"path", text.path}}), {}, kChangeDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 404 || (answer->status == 200 && !answer->body.contains(text.was)))
      co_return fail(Code::kConflict, "file-moved", "A file that was put into the machine is not there any more.",
                     text.path);
  }
  co_return false;
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> DockerEngine::export_image(std::string reference) {
  auto stream =
      co_await connection_->open("GET", "/images/" + http::percent_encode(reference) + "/get", {}, {}, kExportDeadline);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) co_return fail(co_await refused_stream(stream->get(), About::kImage));
  co_return std::make_unique<BodyStream>(executor_, options_.name, std::move(*stream), false, kChangeDeadline);
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> DockerEngine::export_files(Handle handle) {
  auto stream = co_await connection_->open("GET", container(handle.data, "/export"), {}, {}, kChangeDeadline);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) co_return fail(co_await refused_stream(stream->get()));
  co_return std::make_unique<BodyStream>(executor_, options_.name, std::move(*stream), false, kChangeDeadline);
}

}  // namespace tiltyard::engine
