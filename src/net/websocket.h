#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>

#include "net/http.h"
#include "net/transport.h"

namespace tiltyard::http {

/// Messages over it are refused with close code 1009.
constexpr std::size_t kWebSocketMessageLimit = 1024 * 1024;

/// Whether a request asks for a WebSocket in a way that RFC 6455 (4.2.1) allows.
bool wants_websocket(const Request& request);

/// Answers the upgrade with 101 and `extra` fields. The transport's deadline is this module's from here on: it pings a
/// silent peer and gives up on one that does not answer.
asio::awaitable<Result<std::shared_ptr<WebSocket>>> accept_websocket(std::shared_ptr<Transport> transport,
                                                                     Request request, Headers extra);
/// The loop of a served WebSocket's connection: what goes on there reads and writes it without changing loops. Not for
/// a client's socket.
asio::any_io_executor loop_of(const std::shared_ptr<WebSocket>& socket);
/// The client's half, on a fresh connection; `upgrade-refused` when the peer says anything but 101.
asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect_websocket(std::shared_ptr<Transport> transport,
                                                                      Request request, std::string host);

}  // namespace tiltyard::http
