// certificates: lists those that the server has and fetches; renew orders one now.
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "certificates/capability.h"
#include "cli/words.h"

namespace tiltyard::certificates {
namespace {

using namespace cli;
namespace json = boost::json;

std::string joined(const json::value& item) {
  std::string out;
  for (const auto& name : texts_of(item, "names")) out += (out.empty() ? "" : " ") + name;
  return out;
}

int list(Context& context) {
  const auto found = context.api().list("/admin/certificates");
  if (!found) return complain(context, found.error());
  if (context.json) {
    print_json(*found);
    return kOk;
  }
  Table table({"CERTIFICATE", "STATE", "NAMES", "UNTIL", "NEXT TRY", "TROUBLE"}, context.colours);
  for (const auto& item : items_of(*found)) {
    table.add({text_of(item, "id"), text_of(item, "state"), joined(item), text_of(item, "not_after"),
               text_of(item, "next_try"), text_of(item, "error")});
  }
  print(table.text());
  return kOk;
}

int renew(Context& context, const std::string& name) {
  Api::Call call;
  call.method = "POST";
  call.path = "/admin/certificates/" + encoded(name) + "/renew";
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  if (!context.json) print("Ordered; how it goes: tiltyard certificates\n");
  return kOk;
}

}  // namespace

void Capability::words(Words& words) {
  auto* c = &words.context;
  auto* word = words.add("certificates", "The certificates that the server has and fetches (operators)");
  words.does(word, [c] { return list(*c); });
  auto* again = word->add_subcommand("renew", "Order a new certificate now (admins)");
  auto name = std::make_shared<std::string>();
  words.one_of_list(again->add_option("name", *name, "As the list has it")->required()->type_name("NAME"),
                    "/admin/certificates");
  words.does(again, [c, name] { return renew(*c, *name); });
  words.advise("certificate-unknown", "See which there are: tiltyard certificates");
  words.advise("certificate-limited", "See when it is tried again: tiltyard certificates");
}

}  // namespace tiltyard::certificates
