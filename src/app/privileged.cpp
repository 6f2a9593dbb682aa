// The privileged half: a process of its own that keeps what takes root from the one that speaks with the network. What
// it can be asked for is listed here.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string_view>

#include "apart/capability.h"
#include "app/app.h"
#include "app/settings.h"
#include "base/json.h"
#include "captures/capability.h"
#include "captures/tap.h"
#include "disk/through.h"
#include "engine/docker/facts.h"
#include "engine/docker/layer_verbs.h"
#include "engine/isolation/firewall.h"
#include "engine/isolation/verbs.h"
#include "engine/isolation/weights.h"
#include "guard/guard.h"
#include "labs/leftovers.h"
#include "net/loops.h"
#include "observe/log.h"
#include "privileged/own_files.h"
#include "privileged/server.h"
#include "templates/capability.h"

namespace tiltyard::app {
namespace {

namespace asio = boost::asio;
namespace isolation = engine::isolation;

using privileged::whole;

constexpr std::string_view kUnix = "unix://";

const privileged::Options& options_of(const Settings& settings) { return settings.of<apart::Capability>().options(); }

asio::awaitable<void> hold_out(guard::Guard* guard, privileged::Descriptor door, privileged::Account caller) {
  guard->serve(std::move(door), caller);
  co_return;
}

/// The engine of this host, if there is one: of all others we are nobody's root. `engines-unfit` for several.
Result<std::optional<engine::Options>> engine_here(const Settings& settings) {
  std::optional<engine::Options> here;
  for (const auto& [name, options] : settings.engines.all()) {
    if (options.kind != engine::Kind::kDocker || !options.url.starts_with(kUnix)) continue;
    if (here)
      return fail(Code::kInvalid, "engines-unfit",
                  "The privileged half stands before one engine of this host; " + name + " is one more.");
    here = options;
  }
  return here;
}

isolation::FirewallOptions table_of(const Settings& settings) {
  isolation::FirewallOptions table;
  for (const auto& [name, options] : settings.engines.all()) {
    if (options.url.starts_with(kUnix)) table.limits = options.machines;
  }
  return table;
}

/// What it consists of while it runs, in the order of construction.
struct Half {
  Half(const asio::any_io_executor& home, const Settings& settings)
      : firewall(home, table_of(settings)), weights(home) {}

