// A gateway of its own for the benchmark: one loop unless said otherwise, ROUTES routes to one machine, until SIGTERM.
// gateway_server HTTP_LISTEN TCP_PORT MACHINE_ADDRESS MACHINE_PORT TCP_MACHINE_PORT ROUTES [LOOPS [UDP_PORT
// UDP_MACHINE_PORT [TLS_PORT TLS_MACHINE_PORT]]]; a port of 0: without that
// With TLS every route has a name of kind tls as well, tls--iN, that is handed through.
// Prints one line when it serves: microseconds that one more publication took (median and worst of 1000).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "observe/log.h"
#include "tls/context.h"

namespace asio = boost::asio;
using namespace tiltyard;

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr,
                 "usage: gateway_server LISTEN TCP_PORT ADDRESS PORT TCP_MACHINE_PORT ROUTES [LOOPS [UDP_PORT "
                 "UDP_MACHINE_PORT [TLS_PORT TLS_MACHINE_PORT]]]\n");
    return 2;
  }
  auto number = [&](int i) { return static_cast<std::uint16_t>(std::atoi(argv[i])); };
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  log::set_level(log::Level::kWarn);
  net::Loops loops(argc > 7 ? number(7) : 1);
  gateway::Options options;
  options.listen = argv[1];
  options.domain = "bench.test";
  options.tcp_address = "127.0.0.1";
  // What is measured is the way, not the limits: all load comes from one address.
  options.max_connections_per_instance = options.max_connections_per_address = 100'000;
  options.max_connections_per_address_and_instance = options.connects_per_instance = 100'000;
  options.max_udp_flows_per_address = options.max_udp_flows_per_instance = 10'000;
  SystemClock clock;
  const tls::Certificates certificates(clock);
  const bool by_name = argc > 11;
  if (by_name) {
    auto context = tls::Context::make(certificates, false);
    if (!context) return 1;
    options.tls = std::move(*context);
    options.tls_listen = "127.0.0.1:" + std::string(argv[10]);
  }
  gateway::Gateway gateway(loops, options);
  auto started = gateway.start();
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  auto publish = [&](const std::string& id, std::vector<gateway::Route> routes) {
    auto done =
        asio::co_spawn(loops.home(), gateway.publish(InstanceId(id), std::move(routes)), asio::use_future).get();
    if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return done.has_value();
  };
  std::vector<long> took;
  int routes = std::atoi(argv[6]);
  for (int i = 0; i < routes + 1000; ++i) {
    auto id = "i" + std::to_string(i);
    auto begin = std::chrono::steady_clock::now();
    std::vector<gateway::Route> all{{EndpointKind::kHttp, "web", {id, "web--" + id}, 0, argv[3], number(4)}};
    if (by_name) all.push_back({EndpointKind::kTls, "tls", {"tls--" + id}, 0, argv[3], number(11)});
    if (!publish(id, std::move(all))) return 1;
    if (i >= routes) {
      took.push_back(
          std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count());
      auto gone = asio::co_spawn(loops.home(), gateway.withdraw(InstanceId(id)), asio::use_future);
      gone.get();
    }
  }
  if (!publish("raw", {{tiltyard::EndpointKind::kTcp, "raw", {}, number(2), argv[3], number(5)}})) return 1;
  if (argc > 9 && number(8) != 0 &&
      !publish("datagrams", {{tiltyard::EndpointKind::kUdp, "udp", {}, number(8), argv[3], number(9)}}))
    return 1;
  std::sort(took.begin(), took.end());
  std::printf("%ld %ld\n", took[took.size() / 2], took.back());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  asio::co_spawn(loops.home(), gateway.stop(std::chrono::milliseconds(0)), asio::use_future).get();
}
