// access: who came to which endpoint first.
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "access/capability.h"
#include "cli/words.h"

namespace tiltyard::access {
namespace {

using namespace cli;

struct Asked {
  std::string instance, tmpl, owner, endpoint, user;
};

int list(Context& context, const Asked& asked) {
  std::string path = "/admin/access";
  char sign = '?';
  for (const auto& [name, value] :
       {std::pair("instance", &asked.instance), std::pair("template", &asked.tmpl), std::pair("owner", &asked.owner),
        std::pair("endpoint", &asked.endpoint), std::pair("user", &asked.user)}) {
    if (value->empty()) continue;
    path += sign + std::string(name) + "=" + encoded(*value);
    sign = '&';
  }
  const auto found = context.api().list(path);
  if (!found) return complain(context, found.error());
  if (context.json) {
    print_json(*found);
    return kOk;
  }
  Table table({"FIRST", "USER", "ADDRESS", "ENDPOINT", "INSTANCE", "OWNER", "LAST"}, context.colours);
  for (const auto& one : items_of(*found)) {
    const auto& user = member(one, "user");
    table.add({text_of(one, "first_at"), user.is_object() ? text_of(user, "name") : "-", text_of(one, "address"),
               text_of(one, "endpoint"), text_of(one, "instance"), text_of(member(one, "owner"), "name"),
               text_of(one, "last_at")});
  }
  print(table.text());
  return kOk;
}

}  // namespace

void Capability::words(Words& words) {
  auto* word = words.add("access", "Who came to which endpoint, the first one first (operators)");
  auto asked = std::make_shared<Asked>();
  word->add_option("instance", asked->instance, "An instance's id; without one, of all")->type_name("");
  word->add_option("--template", asked->tmpl, "Only its instances'")->type_name("ID");
  word->add_option("--owner", asked->owner, "A user's or a team's id: only their instances'")->type_name("ID");
  word->add_option("--endpoint", asked->endpoint, "Only endpoints of this name")->type_name("NAME");
  word->add_option("--user", asked->user, "Only contacts of this user")->type_name("ID");
  words.does(word, [c = &words.context, asked] { return list(*c, *asked); });
}

}  // namespace tiltyard::access
