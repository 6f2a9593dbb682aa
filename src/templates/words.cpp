// templates, and templates lint, which needs no server.
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>

#include "cli/words.h"
#include "templates/capability.h"
#include "templates/fix.h"
#include "templates/reading.h"
#include "templates/rights.h"

namespace tiltyard::templates {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;

std::string state_text(const json::value& tmpl) {
  const auto& build = member(tmpl, "build");
  if (!build.is_object()) return text_of(tmpl, "state");
  return fmt::format("{} {}/{}", text_of(tmpl, "state"), number_of(build, "step"), number_of(build, "steps"));
}

std::string endpoints_text(const json::value& tmpl) {
  std::string out;
  for (const auto& endpoint : items_of(tmpl, "endpoints")) {
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", text_of(endpoint, "name"), text_of(endpoint, "kind"));
  }
  return out;
}

bool template_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const auto* file :
       {"instance.toml", "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml", "Dockerfile"}) {
    if (fs::exists(folder / file, ignored)) return true;
  }
  return false;
}

/// The folder itself, or the folders of templates in it.
std::vector<fs::path> folders_of(const fs::path& path) {
  if (template_folder(path)) return {path};
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.') &&
        !starts_nothing(entry.path().string()))
      out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

Colour colour_of(Problem::Severity severity) {
  if (severity == Problem::Severity::kError) return Colour::kRed;
  return severity == Problem::Severity::kWarning ? Colour::kYellow : Colour::kGrey;
}

struct Count {
  int errors = 0, warnings = 0, templates = 0, fixable = 0;
};

json::object problem_json(const std::string& id, const Problem& problem) {
  return {{"template", id},
          {"severity", word_of(problem.severity)},
          {"file", problem.file},
          {"line", problem.line},
          {"message", problem.message},
          {"fixable", problem.fix.has_value()}};
}

void report(const Context& context, const std::string& id, const fs::path& folder, const Problem& problem, Count& count,
            json::array& items) {
  if (problem.severity == Problem::Severity::kError) ++count.errors;
  if (problem.severity == Problem::Severity::kWarning) ++count.warnings;
  if (problem.fix) ++count.fixable;
  if (context.json) {
    items.push_back(problem_json(id, problem));
    return;
  }
  // As compilers print it, so that editors find the place.
  const auto file = problem.file.empty() ? folder.string() : (folder / problem.file).lexically_normal().string();
  const auto place = problem.line > 0 ? fmt::format("{}:{}", file, problem.line) : file;
  print(fmt::format("{}: {}: {}\n", harmless(place),
                    painted(word_of(problem.severity), colour_of(problem.severity), context.colours),
                    harmless(problem.message)));
}

/// Writes what is safe to write and says it, on stderr where the list is JSON; what is left is in the answer.
Template read_fixed(const Context& context, const fs::path& folder, const Options& options) {
  auto [read, fixed, failed] = fix_folder(fs::absolute(folder).lexically_normal().string(), options);
  for (const auto& [file, line, what] : fixed) {
    const auto text = fmt::format("{}:{}: {}: {}", harmless((folder / file).lexically_normal().string()), line,
                                  painted("fixed", Colour::kGreen, context.colours && !context.json), harmless(what));
    if (context.json) note(text);
    else print(text + "\n");
  }
  for (const auto& why : failed) note(harmless(fmt::format("{}: not fixed: {}", folder.string(), why)));
  return std::move(read);
}

/// `owners`: the folders that were looked at, by the ids of their templates.
void lint_one(const Context& context, const fs::path& folder, const Options& options, bool fix, Count& count,
              json::array& items, std::map<std::string, fs::path>& owners) {
  const auto read = fix ? read_fixed(context, folder, options)
                        : read_folder(fs::absolute(folder).lexically_normal().string(), options);
  ++count.templates;
  for (const auto& problem : read.problems) report(context, read.id.str(), folder, problem, count, items);
  for (const auto& note : read.notes) report(context, read.id.str(), folder, note, count, items);
  for (const auto& problem : lint_rights(read)) report(context, read.id.str(), folder, problem, count, items);
  const auto [owner, first] = owners.emplace(read.id.str(), folder);
  if (first) return;
  const auto twins = fmt::format("the folder {} has the same id, \"{}\"; say another `id` in one's instance.toml",
                                 owner->second.string(), read.id.str());
  report(context, read.id.str(), folder, {Problem::Severity::kError, "", 0, twins}, count, items);
}

