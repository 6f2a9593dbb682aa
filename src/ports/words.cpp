// ports, ports open, ports close, ports free.
#include "ports/words.h"

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/words.h"

namespace tiltyard::ports {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr auto kLiving = "/instances?state=running,paused";

struct Wanted {
  std::string id, machine, name;
  int port = 0;
  bool tcp = false, udp = false;
};

std::string path_of(const std::string& id) { return "/instances/" + encoded(id) + "/ports"; }

Result<json::value> send(Context& context, std::string method, std::string path, std::optional<json::value> body = {}) {
  Api::Call call;
  call.method = std::move(method);
  call.path = std::move(path);
  call.body = std::move(body);
  return context.api().call(std::move(call));
}

/// How one gets to an endpoint.
std::string way_to(const json::value& endpoint) {
  if (const auto url = text_of(endpoint, "url"); !url.empty()) return url;
  return fmt::format("{} {}:{}", text_of(endpoint, "kind"), text_of(endpoint, "host"), number_of(endpoint, "port"));
}

std::string way_of(const json::value& all, const std::string& name) {
  for (const auto& one : items_of(all, "open")) {
    if (text_of(one, "name") == name) return way_to(member(one, "endpoint"));
  }
  return {};
}

std::string joined(const json::value& value, std::string_view key) {
  std::string out;
  for (const auto& item : items_of(value, key)) {
    if (item.is_string()) out += (out.empty() ? "" : " ") + std::string(item.get_string());
  }
  return out;
}

void add_rows(Table& table, const json::value& all) {
  std::vector<std::string> listed;
  for (const auto& machine : items_of(all, "machines")) {
    const auto name = text_of(machine, "name");
    for (const auto& port : items_of(machine, "ports")) {
      const auto endpoint = text_of(port, "endpoint"), why = text_of(port, "why");
      const auto state = !endpoint.empty() ? "open" : why.empty() ? "listens" : "unreachable";
      listed.push_back(endpoint);
      table.add({name, fmt::format("{}/{}", number_of(port, "port"), text_of(port, "protocol")),
                 text_of(port, "program"), joined(port, "addresses"), state,
                 !endpoint.empty() ? fmt::format("{}  {}", endpoint, way_of(all, endpoint)) : why});
    }
  }
  for (const auto& one : items_of(all, "open")) {
    if (std::ranges::find(listed, text_of(one, "name")) != listed.end()) continue;
    const auto& endpoint = member(one, "endpoint");
    table.add({text_of(one, "machine"), fmt::format("{}", number_of(one, "port")), "", "", "open, silent",
               fmt::format("{}  {}", text_of(one, "name"), way_to(endpoint))});
  }
}

int show_ports(Context& context, const std::string& id) {
  if (id.empty()) {  // the grammar would ask the words below for theirs twice
    note("tiltyard: id is required\nSee: tiltyard ports --help");
    return kUsage;
  }
  const auto all = context.api().get(path_of(id));
  if (!all) return complain(context, all.error());
  if (context.json) {
    print_json(*all);
    return kOk;
  }
  Table table({"MACHINE", "PORT", "PROGRAM", "LISTENS ON", "STATE", "WAY IN"}, context.colours);
  add_rows(table, *all);
  if (!table.empty()) print(table.text());
  for (const auto& machine : items_of(*all, "machines")) {
    const auto name = text_of(machine, "name");
    if (const auto why = text_of(machine, "why"); !why.empty()) note(fmt::format("{}: {}", name, why));
    else if (const auto free = number_of(machine, "free"); free > 0)
      note(fmt::format("{}: port {} is free", name, free));
  }
  const auto& policy = member(*all, "policy");
  if (const auto why = text_of(policy, "why"); !why.empty()) note(why);
  else note(fmt::format("{} more can be opened: tiltyard ports open {} PORT", number_of(policy, "left"), id));
  return kOk;
}

int open_port(Context& context, const Wanted& wanted) {
  json::object body{{"port", wanted.port}, {"kind", wanted.udp ? "udp" : wanted.tcp ? "tcp" : "http"}};
  if (!wanted.machine.empty()) body["machine"] = wanted.machine;
  if (!wanted.name.empty()) body["name"] = wanted.name;
  const auto opened = send(context, "POST", path_of(wanted.id), json::value(std::move(body)));
  if (!opened) return complain(context, opened.error());
  if (context.json) {
    print_json(*opened);
    return kOk;
  }
  print(harmless(way_to(member(*opened, "endpoint"))) + "\n");
  if (!member(*opened, "listens").is_bool() || !member(*opened, "listens").get_bool())
    note(fmt::format("Nothing listens on port {} yet.", wanted.port));
  note(fmt::format("Close it: tiltyard ports close {} {}", wanted.id, text_of(*opened, "name")));
  return kOk;
}

int close_port(Context& context, const Wanted& wanted) {
  const auto closed = send(context, "DELETE", path_of(wanted.id) + "/" + encoded(wanted.name));
  return closed ? kOk : complain(context, closed.error());
}

int free_port(Context& context, const Wanted& wanted) {
  json::object body;
  if (!wanted.machine.empty()) body["machine"] = wanted.machine;
  const auto given = send(context, "POST", path_of(wanted.id) + "/free", json::value(std::move(body)));
  if (!given) return complain(context, given.error());
  if (context.json) print_json(*given);
  else print(fmt::format("{}\n", number_of(*given, "port")));
  return kOk;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  const auto take_id = [&words](CLI::App* word, std::string& id) {
    auto* option = word->add_option("id", id, "The instance's id")->type_name("");
    words.one_of_list(option, kLiving);
    return option;
  };
  const auto take_machine = [](CLI::App* word, std::string& machine) {
    word->add_option("--machine", machine, "Which of its machines; otherwise the one of its first endpoint")
        ->type_name("NAME");
  };
  auto wanted = std::make_shared<Wanted>();
  auto* all = words.add("ports", "Which ports of an instance's machines listen, and open or close one");
  take_id(all, wanted->id);
  words.does(all, [c, wanted] { return show_ports(*c, wanted->id); });

  auto* open = all->add_subcommand(
      "open", "Open a port of a machine, as a page, or with --tcp or --udp as a port of the gateway");
  take_id(open, wanted->id)->required();
  open->add_option("port", wanted->port, "The port that the program in the machine listens on")
      ->required()
      ->type_name("");
  auto* tcp =
      open->add_flag("--tcp", wanted->tcp, "A port of the gateway for raw TCP, instead of a host name for HTTP");
  open->add_flag("--udp", wanted->udp, "A port of the gateway for UDP")->excludes(tcp);
  open->add_option("--name", wanted->name, "What the endpoint is called")->type_name("NAME");
  take_machine(open, wanted->machine);
  words.does(open, [c, wanted] { return open_port(*c, *wanted); });

  auto* close = all->add_subcommand("close", "Close an endpoint that was opened so");
  take_id(close, wanted->id)->required();
  words.one_thing(close->add_option("name", wanted->name, "The endpoint's name")->required()->type_name(""));
  words.does(close, [c, wanted] { return close_port(*c, *wanted); });

  auto* free = all->add_subcommand("free", "A port of a machine that nobody uses, kept for you for a while");
  take_id(free, wanted->id)->required();
  take_machine(free, wanted->machine);
  words.does(free, [c, wanted] { return free_port(*c, *wanted); });

  words.advise("ports-exceeded", "See which are open: tiltyard ports ID. Close one: tiltyard ports close ID NAME");
  words.advise("port-open", "See how one gets there: tiltyard ports ID");
  words.advise("endpoint-unknown", "See which there are: tiltyard ports ID");
}

}  // namespace tiltyard::ports
