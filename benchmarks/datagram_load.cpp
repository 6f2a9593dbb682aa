// datagram_load echo ADDRESS PORT: answers each datagram with itself, until it is killed.
// datagram_load ask ADDRESS PORT FLOWS WINDOW BYTES SECONDS: FLOWS sockets, each with WINDOW questions under way;
// prints answers, and questions that were asked again because no answer had come within 200 ms.
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kBatch = 64;
constexpr std::size_t kLargest = 2048;

/// What one recvmmsg reads, and where it came from.
struct Batch {
  std::array<std::array<char, kLargest>, kBatch> bytes;
  std::array<sockaddr_in, kBatch> from{};
  std::array<iovec, kBatch> pieces{};
  std::array<mmsghdr, kBatch> heads{};

  int receive(int fd, bool named) {
    for (unsigned i = 0; i < kBatch; ++i) {
      pieces[i] = {bytes[i].data(), kLargest};
      heads[i].msg_hdr = {};
      heads[i].msg_hdr.msg_iov = &pieces[i];
      heads[i].msg_hdr.msg_iovlen = 1;
      if (!named) continue;
      heads[i].msg_hdr.msg_name = &from[i];
      heads[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    return ::recvmmsg(fd, heads.data(), kBatch, named ? MSG_WAITFORONE : MSG_DONTWAIT, nullptr);
  }
};

sockaddr_in at(const char* address, const char* port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  if (::inet_pton(AF_INET, address, &out.sin_addr) != 1) std::exit(2);
  return out;
}

int udp_socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int room = 4 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  return fd;
}

int echo(const sockaddr_in& here) {
  const int fd = udp_socket();
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) return 1;
  static Batch batch;
  while (true) {
    const int got = batch.receive(fd, true);
    for (int i = 0; i < got; ++i)
      batch.pieces[static_cast<unsigned>(i)].iov_len = batch.heads[static_cast<unsigned>(i)].msg_len;
    for (int sent = 0; sent < got;) {
      const int more = ::sendmmsg(fd, batch.heads.data() + sent, static_cast<unsigned>(got - sent), 0);
      sent += more > 0 ? more : 1;
    }
  }
}

struct Flow {
  int fd = -1;
  unsigned under_way = 0;
  Clock::time_point asked;
};

int ask(const sockaddr_in& there, char** options) {
  const auto flows = static_cast<std::size_t>(std::atoi(options[0]));
  const auto window = static_cast<unsigned>(std::atoi(options[1]));
  const auto size = static_cast<std::size_t>(std::atoi(options[2]));
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<long>(std::atof(options[3]) * 1000));
  const std::vector<char> question(size, 'q');
  const int epoll = ::epoll_create1(0);
  std::vector<Flow> all(flows);
  auto now = Clock::now();
  const auto send = [&](Flow& flow, unsigned count) {
    for (unsigned i = 0; i < count; ++i) ::send(flow.fd, question.data(), size, MSG_DONTWAIT);
    flow.under_way += count;
    flow.asked = now;
  };
  for (auto& flow : all) {
    flow.fd = udp_socket();
    if (::connect(flow.fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) return 1;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &flow;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, flow.fd, &event);
    send(flow, window);
  }
  static Batch batch;
  unsigned long answers = 0, again = 0;
  auto looked = now;
  for (; now < end; now = Clock::now()) {
    std::array<epoll_event, 256> events;
    const int ready = ::epoll_wait(epoll, events.data(), events.size(), 10);
    for (int i = 0; i < ready; ++i) {
      auto& flow = *static_cast<Flow*>(events[static_cast<std::size_t>(i)].data.ptr);
      const int got = batch.receive(flow.fd, false);
      if (got <= 0) continue;
      answers += static_cast<unsigned long>(got);
      flow.under_way -= std::min(flow.under_way, static_cast<unsigned>(got));
      send(flow, window - std::min(window, flow.under_way));
    }
    if (now - looked < std::chrono::milliseconds(50)) continue;
    looked = now;
    for (auto& flow : all) {
      if (now - flow.asked < std::chrono::milliseconds(200)) continue;
      again += flow.under_way;
      flow.under_way = 0;
      send(flow, window);
    }
  }
  std::printf("%lu %lu\n", answers, again);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "echo" && argc == 4) return echo(at(argv[2], argv[3]));
  if (word == "ask" && argc == 8) return ask(at(argv[2], argv[3]), argv + 4);
  std::fprintf(stderr, "usage: datagram_load echo ADDRESS PORT | ask ADDRESS PORT FLOWS WINDOW BYTES SECONDS\n");
  return 2;
}
