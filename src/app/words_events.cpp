// events: the kinds that this server knows.
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "app/event_kinds.h"
#include "app/settings.h"
#include "app/words.h"
#include "cli/words.h"

namespace tiltyard::app {
namespace {

using namespace cli;
namespace json = boost::json;

int list_kinds(Context& context, const Settings& settings, bool markdown) {
  const auto kinds = kinds_of(settings.capabilities);
  if (!kinds) return complain(context, kinds.error());
  if (markdown) {
    print(kinds->markdown());
    return kOk;
  }
  json::array items;
  Table table({"KIND", "OF", "SEVERITY", "KEPT", "MEANING"}, context.colours);
  for (const auto& [owner, kind] : kinds->all()) {
    const auto kept = bus::to_string(kind->rows);
    items.push_back(json::object{{"name", kind->name},
                                 {"of", owner},
                                 {"severity", bus::to_string(kind->severity)},
                                 {"kept", kept},
                                 {"text", kind->prose}});
    table.add({std::string(kind->name), owner, std::string(bus::to_string(kind->severity)), std::string(kept),
               std::string(kind->prose)});
  }
  if (context.json) print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
  else print(table.text());
  return kOk;
}

}  // namespace

void add_events(Words& words, const Settings& settings) {
  auto* word = words.add("events", "The kinds of events that the server records and tells of");
  auto markdown = std::make_shared<bool>(false);
  word->add_flag("--markdown", *markdown, "As the page of the documentation");
  words.does(word, [c = &words.context, &settings, markdown] { return list_kinds(*c, settings, *markdown); });
}

}  // namespace tiltyard::app
