#include "farm/supervisor.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/backoff.h"
#include "farm/account.h"
#include "farm/config.h"
#include "farm/state.h"
#include "net/client.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

using std::chrono::steady_clock;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kGrace{5};  ///< to finish, after SIGTERM
constexpr std::chrono::milliseconds kFirstPause{500}, kLongestPause{30'000};
constexpr std::chrono::seconds kLived{60};  ///< one that lived so long was not broken: it starts again soon
constexpr std::size_t kLongestLine = 1000;
constexpr std::chrono::seconds kFenceAgain{10};  ///< a table that somebody flushed is back after so long

asio::awaitable<void> pause_for(steady_clock::duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  [[maybe_unused]] auto [error] = co_await timer.async_wait(kTuple);
}

bool same(const SenderPrograms& a, const SenderPrograms& b) { return a.count == b.count && a.command == b.command; }

int in_memory(std::string_view bytes) {
  const int file = ::memfd_create("tiltyard-sender", MFD_CLOEXEC);
  while (file >= 0 && !bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written <= 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return file;
}

}  // namespace

/// One sender's place.
struct Supervisor::Slot {
  explicit Slot(asio::any_io_executor executor, int n) : number(n), handle(executor), changed(executor) {}

  const int number;
  std::string name() const { return fmt::format("server-{}", number); }

  pid_t pid = -1;
  bool retired = false;
  asio::posix::stream_descriptor handle;
  asio::steady_timer changed;  ///< cancelled when it is retired while it pauses
};

Supervisor::Supervisor(Service& farm, asio::any_io_executor home, WorkerPool& files, SupervisorOptions options)
    : farm_(farm),
      home_(std::move(home)),
      workers_(files),
      options_(std::move(options)),
      fence_pause_(home_),
      file_(in_memory(options_.program)) {}

Supervisor::~Supervisor() {
  if (file_ >= 0) ::close(file_);
}

void Supervisor::run() {
  farm_.on_config([this] { follow(); });
  follow();
}

std::size_t Supervisor::running() const {
  const auto lives = [](const auto& slot) { return slot->pid > 0; };
  return static_cast<std::size_t>(std::ranges::count_if(slots_, lives) + std::ranges::count_if(leaving_, lives));
}

void Supervisor::signal(int number) const {
  for (const auto* list : {&slots_, &leaving_}) {
    for (const auto& slot : *list) {
      if (slot->pid > 0) ::kill(slot->pid, number);
    }
  }
}

void Supervisor::follow() {
  const auto config = farm_.config();
  fence_pause_.cancel();  // the jury may be another
  if (!same(config->senders, wanted_)) adjust(config->senders);
}

void Supervisor::adjust(const SenderPrograms& wanted) {
  const auto retire = [](Slot& slot) {
    slot.retired = true;
    slot.changed.cancel();
    if (slot.pid > 0) ::kill(slot.pid, SIGTERM);
  };
  // Another program: all of them. Another number: only the difference.
  const auto keep_running =
      wanted.command == wanted_.command ? static_cast<std::size_t>(std::max(wanted.count, 0)) : 0U;
  while (slots_.size() > keep_running) {
    retire(*slots_.back());
    leaving_.push_back(std::move(slots_.back()));
    slots_.pop_back();
  }
  std::erase_if(leaving_, [](const auto& slot) { return slot->pid < 0; });
  wanted_ = wanted;
  while (slots_.size() < static_cast<std::size_t>(std::max(wanted.count, 0))) {
    auto slot = std::make_shared<Slot>(home_, static_cast<int>(slots_.size()) + 1);
    slots_.push_back(slot);
    gate_.spawn(home_, "keep a sender running", keep(slot));
  }
  log::info("farm", "senders are kept running", {{"count", std::to_string(slots_.size())}});
}

FenceRules Supervisor::fence_rules() const {
  FenceRules rules;
  rules.user = account_->user;
  const auto farm = http::Target::parse(options_.farm_url);
  if (farm) {
    rules.farm_address = farm->host;
    rules.farm_port = farm->port;
  }
  rules.allowed = options_.allow_targets;
  rules.jury = jury_addresses(farm_.config()->jury.settings);
  return rules;
}

/// What has to be there before any sender runs; each time, for the game may have another jury now.
asio::awaitable<Result<>> Supervisor::prepare() {
  if (!account_) {
    auto find = [user = options_.user, seed = options_.data_folder] { return sender_account(user, seed); };
    auto found = co_await offload(workers_, std::move(find));
    if (!found) co_return fail(std::move(found.error()));
    account_ = *found;
  }
  auto raise = [rules = fence_rules()]() mutable {
    std::ifstream file("/etc/resolv.conf");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    rules.nameservers = nameservers_of(text);
    return raise_fence(rules);
  };
  auto raised = co_await offload(workers_, std::move(raise));
  if (raised && !std::exchange(fenced_, true)) gate_.spawn(home_, "keep the senders' fence", hold_fence());
  co_return raised;
}

asio::awaitable<void> Supervisor::hold_fence() {
  while (!gate_.closing()) {
    fence_pause_.expires_after(kFenceAgain);
    [[maybe_unused]] auto [error] = co_await fence_pause_.async_wait(kTuple);
    if (gate_.closing() || running() == 0) continue;
    auto again = co_await prepare();
    if (again) continue;
    // Better no flags than senders that reach everything.
    log::error("farm", "the senders' fence is down, and they are ended", {{"cause", again.error().cause}});
    signal(SIGKILL);
  }
}

asio::awaitable<void> Supervisor::keep(std::shared_ptr<Slot> slot) {
  Growing<std::chrono::milliseconds> pause(kFirstPause, kLongestPause);
  while (!slot->retired && !gate_.closing()) {
    const auto began = steady_clock::now();
    auto lived = co_await live(*slot);
    farm_.senders_trouble(lived ? std::nullopt : std::optional(lived.error()));
    if (!lived)
      log::warn("farm", "a sender cannot be started", {{"sender", slot->name()}, {"message", lived.error().message}});
    if (slot->retired || gate_.closing()) break;
    if (steady_clock::now() - began > kLived) pause.reset();
    slot->changed.expires_after(pause.next());
    [[maybe_unused]] auto [error] = co_await slot->changed.async_wait(kTuple);
  }
}

/// The reading end of what it writes.
Result<int> Supervisor::start(Slot& slot) {
  const auto& named = farm_.config()->token;
  const auto token = named.empty() ? load_token(options_.data_folder) : Result<Secret>(named);
  if (!token) return fail(token.error());
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail(Code::kExhausted, "program-unstartable", std::strerror(errno));
  Program program;
  program.command = wanted_.command;
  if (program.command.empty())
    program.command = {"python3", "/proc/self/fd/3", "--farm", options_.farm_url, "--name", slot.name()};
  program.environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                         "LANG=C.UTF-8",
                         "PYTHONUNBUFFERED=1",
                         "PYTHONDONTWRITEBYTECODE=1",
                         "TILTYARD_FARM=" + options_.farm_url,
                         "TILTYARD_SENDER=" + slot.name(),
                         "TILTYARD_FARM_TOKEN=" + token->reveal()};
  if (!options_.certificate.empty()) program.environment.push_back("TILTYARD_FARM_CERTIFICATE=" + options_.certificate);
  program.output = pipe[1];
  program.file = file_;
  program.account = account_;
  program.confined = true;
  auto process = start_process(program);
  ::close(pipe[1]);
  if (!process) {
    ::close(pipe[0]);
    return fail(std::move(process.error()));
  }
  slot.pid = process->pid;
  slot.handle.assign(process->handle);
  log::info("farm", "sender started", {{"sender", slot.name()}, {"pid", std::to_string(slot.pid)}});
  return pipe[0];
}

