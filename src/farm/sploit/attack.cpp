#include "farm/sploit/attack.h"

#include <fmt/core.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zlib.h>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <unordered_map>
#include <unordered_set>

#include "base/backoff.h"
#include "cli/context.h"
#include "farm/sploit/find.h"
#include "farm/sploit/runs.h"

namespace tiltyard::farm::sploit {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::size_t kMostSeen = 1'000'000;   ///< remembered flags; the farm sorts out what is sent twice
constexpr std::size_t kMostShown = 16 * 1024;  ///< bytes of a program's output that are kept to be shown
constexpr auto kFlush = 10s;                   ///< for the last flags, after Ctrl-C
constexpr auto kFirstRestart = 1'000ms, kLongestRestart = 30'000ms;

/// Ctrl-C and SIGTERM as something that can be polled. Blocked before the first thread, so that no thread is hit.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGINT);
    ::sigaddset(&set_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    file_ = ::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() {
    ::close(file_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int file() const { return file_; }
  /// Whether one has come since the last call.
  bool came() {
    signalfd_siginfo info{};
    return ::read(file_, &info, sizeof info) == sizeof info;
  }

 private:
  sigset_t set_{}, before_{};
  int file_ = -1;
};

/// One program against one target.
struct Attempt {
  Target target;
  std::size_t flags = 0, fresh = 0;
  std::string shown;
};

class Attack {
 public:
  Attack(Context& context, AttackOptions options, Share share, Backlog& backlog, FarmLink& farm)
      : context_(context),
        options_(std::move(options)),
        share_(share),
        backlog_(backlog),
        farm_(farm),
        runs_([this](int id, std::string_view line) { take(id, line); }) {}

  int run();

 private:
  std::vector<Target> targets() const;
  void begin_round();
  Result<> start(const Target& target);
  void take(int id, std::string_view line);
  void end(const Ended& ended);
  void tell(const Attempt& attempt, const Ended& ended);
  void end_round();
  void turn(Steady::time_point until);
  int finish();
  std::chrono::milliseconds time_limit(std::size_t count) const;

  Context& context_;
  const AttackOptions options_;
  const Share share_;
  Backlog& backlog_;
  FarmLink& farm_;
  Signals signals_;
  std::deque<Target> waiting_;
  std::unordered_map<int, Attempt> running_;
  std::unordered_set<std::uint64_t> seen_;
  struct Again {
    Target target;
    Steady::time_point at;
  };
  std::deque<Again> again_;  ///< endless programs that have ended
  std::unordered_map<std::string, Growing<std::chrono::milliseconds>> pauses_;
  int round_ = 0;
  std::chrono::milliseconds limit_{0};
  std::size_t round_teams_ = 0, round_flags_ = 0, round_fresh_ = 0, round_late_ = 0, round_failed_ = 0;
  bool stopping_ = false, broken_ = false;
  Runs runs_;  ///< the last: what it still hands out at its end finds everything else there
};

std::vector<Target> Attack::targets() const {
  if (options_.all) return {{"*", ""}};
  std::vector<Target> out;
  for (const auto& team : farm_.game()->teams) {
    if (share_.has(team)) out.push_back(team);
  }
  return out;
}

std::chrono::milliseconds Attack::time_limit(std::size_t count) const {
  const auto seconds =
      options_.timeout > 0 ? options_.timeout : options_.period / std::ceil(static_cast<double>(count) / options_.pool);
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

int Attack::run() {
  const auto period = std::chrono::milliseconds(static_cast<std::int64_t>(options_.period * 1000));
  while (!stopping_) {
    const auto began = Steady::now();
    begin_round();
    if (options_.endless) {
      while (!stopping_ && Steady::now() < began + period) turn(began + period);
    } else {
      while (!stopping_ && (!waiting_.empty() || !running_.empty())) turn(Steady::now() + 1h);
    }
    end_round();
    if (options_.rounds != 0 && round_ >= options_.rounds) break;
    while (!stopping_ && Steady::now() < began + period) turn(began + period);
  }
  return finish();
}

void Attack::begin_round() {
  ++round_;
  round_flags_ = round_fresh_ = round_late_ = round_failed_ = 0;
  const auto all = targets();
  round_teams_ = all.size();
  limit_ = time_limit(std::max<std::size_t>(all.size(), 1));
  if (all.empty()) {
    note("There is nobody to attack: the farm's list of teams, or this part of it, is empty.");
    return;
  }
  const auto busy = [this](const Target& target) {
    return std::ranges::any_of(running_, [&](const auto& one) { return one.second.target.name == target.name; }) ||
           std::ranges::any_of(again_, [&](const Again& one) { return one.target.name == target.name; });
  };
  // In endless mode those that run go on; teams that are new are added.
  std::ranges::copy_if(all, std::back_inserter(waiting_),
                       [&](const Target& target) { return !options_.endless || !busy(target); });
  if (context_.json) return;
  note(options_.endless ? fmt::format("Round {}: {} targets, without a time limit", round_, all.size())
                        : fmt::format("Round {}: {} targets, {} at a time, {:.1f} s each", round_, all.size(),
                                      options_.pool, static_cast<double>(limit_.count()) / 1000));
}

void Attack::turn(Steady::time_point until) {
  const auto now = Steady::now();
  while (!again_.empty() && again_.front().at <= now) {
    waiting_.push_back(std::move(again_.front().target));
    again_.pop_front();
  }
  if (!again_.empty()) until = std::min(until, again_.front().at);
  const auto room =
      options_.endless ? std::max<std::size_t>(options_.pool, round_teams_) : static_cast<std::size_t>(options_.pool);
  while (!waiting_.empty() && runs_.size() < room && !stopping_) {
    const auto target = std::move(waiting_.front());
    waiting_.pop_front();
    if (auto started = start(target); !started) {
      complain(context_, started.error());
      // The first that cannot be started says it for all; later it may be a moment without memory or processes.
      broken_ = stopping_ = round_ == 1 && running_.empty();
      ++round_failed_;
      until = std::min(until, now + 1s);
      break;
    }
  }
  for (const auto& ended : runs_.wait(until, signals_.file())) end(ended);
  if (signals_.came()) stopping_ = true;
}

Result<> Attack::start(const Target& target) {
  const auto game = farm_.game();
  const auto ids = json::serialize(target.address.empty()
                                       ? (game->flag_ids.is_object() ? game->flag_ids.get_object() : json::object())
                                       : ids_of_team(game->flag_ids, target));
  Program program;
  program.command = command_for(options_, target, ids);
  program.environment = environment_for(context_.environment, target, ids, game->flag_ids_file, round_);
  program.memory = options_.memory;
  std::optional<Steady::time_point> deadline;
  if (!options_.endless) deadline = Steady::now() + limit_;
  auto id = runs_.start(std::move(program), deadline);
  if (!id) return fail(std::move(id.error()));
  running_.emplace(*id, Attempt{target, 0, 0, {}});
  return {};
}

void Attack::take(int id, std::string_view line) {
  auto& attempt = running_.at(id);
  const auto text = readable(line);
  std::vector<FoundFlag> fresh;
  for (auto& flag : find_flags(*farm_.game()->format, text)) {
    ++attempt.flags;
    if (seen_.size() >= kMostSeen) seen_.clear();
    if (!seen_.insert(std::hash<std::string>{}(flag)).second) continue;
    ++attempt.fresh;
    fresh.push_back({std::move(flag), options_.name, attempt.target.name});
  }
  if (!fresh.empty()) {
    if (auto kept = backlog_.add(fresh); !kept) complain(context_, kept.error());
    farm_.wake();
  }
  if (round_ > options_.verbose || stopping_ || context_.json) return;
  auto shown = fmt::format("{}: {}\n", harmless(attempt.target.name), harmless(text));
  if (options_.endless) {
    print(shown);
  } else if (attempt.shown.size() < kMostShown) {
    attempt.shown += shown;
  }
}

void Attack::end(const Ended& ended) {
  auto node = running_.extract(ended.id);
  const auto& attempt = node.mapped();
  round_flags_ += attempt.flags;
  round_fresh_ += attempt.fresh;
  round_late_ += ended.timed_out ? 1 : 0;
  round_failed_ += !ended.timed_out && ended.code != 0 ? 1 : 0;
  if (!stopping_) tell(attempt, ended);
  if (!options_.endless || stopping_) return;
  auto& pause = pauses_.try_emplace(attempt.target.name, kFirstRestart, kLongestRestart).first->second;
  // One that has run for a while is not broken: it starts again at once.
  if (ended.took > kLongestRestart) pause.reset();
  again_.push_back({attempt.target, Steady::now() + pause.next()});
  std::ranges::sort(again_, {}, &Again::at);
}

std::string result_of(const Ended& ended) {
  if (ended.timed_out) return "out of time";
  return ended.code < 0 ? fmt::format("signal {}", -ended.code) : fmt::format("exit {}", ended.code);
}

void Attack::tell(const Attempt& attempt, const Ended& ended) {
  const auto seconds = static_cast<double>(ended.took.count()) / 1000;
  if (context_.json) {
    print_json(json::object{{"round", round_},
                            {"team", attempt.target.name},
                            {"address", attempt.target.address},
                            {"flags", attempt.flags},
                            {"new", attempt.fresh},
                            {"result", result_of(ended)},
                            {"seconds", seconds}});
    return;
  }
  if (!attempt.shown.empty()) print(attempt.shown);
  const auto colour = ended.timed_out     ? Colour::kYellow
                      : ended.code != 0   ? Colour::kRed
                      : attempt.flags > 0 ? Colour::kGreen
                                          : Colour::kGrey;
  print(fmt::format("{:<20} {:<15} {:>4} flags {:>4} new  {}  {:.1f} s\n", harmless(attempt.target.name),
                    harmless(attempt.target.address), attempt.flags, attempt.fresh,
                    painted(fmt::format("{:<11}", result_of(ended)), colour, context_.colours), seconds));
}

void Attack::end_round() {
  if (context_.json || stopping_) return;
  const auto totals = farm_.totals();
  note(fmt::format("Round {}: {} flags, {} new; {} of {} out of time, {} failed; the farm has {} of ours, {} wait{}",
                   round_, round_flags_, round_fresh_, round_late_, round_teams_, round_failed_, totals.sent,
                   backlog_.size(), totals.away ? " (it is away)" : ""));
}

int Attack::finish() {
  stopping_ = true;
  for (const auto& ended : runs_.kill_all()) end(ended);
  const auto until = Steady::now() + kFlush;
  while (!farm_.flushed() && Steady::now() < until) {
    runs_.wait(std::min(until, Steady::now() + 20ms), signals_.file());
    if (signals_.came()) break;
  }
  farm_.close();
  const auto totals = farm_.totals();
  const auto left = backlog_.size();
  if (!context_.json)
    note(fmt::format("{} flags sent, {} of them new to the farm{}", totals.sent, totals.fresh,
                     totals.refused > 0 ? fmt::format(", {} not taken", totals.refused) : ""));
  if (left > 0)
    note(fmt::format("{} flags wait in {}; the next attack with this exploit sends them", left, backlog_.path()));
  return broken_ || left > 0 ? kFailed : kOk;
}

std::string state_folder(const Context& context, const AttackOptions& options) {
  if (!options.state.empty()) return options.state;
  if (const auto base = context.variable("XDG_STATE_HOME"); !base.empty()) return base + "/tiltyard/attack";
  if (const auto home = context.variable("HOME"); !home.empty()) return home + "/.local/state/tiltyard/attack";
  return fmt::format("/tmp/tiltyard-{}/attack", ::getuid());
}

Result<Where> find_farm(const Context& context, const AttackOptions& options) {
  auto where = context.find_server();
  if (!options.farm.empty() && options.farm != where.url) {
    where = Where{};
    where.url = options.farm.find("://") == std::string::npos ? "http://" + options.farm : options.farm;
    if (auto token = context.variable("TILTYARD_TOKEN"); !token.empty()) where.token = Secret(std::move(token));
  }
  if (auto token = context.variable("TILTYARD_FARM_TOKEN"); !token.empty()) where.token = Secret(std::move(token));
  if (options.token_file.empty()) return where;
  std::ifstream file(options.token_file);
  std::string token;
  if (!(file >> token))
    return fail(Code::kInvalid, reason::kUsage, fmt::format("There is no token in {}.", options.token_file));
  where.token = Secret(std::move(token));
  return where;
}

Result<> check_program(const AttackOptions& options) {
  std::error_code error;
  const auto status = fs::status(options.sploit, error);
  if (!fs::is_regular_file(status))
    return fail(Code::kInvalid, reason::kUsage, fmt::format("There is no file {}.", options.sploit));
  if (options.interpreter.empty() && ::access(options.sploit.c_str(), X_OK) != 0) {
    return fail(Code::kInvalid, reason::kUsage,
                fmt::format("{0} is not executable: chmod +x {0}, or name its --interpreter.", options.sploit));
  }
  return {};
}

/// One name per exploit and farm, so that its backlog is found again and no other farm gets it.
std::string state_path(const std::string& folder, const std::string& name, const std::string& url) {
  auto file = name;
  std::ranges::replace_if(
      file, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '.' && c != '_'; }, '_');
  return fmt::format("{}/{}-{:08x}", folder, file,
                     ::crc32(0, reinterpret_cast<const Bytef*>(url.data()), static_cast<uInt>(url.size())));
}

}  // namespace

int attack(Context& context, AttackOptions options) {
  const auto share = parse_share(options.distribute);
  if (!share) return complain(context, share.error());
  if (auto checked = check_program(options); !checked) return complain(context, checked.error());
  const auto where = find_farm(context, options);
  if (!where) return complain(context, where.error());
  if (options.name.empty()) options.name = fs::path(options.sploit).filename().string();
  const auto folder = state_folder(context, options);
  std::error_code error;
  fs::create_directories(folder, error);
  const auto path = state_path(folder, options.name, where->url);
  auto backlog = Backlog::open(path + ".flags");
  if (!backlog) return complain(context, backlog.error());
  if ((*backlog)->size() > 0)
    note(fmt::format("{} flags of an earlier attack go to the farm first", (*backlog)->size()));
  // Before the thread of the link is there: the signals are for this one.
  FarmLink farm(
      {*where, path, std::chrono::milliseconds(static_cast<std::int64_t>(std::min(options.period, 60.0) * 1000))},
      **backlog);
  Attack attack(context, std::move(options), *share, **backlog, farm);
  if (auto opened = farm.open(); !opened) return complain(context, opened.error());
  return attack.run();
}

}  // namespace tiltyard::farm::sploit
