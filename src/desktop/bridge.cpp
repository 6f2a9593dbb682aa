#include "desktop/bridge.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/run_on.h"
#include "desktop/rfb.h"
#include "net/dial.h"
#include "net/websocket.h"

namespace tiltyard::desktop {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kMayStart = 15s;   // a machine that has just been started may still be at its screen
constexpr auto kMayAnswer = 10s;  // until a viewer and a server that are there have come to terms
constexpr auto kAgain = 200ms;
constexpr std::size_t kPiece = 64 * 1024;

// Close codes: RFC 6455, 7.4.1.
constexpr std::uint16_t kNormal = 1000, kPolicy = 1008, kFailed = 1011;

std::uint16_t code_of(std::string_view reason) {
  if (reason == "desktop-ended" || reason == "viewer-gone") return kNormal;
  return reason == "thrown-out" || reason == "desktop-viewer" || reason == "rfb-unknown" ? kPolicy : kFailed;
}

}  // namespace

void Bridge::throw_out() {
  thrown_out_ = true;
  const std::lock_guard lock(mutex_);
  if (!loop_) return;
  asio::post(*loop_, [self = shared_from_this()] {
    if (self->machine_) self->machine_->close();
  });
}

asio::awaitable<Result<>> Bridge::connect(Self self) {
  const auto until = Clock::now() + kMayStart;
  while (!self->thrown_out_) {
    auto dialled =
        co_await http::dial({.unix_path = {}, .host = self->screen_.host, .port = self->screen_.port}, until);
    if (dialled) {
      self->machine_ = std::make_shared<http::Transport>(std::move(*dialled));
      break;
    }
    if (Clock::now() + kAgain >= until)
      co_return fail(Code::kUnavailable, "desktop-silent", "Nothing answers where the machine's desktop should be.",
                     dialled.error().cause);
    co_await sleep_for(kAgain);
  }
  if (self->thrown_out_) co_return fail(Code::kCancelled, "thrown-out", "This session was ended.");
  co_return co_await sign_in(self->machine_, self->screen_.password);
}

/// Both sides come to terms; what takes too long is cut.
asio::awaitable<Result<>> Bridge::begin(Self self, std::shared_ptr<Viewer> viewer) {
  auto signed_in = co_await connect(self);
  if (!signed_in) co_return signed_in;
  auto let = co_await let_in(std::move(viewer));
  if (!let) co_return let;
  if (const auto error = co_await self->machine_->write_all(std::string_view("\1", 1)))  // others see it as well
    co_return fail(Code::kUnavailable, "desktop-lost", "The machine has closed its desktop.", error.message());
  co_return Result<>{};
}

asio::awaitable<Result<>> Bridge::to_machine(Self self, std::shared_ptr<Viewer> viewer) {
  rfb::Watching watching;
  while (true) {
    auto bytes = co_await viewer->some();
    if (bytes && self->hands_ == Hands::kWatch) bytes = watching.filter(*bytes);
    if (!bytes) {
      const bool broke_rules = bytes.error().code == Code::kInvalid;
      self->end(broke_rules ? bytes.error().reason : "viewer-gone");
      co_return Result<>{};
    }
    if (bytes->empty()) continue;
    if (co_await self->machine_->write_all(*bytes)) break;
  }
  self->end("desktop-ended");
  co_return Result<>{};
}

asio::awaitable<Result<>> Bridge::from_machine(Self self, std::shared_ptr<http::WebSocket> socket) {
  while (true) {
    std::string piece(kPiece, '\0');
    const auto [error, size] = co_await self->machine_->read_some(asio::buffer(piece));
    if (error) break;
    piece.resize(size);
    auto written = co_await socket->write({true, std::move(piece)});
    if (!written) break;
  }
  self->end("desktop-ended");
  co_await socket->close(code_of(self->ending_), self->ending_);
  co_return Result<>{};
}

void Bridge::end(std::string reason) {
  if (ending_.empty()) ending_ = thrown_out_ ? "thrown-out" : std::move(reason);
  if (machine_) machine_->close();
}

asio::awaitable<void> Bridge::run_here(Self self, std::shared_ptr<http::WebSocket> socket) {
  const auto executor = co_await asio::this_coro::executor;
  {
    const std::lock_guard lock(self->mutex_);
    self->loop_ = executor;
  }
  auto viewer = std::make_shared<Viewer>(socket);
  auto work = begin(self, viewer);
  auto enough = sleep_for(kMayStart + kMayAnswer);
  const auto begun = co_await unless(std::move(work), std::move(enough));
  if (!begun || !*begun) {
    self->end(begun ? begun->error().reason : "desktop-silent");
    co_return co_await socket->close(code_of(self->ending_), self->ending_);
  }
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(from_machine(self, socket));
  works.push_back(to_machine(self, std::move(viewer)));
  co_await all_of(std::move(works));
}

asio::awaitable<void> Bridge::run(std::shared_ptr<http::WebSocket> socket) {
  const auto loop = http::loop_of(socket);
  auto work = run_here(shared_from_this(), std::move(socket));
  co_await run_on(loop, std::move(work));
}

}  // namespace tiltyard::desktop
