#include "app/app.h"

#include <fmt/format.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <future>
#include <thread>

#include "app/rights.h"
#include "app/server.h"
#include "base/parallel.h"
#include "captures/capability.h"
#include "observe/log.h"

namespace tiltyard::app {
namespace {

constexpr std::chrono::seconds kShutdownAtMost{9};

/// Each connection of a player is two descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The memory of the process holds tokens, flags and passwords: no core file is written of it, and no other user's
/// process may look at it. The limit alone would not do, since a core that is piped to a program does not heed it
/// (core(5)).
void keep_memory_to_ourselves() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) log::warn("app", "core dumps could not be switched off");
}

/// Most of the program's own pages are read once, while it starts: they stay in the kernel's cache, and those that are
/// wanted again come back from there by themselves. What can be written to is not touched.
void give_back_what_the_start_needed() {
  const auto forget = [](dl_phdr_info* object, std::size_t, void*) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& part = object->dlpi_phdr[i];
      if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
      const auto begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
      const auto end = (object->dlpi_addr + part.p_vaddr + part.p_memsz + page - 1) & ~(page - 1);
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as numbers.
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
  };
  ::dl_iterate_phdr(forget, nullptr);
}

/// Ends the process when an orderly end takes too long: rows are durable, so nothing is lost, only less tidy.
class Watchdog {
 public:
  Watchdog() : thread_([this] { watch(); }) {}
  ~Watchdog() {
    done_ = true;
    thread_.join();
  }

 private:
  void watch() {
    const auto end = std::chrono::steady_clock::now() + kShutdownAtMost;
    while (!done_) {
      if (std::chrono::steady_clock::now() > end) {
        log::error("app", "shut-down took too long; ending at once");
        ::_exit(0);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
  }

  std::atomic<bool> done_{false};
  std::thread thread_;
};

asio::awaitable<int> run(Server& server, asio::signal_set& signals) {
  auto started = co_await server.start();
  if (!started) {
    log::fatal(
        "app", "the server cannot start",
        {{"reason", started.error().reason}, {"message", started.error().message}, {"cause", started.error().cause}});
    fmt::print(stderr, "tiltyard: {}\n", started.error().message);
    co_return 1;
  }
  fmt::print("Tiltyard is ready at {}\n", server.url());
  if (!server.sign_in_link().empty()) fmt::print("Sign in once, as admin: {}\n", server.sign_in_link());
  std::fflush(stdout);
  give_back_what_the_start_needed();
  const int number = co_await signals.async_wait(asio::use_awaitable);
  log::info("app", "shutting down", {{"signal", number}});
  co_return server.replaced() ? 1 : 0;
}

asio::awaitable<void> stop(Server& server) { co_await server.stop(); }

}  // namespace

int serve(const std::string& config_path) {
  auto settings = std::make_unique<Settings>();
  if (auto good = read_named(*settings, config_path, config::process_environment()); !good) {
    fmt::print(stderr, "tiltyard: {}\n", good.error().message);
    return 2;
  }
  log::configure(settings->log.level, settings->log.format, settings->log.file);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  keep_memory_to_ourselves();
  drop_rights(settings->of<captures::Capability>().options().at_once > 0);
  const auto wanted = settings->site.threads;
  const auto threads =
      wanted > 0 ? static_cast<std::size_t>(wanted) : std::max(1u, std::thread::hardware_concurrency());
  int exit_code = 0;
  {
    net::Loops loops(threads, threads == 1 ? net::Home::kWithTheFirst : net::Home::kApart);
    asio::signal_set signals(loops.home(), SIGINT, SIGTERM);
    Server server(std::move(settings), loops);
    auto ended = asio::co_spawn(loops.home(), run(server, signals), asio::use_future);
    try {
      exit_code = ended.get();
    } catch (const std::exception& error) {
      log::fatal("app", "the server failed", {{"error", error.what()}});
      exit_code = 1;
    }
    const Watchdog watchdog;
    auto stopped = asio::co_spawn(loops.home(), stop(server), asio::use_future);
    try {
      stopped.get();
    } catch (const std::exception& error) { log::error("app", "shut-down was not clean", {{"error", error.what()}}); }
    loops.stop();
  }
  log::shutdown();
  return exit_code;
}

}  // namespace tiltyard::app
