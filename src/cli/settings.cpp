// config schema, check, example.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/words.h"
#include "config/keys.h"
#include "config/settings.h"

namespace tiltyard::cli {
namespace {

namespace json = boost::json;

int config_schema(Context& context, bool markdown) {
  if (markdown) {
    print(config::markdown());
    return kOk;
  }
  config::Settings defaults;
  const auto keys = config::keys_of(defaults);
  if (context.json) {
    json::array items;
    for (const auto& key : keys) {
      items.push_back(json::object{{"key", key.dotted()},
                                   {"variable", key.variable()},
                                   {"prose", std::string(key.prose)},
                                   {"default", config::value_text(key)},
                                   {"range", config::range_text(key)},
                                   {"live", key.apply == config::Apply::kLive},
                                   {"secret", key.secret()}});
    }
    print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
    return kOk;
  }
  Table table({"KEY", "DEFAULT", "VALUES", "LIVE", "VARIABLE"}, context.colours);
  for (const auto& key : keys) {
    table.add({key.dotted(), config::value_text(key), config::range_text(key),
               key.apply == config::Apply::kLive ? "yes" : "restart", key.variable()});
  }
  print(table.text());
  return kOk;
}

int config_check(Context& context) {
  const auto path = config_path(context);
  const auto settings = config::load(path, config::process_environment());
  if (!settings) {
    note(settings.error().message);
    note("tiltyard config schema lists every key; tiltyard config example prints a file to begin with.");
    return kFailed;
  }
  print(path.empty() ? std::string("no file: the defaults are good\n") : path + " is good\n");
  return kOk;
}

int config_example(Context&) {
  print(config::example_toml());
  return kOk;
}

}  // namespace

void add_config(Words& words) {
  auto* c = &words.context;
  auto* config = words.app.add_subcommand("config", "The configuration");
  config->require_subcommand(1);
  auto* schema = config->add_subcommand("schema", "Every key, its default and its values");
  auto markdown = std::make_shared<bool>(false);
  schema->add_flag("--markdown", *markdown, "As the page of the documentation");
  words.does(schema, [c, markdown] { return config_schema(*c, *markdown); });
  words.does(config->add_subcommand("check", "Whether the file is good"), [c] { return config_check(*c); });
  words.does(config->add_subcommand("example", "A file to begin with"), [c] { return config_example(*c); });
}

}  // namespace tiltyard::cli
