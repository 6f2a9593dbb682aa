// config schema, check, example.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "app/settings.h"
#include "app/words.h"
#include "cli/words.h"
#include "config/keys.h"

namespace tiltyard::app {
namespace {

using namespace cli;
namespace json = boost::json;

int config_schema(Context& context, bool markdown) {
  Settings defaults;
  config::Keys keys;
  declare_keys(keys, defaults);
  if (markdown) {
    print(keys.markdown());
    return kOk;
  }
  if (context.json) {
    json::array items;
    for (const auto& key : keys.all()) {
      items.push_back(json::object{{"key", key.dotted()},
                                   {"variable", key.variable()},
                                   {"prose", key.prose},
                                   {"default", key.value.shown()},
                                   {"range", key.value.takes},
                                   {"secret", key.value.secret}});
    }
    print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
    return kOk;
  }
  Table table({"KEY", "DEFAULT", "VALUES", "VARIABLE"}, context.colours);
  for (const auto& key : keys.all()) { table.add({key.dotted(), key.value.shown(), key.value.takes, key.variable()}); }
  print(table.text());
  return kOk;
}

int config_check(Context& context) {
  const auto path = config_path(context);
  if (const auto good = context.configure(); !good) {
    note(good.error().message);
    note("tiltyard config schema lists every key; tiltyard config example prints a file to begin with.");
    return kFailed;
  }
  print(path.empty() ? std::string("no file: the defaults are good\n") : path + " is good\n");
  return kOk;
}

int config_example(Context&) {
  Settings defaults;
  config::Keys keys;
  declare_keys(keys, defaults);
  print(keys.example_toml());
  return kOk;
}

}  // namespace

void add_config(Words& words) {
  auto* c = &words.context;
  auto* config = words.add("config", "The configuration");
  config->require_subcommand(1);
  auto* schema = config->add_subcommand("schema", "Every key, its default and its values");
  auto markdown = std::make_shared<bool>(false);
  schema->add_flag("--markdown", *markdown, "As the page of the documentation");
  words.does(schema, [c, markdown] { return config_schema(*c, *markdown); });
  words.does(config->add_subcommand("check", "Whether the file is good"), [c] { return config_check(*c); });
  words.does(config->add_subcommand("example", "A file to begin with"), [c] { return config_example(*c); });
}

}  // namespace tiltyard::app
