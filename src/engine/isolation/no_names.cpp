#include "engine/isolation/no_names.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/socket.h>

#include <array>

#include "base/gate.h"
#include "base/parallel.h"
#include "observe/log.h"

namespace tiltyard::engine::isolation {
namespace {

using asio::ip::udp;

constexpr std::size_t kHeader = 12, kMost = 512;  // without EDNS, which the answer does not speak

/// Where the question that begins at `at` ends, after its type and class; 0: it is cut off, or compressed.
std::size_t end_of_question(std::string_view query, std::size_t at) {
  while (at < query.size()) {
    const auto length = static_cast<unsigned char>(query[at]);
    if (length > 63) return 0;
    at += 1 + length;
    if (length == 0) return at + 4 <= query.size() ? at + 4 : 0;
  }
  return 0;
}

}  // namespace

std::string no_such_name(std::string_view query) {
  if (query.size() < kHeader || query.size() > kMost) return {};
  const auto flags = static_cast<unsigned char>(query[2]);
  const bool standard = (flags & 0xf8) == 0;  // a query, and opcode 0
  if (!standard || query[4] != 0 || query[5] != 1) return {};
  const std::size_t end = end_of_question(query, kHeader);
  if (end == 0) return {};
  std::string answer(query.substr(0, end));
  answer[2] = static_cast<char>(0x80 | (flags & 0x01));  // an answer; "recursion desired" comes back
  answer[3] = static_cast<char>(0x80 | 0x03);            // recursion is to be had; there is no such name
  for (std::size_t count = 6; count < kHeader; ++count) answer[count] = 0;
  return answer;
}

std::chrono::nanoseconds Intake::read_one(Time now) {
  if (now >= window_ + kWindow) rested(now);
  return ++taken_ < kMostAtOnce ? std::chrono::nanoseconds{0} : window_ + kWindow - now;
}

void Intake::rested(Time now) {
  window_ = now;
  taken_ = 0;
}

struct NoNames::State {
  explicit State(asio::any_io_executor executor) : socket(executor), gate("no names") {}

  asio::awaitable<void> answer() {
    std::array<char, kMost> query{};
    udp::endpoint from;
    Intake intake(std::chrono::steady_clock::now());
    while (socket.is_open() && !gate.closing()) {
      boost::system::error_code failed;
      const auto size = co_await socket.async_receive_from(asio::buffer(query), from,
                                                           asio::redirect_error(asio::use_awaitable, failed));
      if (failed == asio::error::operation_aborted) co_return;
      const auto text = failed ? std::string() : no_such_name({query.data(), size});
      // Whoever sends more than is read is limited by the firewall; an answer that does not fit is asked for again.
      if (!text.empty()) socket.send_to(asio::buffer(text), from, 0, failed);
      const auto pause = intake.read_one(std::chrono::steady_clock::now());
      if (pause == pause.zero()) continue;
      co_await sleep_for(pause);
      intake.rested(std::chrono::steady_clock::now());
    }
  }

  udp::socket socket;
  Gate gate;
};

NoNames::NoNames(asio::any_io_executor executor) : state_(std::make_shared<State>(executor)) {}

NoNames::~NoNames() = default;

void NoNames::run() {
  boost::system::error_code failed;
  state_->socket.open(udp::v4(), failed);
  const int on = 1;
  const int shared =
      failed ? 0 : ::setsockopt(state_->socket.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (!failed && shared == 0) state_->socket.bind({udp::v4(), kNoNamesPort}, failed);
  if (!failed && shared == 0) state_->socket.non_blocking(true, failed);
  if (failed || shared != 0) {
    log::warn("engine", "names that machines ask for in vain are not answered; they wait for seconds",
              {{"port", kNoNamesPort}, {"cause", failed.message()}});
    state_->socket.close(failed);
    return;
  }
  state_->gate.spawn(state_->socket.get_executor(), "no names", state_->answer());
}

asio::awaitable<void> NoNames::close() {
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  co_await state_->gate.close();
}

}  // namespace tiltyard::engine::isolation
