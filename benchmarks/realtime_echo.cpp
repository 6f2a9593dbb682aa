// The real-time layers without the range: what the conformance tests talk to, and what stands beside socket.io on Node
// in the benchmark. Usage: realtime_echo PORT [PING_INTERVAL_MS PING_TIMEOUT_MS CONNECT_TIMEOUT_MS THREADS]
//   message(...)           is sent back as message-back(...)
//   message-with-ack(...)  is acknowledged with what it carried
//   ask-me(...)            is asked back; what the client answers comes as answered(...)
//   broadcast(...)         goes to everybody as news(...)
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <cstdio>
#include <cstdlib>

#include "net/server.h"
#include "realtime/engine_io.h"
#include "realtime/socket_io.h"

using namespace tiltyard;
using namespace tiltyard::realtime;

namespace {

class Echo final : public socket_io::Namespace {
 public:
  asio::awaitable<Result<boost::json::object>> admit(socket_io::SocketRef socket, boost::json::object auth) override {
    auth_[socket.get()] = std::move(auth);
    co_return boost::json::object{};
  }

  void on_connected(socket_io::SocketRef socket) override {
    everybody_.add(&socket->channel());
    socket->emit({{"auth", std::move(auth_[socket.get()])}});
    auth_.erase(socket.get());
  }

  asio::awaitable<void> on_event(socket_io::SocketRef socket, socket_io::Event event) override {
    auto values = event.arguments.values;
    if (event.name == "message-with-ack") {
      if (event.acknowledge) event.acknowledge(std::move(event.arguments));
    } else if (event.name == "message") {
      values.insert(values.begin(), "message-back");
      socket->emit({std::move(values), std::move(event.arguments.attachments)});
    } else if (event.name == "ask-me") {
      values.insert(values.begin(), "question");
      auto answer =
          co_await socket->ask({std::move(values), std::move(event.arguments.attachments)}, std::chrono::seconds{5});
      if (!answer) co_return;
      answer->values.insert(answer->values.begin(), "answered");
      socket->emit(std::move(*answer));
    } else if (event.name == "broadcast") {
      values.insert(values.begin(), "news");
      everybody_.send(socket_io::encode_event(socket->name_space(), std::move(values)));
    }
  }

  void on_gone(socket_io::SocketRef socket, std::string_view) override {
    auth_.erase(socket.get());
    everybody_.remove(&socket->channel());
  }

 private:
  std::map<socket_io::Socket*, boost::json::object> auth_;  ///< until they are in
  Audience everybody_;
};

asio::awaitable<Result<engine_io::Greeting>> welcome(http::Request) { co_return engine_io::Greeting{}; }

asio::awaitable<void> run(net::Loops& loops, int argc, char** argv) {
  const auto number = [&](int place, int standard) { return argc > place ? std::atoi(argv[place]) : standard; };
  Echo main_space, custom;
  socket_io::Options upper;
  upper.connect_timeout = std::chrono::milliseconds(number(4, 1000));
  socket_io::Server sockets(loops.home(), upper);
  sockets.add("/", main_space);
  sockets.add("/custom", custom);
  engine_io::Options lower;
  lower.ping_interval = std::chrono::milliseconds(number(2, 300));
  lower.ping_timeout = std::chrono::milliseconds(number(3, 200));
  lower.origins = {"*"};
  lower.backlog = 16 * 1024 * 1024;
  lower.max_sessions = lower.sessions_per_address = 100'000;
  lower.packets_per_second = 1'000'000;
  engine_io::Server engine(loops.home(), lower, welcome, [&sockets](ChannelRef channel, engine_io::Opening opening) {
    return sockets.accept(std::move(channel), std::move(opening.greeting));
  });
  // The lower layer alone, for the tests of its own protocol: every message comes back.
  struct Mirror final : ChannelUser {
    explicit Mirror(ChannelRef to) : channel(std::move(to)) {}
    void on_message(Message message) override { channel->send(parcel_of({std::move(message)})); }
    void on_closed(std::string_view) override {}
    ChannelRef channel;
  };
  engine_io::Server mirror(loops.home(), lower, welcome, [](ChannelRef channel, engine_io::Opening) {
    channel->trust();
    return std::make_shared<Mirror>(std::move(channel));
  });
  http::Router router(loops.home());
  house::Routes routes(router);
  engine.add_routes(routes, "/socket.io/");
  mirror.add_routes(routes, "/engine.io/");
  http::ServerOptions options;
  options.listen = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "3000");
  options.max_connections = options.connections_per_address = 100'000;
  http::Server server(loops, router, options);
  if (auto started = server.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    co_return;
  }
  std::printf("listening on %u\n", server.port());
  std::fflush(stdout);
  asio::signal_set signals(loops.home(), SIGINT, SIGTERM);
  co_await signals.async_wait(asio::use_awaitable);
  engine.close();
  mirror.close();
  co_await server.stop(std::chrono::milliseconds{500});
  co_await sockets.close();
}

}  // namespace

int main(int argc, char** argv) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int threads = argc > 5 ? std::atoi(argv[5]) : 1;
  net::Loops loops(static_cast<std::size_t>(threads), threads == 1 ? net::Home::kWithTheFirst : net::Home::kApart);
  asio::co_spawn(loops.home(), run(loops, argc, argv), asio::use_future).get();
  loops.stop();
}
