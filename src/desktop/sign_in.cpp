#include "desktop/sign_in.h"

#include <algorithm>

#include "desktop/rfb.h"

namespace tiltyard::desktop {
namespace {

using TransportRef = std::shared_ptr<http::Transport>;
using Bytes = Result<std::string>;

constexpr std::size_t kLongestWords = 4096;  // of why a server lets nobody in

asio::awaitable<Bytes> read(TransportRef server, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size;) {
    const auto [error, got] = co_await server->read_some(asio::buffer(bytes.data() + at, size - at));
    if (error)
      co_return fail(Code::kUnavailable, "desktop-lost", "The machine has closed its desktop.", error.message());
    at += got;
  }
  co_return bytes;
}

asio::awaitable<Result<>> say(TransportRef server, std::string bytes) {
  if (const auto error = co_await server->write_all(bytes))
    co_return fail(Code::kUnavailable, "desktop-lost", "The machine has closed its desktop.", error.message());
  co_return Result<>{};
}

asio::awaitable<Result<std::uint32_t>> read_number(TransportRef server) {
  auto bytes = co_await read(std::move(server), 4);
  if (!bytes) co_return fail(std::move(bytes.error()));
  std::uint32_t value = 0;
  for (const char byte : *bytes) value = value << 8 | static_cast<unsigned char>(byte);
  co_return value;
}

std::unexpected<Error> foreign(std::string cause) {
  return fail(Code::kUnavailable, "desktop-foreign", "What answers in the machine is no VNC server that is known here.",
              std::move(cause));
}

std::unexpected<Error> refused(std::string cause) {
  return fail(Code::kUnavailable, "desktop-password",
              "The VNC server of the machine does not take the password that the template says.", std::move(cause));
}

/// The server's reason for an end.
asio::awaitable<std::string> last_words(TransportRef server) {
  const auto size = co_await read_number(server);
  if (!size || *size > kLongestWords) co_return std::string();
  auto words = co_await read(std::move(server), *size);
  co_return words ? std::move(*words) : std::string();
}

/// The minor version that is spoken from here on: 3, 7 or 8.
asio::awaitable<Result<int>> agree(TransportRef server) {
  auto version = co_await read(server, rfb::kVersionSize);
  if (!version) co_return fail(std::move(version.error()));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool good = version->starts_with("RFB 003.") && version->back() == '\n' &&
                    std::all_of(version->begin() + 8, version->begin() + 11, digit);
  if (!good) co_return foreign("its first bytes are no version");
  const int said = std::stoi(version->substr(8, 3));
  const int spoken = said < 7 ? 3 : std::min(said, 8);  // RFC 6143, 7.1.1
  auto told = co_await say(std::move(server), "RFB 003.00" + std::to_string(spoken) + "\n");
  if (!told) co_return fail(std::move(told.error()));
  co_return spoken;
}

/// Which of what it offers is taken.
Result<rfb::Security> choose(std::string_view offered, bool has_password) {
  const auto has = [&](rfb::Security one) { return offered.contains(static_cast<char>(one)); };
  if (has(rfb::Security::kVnc) && has_password) return rfb::Security::kVnc;
  if (has(rfb::Security::kNone)) return rfb::Security::kNone;
  if (has(rfb::Security::kVnc)) return refused("it asks for one, and the template says none");
  return foreign("it offers neither VNC authentication nor none");
}

asio::awaitable<Result<rfb::Security>> settle(TransportRef server, int spoken, bool has_password) {
  std::string offered;
  if (spoken == 3) {
    const auto one = co_await read_number(server);
    if (!one) co_return fail(one.error());
    if (*one == 0) co_return foreign(co_await last_words(server));
    offered.assign(1, static_cast<char>(std::min<std::uint32_t>(*one, 255)));
    co_return choose(offered, has_password);
  }
  auto count = co_await read(server, 1);
  if (!count) co_return fail(std::move(count.error()));
  if (count->front() == 0) co_return foreign(co_await last_words(server));
  auto all = co_await read(server, static_cast<unsigned char>(count->front()));
  if (!all) co_return fail(std::move(all.error()));
  const auto chosen = choose(*all, has_password);
  if (!chosen) co_return chosen;
  auto told = co_await say(std::move(server), std::string(1, static_cast<char>(*chosen)));
  if (!told) co_return fail(std::move(told.error()));
  co_return chosen;
}

asio::awaitable<Result<>> prove(TransportRef server, Secret password) {
  auto asked = co_await read(server, sizeof(rfb::Challenge));
  if (!asked) co_return fail(std::move(asked.error()));
  rfb::Challenge challenge{};
  std::ranges::copy(*asked, challenge.begin());
  const auto answer = rfb::answer_to(challenge, password.reveal());
  co_return co_await say(std::move(server), std::string(answer.begin(), answer.end()));
}

}  // namespace

