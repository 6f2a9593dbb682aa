// Load for ./bench farm, as cheap as it can be made, because it shares the machine with the server: one thread, epoll,
// bodies put together from ready pieces.
//
// clang-format off
//   farm_load post PORT TOKEN CLIENTS FLAGS SECONDS [MOST]   posts of FLAGS new flags, CLIENTS at a time, each over a
//                                                            new connection; at most MOST posts. Prints rate and times.
//   farm_load first PORT TOKEN COUNT                         from one flag's post until a waiting sender has it
//   farm_load get PORT TOKEN COUNT TARGET                    COUNT requests of a page, one after the other
// clang-format on
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

double ms_since(Steady::time_point begun) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begun).count();
}

sockaddr_in address_of(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int open_socket(int port, bool blocking) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
  const auto address = address_of(port);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    std::perror("connect");
    std::exit(1);
  }
  return fd;
}

/// Makes flags that nobody has made before, and that look like a jury's: drawn, not counted.
class FlagMaker {
 public:
  FlagMaker() : dice_(std::random_device{}()) {}
  void append(std::string& body) {
    char flag[33] = "0000000000000000000000000000000=";
    for (int i = 0; i < 31;) {
      auto bits = dice_();
      for (int digit = 0; digit < 12 && i < 31; ++digit, bits /= 36)
        flag[i++] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[bits % 36];
    }
    ++count_;
    body.append(R"({"flag": ")")
        .append(flag, 32)
        .append(R"(", "sploit": "sploit_)")
        .append(1, static_cast<char>('a' + count_ / 50 % 10));
    body.append(R"(.py", "team": "Team #)").append(std::to_string(count_ % 30 + 1)).append(R"("})");
  }

 private:
  std::mt19937_64 dice_;
  unsigned long long count_ = 0;
};

std::string request(const std::string& method, const std::string& target, const std::string& token,
                    const std::string& body, bool keep) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nX-Token: " + token +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         (keep ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n") + body;
}

std::string post_request(FlagMaker& maker, const std::string& token, int flags) {
  std::string body = "[";
  for (int i = 0; i < flags; ++i) {
    if (i > 0) body += ", ";
    maker.append(body);
  }
  body += "]";
  return request("POST", "/api/v1/farm/flags", token, body, false);
}

void report(std::vector<double>& times, double seconds, std::size_t flags, std::size_t errors) {
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return times.empty()
               ? 0.0
               : times[std::min(times.size() - 1, static_cast<std::size_t>(part * static_cast<double>(times.size())))];
  };
  std::printf("rate %.0f\nposts %zu\np50 %.2f\np99 %.2f\nmax %.2f\nerrors %zu\n", static_cast<double>(flags) / seconds,
              times.size(), at(0.5), at(0.99), times.empty() ? 0.0 : times.back(), errors);
}

struct Client {
  int fd = -1;
  std::string out, in;
  std::size_t sent = 0;
  Steady::time_point begun;
};

/// Whether an answer's head and as many bytes as it announces are there, which is when a client has it.
bool whole(const std::string& in) {
  const auto head = in.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const auto length = in.find("Content-Length: ");
  const std::size_t size = length < head ? std::strtoul(in.c_str() + length + 16, nullptr, 10) : 0;
  return in.size() >= head + 4 + size;
}

/// Reads and writes as far as it goes; true when the answer is whole or the server closes.
bool advance(Client& client, bool& failed) {
  while (client.sent < client.out.size()) {
    const auto written =
        ::send(client.fd, client.out.data() + client.sent, client.out.size() - client.sent, MSG_NOSIGNAL);
    if (written <= 0) {
      failed = errno != EAGAIN && errno != ENOTCONN;
      return failed;
    }
    client.sent += static_cast<std::size_t>(written);
  }
  char buffer[4096];
  while (true) {
    const auto got = ::recv(client.fd, buffer, sizeof buffer, 0);
    if (got > 0) {
      client.in.append(buffer, static_cast<std::size_t>(got));
      if (whole(client.in)) return true;
    } else if (got == 0) return true;
    else {
      failed = errno != EAGAIN;
      return failed;
    }
  }
}