/// Why it cannot be started, and what its author should know, as compilers print it.
std::string remarks_on(const json::value& tmpl, bool colours) {
  const auto id = text_of(tmpl, "id");
  const auto reason = text_of(tmpl, "reason");
  std::string out;
  bool told = false;
  for (const auto& problem : items_of(tmpl, "problems")) {
    const auto severity = text_of(problem, "severity");
    const auto message = text_of(problem, "message");
    const auto line = number_of(problem, "line");
    auto place = (fs::path(id) / text_of(problem, "file")).lexically_normal().string();
    if (place.ends_with('/')) place.pop_back();
    if (line > 0) place += fmt::format(":{}", line);
    const auto colour = severity == "error" ? Colour::kRed : severity == "warning" ? Colour::kYellow : Colour::kNone;
    out +=
        fmt::format("{}: {}: {}\n", harmless(place), painted(harmless(severity), colour, colours), harmless(message));
    told = told || reason.contains(message);
  }
  if (!told && !reason.empty() && text_of(tmpl, "state") != "ready")
    out = fmt::format("{}: {}\n", harmless(id), harmless(reason)) + out;
  return out;
}

int list_templates(Context& context) {
  const auto list = context.api().list("/templates");
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  cli::Table table({"ID", "NAME", "CATEGORY", "STATE", "ENDPOINTS", "LEASE"}, context.colours);
  for (const auto& tmpl : items_of(*list)) {
    const auto lease = number_of(member(tmpl, "lease"), "timeout_s");
    table.add({text_of(tmpl, "id"),
               text_of(tmpl, "name"),
               text_of(tmpl, "category"),
               {state_text(tmpl), colour_of_state(text_of(tmpl, "state"))},
               endpoints_text(tmpl),
               lease > 0 ? duration_text(std::chrono::seconds(lease)) : std::string("-")});
  }
  if (table.empty() && context.out_is_terminal) {
    note("There are no templates. Put a folder with a compose file into the server's templates folder.");
    return kOk;
  }
  print(table.text());
  std::string remarks;
  for (const auto& tmpl : items_of(*list)) remarks += remarks_on(tmpl, context.colours);
  if (!remarks.empty()) print("\n" + remarks);
  return kOk;
}

/// The templates that the paths name; nullopt: one has none, which is said.
std::optional<std::vector<fs::path>> all_folders(const std::vector<std::string>& paths) {
  std::vector<fs::path> folders;
  for (const auto& path : paths) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      note(fmt::format("tiltyard: {} is no folder. Name a template's folder, or the folder that has them.", path));
      return std::nullopt;
    }
    const auto found = folders_of(path);
    if (found.empty()) {
      note(fmt::format("tiltyard: {} has no template in it: no compose file, no Dockerfile, no instance.toml.", path));
      return std::nullopt;
    }
    std::ranges::copy_if(found, std::back_inserter(folders),
                         [&](const fs::path& folder) { return std::ranges::find(folders, folder) == folders.end(); });
  }
  return folders;
}

/// What was read, as `docker compose config` shows it; the problems go to stderr.
int show_readings(Context& context, const Options& options, const std::vector<std::string>& paths) {
  const auto folders = all_folders(paths);
  if (!folders) return kNotFound;
  if (const auto good = context.configure(); !good) return complain(context, good.error());
  json::array items;
  bool broken = false;
  for (const auto& folder : *folders) {
    const auto read = read_folder(fs::absolute(folder).lexically_normal().string(), options);
    auto item = reading_json(read);
    item["folder"] = folder.string();
    items.push_back(std::move(item));
    broken |= read.broken();
    if (const auto problems = format_problems(read); !problems.empty()) note(harmless(problems));
  }
  print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
  return broken ? kFailed : kOk;
}

int lint_templates(Context& context, const Options& options, const std::vector<std::string>& paths, bool fix) {
  const auto folders = all_folders(paths);
  if (!folders) return kNotFound;
  // What this site allows and limits, so that lint says what its server will say.
  if (const auto good = context.configure(); !good) return complain(context, good.error());
  Count count;
  json::array items;
  std::map<std::string, fs::path> owners;
  for (const auto& folder : *folders) lint_one(context, folder, options, fix, count, items, owners);
  if (context.json) {
    print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
  } else {
    note(fmt::format("{} template{}: {} error{}, {} warning{}", count.templates, count.templates == 1 ? "" : "s",
                     count.errors, count.errors == 1 ? "" : "s", count.warnings, count.warnings == 1 ? "" : "s"));
    if (count.fixable > 0 && !fix)
      note(fmt::format("{} of these can be mended by themselves: tiltyard templates lint --fix {}", count.fixable,
                       harmless(fmt::format("{}", fmt::join(paths, " ")))));
  }
  return count.errors == 0 ? kOk : kFailed;
}

