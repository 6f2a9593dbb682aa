#include "gateway/proxy_session.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tiltyard::gateway {

namespace {

// As long as the protocol's text asks receivers to wait, so that a lost packet may come again.
constexpr auto kHeaderWait = std::chrono::seconds(3);

}  // namespace

void ProxySession::begin(Shard& shard, int fd, Entrance entrance, Guest guest) {
  auto* session =
      new ProxySession(shard, entrance, std::move(guest));  // owned by the shard's list until `remove` buries it
  shard.add(*session);
  session->client_.fd = fd;
  if (!shard.loop().watch(session->client_, *session)) return session->cut();
  shard.loop().set_deadline(*session, shard.loop().now() + kHeaderWait);
}

void ProxySession::on_ready(Stream&) {
  if (closed_) return;
  std::array<char, kMostProxyHeader> bytes;
  const auto got = ::recv(client_.fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return cut();
  ProxyHeader header;
  const auto end = read_proxy_header({bytes.data(), static_cast<std::size_t>(got)}, header);
  switch (end.state) {
    case ProxyHeaderEnd::State::kMore:
      // What has ended with half of a header says no more.
      if (client_.peer_ended || client_.broken) cut();
      return;
    case ProxyHeaderEnd::State::kBroken:
      shard_.note_no_header(from());
      return cut();
    case ProxyHeaderEnd::State::kWhole:
      return go_on(end.size, header);
  }
}

void ProxySession::go_on(std::size_t size, const ProxyHeader& header) {
  std::array<char, kMostProxyHeader> bytes;
  if (::recv(client_.fd, bytes.data(), size, MSG_DONTWAIT) != static_cast<ssize_t>(size)) return cut();
  shard_.loop().unwatch(client_);
  const int fd = client_.hand_over({}).fd;
  auto guest = hand_over();
  end();
  shard_.enter_as(entrance_, fd, std::move(guest), header);
}

void ProxySession::cut() {
  if (closed_) return;
  client_.reset();
  end();
}

void ProxySession::end() {
  closed_ = true;
  client_.close();
  shard_.remove(*this);
}

}  // namespace tiltyard::gateway
