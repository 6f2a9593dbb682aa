// keys: the SSH keys of my account.
#include "ssh/words.h"

#include <fmt/format.h>
#include <CLI/App.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cli/words.h"

namespace tiltyard::ssh {
namespace {

using namespace cli;
namespace json = boost::json;

struct Adding {
  std::string file, url, name;
};

/// The first of the files that ssh-keygen makes which is there; empty: none is.
std::string usual_file() {
  const char* home = std::getenv("HOME");
  if (home == nullptr) return {};
  for (const auto* name : {"id_ed25519", "id_ecdsa", "id_rsa"}) {
    auto path = fmt::format("{}/.ssh/{}.pub", home, name);
    if (std::ifstream(path).good()) return path;
  }
  return {};
}

Result<json::object> body_of(const Adding& adding) {
  json::object body;
  if (!adding.name.empty()) body["name"] = adding.name;
  if (!adding.url.empty()) {
    body["url"] = adding.url;
    return body;
  }
  const auto path = adding.file.empty() ? usual_file() : adding.file;
  if (path.empty())
    return fail(Code::kInvalid, reason::kUsage, "There is no key in ~/.ssh. Make one: ssh-keygen -t ed25519");
  std::ifstream file(path);
  constexpr std::size_t kMost = 16 * 1024;
  std::string line(kMost, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file.gcount()));
  if (line.empty()) return fail(Code::kInvalid, reason::kUsage, fmt::format("{} cannot be read, or is empty.", path));
  if (line.contains("PRIVATE KEY")) {
    return fail(Code::kInvalid, reason::kUsage,
                fmt::format("{} is a private key, which nobody but you should have. Give {}.pub.", path, path));
  }
  body["key"] = line;
  return body;
}

int add_key(Context& context, const Adding& adding) {
  auto body = body_of(adding);
  if (!body) return complain(context, body.error());
  Api::Call call;
  call.method = "POST";
  call.path = "/me/ssh-keys";
  call.body = json::value(std::move(*body));
  const auto added = context.api().call(std::move(call));
  if (!added) return complain(context, added.error());
  if (context.json) {
    print_json(*added);
    return kOk;
  }
  for (const auto& key : items_of(*added, "items"))
    print(fmt::format("{} {} {}\n", harmless(text_of(key, "id")), text_of(key, "fingerprint"),
                      harmless(text_of(key, "name"))));
  return kOk;
}

int list_keys(Context& context) {
  const auto list = context.api().list("/me/ssh-keys");
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "NAME", "KIND", "FINGERPRINT", "ADDED"}, context.colours);
  for (const auto& key : items_of(*list)) {
    table.add({text_of(key, "id"), text_of(key, "name"), text_of(key, "type"), text_of(key, "fingerprint"),
               relative_text(text_of(key, "created_at"), context.clock.now())});
  }
  print(table.text());
  return kOk;
}

int remove_key(Context& context, const std::string& id) {
  Api::Call call;
  call.method = "DELETE";
  call.path = "/me/ssh-keys/" + encoded(id);
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  if (!context.json) print(fmt::format("{} removed\n", harmless(id)));
  return kOk;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto* keys = words.add("keys", "My SSH keys, for the SSH port that is still to come");
  keys->require_subcommand(1);
  auto* add = keys->add_subcommand("add", "Let a key in: a file that ends in .pub, else the one in ~/.ssh");
  auto adding = std::make_shared<Adding>();
  add->add_option("file", adding->file, "The public key's file")->type_name("");
  add->add_option("--from", adding->url, "Fetch all that stand there, such as https://github.com/NAME.keys")
      ->type_name("URL")
      ->excludes("file");
  add->add_option("--name", adding->name, "What to call it; otherwise as its comment says")->type_name("NAME");
  words.does(add, [c, adding] { return add_key(*c, *adding); });
  words.does(keys->add_subcommand("ls", "All of mine"), [c] { return list_keys(*c); });
  auto* remove = keys->add_subcommand("rm", "A key opens nothing any more");
  auto id = std::make_shared<std::string>();
  words.one_of_list(remove->add_option("id", *id, "The key's id")->required()->type_name(""), "/me/ssh-keys");
  words.does(remove, [c, id] { return remove_key(*c, *id); });
  words.advise("key-unknown", "See yours: tiltyard keys ls");
}

}  // namespace tiltyard::ssh
