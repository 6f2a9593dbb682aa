// spawn, ls, show, extend, stop.
#include "labs/instance_text.h"

#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <thread>

#include "cli/words.h"
#include "labs/words.h"

namespace tiltyard::labs {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr std::chrono::milliseconds kLookEvery{250};

struct SpawnOptions {
  std::string tmpl, context;
  bool wait = false;
};

struct ListOptions {
  bool everybody = false, ended = false;
};

struct StopOptions {
  std::vector<std::string> ids;
  bool wait = true;  ///< a script that starts the next one needs the place of this one
};

bool arrived(const std::string& state) { return state == "running" || state == "failed" || state == "stopped"; }

std::string seconds_text(double ms) {
  return ms < 10'000 ? fmt::format("{:.1f} s", ms / 1000)
                     : duration_text(std::chrono::seconds(static_cast<std::int64_t>(ms / 1000)));
}

std::string path_of(const std::string& id) { return "/instances/" + encoded(id); }

Result<json::value> post(Api& api, std::string path, std::optional<json::value> body = {}) {
  Api::Call call;
  call.method = "POST";
  call.path = std::move(path);
  call.body = std::move(body);
  return api.call(std::move(call));
}

/// Rewrites one line of standard error while something takes its time.
class ProgressLine {
 public:
  explicit ProgressLine(bool on) : on_(on) {}
  ~ProgressLine() { show(""); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const std::string& text) {
    if (!on_ || text == last_) return;
    last_ = text;
    fmt::print(stderr, "\r\x1b[K{}", harmless(text));
    std::fflush(stderr);
  }

