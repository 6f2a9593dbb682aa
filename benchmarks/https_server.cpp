// A gateway that speaks TLS, for the benchmark: one route to one machine, and NAMES certificates beside its own.
// https_server LISTEN CHAIN KEY MACHINE_PORT NAMES [LOOPS]
// Prints one line when it serves: bytes of memory that each of the further names takes. Until SIGTERM.
#include <malloc.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gateway/gateway.h"
#include "observe/log.h"
#include "tls/context.h"
#include "tls/testing.h"

namespace asio = boost::asio;
using namespace tiltyard;

namespace {

std::string text_of(const char* path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: https_server LISTEN CHAIN KEY MACHINE_PORT NAMES [LOOPS]\n");
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  log::set_level(log::Level::kWarn);
  const SystemClock clock;
  tls::Certificates shelf(clock);
  if (auto put = shelf.put("own", text_of(argv[2]), Secret(text_of(argv[3]))); !put) {
    std::fprintf(stderr, "%s\n", put.error().message.c_str());
    return 1;
  }
  shelf.set_default("own");
  const int names = std::atoi(argv[5]);
  std::size_t more = 0;
  for (int i = 0; i < names; ++i) {
    const auto name = "name-" + std::to_string(i) + ".bench.test";
    const auto made = tls::testing::make("DNS:" + name);
    const auto before = mallinfo2().uordblks;
    if (!shelf.put(name, made.chain, made.key)) return 1;
    more += mallinfo2().uordblks - before;
  }
  net::Loops loops(argc > 6 ? static_cast<std::size_t>(std::atoi(argv[6])) : 1);
  gateway::Options options;
  options.listen = "127.0.0.1:0";
  options.tls_listen = argv[1];
  options.tls = std::move(*tls::Context::make(shelf, false));
  options.domain = "bench.test";
  options.max_connections_per_instance = options.max_connections_per_address = 100'000;
  options.max_connections_per_address_and_instance = options.connects_per_instance = 100'000;
  gateway::Gateway gateway(loops, options);
  if (auto started = gateway.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[4]));
  auto publish = gateway.publish(InstanceId("i0"), {{EndpointKind::kHttp, "web", {"i0"}, 0, "127.0.0.1", port}});
  if (!asio::co_spawn(loops.home(), std::move(publish), asio::use_future).get()) return 1;
  std::printf("%zu\n", names > 0 ? more / static_cast<std::size_t>(names) : 0);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  asio::co_spawn(loops.home(), gateway.stop(std::chrono::milliseconds(0)), asio::use_future).get();
}
