// The step that waits until an instance's endpoints answer, and finds out what those speak that nobody has said of.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "labs/probe.h"
#include "labs/reasons.h"
#include "labs/steps.h"
#include "net/listeners.h"

namespace tiltyard::labs {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kUsualLimit{120'000};
/// For the first try of one that is known to speak HTTP; twice as long after each silence, because some begin their
/// work anew for each request.
constexpr milliseconds kPatience{2'000}, kLongestPatience{10'000};
/// Who has taken a connection and says nothing for so long waits for more than a request, and speaks no HTTP.
constexpr milliseconds kGuessPatience{4'000};
/// Closed without a word: a program before the one that matters does so while that one begins.
constexpr int kClosedTimes = 3;
constexpr milliseconds kClosedFor{1'000};
/// How long what is not HTTP is borne of an endpoint that is said to speak it.
constexpr milliseconds kNotHttpFor{5'000};
/// How long a program that served one connection takes to end, and to listen again where something starts it anew.
constexpr milliseconds kEndsWithin{500}, kListensAgainWithin{3'000};
/// The list of listeners is believed for so long; a rule of the machine's own may lead a port elsewhere.
constexpr milliseconds kListBelieved{2'000};
constexpr milliseconds kReadAgain{500};
/// A datagram that nobody wants is refused, but Linux refuses one a second in the long run (net.ipv4.icmp_ratelimit).
constexpr milliseconds kNobodyRefuses{2'500};
constexpr std::size_t kMostLearned = 4096;

/// What has to answer before the instance counts as ready.
struct Probe {
  enum class Kind { kTcp, kUdp, kHttp, kGuessed };
  std::string machine, address;
  std::uint16_t port = 0;
  std::string host;  ///< in the field Host of what is asked
  std::string path;  ///< whose answer has to be below 500; empty: nobody has said one, and any answer will do
  Kind kind = Kind::kTcp;
  std::optional<std::size_t> endpoint;  ///< its place in the plan
  bool listed = true;                   ///< what it listens on is seen by the host's kernel, where we may look
  std::string label;                    ///< of what is learned

  // How far it has come.
  Heard last;
  std::int64_t process = 0;
  std::optional<int> sockets;  ///< that its machine had when what it listens on was read
  SteadyClock::time_point read_again{};
  int silences = 0, closed = 0;
  std::optional<SteadyClock::time_point> closed_since, other_since;
  std::optional<SteadyClock::time_point> looked;  ///< its kind was found out then, by a connection
  bool again = false;                             ///< its machine was begun again after that
  SteadyClock::time_point begun = SteadyClock::now();
};

class ReadyStep final : public Step {
 public:
  explicit ReadyStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "ready"; }
  std::vector<std::string> after() const override { return {"machines"}; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    if (spawn->starts_at_claim()) co_return Result<>{};  // its machines start at the claim
    const auto limit = limit_of(*spawn);
    const auto end = SteadyClock::now() + limit;
    std::vector<asio::awaitable<Result<>>> works;
    for (auto& probe : probes_of(*spawn)) works.push_back(until_it_answers(spawn, std::move(probe), end, limit));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }

 private:
  static templates::Ready ready_of(const Spawn& spawn) {
    return spawn.origin() ? spawn.origin()->ready : templates::Ready{};
  }

  static milliseconds limit_of(const Spawn& spawn) {
    const auto said = std::chrono::duration_cast<milliseconds>(ready_of(spawn).timeout);
    if (said > milliseconds{0}) return said;
    return spawn.origin() ? std::max(spawn.origin()->expected_boot * 10, kUsualLimit) : kUsualLimit;
  }

  std::vector<Probe> probes_of(Spawn& spawn) const {
    const auto ready = ready_of(spawn);
    std::vector<Probe> probes;
    auto& endpoints = spawn.plan().endpoints;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      auto& endpoint = endpoints[i];
      Probe probe;
      probe.label = fmt::format("{} {} {}", *spawn.facts().template_hash, endpoint.machine, endpoint.machine_port);
      if (const auto known = learned_.find(probe.label); endpoint.guessed && known != learned_.end()) {
        endpoint.kind = known->second;
        endpoint.guessed = false;
      }
      const bool named =
          ready.port == endpoint.machine_port && (ready.machine.empty() || ready.machine == endpoint.machine);
      probe.machine = endpoint.machine;
      probe.address = endpoint.address;
      probe.port = endpoint.machine_port;
      probe.host = host_of(endpoint);
      probe.endpoint = i;
      if (transport_of(endpoint.kind) == Transport::kUdp) probe.kind = Probe::Kind::kUdp;
      else if (endpoint.guessed) probe.kind = Probe::Kind::kGuessed;
      else if (speaks_http(endpoint.kind) && (named || ready.port == 0)) probe.kind = Probe::Kind::kHttp;
      if (probe.kind == Probe::Kind::kHttp) probe.path = ready.path;
      probe.listed = is_listed(spawn, endpoint.machine);
      probes.push_back(std::move(probe));
    }
    if (spawn.origin() && ready.port != 0) add_named(spawn, probes);
    return probes;
  }

  /// The name that a machine is asked by.
  static std::string host_of(const PlannedEndpoint& endpoint) {
    return endpoint.called ? *endpoint.called : endpoint.machine;
  }

  /// Whether the host's own kernel has the machine's connections: not where another one stands between.
  bool is_listed(const Spawn& spawn, const std::string& service) const {
    if (!engines_.terms_of(spawn.facts().plan.engine).runtime.empty()) return false;
    if (!spawn.origin()) return true;
    const auto found = std::ranges::find(spawn.origin()->services, service, &templates::Service::name);
    return found == spawn.origin()->services.end() || found->container.runtime.empty();
  }

  /// `[ready]` may name a port that is no endpoint.
  void add_named(const Spawn& spawn, std::vector<Probe>& probes) const {
    const auto& ready = spawn.origin()->ready;
    const auto& service = ready.machine.empty() ? spawn.origin()->services[0].name : ready.machine;
    for (const auto& machine : spawn.facts().plan.machines) {
      if (machine.service != service || machine.attachments.empty()) continue;
      const bool known = std::ranges::any_of(probes, [&](const Probe& probe) {
        return probe.machine == service && probe.port == ready.port &&
               (probe.kind != Probe::Kind::kUdp || ready.path.empty());
      });
      if (known) continue;
      Probe probe;
      probe.machine = probe.host = service;
      probe.address = machine.attachments.front().address;
      probe.port = ready.port;
      probe.path = ready.path;
      probe.kind = ready.path.empty() ? Probe::Kind::kTcp : Probe::Kind::kHttp;
      probe.listed = is_listed(spawn, service);
      probes.push_back(std::move(probe));
    }
  }

  /// Tries at short intervals first (most machines answer within milliseconds), then at the template's.
  asio::awaitable<Result<>> until_it_answers(SpawnRef spawn, Probe probe, SteadyClock::time_point end,
                                             milliseconds limit) {
    const auto interval = ready_of(*spawn).interval;
    milliseconds delay{1};
    auto next_look = SteadyClock::now() + milliseconds{200};
    while (true) {
      auto good = co_await answers(spawn, &probe);
      if (!good) co_return fail(std::move(good.error()));
      if (*good) co_return Result<>{};
      if (spawn->given_up()) co_return fail(Code::kCancelled, reason::kCancelled, "The start was given up.");
      if (SteadyClock::now() >= end) co_return co_await not_ready(spawn, &probe, limit);
      if (SteadyClock::now() >= next_look) {
        auto alive = co_await still_runs(spawn, probe.machine);
        if (!alive && used_up(probe)) {
          if (probe.kind == Probe::Kind::kGuessed) decide(*spawn, probe, EndpointKind::kTcp, false);
          alive = co_await begin_again(spawn, &probe);
        }
        if (!alive) co_return alive;
        next_look = SteadyClock::now() + milliseconds{1000};
      }
      co_await sleep_for(delay);
      delay = std::min(delay * 3 / 2 + milliseconds{1}, interval);
    }
  }

  /// One try. The probe belongs to the caller, who waits. An error: it never will.
  asio::awaitable<Result<bool>> answers(SpawnRef spawn, Probe* probe) {
    if (probe->kind == Probe::Kind::kTcp) co_return co_await listens(spawn, probe);
    if (probe->kind == Probe::Kind::kUdp) co_return co_await takes_one(spawn, probe);
    Question question{probe->address, probe->port, probe->host, probe->path.empty() ? "/" : probe->path};
    auto patience = kGuessPatience;
    if (probe->kind == Probe::Kind::kHttp)
      patience = std::min(kPatience * (1 << std::min(probe->silences, 3)), kLongestPatience);
    probe->last = co_await ask(std::move(question), patience);
    if (probe->last.what == Heard::What::kSilence) ++probe->silences;
    if (probe->last.what != Heard::What::kClosed) probe->closed = 0;
    if (probe->kind == Probe::Kind::kHttp) co_return judge_http(*probe);
    co_return co_await find_out(spawn, probe);
  }

  /// Of an endpoint that speaks HTTP. Nobody has said what to ask for: then every answer shows that the application is
  /// there, but those with which a server says that it stands before one that is not (RFC 9110 15.6.3 to 15.6.5).
  static Result<bool> judge_http(Probe& probe) {
    const auto& heard = probe.last;
    if (heard.what == Heard::What::kHttp) {
      if (!probe.path.empty()) return heard.status >= 100 && heard.status < 500;
      return heard.status < 502 || heard.status > 504;
    }
    const bool other = heard.what == Heard::What::kOther || heard.what == Heard::What::kTls;
    if (!other) {
      probe.other_since.reset();
      return false;
    }
    const auto now = SteadyClock::now();
    if (now - probe.other_since.value_or(now) >= kNotHttpFor) {
      return fail(Code::kInvalid, "not-http",
                  fmt::format("Machine '{}' answers on port {}, but not in HTTP: {}. Say kind = \"tcp\" in its "
                              "[[endpoint]] in instance.toml.",
                              probe.machine, probe.port, words_of(heard)));
    }
    if (!probe.other_since) probe.other_since = now;
    return false;
  }

  /// Of one whose number alone says HTTP: what it says decides.
  asio::awaitable<Result<bool>> find_out(SpawnRef spawn, Probe* probe) {
    switch (probe->last.what) {
      case Heard::What::kRefused:
        co_return false;
      case Heard::What::kHttp:
        decide(*spawn, *probe, EndpointKind::kHttp, true);
        co_return judge_http(*probe);
      case Heard::What::kOther:
      case Heard::What::kTls:
        decide(*spawn, *probe, EndpointKind::kTcp, true);
        break;
      case Heard::What::kSilence:
        // A connection that nobody has taken yet says nothing of anybody.
        if (const auto seen = net::listeners_of(co_await process_of(spawn, probe))) {
          if (std::ranges::any_of(*seen, [&](const net::Listener& one) {
                return net::hears(one, probe->address, probe->port) && one.waiting > 0;
              }))
            co_return false;
        }
        decide(*spawn, *probe, EndpointKind::kTcp, false);
        break;
      case Heard::What::kClosed:
        if (!probe->closed_since || probe->closed == 0) probe->closed_since = SteadyClock::now();
        ++probe->closed;
        // One that serves a single connection has ended by now.
        if (!has_ended(*spawn, probe->machine) &&
            (probe->closed < kClosedTimes || SteadyClock::now() - *probe->closed_since < kClosedFor))
          co_return false;
        decide(*spawn, *probe, EndpointKind::kTcp, false);
        break;
    }
    co_return co_await begin_again_if_used_up(spawn, probe);
  }

  /// What is certain is known of the next instance before it starts.
  void decide(Spawn& spawn, Probe& probe, EndpointKind kind, bool certain) {
    auto& endpoint = spawn.plan().endpoints[*probe.endpoint];
    endpoint.kind = kind;
    endpoint.guessed = false;
    probe.kind = speaks_http(kind) ? Probe::Kind::kHttp : Probe::Kind::kTcp;
    if (!certain) return;
    if (learned_.size() >= kMostLearned) learned_.clear();
    learned_.insert_or_assign(probe.label, kind);
  }

  /// The look was a connection. Who serves one alone has ended with it, and is begun again for its owner.
  asio::awaitable<Result<bool>> begin_again_if_used_up(SpawnRef spawn, Probe* probe) {
    for (const auto until = SteadyClock::now() + kEndsWithin;
         SteadyClock::now() < until && !has_ended(*spawn, probe->machine);) {
      if (spawn->given_up()) co_return false;
      co_await sleep_for(milliseconds{20});
    }
    probe->looked = SteadyClock::now();
    if (!has_ended(*spawn, probe->machine)) co_return co_await listens(spawn, probe);
    auto begun = co_await begin_again(spawn, probe);
    if (!begun) co_return fail(std::move(begun.error()));
    co_return false;
  }

  /// Whether it may have ended because it was looked at.
  static bool used_up(const Probe& probe) { return !probe.again && (probe.looked || probe.closed_since); }

  asio::awaitable<Result<>> begin_again(SpawnRef spawn, Probe* probe) {
    probe->again = true;
    if (!probe->looked) probe->looked = SteadyClock::now();
    const auto* machine = machine_of(*spawn, probe->machine);
    if (!machine) co_return Result<>{};
    const auto handle = machine->handle;
    auto ended = co_await of(*spawn).stop(handle, milliseconds{0});
    if (!ended) co_return ended;
    probe->process = 0;
    probe->begun = SteadyClock::now();
    co_return co_await of(*spawn).start(handle);
  }

  /// Whether a connection would be taken. Where the machine's listeners can be seen none is made, so that nothing is
  /// used up.
  asio::awaitable<Result<bool>> listens(SpawnRef spawn, Probe* probe) {
    const auto process = co_await process_of(spawn, probe);
    // As long as nothing has come nobody listens who did not before.
    const auto sockets = net::tcp_sockets_of(process);
    const auto now = SteadyClock::now();
    if (sockets && sockets == probe->sockets && now < probe->read_again) co_return false;
    probe->sockets = sockets;
    probe->read_again = now + kReadAgain;
    const auto seen = net::listeners_of(process);
    if (!seen) {
      probe->process = 0;
      if (process != 0) probe->listed = false;
      // It was there a moment ago; another look would be another connection.
      if (probe->looked) co_return true;
      co_return co_await takes_connections(probe->address, probe->port, kPatience);
    }
    const bool heard = std::ranges::any_of(
        *seen, [&](const net::Listener& one) { return net::hears(one, probe->address, probe->port); });
    if (heard) co_return true;
    if (!probe->looked) {
      if (now - probe->begun < kListBelieved) co_return false;
      co_return co_await takes_connections(probe->address, probe->port, kPatience);
    }
    if (!probe->again && now - *probe->looked >= kListensAgainWithin) {
      auto begun = co_await begin_again(spawn, probe);
      if (!begun) co_return fail(std::move(begun.error()));
    }
    co_return false;
  }

  /// Whether a datagram would be taken. Nobody can be connected to: the machine's own table of sockets says it. Where
  /// that cannot be seen, or a rule of the machine's own may lead the port elsewhere, an empty one is sent, and what
  /// counts is that nobody refuses it.
  asio::awaitable<Result<bool>> takes_one(SpawnRef spawn, Probe* probe) {
    const auto process = co_await process_of(spawn, probe);
    const auto seen = net::datagram_listeners_of(process);
    if (!seen) {
      probe->process = 0;
      if (process != 0) probe->listed = false;
    } else if (std::ranges::any_of(
                   *seen, [&](const net::Listener& one) { return net::hears(one, probe->address, probe->port); })) {
      co_return true;
    } else if (SteadyClock::now() - probe->begun < kListBelieved) {
      co_return false;
    }
    co_return co_await takes_datagrams(probe->address, probe->port, kNobodyRefuses);
  }

  /// The machine's first process; 0: it cannot be looked into.
  asio::awaitable<std::int64_t> process_of(SpawnRef spawn, Probe* probe) {
    if (!probe->listed || probe->process != 0) co_return probe->process;
    const auto* machine = machine_of(*spawn, probe->machine);
    if (!machine) co_return 0;
    auto status = co_await of(*spawn).inspect(machine->handle);
    if (!status) co_return 0;
    probe->process = status->process;
    co_return probe->process;
  }

  asio::awaitable<Result<>> not_ready(SpawnRef spawn, Probe* probe, milliseconds limit) {
    const bool datagrams = probe->kind == Probe::Kind::kUdp;
    auto why = datagrams                          ? std::string("nobody took a datagram")
               : probe->kind == Probe::Kind::kTcp ? words_of(Heard{})
                                                  : words_of(probe->last);
    if (!probe->path.empty() && probe->last.what == Heard::What::kHttp)
      why += fmt::format(" to GET {}, and below 500 is wanted", probe->path);
    const auto process = co_await process_of(spawn, probe);
    const auto seen = datagrams ? net::datagram_listeners_of(process) : net::listeners_of(process);
    const bool refused = datagrams || probe->kind == Probe::Kind::kTcp || probe->last.what == Heard::What::kRefused;
    if (seen && refused) why += where_it_listens(*seen, *probe);
    co_return fail(
        Code::kTimeout, "not-ready",
        fmt::format("Machine '{}' runs, but did not answer on {}port {} within {} s: {}. `timeout` in [ready] "
                    "of instance.toml gives it longer.",
                    probe->machine, datagrams ? "UDP " : "", probe->port,
                    std::chrono::ceil<std::chrono::seconds>(limit).count(), why));
  }

  static std::string where_it_listens(const std::vector<net::Listener>& seen, const Probe& probe) {
    std::string others;
    for (const auto& one : seen) {
      if (one.port == probe.port)
        return fmt::format(", as it listens on {} alone: let it listen on 0.0.0.0", one.address);
      // The engine's own resolver.
      if (one.address == "127.0.0.11") continue;
      if (others.size() < 60) others += fmt::format("{}{}", others.empty() ? "" : ", ", one.port);
    }
    return others.empty() ? ", as it listens on no port" : ", as it listens on " + others;
  }

  asio::awaitable<Result<>> still_runs(SpawnRef spawn, std::string service) {
    const auto* machine = machine_of(*spawn, service);
    if (!machine) co_return Result<>{};
    auto status = co_await of(*spawn).inspect(machine->handle);
    // An engine that is away for a moment says nothing about the machine.
    if (!status) co_return Result<>{};
    const auto state = status->state;
    if (state == engine::MachineState::kExited || state == engine::MachineState::kDead ||
        state == engine::MachineState::kAbsent) {
      co_return fail(Code::kInvalid, reason::kMachineExited,
                     fmt::format("Machine '{}' ended with exit code {}{} before it answered.", service,
                                 status->exit_code, status->out_of_memory ? " (out of memory)" : ""));
    }
    co_return Result<>{};
  }

  static const PlannedMachine* machine_of(const Spawn& spawn, const std::string& service) {
    const auto& machines = spawn.facts().plan.machines;
    const auto found = std::ranges::find(machines, service, &PlannedMachine::service);
    return found == machines.end() ? nullptr : &*found;
  }

  /// As its engine has told.
  static bool has_ended(const Spawn& spawn, const std::string& service) {
    const auto* machine = machine_of(spawn, service);
    return machine && machine->state == MachineIs::kExited;
  }

  engine::Engine& of(const Spawn& spawn) const { return engines_.of(spawn.facts().plan.engine); }

  engine::Engines& engines_;
  std::map<std::string, EndpointKind> learned_;  ///< by template, machine and port: what was heard, not what was not
};

}  // namespace

std::unique_ptr<Step> ready_step(engine::Engines& engines) { return std::make_unique<ReadyStep>(engines); }

}  // namespace tiltyard::labs