asio::awaitable<Result<>> sign_in(TransportRef server, Secret password) {
  const auto spoken = co_await agree(server);
  if (!spoken) co_return fail(spoken.error());
  const auto way = co_await settle(server, *spoken, !password.empty());
  if (!way) co_return fail(way.error());
  if (*way == rfb::Security::kVnc) {
    auto proved = co_await prove(server, std::move(password));
    if (!proved) co_return proved;
  } else if (*spoken < 8) {
    co_return Result<>{};  // nothing was asked, and nothing is answered
  }
  const auto verdict = co_await read_number(server);
  if (!verdict) co_return fail(verdict.error());
  if (*verdict == 0) co_return Result<>{};
  co_return refused(*spoken == 8 ? co_await last_words(server) : std::string());
}

asio::awaitable<Bytes> Viewer::some() {
  if (!ahead_.empty()) co_return std::exchange(ahead_, {});
  auto message = co_await socket_->read();
  if (!message) co_return fail(std::move(message.error()));
  if (!message->binary) co_return fail(Code::kInvalid, "desktop-viewer", "A desktop's messages are binary.");
  co_return std::move(message->data);
}

asio::awaitable<Bytes> Viewer::exactly(std::size_t size) {
  while (ahead_.size() < size) {
    auto message = co_await socket_->read();
    if (!message) co_return fail(std::move(message.error()));
    if (!message->binary) co_return fail(Code::kInvalid, "desktop-viewer", "A desktop's messages are binary.");
    ahead_ += message->data;
  }
  auto bytes = ahead_.substr(0, size);
  ahead_.erase(0, size);
  co_return bytes;
}

asio::awaitable<Result<>> Viewer::write(std::string bytes) {
  co_return co_await socket_->write({true, std::move(bytes)});
}

asio::awaitable<Result<>> let_in(std::shared_ptr<Viewer> viewer) {
  auto said = co_await viewer->write(std::string(rfb::kVersion));
  if (!said) co_return said;
  auto version = co_await viewer->exactly(rfb::kVersionSize);
  if (!version) co_return fail(std::move(version.error()));
  if (*version != rfb::kVersion)
    co_return fail(Code::kInvalid, "desktop-viewer", "Only version 3.8 of RFB is spoken here.");
  said = co_await viewer->write({1, static_cast<char>(rfb::Security::kNone)});
  if (!said) co_return said;
  auto chosen = co_await viewer->exactly(1);
  if (!chosen) co_return fail(std::move(chosen.error()));
  if (chosen->front() != static_cast<char>(rfb::Security::kNone))
    co_return fail(Code::kInvalid, "desktop-viewer", "Nothing but \"none\" is offered.");
  said = co_await viewer->write(std::string(4, '\0'));
  if (!said) co_return said;
  auto begun = co_await viewer->exactly(1);  // whether it shares the desktop: everybody does
  if (!begun) co_return fail(std::move(begun.error()));
  co_return Result<>{};
}

}  // namespace tiltyard::desktop