int run_posts(int port, const std::string& token, int count, int flags, double seconds, std::size_t most) {
  FlagMaker maker;
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Client> clients(static_cast<std::size_t>(count));
  const auto begun = Steady::now();
  std::size_t started = 0, errors = 0, open = 0;
  std::vector<double> times;
  const auto begin = [&](std::size_t place) {
    if (started >= most || ms_since(begun) > seconds * 1000) return;
    ++started;
    ++open;
    auto& client = clients[place];
    client = Client{-1, post_request(maker, token, flags), {}, 0, Steady::now()};
    client.fd = open_socket(port, false);
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET, {.u64 = place}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, client.fd, &event);
  };
  for (std::size_t i = 0; i < clients.size(); ++i) begin(i);
  epoll_event events[64];
  while (open > 0) {
    const int ready = ::epoll_wait(poll, events, 64, 10'000);
    if (ready <= 0) {
      errors += open;
      break;
    }
    for (int i = 0; i < ready; ++i) {
      auto& client = clients[events[i].data.u64];
      bool failed = false;
      if (!advance(client, failed)) continue;
      ::close(client.fd);
      --open;
      if (failed || !client.in.starts_with("HTTP/1.1 200")) ++errors;
      else times.push_back(ms_since(client.begun));
      begin(events[i].data.u64);
    }
  }
  const auto posts = times.size();
  report(times, ms_since(begun) / 1000, posts * static_cast<std::size_t>(flags), errors);
  return errors == 0 ? 0 : 1;
}

/// A blocking request on a connection that stays open; the whole answer.
std::string call(int fd, const std::string& text) {
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) return {};
  std::string in;
  char buffer[65536];
  while (!whole(in)) {
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return {};
    in.append(buffer, static_cast<std::size_t>(got));
  }
  return in;
}

int run_first(int port, const std::string& token, int count) {
  FlagMaker maker;
  const int sender = open_socket(port, true);
  std::vector<double> times;
  std::size_t errors = 0;
  for (int i = 0; i < count; ++i) {
    Steady::time_point arrived;
    std::string got;
    std::thread waits([&] {
      got = call(sender, request("POST", "/api/v1/farm/lease?wait=10", token, R"({"sender": "bench"})", true));
      arrived = Steady::now();
    });
    // The sender has to be waiting before the flag comes, which only time tells.
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
    const std::string post = post_request(maker, token, 1);
    const auto begun = Steady::now();
    const int fd = open_socket(port, true);
    const auto answer = call(fd, post);
    ::close(fd);
    waits.join();
    if (got.starts_with("HTTP/1.1 200") && answer.starts_with("HTTP/1.1 200"))
      times.push_back(std::chrono::duration<double, std::milli>(arrived - begun).count());
    else ++errors;
  }
  report(times, 1, times.size(), errors);
  return errors == 0 ? 0 : 1;
}

int run_gets(int port, const std::string& token, int count, const std::string& target) {
  const int fd = open_socket(port, true);
  std::vector<double> times;
  std::size_t errors = 0;
  for (int i = 0; i < count; ++i) {
    const auto begun = Steady::now();
    if (call(fd, request("GET", target, token, "", true)).starts_with("HTTP/1.1 200")) times.push_back(ms_since(begun));
    else ++errors;
  }
  report(times, 1, times.size(), errors);
  return errors == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto number = [&](std::size_t place) { return std::atoi(words.at(place).c_str()); };
  if (words.size() >= 6 && words[0] == "post") {
    const std::size_t most = words.size() > 6 ? static_cast<std::size_t>(number(6)) : SIZE_MAX;
    return run_posts(number(1), words[2], number(3), number(4), std::atof(words[5].c_str()), most);
  }
  if (words.size() == 4 && words[0] == "first") return run_first(number(1), words[2], number(3));
  if (words.size() == 5 && words[0] == "get") return run_gets(number(1), words[2], number(3), words[4]);
  std::fprintf(stderr, "usage: see the head of farm_load.cpp\n");
  return 2;
}
