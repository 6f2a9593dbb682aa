#include "engine/isolation/firewall.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "base/gate.h"
#include "base/offload.h"
#include "engine/isolation/nft.h"
#include "engine/reasons.h"
#include "observe/log.h"

namespace tiltyard::engine::isolation {
namespace {

using namespace std::chrono_literals;

constexpr int kVersion = 4;  // of the rules, as their comment says

/// The version in the comment of a listed table; 0: none of ours.
int version_of(std::string_view listing) {
  constexpr std::string_view kWords = "comment \"tiltyard isolation ";
  const auto at = listing.find(kWords);
  if (at == std::string_view::npos) return 0;
  int version = 0;
  std::from_chars(listing.data() + at + kWords.size(), listing.data() + listing.size(), version);
  return version;
}

/// A switch below /proc/sys that has to be on. Its descriptor is kept: looking costs a microsecond.
class Switch {
 public:
  explicit Switch(std::string path) : path_(std::move(path)) {}
  ~Switch() {
    if (fd_ >= 0) ::close(fd_);
  }
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  bool on() {
    // The file appears with the kernel module, which the engine loads when it makes its first bridge.
    if (fd_ < 0) fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ < 0) fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    char value = 0;
    return fd_ >= 0 && ::pread(fd_, &value, 1, 0) == 1 && value == '1';
  }
  bool turn_on() { return on() || (fd_ >= 0 && ::pwrite(fd_, "1\n", 2, 0) == 2 && on()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace

struct Firewall::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor loop, FirewallOptions settings)
      : executor(loop),
        options(std::move(settings)),
        repaired(loop),
        worker("firewall", 1),
        gate("firewall"),
        hook(options.bridge_hook),
        hook6(options.bridge_hook6) {
    repaired.expires_at(asio::steady_timer::time_point::max());
  }

  asio::awaitable<Result<>> repair();
  asio::awaitable<Result<>> check_and_load();
  asio::awaitable<void> listen();
  asio::awaitable<void> look_now_and_then();
  void run();
  /// Reads all notifications that wait; whether one was about our table (or some were lost).
  bool heard_of_us();

  asio::any_io_executor executor;
  FirewallOptions options;
  bool in_force = false;
  bool running = false;
  bool repairing = false;
  std::string expected;         ///< the table as nft lists it, right after it was loaded, without_numbers
  Result<> last;                ///< how the last repair ended
  asio::steady_timer repaired;  ///< cancelled when a repair ends
  std::optional<asio::posix::stream_descriptor> events;
  WorkerPool worker;
  Gate gate;
  Switch hook, hook6;
};

bool Firewall::State::heard_of_us() {
  char buffer[16384];
  bool ours = false;
  while (true) {
    const auto got = ::recv(events->native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      ours = true;
      continue;
    }
    if (got <= 0) return ours;
    ours = ours || speaks_of_table({buffer, static_cast<std::size_t>(got)}, options.table);
  }
}

/// One repair at a time; whoever comes meanwhile waits for its outcome.
asio::awaitable<Result<>> Firewall::State::repair() {
  const auto self = shared_from_this();
  if (repairing) {
    while (repairing) {
      boost::system::error_code ignored;
      co_await repaired.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return last;
  }
  // Also undone when this coroutine is cancelled in the middle.
  struct Ending {
    State& state;
    ~Ending() {
      state.repairing = false;
      state.repaired.cancel();
    }
  };
  repairing = true;
  const Ending ending{*this};
  last = co_await check_and_load();
  in_force = last.has_value();
  co_return last;
}

asio::awaitable<Result<>> Firewall::State::check_and_load() {
  // Without what packets put into its sets.
  const std::string list = "--terse list table inet " + options.table;
  auto ask = [program = options.nft, list] { return run_nft(program, list, {}); };
  auto load = [program = options.nft, rules = firewall_rules(options.table, options.limits)] {
    return run_nft(program, "-f -", rules);
  };
  for (Switch* each : {&hook, &hook6}) {
    if (each->turn_on()) continue;
    co_return fail(Code::kUnavailable, reason::kIsolationMissing,
                   "Traffic between machines on one bridge does not pass the firewall; no machine starts like this.",
                   each->path() + " is not 1");
  }
  auto there = co_await offload(worker, ask);
  if (there && !expected.empty() && without_numbers(*there) == expected) co_return Result<>{};
  // A newer server on this host knows better; its table must still have both hooks.
  const bool newer =
      there && version_of(*there) > kVersion && there->contains("hook input") && there->contains("hook forward");
  if (!newer) {
    if (!expected.empty())
      log::warn("engine", "somebody changed our firewall table; loading it again", {{"table", options.table}});
    auto loaded = co_await offload(worker, load);
    if (!loaded) co_return fail(std::move(loaded.error()));
    // What the kernel said about our own load must not make us look again.
    if (events) heard_of_us();
    there = co_await offload(worker, ask);
    if (!there) co_return fail(std::move(there.error()));
  }
  expected = without_numbers(*there);
  co_return Result<>{};
}

asio::awaitable<void> Firewall::State::listen() {
  const auto self = shared_from_this();
  while (!gate.closing()) {
    co_await events->async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    if (!heard_of_us()) continue;
    // Closed from this moment: what starts now waits for the outcome.
    in_force = false;
    const auto outcome = co_await repair();
    if (!outcome) log::error("engine", "the firewall table is not in force", {{"cause", outcome.error().cause}});
  }
}

asio::awaitable<void> Firewall::State::look_now_and_then() {
  const auto self = shared_from_this();
  asio::steady_timer timer(executor);
  while (!gate.closing()) {
    // Notifications do the work; without them looking has to be quick enough by itself.
    timer.expires_after(events ? 15s : 900ms);
    co_await timer.async_wait(asio::use_awaitable);
    const bool before = in_force;
    const auto outcome = co_await repair();
    if (!outcome && before)
      log::error("engine", "the firewall table is not in force", {{"cause", outcome.error().cause}});
  }
}

void Firewall::State::run() {
  if (running) return;
  running = true;
  if (const int fd = open_nft_events(); fd >= 0) {
    events.emplace(executor, fd);
    gate.spawn(executor, "firewall changes", listen());
  }
  gate.spawn(executor, "firewall check", look_now_and_then());
}

Result<> load_firewall(const FirewallOptions& options) {
  auto loaded = run_nft(options.nft, "-f -", firewall_rules(options.table, options.limits));
  if (!loaded) return fail(std::move(loaded.error()));
  // Where the kernel's module is not there yet, they are on when it comes.
  for (const auto& path : {options.bridge_hook, options.bridge_hook6}) (void)Switch(path).turn_on();
  return {};
}

Firewall::Firewall(asio::any_io_executor executor, FirewallOptions options)
    : state_(std::make_shared<State>(executor, std::move(options))) {}
Firewall::~Firewall() = default;

asio::awaitable<Result<>> Firewall::ensure() {
  const auto state = state_;
  if (state->in_force && state->hook.on() && state->hook6.on()) co_return Result<>{};
  state->in_force = false;
  state->run();
  co_return co_await state->repair();
}

bool Firewall::in_force() const { return state_->in_force; }
void Firewall::run() { state_->run(); }

asio::awaitable<void> Firewall::close() {
  const auto state = state_;
  co_await state->gate.close();
}

}  // namespace tiltyard::engine::isolation
