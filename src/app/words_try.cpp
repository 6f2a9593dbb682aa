// try: a template's whole way, from its folder to an end without traces: what an author wants to see.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <csignal>
#include <filesystem>
#include <thread>

#include "app/settings.h"
#include "app/trial.h"
#include "app/words.h"
#include "cli/words.h"
#include "labs/instance_text.h"
#include "templates/capability.h"
#include "templates/reader.h"

namespace tiltyard::app {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::milliseconds kAskEvery{200};
constexpr std::chrono::seconds kMayWaitForImage{20};  // that is not there: time for a registry to answer
constexpr int kLinesShown = 30;

struct TryOptions {
  std::string folder;
  bool keep = false, pull = false;
};

volatile std::sig_atomic_t stopped = 0;

/// From here on Ctrl-C and the like are seen between two steps, so that what was begun is taken away.
void heed_signals() {
  struct sigaction action{};
  action.sa_handler = [](int number) { stopped = number; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

/// One trial as it goes: what is told on the way, and what comes of it.
class Author {
 public:
  Author(Context& context, const TryOptions& options, const Settings& settings)
      : context_(context), options_(options), settings_(settings) {}

  int run() {
    std::error_code failure;
    const auto folder = fs::canonical(options_.folder, failure);
    if (failure || !fs::is_directory(folder)) {
      note(fmt::format("tiltyard: {} is no folder. Name a template's folder: tiltyard try FOLDER", options_.folder));
      return kNotFound;
    }
    if (const auto good = context_.configure(); !good) return complain(context_, good.error());
    heed_signals();
    const auto verdict = try_it(folder.string());
    report_["verdict"] = verdict;
    if (context_.json) print_json(report_);
    else print(fmt::format("{}: {}\n", harmless(folder.filename().string()), sentence(verdict)));
    if (verdict == "interrupted") return 128 + stopped;
    return verdict == "works" || verdict == "solved" ? kOk : kFailed;
  }

 private:
  static std::string sentence(std::string_view verdict) {
    if (verdict == "solved") return "it runs, and its solver solves it";
    if (verdict == "works") return "it runs (there is no [solve] to prove that it can be solved)";
    if (verdict == "broken") return "its files are wrong, as said above";
    if (verdict == "interrupted") return "given up";
    return "it does not run, as said above";
  }

  std::string try_it(const std::string& folder) {
    if (!lint(folder)) return "broken";
    stage("starting a server for it");
    auto trial = Trial::begin(settings_, folder, options_.pull, [] { return stopped != 0; });
    if (stopped != 0) return "interrupted";
    if (!trial) return fails(trial.error());
    trial_ = std::move(*trial);
    auto verdict = with_server();
    stage("taking it all away");
    trial_.reset();
    return verdict;
  }

  bool lint(const std::string& folder) {
    const auto read = templates::read_folder(folder, settings_.of<templates::Capability>().options());
    solver_ = read.solver.has_value();
    json::array problems;
    bool good = true;
    for (const auto& problem : read.problems) {
      const bool error = problem.severity == templates::Problem::Severity::kError;
      good = good && !error;
      const auto word = templates::word_of(problem.severity);
      const auto file = (fs::path(options_.folder) / problem.file).lexically_normal().string();
      tell(problem.line > 0 ? fmt::format("{}:{}: {}: {}", file, problem.line, word, problem.message)
                            : fmt::format("{}: {}: {}", file, word, problem.message));
      problems.push_back(
          {{"severity", word}, {"file", problem.file}, {"line", problem.line}, {"message", problem.message}});
    }
    report_["template"] = read.id.str();
    report_["problems"] = std::move(problems);
    id_ = read.id.str();
    return good;
  }

  std::string with_server() {
    if (const auto ready = wait_for_template(); ready != "ready") return ready;
    Api::Call call;
    call.method = "POST";
    call.path = "/instances";
    call.body = json::value{{"template", id_}};
    auto instance = trial_->api().call(std::move(call));
    if (!instance) return fails(instance.error());
    const auto path = "/instances/" + encoded(text_of(*instance, "id"));
    const auto state = follow(path, *instance);
    show(*instance, path);
    auto verdict = stopped != 0 ? "interrupted" : state != "running" ? "failed" : solver_ ? "solved" : "works";
    if (options_.keep && state == "running" && stopped == 0) keep();
    end(path);
    return verdict;
  }

  /// Until it can be started: "ready", or the verdict.
  std::string wait_for_template() {
    auto patient_until = std::chrono::steady_clock::now() + kMayWaitForImage;
    while (stopped == 0) {
      const auto found = trial_->api().get("/templates/" + encoded(id_));
      if (!found && found.error().code != Code::kNotFound) return fails(found.error());
      const auto state = found ? text_of(*found, "state") : std::string("loading");
      const auto reason = found ? text_of(*found, "reason") : std::string("its server does not list it");
      if (state == "ready") return state;
      if (state == "broken") return fails({Code::kInvalid, "template-broken", reason, {}, {}});
      if (state != "waiting" && state != "loading") patient_until = std::chrono::steady_clock::now() + kMayWaitForImage;
      if (std::chrono::steady_clock::now() > patient_until) {
        if (!options_.pull) tell("images come from a registry with: tiltyard try --pull");
        return fails({Code::kUnavailable, "template-not-ready", reason, {}, {}});
      }
      const auto& build = found ? member(*found, "build") : json::value();
      // A builder does not say at once how many steps there are.
      const auto steps = build.is_object() ? number_of(build, "steps") : 0;
      if (steps > 0) stage(fmt::format("building, step {} of {}", number_of(build, "step"), steps));
      else stage(build.is_object() ? "building" : state + (reason.empty() || !found ? "" : ": " + reason));
      std::this_thread::sleep_for(kAskEvery);
    }
    return "interrupted";
  }

  /// Until it has arrived somewhere, or we are to stop; `instance` is the last of it that was seen.
  std::string follow(const std::string& path, json::value& instance) {
    while (true) {
      const auto state = text_of(instance, "state");
      if (state == "running" || state == "failed" || state == "stopped" || stopped != 0) return state;
      const auto& progress = member(instance, "progress");
      stage(progress.is_object() ? fmt::format("{}: {}", state, text_of(progress, "step")) : state);
      std::this_thread::sleep_for(kAskEvery);
      auto next = trial_->api().get(path);
      if (!next) {
        fails(next.error());
        return "failed";
      }
      instance = std::move(*next);
    }
  }

  void show(const json::value& instance, const std::string& path) {
    report_["instance"] = instance;
    if (!context_.json) print(labs::instance_page(instance, context_.clock.now(), context_.colours));
    json::object logs;
    for (const auto& machine : items_of(instance, "machines")) {
      const auto name = text_of(machine, "name");
      std::string text;
      const auto done =
          trial_->api().stream(fmt::format("{}/logs?tail={}&machine={}", path, kLinesShown, encoded(name)),
                               [&](std::string_view piece) { text += piece; });
      if (!done || text.empty()) continue;
      Tamed tamed;
      auto shown = tamed.take(text);
      shown += tamed.rest();
      if (!context_.json)
        print(fmt::format("--- what {} says\n{}{}", harmless(name), shown, shown.ends_with('\n') ? "" : "\n"));
      logs[name] = shown;
    }
    report_["logs"] = std::move(logs);
  }

  void keep() {
    tell(fmt::format("it is kept: TILTYARD_URL={} leads to its server. Enter, or Ctrl-C, ends it.", trial_->url()));
    pollfd enter{STDIN_FILENO, POLLIN, 0};
    while (stopped == 0 && ::poll(&enter, 1, -1) <= 0) {}
  }

  /// All that runs of it: the server ends without its machines.
  void end(const std::string& path) {
    stage("stopping it");
    Api::Call call;
    call.method = "DELETE";
    call.path = path;
    call.prefer = "wait=60";
    call.deadline = std::chrono::seconds{90};
    const auto done = trial_->api().call(std::move(call));
    if (!done && done.error().code != Code::kNotFound && done.error().code != Code::kConflict)
      tell("it could not be stopped: " + done.error().message +
           " The next `tiltyard try` takes away what is left of it.");
  }

  std::string fails(const Error& error) {
    report_["reason"] = json::object{{"code", error.reason}, {"text", error.message}};
    tell(error.message.empty() ? error.reason : error.message);
    return "failed";
  }

  /// A line on what happens now, once.
  void stage(const std::string& text) {
    if (text == stage_) return;
    stage_ = text;
    tell(text);
  }
  static void tell(const std::string& text) {
    Tamed tamed;
    auto shown = tamed.take(text);
    note(shown + tamed.rest());
  }

  Context& context_;
  const TryOptions& options_;
  const Settings& settings_;
  std::unique_ptr<Trial> trial_;
  std::string id_, stage_;
  bool solver_ = false;
  json::object report_;
};

}  // namespace

void add_try(cli::Words& words, const Settings& settings) {
  auto* word = words.add("try", "Build, start, probe, solve and stop a template, without a server of your own");
  auto options = std::make_shared<TryOptions>();
  word->add_option("folder", options->folder, "The template's folder")->required()->type_name("");
  word->add_flag("--keep", options->keep, "Keep it running until Enter");
  word->add_flag("--pull", options->pull, "Images may come from a registry");
  words.does(word, [c = &words.context, &settings, options] { return Author(*c, *options, settings).run(); });
}

}  // namespace tiltyard::app