  isolation::Firewall firewall;
  isolation::Weights weights;
  std::unique_ptr<guard::Guard> guard;  ///< null: the engine is on another host, where we are nobody
  std::unique_ptr<labs::Leftovers> leftovers;
  std::unique_ptr<privileged::Server> server;
};

guard::Rules rules_of(const Settings& settings, const engine::Options& engine) {
  const auto& templates = settings.of<templates::Capability>().options();
  guard::Rules rules{
      engine.terms.name_space, whole(options_of(settings).files), whole(templates.path), engine.terms.runtime, {}};
  for (const auto& [id, allowed] : templates.allow) rules.grants.insert(allowed.keys.begin(), allowed.keys.end());
  if (templates.setuid) rules.grants.insert("setuid");
  return rules;
}

Result<> guard_engine(Half& half, const Settings& settings, const privileged::Account& caller,
                      const asio::any_io_executor& home) {
  auto engine = engine_here(settings);
  if (!engine) return fail(std::move(engine.error()));
  if (!*engine) return {};
  auto door = privileged::listen_at(whole(options_of(settings).engine_socket), SOCK_STREAM, caller);
  if (!door) return fail(std::move(door.error()));
  half.guard = std::make_unique<guard::Guard>(home, (*engine)->url.substr(kUnix.size()), rules_of(settings, **engine),
                                              [&half] { return half.firewall.ensure(); });
  auto serving = asio::co_spawn(home, hold_out(half.guard.get(), std::move(*door), caller), asio::use_future);
  serving.get();
  return {};
}

/// Those for machines' own layers, and for what they write, if the engine is on this host.
Result<std::vector<privileged::Verb>> layers_of(const Settings& settings, const asio::any_io_executor& home) {
  auto engine = engine_here(settings);
  if (!engine) return fail(std::move(engine.error()));
  if (!*engine) return std::vector<privileged::Verb>();
  auto ours = [rules = rules_of(settings, **engine)](const boost::json::value& inspected) {
    return guard::ours(member(member(inspected, "Config"), "Labels").if_object(), rules);
  };
  const auto socket = (*engine)->url.substr(kUnix.size());
  auto folders = [socket, ours, home, files = whole(options_of(settings).files)](
                     const std::string& machine) -> Result<std::vector<std::string>> {
    const auto found = engine::docker::look_up(socket, ours, home, machine);
    if (!found) return fail(found.error());
    return engine::docker::footprint_of(*found, files).folders;
  };
  auto verbs = engine::docker::layer_verbs(socket, std::move(ours), home);
  verbs.push_back(disk::usage_verb(std::move(folders)));
  return verbs;
}

/// All that it can be asked for.
Result<std::vector<privileged::Verb>> verbs_of(Half& half, const Settings& settings,
                                               const asio::any_io_executor& home) {
  const auto files = whole(options_of(settings).files);
  auto verbs = privileged::file_verbs(files, [&half](const std::string& id) { return half.leftovers->take(id); });
  if (!verbs) return verbs;
  auto layers = layers_of(settings, home);
  if (!layers) return layers;
  std::ranges::move(*layers, std::back_inserter(*verbs));
  verbs->push_back(isolation::firewall_verb(half.firewall, home));
  auto engine = engine_here(settings);
  if (!engine) return fail(std::move(engine.error()));
  // A socket that hears packets can send them as well: where nothing is captured none is handed out.
  if (*engine && settings.of<captures::Capability>().options().at_once > 0)
    verbs->push_back(captures::tap_verb((*engine)->terms.name_space));
  half.leftovers = std::make_unique<labs::Leftovers>(files);
  return verbs;
}

/// From the start on, where the engine has a bridge already; otherwise before the first machine starts.
asio::awaitable<void> isolate(isolation::Firewall* firewall) {
  auto outcome = co_await firewall->ensure();
  if (!outcome) log::warn("privileged", "the firewall table is not in force yet", {{"cause", outcome.error().cause}});
}

Result<> open_half(Half& half, const Settings& settings, const asio::any_io_executor& home) {
  const auto& options = options_of(settings);
  if (!options.apart())
    return fail(Code::kInvalid, "privileged-unset",
                "privileged.socket is empty: name the socket where the server calls its privileged half.");
  if (::geteuid() != 0)
    return fail(Code::kForbidden, "not-root", "The privileged half runs as root: systemctl start tiltyard-privileged.");
  const auto caller = privileged::account_of(options.user);
  if (!caller) return fail(caller.error());
  if (caller->user == 0)
    return fail(Code::kInvalid, "account-unfit",
                "privileged.user is root: the server runs as another account, or without a privileged half.");
  asio::co_spawn(home, isolate(&half.firewall), asio::use_future).get();
  if (auto guarded = guard_engine(half, settings, *caller, home); !guarded) return guarded;
  auto verbs = verbs_of(half, settings, home);
  if (!verbs) return fail(std::move(verbs.error()));
  auto door = privileged::listen_at(whole(options.socket), SOCK_SEQPACKET, *caller);
  if (!door) return fail(std::move(door.error()));
  half.weights.run();
  half.server = std::make_unique<privileged::Server>(std::move(*door), *caller, std::move(*verbs));
  return {};
}

asio::awaitable<void> wait_for(asio::signal_set& signals) { co_await signals.async_wait(asio::use_awaitable); }

asio::awaitable<void> close_half(Half& half) {
  if (half.guard) co_await half.guard->close();
  co_await half.weights.close();
  co_await half.firewall.close();
}

}  // namespace

int serve_privileged(const std::string& config_path) {
  Settings settings;
  if (auto good = read_named(settings, config_path, config::process_environment()); !good) {
    fmt::print(stderr, "tiltyard: {}\n", good.error().message);
    return 2;
  }
  log::configure(settings.log.level, settings.log.format, "stderr");
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  net::Loops loops(1, net::Home::kWithTheFirst);
  asio::signal_set signals(loops.home(), SIGINT, SIGTERM);
  int exit_code = 0;
  {
    Half half(loops.home(), settings);
    if (auto opened = open_half(half, settings, loops.home()); !opened) {
      log::fatal("privileged", "the privileged half cannot start",
                 {{"reason", opened.error().reason}, {"message", opened.error().message}});
      exit_code = 1;
    } else {
      fmt::print("Tiltyard's privileged half is ready\n");
      std::fflush(stdout);
      asio::co_spawn(loops.home(), wait_for(signals), asio::use_future).get();
    }
    half.server.reset();
    asio::co_spawn(loops.home(), close_half(half), asio::use_future).get();
  }
  loops.stop();
  log::shutdown();
  return exit_code;
}

}  // namespace tiltyard::app
