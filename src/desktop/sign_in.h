#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

#include "base/secret.h"
#include "net/http.h"
#include "net/transport.h"

/// Between a VNC server that asks who one is and a browser that never has to say: on one side as a client who knows the
/// password, on the other as a server that asks for none (RFC 6143, 7.1 and 7.2). All of it on the loop of both
/// connections.
namespace tiltyard::desktop {

namespace asio = boost::asio;

/// Signs in at a VNC server, which from then on waits for what a client begins with. `desktop-password`: it does not
/// take ours; `desktop-foreign`: it is no VNC server, or asks in a way that we do not know; `desktop-lost`.
asio::awaitable<Result<>> sign_in(std::shared_ptr<http::Transport> server, Secret password);

/// The bytes that come over a WebSocket, however its messages cut them.
class Viewer {
 public:
  explicit Viewer(std::shared_ptr<http::WebSocket> socket) : socket_(std::move(socket)) {}

  asio::awaitable<Result<std::string>> exactly(std::size_t size);
  /// What has come beyond that, else the next message.
  asio::awaitable<Result<std::string>> some();
  asio::awaitable<Result<>> write(std::string bytes);

 private:
  std::shared_ptr<http::WebSocket> socket_;
  std::string ahead_;
};

/// Lets a viewer in, up to and with the message that it begins with. `desktop-viewer`: it does not speak RFB 3.8.
asio::awaitable<Result<>> let_in(std::shared_ptr<Viewer> viewer);

}  // namespace tiltyard::desktop