 private:
  bool on_;
  std::string last_;
};

bool ended(const std::string& state) { return state == "failed" || state == "stopped"; }

/// Looks until the instance has arrived somewhere, or has ended.
Result<json::value> follow(Context& context, json::value instance, bool (*there)(const std::string&) = arrived) {
  ProgressLine progress(context.error_is_terminal);
  const auto path = path_of(text_of(instance, "id"));
  while (!there(text_of(instance, "state"))) {
    progress.show(progress_text(instance));
    std::this_thread::sleep_for(kLookEvery);
    auto next = context.api().get(path);
    if (!next) return next;
    instance = std::move(*next);
  }
  return instance;
}

int show(Context& context, const json::value& instance) {
  if (context.json) {
    print_json(instance);
  } else {
    print(instance_page(instance, context.clock.now(), context.colours));
  }
  return text_of(instance, "state") == "failed" ? kFailed : kOk;
}

std::string reason_text(const json::value& instance) {
  const auto& reason = member(instance, "reason");
  const auto text = text_of(reason, "text");
  return text.empty() ? text_of(reason, "code") : text;
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string timings_text(const json::value& instance) {
  const auto* timings = member(instance, "timings_ms").if_object();
  std::string out;
  if (timings == nullptr) return out;
  for (const auto& [step, value] : *timings) {
    if (value.is_number())
      out += fmt::format("{}{} {:.0f} ms", out.empty() ? "" : ", ", std::string_view(step), value.to_number<double>());
  }
  return out;
}

Result<json::value> stop_one(Context& context, const std::string& id) {
  Api::Call call;
  call.method = "DELETE";
  call.path = path_of(id);
  return context.api().call(std::move(call));
}

/// Commands that reach it, where no other tool of theirs would.
std::vector<std::string> ways_to(const json::value& endpoint) {
  const auto kind = text_of(endpoint, "kind"), host = text_of(endpoint, "host");
  const auto port = number_of(endpoint, "port");
  if (kind == "udp") return {fmt::format("nc -u {} {}", host, port)};
  if (kind != "tls") return {};
  return {fmt::format("ncat --ssl {} {}", host, port),
          fmt::format("openssl s_client -quiet -connect {}:{} -servername {}", host, port, host)};
}

}  // namespace

std::string endpoint_text(const json::value& endpoint) {
  if (const auto url = text_of(endpoint, "url"); !url.empty()) return url;
  const auto host = text_of(endpoint, "host");
  return host.empty() ? std::string()
                      : fmt::format("{} {}:{}", text_of(endpoint, "kind"), host, number_of(endpoint, "port"));
}

std::string left_text(const json::value& instance, TimePoint now) {
  const auto state = text_of(instance, "state");
  if (state == "queued" && member(instance, "queue").is_object())
    return fmt::format("place {}", number_of(member(instance, "queue"), "position"));
  if (state == "failed" || state == "stopped") return first_line(reason_text(instance));
  const auto ends = parse_rfc3339(text_of(instance, "expires_at"));
  if (!ends) return "";
  return duration_text(std::chrono::duration_cast<std::chrono::seconds>(*ends - now));
}

std::string progress_text(const json::value& instance) {
  auto text = text_of(instance, "state");
  if (const auto& queue = member(instance, "queue"); queue.is_object()) {
    text += fmt::format(", place {}", number_of(queue, "position"));
    if (const auto eta = real_of(queue, "eta_ms"); eta > 0) text += ", about " + seconds_text(eta);
  }
  if (const auto& progress = member(instance, "progress"); progress.is_object()) {
    text += fmt::format(": {} {} of {}, {}", text_of(progress, "step"), number_of(progress, "done"),
                        number_of(progress, "total"), seconds_text(real_of(progress, "elapsed_ms")));
    if (const auto usual = real_of(progress, "expected_ms"); usual > 0) text += " of about " + seconds_text(usual);
  }
  return text;
}

std::string instance_page(const json::value& instance, TimePoint now, bool colours) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& text, Colour colour = Colour::kNone) {
    if (!text.empty()) out += fmt::format("{:<12} {}\n", name, painted(harmless(text), colour, colours));
  };
  const auto state = text_of(instance, "state");
  line("id", text_of(instance, "id"));
  line("template", text_of(instance, "template"));
  line("state", arrived(state) ? state : progress_text(instance), colour_of_state(state));
  const auto why = reason_text(instance);
  line("why", first_line(why));
  // What the machine said last, as it said it.
  for (auto at = why.find('\n'); at != why.npos; at = why.find('\n', at + 1)) line("", first_line(why.substr(at + 1)));
  for (const auto& endpoint : items_of(instance, "endpoints")) {
    line(text_of(endpoint, "name"), endpoint_text(endpoint), Colour::kBold);
    for (const auto& way : ways_to(endpoint)) line("", way);
  }
  if (const auto& credentials = member(instance, "credentials"); credentials.is_object()) {
    line("user", text_of(credentials, "user"));
    line("password", text_of(credentials, "password"));
  }
  line("owner", text_of(member(instance, "owner"), "name"));
  line("started", relative_text(text_of(instance, "started_at"), now));
  line("ended", relative_text(text_of(instance, "ended_at"), now));
  if (!arrived(state) || state == "running") line("ends", relative_text(text_of(instance, "expires_at"), now));
  if (state == "running" && !text_of(instance, "extendable_at").empty()) {
    const auto from = parse_rfc3339(text_of(instance, "extendable_at"));
    const auto by = duration_text(std::chrono::seconds(number_of(instance, "extend_s")));
    line("extend", from && *from > now
                       ? fmt::format("by {}, {}", by, relative_text(text_of(instance, "extendable_at"), now))
                       : fmt::format("by {}, now", by));
  }
  for (const auto& machine : items_of(instance, "machines")) {
    const auto health = text_of(machine, "health");
    line("machine", fmt::format("{} {}{}", text_of(machine, "name"), text_of(machine, "state"),
                                health.empty() ? "" : ", " + health));
  }
  line("timings", timings_text(instance));
  return out;
}

