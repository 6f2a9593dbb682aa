// names: ask for one, list them, lead one elsewhere, drop one.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/words.h"
#include "names/capability.h"

namespace tiltyard::names {
namespace {

using namespace cli;
namespace json = boost::json;

struct AskOptions {
  std::string name, instance, endpoint;
  bool follow = false;
};

std::string check_text(const json::value& name) {
  std::string out;
  for (const auto& check : items_of(name, "checks")) {
    if (text_of(check, "is") != "good") out += (out.empty() ? "" : " ") + text_of(check, "text");
  }
  const auto problem = text_of(name, "problem");
  if (!problem.empty()) out += (out.empty() ? "" : " ") + problem;
  return out;
}

int show(Context& context, const json::value& name) {
  if (context.json) {
    print_json(name);
    return kOk;
  }
  print(fmt::format("{}  {}  {}\n", text_of(name, "name"), text_of(name, "state"), text_of(name, "url")));
  const auto& proof = member(name, "proof");
  if (proof.is_object() && text_of(name, "state") == "asked")
    print(fmt::format(
        "Prove that it is yours with this record, then wait, or: tiltyard names look {0}\n\n  {1} {2} \"{3}\"\n\n",
        text_of(name, "name"), text_of(proof, "name"), text_of(proof, "type"), text_of(proof, "value")));
  if (const auto checks = check_text(name); !checks.empty()) print(checks + "\n");
  return kOk;
}

int list(Context& context, bool everybody) {
  const auto found = context.api().list(everybody ? "/names?owner=all" : "/names");
  if (!found) return complain(context, found.error());
  if (context.json) {
    print_json(*found);
    return kOk;
  }
  Table table({"NAME", "STATE", "INSTANCE", "ENDPOINT", "NOTE"}, context.colours);
  for (const auto& name : items_of(*found)) {
    table.add({text_of(name, "name"), text_of(name, "state"), text_of(name, "instance"), text_of(name, "endpoint"),
               check_text(name)});
  }
  print(table.text());
  return kOk;
}

json::object body_of(const AskOptions& options) {
  json::object body{{"instance", options.instance}, {"follow", options.follow}};
  if (!options.endpoint.empty()) body["endpoint"] = options.endpoint;
  return body;
}

int send(Context& context, std::string method, std::string path, std::optional<json::value> body) {
  Api::Call call;
  call.method = std::move(method);
  call.path = std::move(path);
  call.body = std::move(body);
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  return done->is_object() ? show(context, *done) : static_cast<int>(kOk);
}

int ask(Context& context, const AskOptions& options) {
  auto body = body_of(options);
  body["name"] = options.name;
  return send(context, "POST", "/names", std::move(body));
}

/// The id of one's own name, as it is called or by its first label.
Result<std::string> id_of(Context& context, const std::string& called) {
  const auto found = context.api().list("/names?owner=me");
  if (!found) return fail(found.error());
  for (const auto& name : items_of(*found)) {
    const auto host = text_of(name, "name");
    const bool free = text_of(name, "kind") == "free";
    if (text_of(name, "id") == called || host == called || (free && host.starts_with(called + ".")))
      return text_of(name, "id");
  }
  return fail(Code::kNotFound, "name-unknown", "You have no name " + called + ".");
}

int with_id(Context& context, const std::string& called, const std::string& method, const std::string& below,
            std::optional<json::value> body) {
  const auto id = id_of(context, called);
  if (!id) return complain(context, id.error());
  return send(context, method, "/names/" + encoded(*id) + below, std::move(body));
}

}  // namespace

void Capability::words(Words& words) {
  auto* all = words.add("names", "Names of your own for instances: ask, list, point, look, drop");
  all->require_subcommand(1);
  auto* context = &words.context;
  const auto options = std::make_shared<AskOptions>();
  const auto everybody = std::make_shared<bool>(false);
  const auto takes_place = [&](CLI::App* word) {
    words.one_of_list(word->add_option("instance", options->instance, "The instance")->required()->type_name(""),
                      "/instances");
    word->add_option("--endpoint", options->endpoint, "Its endpoint; the first one otherwise")->type_name("NAME");
    word->add_flag("--follow", options->follow, "Go on to your next instance of the same template");
  };
  const auto takes_name = [&](CLI::App* word, const char* help) {
    word->add_option("name", options->name, help)->required()->type_name("");
  };

  auto* asks = all->add_subcommand("ask", "Ask for a name");
  takes_name(asks, "A word for a free name, or a domain of yours");
  takes_place(asks);
  words.does(asks, [context, options] { return ask(*context, *options); });

  auto* lists = all->add_subcommand("list", "List your names");
  lists->add_flag("--all", *everybody, "Everybody's (staff)");
  words.does(lists, [context, everybody] { return list(*context, *everybody); });

  auto* points = all->add_subcommand("point", "Lead a name to another instance or endpoint");
  takes_name(points, "The name");
  takes_place(points);
  words.does(points, [context, options] {
    return with_id(*context, options->name, "PUT", "", json::value(body_of(*options)));
  });

  auto* looks = all->add_subcommand("look", "Have the DNS looked into now");
  takes_name(looks, "The name");
  words.does(looks, [context, options] { return with_id(*context, options->name, "POST", "/look", {}); });

  auto* drops = all->add_subcommand("drop", "Give a name back");
  takes_name(drops, "The name");
  words.does(drops, [context, options] { return with_id(*context, options->name, "DELETE", "", {}); });

  words.advise("name-unknown", "See yours: tiltyard names list");
  words.advise("names-full", "See yours: tiltyard names list. Drop one: tiltyard names drop NAME");
  words.advise("name-taken", "Ask for another one.");
  words.advise("name-yours", "See yours: tiltyard names list");
  words.advise("endpoint-nameless", "See its endpoints: tiltyard show ID");
}

}  // namespace tiltyard::names