std::string fate_text(const json::value& image, TimePoint now) {
  const auto fate = text_of(image, "fate");
  if (fate == "stays" && !text_of(image, "goes_at").empty())
    return "unneeded, goes " + relative_text(text_of(image, "goes_at"), now);
  if (fate == "stays") return "unneeded";
  if (fate == "goes") return "unneeded, goes now";
  if (fate == "in-use") return "unneeded, but a machine is made of it";
  return fate == "gone" ? "removed" : fate;
}

int show_builds(const Context& context, const json::value& list) {
  if (context.json) {
    print_json(list);
    return kOk;
  }
  cli::Table table({"IMAGE", "TEMPLATE", "SIZE", "ENGINE", "STATE"}, context.colours);
  for (const auto& image : items_of(list)) {
    table.add({harmless(text_of(image, "image")), harmless(text_of(image, "template")),
               bytes_text(static_cast<std::uint64_t>(number_of(image, "bytes"))), harmless(text_of(image, "engine")),
               fate_text(image, context.clock.now())});
  }
  if (table.empty()) note("There is none.");
  else print(table.text());
  return kOk;
}

int list_builds(Context& context) {
  const auto list = context.api().list("/admin/images");
  return list ? show_builds(context, *list) : complain(context, list.error());
}

/// What it would do is what the list says: nobody has to guess it a second time.
int collect_builds(Context& context, bool dry_run, bool at_once) {
  if (!dry_run) {
    auto done = context.api().call(
        {"POST", "/admin/images/collect", json::object{{"at_once", at_once}}, {}, std::chrono::minutes{10}});
    return done ? show_builds(context, *done) : complain(context, done.error());
  }
  const auto list = context.api().list("/admin/images");
  if (!list) return complain(context, list.error());
  json::array would;
  for (const auto& image : items_of(*list)) {
    const auto fate = text_of(image, "fate");
    if (fate == "goes" || (at_once && fate == "stays")) would.push_back(image);
  }
  return show_builds(context, json::object{{"items", std::move(would)}, {"next", nullptr}});
}

}  // namespace

void Capability::words(Words& words) {
  auto* c = &words.context;
  auto* word = words.add("templates", "What can be started");
  word->require_subcommand(0, 1);
  words.does(word, [c] { return list_templates(*c); });
  auto* lint = word->add_subcommand("lint", "Check template folders without a server");
  auto paths = std::make_shared<std::vector<std::string>>();
  lint->add_option("path", *paths, "Templates' folders, or folders that have them")->required()->type_name("");
  auto fix = std::make_shared<bool>(false);
  lint->add_flag("--fix", *fix, "Write what is safe to write into the folders, and check again");
  words.does(lint, [this, c, paths, fix] { return lint_templates(*c, options_, *paths, *fix); });
  auto* config = word->add_subcommand("config", "Show what is read of template folders, as JSON, without a server");
  config->add_option("path", *paths, "Templates' folders, or folders that have them")->required()->type_name("");
  words.does(config, [this, c, paths] { return show_readings(*c, options_, *paths); });
  auto* images = words.add("images", "What was built for templates, and what nobody needs any more (staff)");
  images->require_subcommand(0, 1);
  words.does(images, [c] { return list_builds(*c); });
  auto* collect = images->add_subcommand("collect", "Remove the builds whose time has come");
  auto dry_run = std::make_shared<bool>(false), at_once = std::make_shared<bool>(false);
  collect->add_flag("--dry-run", *dry_run, "Only show which would go");
  collect->add_flag("--now", *at_once, "All that nobody needs, however short that is");
  words.does(collect, [c, dry_run, at_once] { return collect_builds(*c, *dry_run, *at_once); });
  words.advise("template-unknown", "See what there is: tiltyard templates");
  for (const auto* reason : {"template-not-ready", "template-broken"})
    words.advise(reason, "See why: tiltyard templates");
}

}  // namespace tiltyard::templates