namespace {

void write_lines(const std::string& name, std::string& text) {
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    log::info("farm", "sender says", {{"sender", name}, {"text", text.substr(0, std::min(end, kLongestLine))}});
    text.erase(0, end + 1);
  }
  if (text.size() > kLongestLine) text.resize(kLongestLine);
}

/// Until the program, and whatever it has started, has closed its outputs.
asio::awaitable<void> read_output(asio::posix::stream_descriptor output, std::string name) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    auto [error, count] = co_await output.async_read_some(asio::buffer(buffer), kTuple);
    if (error) co_return;
    text.append(buffer.data(), count);
    write_lines(name, text);
  }
}

}  // namespace

asio::awaitable<Result<>> Supervisor::live(Slot& slot) {
  auto ready = co_await prepare();
  if (!ready || slot.retired || gate_.closing()) co_return ready;
  auto output = start(slot);
  if (!output) co_return fail(std::move(output.error()));
  gate_.spawn(home_, "read a sender's output",
              read_output(asio::posix::stream_descriptor(home_, *output), slot.name()));
  [[maybe_unused]] auto [error] = co_await slot.handle.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
  const int code = reap_process(slot.pid);
  slot.pid = -1;
  boost::system::error_code ignored;
  slot.handle.close(ignored);
  const auto level = code == 0 || slot.retired ? log::Level::kInfo : log::Level::kWarn;
  log::write(level, "farm", "sender ended", {{"sender", slot.name()}, {"code", std::to_string(code)}});
  co_return Result<>{};
}

asio::awaitable<void> Supervisor::close() {
  farm_.on_config({});
  for (const auto& slot : slots_) {
    slot->retired = true;
    slot->changed.cancel();
  }
  signal(SIGTERM);
  const auto until = steady_clock::now() + kGrace;
  while (running() > 0 && steady_clock::now() < until) co_await pause_for(std::chrono::milliseconds{20});
  // A process that is killed ends at once; only then the gate, so that each is reaped by its own coroutine.
  signal(SIGKILL);
  while (running() > 0) co_await pause_for(std::chrono::milliseconds{5});
  co_await gate_.close();
  if (!fenced_) co_return;
  auto drop = [user = account_->user] {
    drop_fence(user);
    return true;
  };
  [[maybe_unused]] const bool dropped = co_await offload(workers_, std::move(drop));
}

}  // namespace tiltyard::farm