namespace {

int spawn(Context& context, const SpawnOptions& options) {
  json::object body{{"template", options.tmpl}};
  if (!options.context.empty()) body["context"] = options.context;
  auto instance = post(context.api(), "/instances", json::value(std::move(body)));
  if (instance && options.wait) instance = follow(context, std::move(*instance));
  if (!instance) return complain(context, instance.error());
  return show(context, *instance);
}

int list_instances(Context& context, const ListOptions& options) {
  std::string path = options.ended ? "/instances?" : std::string(kLivingInstances) + "&";
  path += options.everybody ? "owner=all" : "owner=me";
  const auto list = context.api().list(path);
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  std::vector<std::string> headings{"ID", "TEMPLATE", "STATE", "LEFT", "ENDPOINT"};
  if (options.everybody) headings.insert(headings.begin() + 1, "OWNER");
  Table table(std::move(headings), context.colours);
  for (const auto& instance : items_of(*list)) {
    const auto state = text_of(instance, "state");
    const auto& endpoints = items_of(instance, "endpoints");
    std::vector<Table::Cell> row{text_of(instance, "id"),
                                 text_of(instance, "template"),
                                 {state, colour_of_state(state)},
                                 left_text(instance, context.clock.now()),
                                 endpoints.empty() ? std::string() : endpoint_text(endpoints.front())};
    if (options.everybody) row.insert(row.begin() + 1, Table::Cell(text_of(member(instance, "owner"), "name")));
    table.add(std::move(row));
  }
  if (table.empty() && context.out_is_terminal) {
    note("Nothing runs. Start something: tiltyard spawn TEMPLATE (tiltyard templates lists them)");
  } else {
    print(table.text());
  }
  return kOk;
}

int show_instance(Context& context, const std::string& id) {
  const auto instance = context.api().get(path_of(id));
  if (!instance) return complain(context, instance.error());
  show(context, *instance);
  return kOk;
}

int extend_instance(Context& context, const std::string& id) {
  const auto instance = post(context.api(), path_of(id) + "/extend");
  if (!instance) return complain(context, instance.error());
  if (context.json) {
    print_json(*instance);
  } else {
    print(fmt::format("{} ends {}\n", harmless(text_of(*instance, "id")),
                      relative_text(text_of(*instance, "expires_at"), context.clock.now())));
  }
  return kOk;
}

/// All are asked before the first is waited for, so that several take no longer than one.
int stop_instances(Context& context, const StopOptions& options) {
  int worst = kOk;
  std::vector<json::value> asked;
  for (const auto& id : options.ids) {
    auto instance = stop_one(context, id);
    if (instance) asked.push_back(std::move(*instance));
    else if (worst = complain(context, instance.error()); worst == kServerAway) return worst;
  }
  for (auto& one : asked) {
    const auto instance = options.wait ? follow(context, std::move(one), ended) : Result<json::value>(std::move(one));
    if (!instance) {
      if (worst = complain(context, instance.error()); worst == kServerAway) return worst;
      continue;
    }
    if (context.json) {
      print_json(*instance);
      continue;
    }
    const auto state = text_of(*instance, "state");
    print(fmt::format("{} {}\n", harmless(text_of(*instance, "id")), harmless(state)));
    if (!ended(state)) note("Its place is free, and its template can be started again, once it is stopped.");
  }
  return worst;
}

}  // namespace

void take_instance(Words& words, CLI::App* word, std::string& id) {
  words.one_of_list(word->add_option("id", id, "The instance's id")->required()->type_name(""), kLivingInstances);
}

void add_instances(Words& words) {
  auto* c = &words.context;
  auto* spawn_word = words.add("spawn", "Start an instance of a template");
  auto wanted = std::make_shared<SpawnOptions>();
  words.one_of_list(spawn_word->add_option("template", wanted->tmpl, "The template's id")->required()->type_name(""),
                    "/templates");
  spawn_word->add_flag("--wait", wanted->wait, "Wait until it runs or has failed");
  spawn_word->add_option("--context", wanted->context, "Several instances of one template differ by this")
      ->type_name("TEXT");
  words.does(spawn_word, [c, wanted] { return spawn(*c, *wanted); });

  auto* ls = words.add("ls", "Instances that live");
  auto listed = std::make_shared<ListOptions>();
  ls->add_flag("--all", listed->everybody, "Everybody's, not only mine (operators)");
  ls->add_flag("--ended", listed->ended, "Also those that have ended");
  words.does(ls, [c, listed] { return list_instances(*c, *listed); });

  const auto about_one = [&](const char* name, const char* prose, int (*work)(Context&, const std::string&)) {
    auto* word = words.add(name, prose);
    auto id = std::make_shared<std::string>();
    take_instance(words, word, *id);
    words.does(word, [c, id, work] { return work(*c, *id); });
  };
  about_one("show", "Everything on one instance", show_instance);
  about_one("extend", "Add time to an instance's lease", extend_instance);

  auto* stop = words.add("stop", "Stop instances; their machines and files are destroyed");
  auto stopped = std::make_shared<StopOptions>();
  words.one_of_list(stop->add_option("id", stopped->ids, "The instances' ids")->required()->type_name(""),
                    kLivingInstances);
  stop->add_flag("--wait,!--no-wait", stopped->wait,
                 "Wait until nothing is left of them and their places are free, as it does unless --no-wait is said");
  words.does(stop, [c, stopped] { return stop_instances(*c, *stopped); });
}

}  // namespace tiltyard::labs
