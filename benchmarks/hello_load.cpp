// Connections that begin with a TLS hello, and the machine behind them: what a proxy that goes by its name has to
// carry.
//
//     hello_load PROXY_PORT MACHINE_PORT NAME SECONDS CONNECTIONS ANSWER_BYTES
//
// Each connection sends one hello that says NAME; the machine, in this process as well, takes it, answers with that
// many bytes and ends. Nobody decrypts anything, so that the way alone is measured. Prints one line of JSON.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

std::string hello_for(const char* name) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
  SSL_set_tlsext_host_name(ssl, name);
  SSL_connect(ssl);
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out, &bytes);
  std::string hello(bytes, static_cast<std::size_t>(size));
  SSL_free(ssl);
  SSL_CTX_free(context);
  return hello;
}

struct End {
  int fd = -1;
  bool machine = false, sent = false;
  std::size_t got = 0, answered = 0;
  Clock::time_point begun;
};

class Load {
 public:
  Load(int proxy, int machine, std::string hello, std::size_t answer)
      : proxy_(loopback(proxy)), hello_(std::move(hello)), answer_(answer, 'x'), epoll_(::epoll_create1(0)) {
    listener_.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    ::setsockopt(listener_.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto address = loopback(machine);
    if (::bind(listener_.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (::listen(listener_.fd, 4096) != 0) die("listen");
    watch(listener_, EPOLLIN);
  }

  void run(double seconds, int connections) {
    const auto begin = Clock::now();
    const auto until = begin + std::chrono::duration<double>(seconds);
    for (int i = 0; i < connections; ++i) connect();
    epoll_event events[256];
    while (Clock::now() < until) {
      const int count = ::epoll_wait(epoll_, events, 256, 100);
      for (int i = 0; i < count; ++i) ready(*static_cast<End*>(events[i].data.ptr));
    }
    report(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  void watch(End& end, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.ptr = &end;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, end.fd, &event) != 0) die("epoll_ctl");
  }

  void connect() {
    auto* end = new End{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), false, false, 0, 0, Clock::now()};
    if (::connect(end->fd, reinterpret_cast<const sockaddr*>(&proxy_), sizeof proxy_) != 0 && errno != EINPROGRESS)
      die("connect");
    watch(*end, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }

  void ready(End& end) {
    if (&end == &listener_) return accept();
    if (end.machine) return serve(end);
    play(end);
  }

  void accept() {
    for (int fd; (fd = ::accept4(listener_.fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      auto* end = new End{fd, true, false, 0, 0, {}};
      watch(*end, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
  }

  /// False: the other side has ended.
  bool drain(End& end) {
    char bytes[65536];
    while (true) {
      const auto got = ::recv(end.fd, bytes, sizeof bytes, 0);
      if (got > 0) end.got += static_cast<std::size_t>(got);
      else return got < 0 && errno == EAGAIN;
    }
  }

  void serve(End& end) {
    const bool open = drain(end);
    while (end.got >= hello_.size() && end.answered < answer_.size()) {
      const auto put = ::send(end.fd, answer_.data() + end.answered, answer_.size() - end.answered, MSG_NOSIGNAL);
      if (put < 0) break;
      end.answered += static_cast<std::size_t>(put);
      if (end.answered == answer_.size()) ::shutdown(end.fd, SHUT_WR);
    }
    if (!open) finish(end);
  }

  void play(End& end) {
    if (!end.sent) {
      const auto put = ::send(end.fd, hello_.data(), hello_.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == EAGAIN) return;
      if (put != static_cast<ssize_t>(hello_.size())) die("send");
      end.sent = true;
    }
    if (drain(end)) return;
    if (end.got != answer_.size()) ++short_;
    took_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - end.begun).count());
    finish(end);
    connect();
  }

  void finish(End& end) {
    ::close(end.fd);
    dead_.emplace_back(&end);
    // An event of the same round may still name it.
    if (dead_.size() > 4096) dead_.erase(dead_.begin(), dead_.begin() + 2048);
  }

  void report(double seconds) {
    std::ranges::sort(took_);
    const auto at = [this](double part) {
      return took_.empty() ? 0 : took_[static_cast<std::size_t>(part * static_cast<double>(took_.size() - 1))];
    };
    std::printf("{\"connections\": %zu, \"per_second\": %.0f, \"short\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
                took_.size(), static_cast<double>(took_.size()) / seconds, short_, at(0.5), at(0.99));
  }

  const sockaddr_in proxy_;
  const std::string hello_, answer_;
  const int epoll_;
  End listener_;
  std::vector<double> took_;
  std::vector<std::unique_ptr<End>> dead_;
  std::size_t short_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: hello_load PROXY_PORT MACHINE_PORT NAME SECONDS CONNECTIONS ANSWER_BYTES\n");
    return 2;
  }
  Load load(std::atoi(argv[1]), std::atoi(argv[2]), hello_for(argv[3]), static_cast<std::size_t>(std::atol(argv[6])));
  load.run(std::atof(argv[4]), std::atoi(argv[5]));
}
