// Many Socket.IO clients in one thread, so that the server is the limit and not its audience.
// Usage: realtime_load PORT CLIENTS RATE SECONDS SIZE
// One more client sends RATE broadcasts a second of SIZE bytes, each with the time at which it was due; every client
// counts what it gets and how late. RATE 0: as fast as the answers come, a window of 64 under way. Prints
//   sent received expected lost p50_us p99_us max_us seconds
// and exits 1 when somebody was disconnected.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

std::int64_t micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(2);
}

std::string masked(std::string_view text) {
  std::string frame = "\x81";
  if (text.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | text.size()));
  } else {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(text.size() >> 8));
    frame.push_back(static_cast<char>(text.size() & 0xFF));
  }
  frame.append(4, '\0');  // a mask of zeros is a mask
  frame.append(text);
  return frame;
}

struct Client {
  int fd = -1;
  std::string rest;
  std::uint64_t got = 0;

  void send(std::string_view text) {
    const auto frame = masked(text);
    if (::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size())) die("send");
  }
};

/// One in 16 of what arrives is kept: enough for percentiles, cheap enough for millions.
struct Lateness {
  std::vector<std::uint32_t> kept;
  std::uint64_t count = 0;

  void add(std::int64_t late) {
    if (++count % 16 == 0) kept.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(late, 0, UINT32_MAX)));
  }
  std::uint32_t at(double part) {
    if (kept.empty()) return 0;
    const auto place = kept.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(kept.size() - 1));
    std::ranges::nth_element(kept, place);
    return *place;
  }
};

Client open_client(int port) {
  Client client;
  client.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(client.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
  const int one = 1;
  ::setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const std::string head =
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  if (::send(client.fd, head.data(), head.size(), 0) < 0) die("send");
  std::array<char, 4096> bytes;
  while (client.rest.find("\r\n\r\n") == std::string::npos) {
    const auto size = ::recv(client.fd, bytes.data(), bytes.size(), 0);
    if (size <= 0) die("handshake");
    client.rest.append(bytes.data(), static_cast<std::size_t>(size));
  }
  client.rest.erase(0, client.rest.find("\r\n\r\n") + 4);
  client.send("40");
  ::fcntl(client.fd, F_SETFL, O_NONBLOCK);
  return client;
}

/// Takes the whole frames out of `bytes`; answers how much of it was used.
std::size_t take_frames(Client& client, std::string_view bytes, Lateness& lateness, std::int64_t now) {
  std::size_t at = 0;
  while (bytes.size() - at >= 2) {
    std::size_t size = static_cast<unsigned char>(bytes[at + 1]) & 0x7F, head = 2;
    if (size == 126) {
      if (bytes.size() - at < 4) break;
      size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 2])) << 8 |
             static_cast<unsigned char>(bytes[at + 3]);
      head = 4;
    }
    if (bytes.size() - at < head + size) break;
    const auto text = bytes.substr(at + head, size);
    at += head + size;
    if (text == "2") {
      client.send("3");
    } else if (text.starts_with(R"(42["news",)")) {
      ++client.got;
      lateness.add(now - std::strtoll(text.data() + 10, nullptr, 10));
    }
  }
  return at;
}

bool read_all(Client& client, Lateness& lateness) {
  static std::array<char, 256 * 1024> bytes;
  while (true) {
    const std::size_t had = client.rest.size();
    std::memcpy(bytes.data(), client.rest.data(), had);
    const auto size = ::recv(client.fd, bytes.data() + had, bytes.size() - had, 0);
    if (size == 0) return false;
    if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    const std::string_view all(bytes.data(), had + static_cast<std::size_t>(size));
    const auto used = take_frames(client, all, lateness, micros());
    client.rest.assign(all.substr(used));
    if (all.size() < bytes.size()) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int port = std::atoi(argv[1]), count = std::atoi(argv[2]);
  const double rate = std::atof(argv[3]), seconds = std::atof(argv[4]);
  const std::string filling(static_cast<std::size_t>(std::atoi(argv[5])), 'x');
  const int poll = ::epoll_create1(0);
  std::vector<Client> clients;
  for (int i = 0; i <= count; ++i) {
    clients.push_back(open_client(port));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(i);
    ::epoll_ctl(poll, EPOLL_CTL_ADD, clients.back().fd, &event);
  }
  Client& sender = clients.back();
  Lateness lateness;
  std::array<epoll_event, 256> events;
  std::int64_t sent = 0, received = 0;
  bool lost = false;
  const auto turn = [&](int wait_ms) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < ready; ++i) {
      if (!read_all(clients[events[static_cast<std::size_t>(i)].data.u32], lateness)) lost = true;
    }
  };
  const auto settle_until = micros() + 500'000;
  while (micros() < settle_until) turn(1);
  const auto begun = micros();
  const auto end = begun + static_cast<std::int64_t>(seconds * 1e6);
  while (micros() < end && !lost) {
    const auto now = micros();
    const auto due = rate > 0 ? static_cast<std::int64_t>(static_cast<double>(now - begun) * rate / 1e6)
                              : static_cast<std::int64_t>(sender.got) + 64;
    std::string batch;
    for (; sent < due; ++sent) {
      const auto at = rate > 0 ? begun + static_cast<std::int64_t>(static_cast<double>(sent) * 1e6 / rate) : now;
      batch += masked(R"(42["broadcast",)" + std::to_string(at) + R"(,")" + filling + R"("])");
    }
    for (std::size_t at = 0; at < batch.size() && !lost;) {
      const auto size = ::send(sender.fd, batch.data() + at, batch.size() - at, MSG_NOSIGNAL);
      if (size > 0) at += static_cast<std::size_t>(size);
      else turn(1);
    }
    turn(rate > 0 && rate <= 2000 ? 1 : 0);
  }
  const auto took = static_cast<double>(micros() - begun) / 1e6;
  const std::int64_t expected = sent * (count + 1);
  const auto until = micros() + 3'000'000;
  do {
    turn(5);
    received = 0;
    for (const auto& client : clients) received += static_cast<std::int64_t>(client.got);
  } while (received < expected && micros() < until && !lost);
  const auto p50 = lateness.at(0.5), p99 = lateness.at(0.99), most = lateness.at(1);
  std::printf("%lld %lld %lld %d %u %u %u %.3f\n", static_cast<long long>(sent), static_cast<long long>(received),
              static_cast<long long>(expected), lost ? 1 : 0, p50, p99, most, took);
  return lost ? 1 : 0;
}
