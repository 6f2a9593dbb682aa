// Shakes hands with a server of TLS as often as it can, from THREADS threads, each one connection after the other.
// tls_load PORT SECONDS full|resumed NAMES THREADS
// NAMES 0: for i0.bench.test; otherwise for name-0 to name-(NAMES-1).bench.test in turn. Prints handshakes, and how
// many of them were resumed.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<long> done{0}, resumed{0};

int dial(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // Gone without waiting, so that ports do not run out.
  const linger hard{1, 0};
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

void load(std::uint16_t port, std::chrono::steady_clock::time_point until, bool again, int names, int first) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_SESSION* ticket = nullptr;
  for (int i = first; std::chrono::steady_clock::now() < until; ++i) {
    const int fd = dial(port);
    if (fd < 0) continue;
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    const auto name = names > 0 ? "name-" + std::to_string(i % names) + ".bench.test" : std::string("i0.bench.test");
    SSL_set_tlsext_host_name(ssl, name.c_str());
    if (again && ticket != nullptr) SSL_set_session(ssl, ticket);
    if (SSL_connect(ssl) == 1) {
      ++done;
      if (SSL_session_reused(ssl) == 1) ++resumed;
      if (again && ticket == nullptr) {
        // Tickets come behind the handshake; a request that is answered brings them along.
        const auto request = "GET / HTTP/1.0\r\nHost: " + name + "\r\n\r\n";
        char bytes[4096];
        SSL_write(ssl, request.data(), static_cast<int>(request.size()));
        if (SSL_read(ssl, bytes, sizeof bytes) > 0) ticket = SSL_get1_session(ssl);
      }
    }
    // A session that ends without a goodbye would not be resumed.
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    ::close(fd);
  }
  SSL_SESSION_free(ticket);
  SSL_CTX_free(context);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: tls_load PORT SECONDS full|resumed NAMES THREADS\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[2]));
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[5]); ++i) {
    threads.emplace_back(load, static_cast<std::uint16_t>(std::atoi(argv[1])), until, std::strcmp(argv[3], "full") != 0,
                         std::atoi(argv[4]), i * 7919);
  }
  for (auto& thread : threads) thread.join();
  std::printf("%ld %ld\n", done.load(), resumed.load());
}
