#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/parallel.h"
#include "farm/attack.h"
#include "farm/books.h"
#include "farm/farm.h"
#include "farm/figures.h"
#include "farm/journal.h"
#include "farm/rate.h"
#include "farm/time.h"
#include "farm/visitors.h"

namespace tiltyard::farm {

/// All of the farm; on the home loop.
struct Service::State {
  State(Options o, Parts p)
      : options(std::move(o)),
        parts(std::move(p)),
        time(parts.clock),
        journal(parts.home, parts.store),
        work(parts.home),
        attack(options.allow_targets) {}

  /// A program that takes flags and reports verdicts.
  struct Sender {
    TimePoint seen_at{};
    std::uint64_t leased = 0, answered = 0;
  };

  Options options;
  Parts parts;
  std::shared_ptr<const Config> config = std::make_shared<const Config>();
  bool on = false;
  std::optional<Error> config_trouble;   ///< why the file as it is now was not taken up
  std::optional<Error> senders_trouble;  ///< why no sender can be started
  std::string config_stamp;              ///< of the file that was read last
  Visitors visitors;
  Secret made_token;  ///< in the data folder, for when the configuration names none
  std::unordered_map<std::string, std::string> team_names;  ///< by address
  FarmTime time;
  Books books;
  Journal journal;
  Rate rate;
  Figures figures;
  std::map<std::string, Sender> senders;
  Signal work;  ///< pulsed when there is something new to send
  AttackCache attack;
  std::uint64_t invalid = 0;  ///< flags that did not match the format, since the start
  bool stopping = false;      ///< nobody waits for flags any more
  bool changed = false;       ///< since pages were told last
  std::function<void()> on_config;

  const Secret& token() const { return config->token.empty() ? made_token : config->token; }
};

using StatePtr = std::shared_ptr<Service::State>;

/// `farm-off` unless a farm is configured.
Result<> check_on(const Service::State& state);

// settings.cpp
/// Reads the file that the options name; what it says is in force then.
Result<> load_config(Service::State& state);
/// Looks at the file, and takes it up when it has changed.
void look_at_config(Service::State& state);
/// Writes a new text to the file and puts it in force. `farm-config-invalid`, `farm-config-changed`.
Result<> replace_config(Service::State& state, std::string text, std::optional<std::uint64_t> version);
/// The token in the data folder, made at the first start.
Result<Secret> load_token(const std::string& folder);

// upkeep.cpp
/// Reads the log and puts the books together.
asio::awaitable<Result<>> recall(StatePtr state);
/// The jobs by which leases end, flags expire, pages hear of changes, the jury's attack data is fetched, a new
/// configuration is taken up, and what is older than it wants is forgotten.
void declare_jobs(StatePtr state);
inline constexpr const char* kAttackData = "farm.attack-data";

}  // namespace tiltyard::farm
