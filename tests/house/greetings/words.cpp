// greet: says a greeting, or lists those that were said.
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/words.h"
#include "greetings/capability.h"

namespace tiltyard::greetings {
namespace {

using namespace cli;
namespace json = boost::json;

int say(Context& context, const std::string& text) {
  Api::Call call;
  call.method = "POST";
  call.path = "/greetings";
  call.body = json::value{{"text", text}};
  const auto done = context.api().call(std::move(call));
  return done ? static_cast<int>(kOk) : complain(context, done.error());
}

int list(Context& context) {
  const auto found = context.api().list("/greetings");
  if (!found) return complain(context, found.error());
  if (context.json) {
    print_json(*found);
    return kOk;
  }
  Table table({"GREETING", "COUNTED"}, context.colours);
  for (const auto& item : items_of(*found)) table.add({text_of(item, "text"), flag_of(item, "counted") ? "yes" : "no"});
  print(table.text());
  return kOk;
}

}  // namespace

void Capability::words(Words& words) {
  auto* word = words.add("greet", "Say a greeting, or list what was said");
  auto text = std::make_shared<std::string>();
  word->add_option("text", *text, "The greeting; without one, those that were said are listed")->type_name("");
  words.does(word, [c = &words.context, text] { return text->empty() ? list(*c) : say(*c, *text); });
  words.advise("greeting-too-long", "See how long it may be: tiltyard config schema");
}

}  // namespace tiltyard::greetings
