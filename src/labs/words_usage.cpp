// usage.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <cctype>

#include "cli/words.h"
#include "labs/words.h"

namespace tiltyard::labs {
namespace {

using namespace cli;

struct UsageOptions {
  std::string by = "cost_centre", from, to;
};

int show_usage(Context& context, const UsageOptions& options) {
  auto path = "/admin/usage?by=" + encoded(options.by);
  if (!options.from.empty()) path += "&from=" + encoded(options.from);
  if (!options.to.empty()) path += "&to=" + encoded(options.to);
  const auto list = context.api().list(path);
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  std::string heading = options.by;
  for (auto& c : heading) c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  Table table({heading, "INSTANCES", "INSTANCE HOURS", "CPU SECONDS", "MEMORY GIB HOURS"}, context.colours);
  for (const auto& row : items_of(*list)) {
    table.add({text_of(row, "key"), std::to_string(number_of(row, "instances")),
               fmt::format("{:.2f}", real_of(row, "instance_hours")),
               fmt::format("{:.1f}", real_of(row, "cpu_seconds")),
               fmt::format("{:.2f}", real_of(row, "memory_gib_hours"))});
  }
  print(table.text());
  return kOk;
}

}  // namespace

void add_usage(Words& words) {
  auto* c = &words.context;
  auto* word = words.add("usage", "What was used (operators)");
  auto asked = std::make_shared<UsageOptions>();
  words.one_of(word->add_option("--by", asked->by, "cost_centre, template or owner")->type_name("KEY"),
               {"cost_centre", "template", "owner"});
  word->add_option("--from", asked->from, "Start, as 2026-01-31T00:00:00Z")->type_name("TIME");
  word->add_option("--to", asked->to, "End, exclusive")->type_name("TIME");
  words.does(word, [c, asked] { return show_usage(*c, *asked); });
}

}  // namespace tiltyard::labs
