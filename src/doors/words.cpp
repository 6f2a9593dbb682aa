// door, share, shares, unshare.
#include "doors/words.h"

#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/object.hpp>

#include "cli/words.h"

namespace tiltyard::doors {
namespace {

using namespace cli;
namespace json = boost::json;

struct Asked {
  std::string id, share;
  long long hours = 24;
  bool anybody = false;
};

std::string path_of(const Asked& asked, std::string_view what) {
  return fmt::format("/instances/{}/{}", encoded(asked.id), what);
}

int show_door(Context& context, const Asked& asked) {
  const auto door = context.api().get(path_of(asked, "door"));
  if (!door) return complain(context, door.error());
  if (context.json) {
    print_json(*door);
    return kOk;
  }
  if (context.out_is_terminal) {
    note(
        fmt::format("Until {}; for a prompt of raw TCP, or curl -b tiltyard-door=TOKEN URL "
                    "(over https: __Host-tiltyard-door). Whoever has it goes in as you.",
                    text_of(*door, "token_ends_at")));
    if (const auto address = text_of(*door, "address"); !address.empty())
      note(fmt::format("From {} raw TCP is open until {}.", address, text_of(*door, "address_ends_at")));
  }
  print(text_of(*door, "token") + "\n");
  return kOk;
}

int make_share(Context& context, const Asked& asked) {
  Api::Call call;
  call.method = "POST";
  call.path = path_of(asked, "shares");
  call.body = json::object{{"lives_s", asked.hours * 3600}, {"one", !asked.anybody}};
  const auto made = context.api().call(std::move(call));
  if (!made) return complain(context, made.error());
  if (context.json) {
    print_json(*made);
    return kOk;
  }
  if (context.out_is_terminal) {
    note(fmt::format("For {} until {}. Take it back with: tiltyard unshare {} {}",
                     asked.anybody ? "anybody who is signed in" : "the first who opens it", text_of(*made, "ends_at"),
                     asked.id, text_of(*made, "id")));
  }
  print(text_of(*made, "url") + "\n");
  return kOk;
}

int list_shares(Context& context, const Asked& asked) {
  const auto list = context.api().list(path_of(asked, "shares"));
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "FOR", "BY", "ENDS", "LET IN"}, context.colours);
  for (const auto& share : items_of(*list)) {
    std::string guests;
    for (const auto& name : texts_of(share.as_object(), "guests")) guests += (guests.empty() ? "" : ", ") + name;
    table.add({text_of(share, "id"), flag_of(share.as_object(), "one") ? "one person" : "anybody", text_of(share, "by"),
               text_of(share, "ends_at"), guests});
  }
  print(table.text());
  return kOk;
}

int unshare(Context& context, const Asked& asked) {
  Api::Call call;
  call.method = "DELETE";
  call.path = path_of(asked, "shares/" + encoded(asked.share));
  const auto gone = context.api().call(std::move(call));
  return gone ? static_cast<int>(kOk) : complain(context, gone.error());
}

CLI::Option* instance_of(Words& words, CLI::App* word, const std::shared_ptr<Asked>& asked) {
  auto* option = word->add_option("instance", asked->id, "The instance's id")->type_name("ID")->required();
  words.one_of_list(option, "/instances");
  return option;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto asked = std::make_shared<Asked>();
  auto* door = words.add("door", "The token that opens an instance which is its owner's alone");
  instance_of(words, door, asked);
  words.does(door, [c, asked] { return show_door(*c, *asked); });

  auto* share = words.add("share", "Make a link that lets somebody else in to an instance's pages");
  instance_of(words, share, asked);
  share->add_option("--hours", asked->hours, "How long it counts (1 to 720)")
      ->type_name("N")
      ->check(CLI::Range(1, 720));
  share->add_flag("--anybody", asked->anybody, "For everybody who is signed in and has the link, not one person");
  words.does(share, [c, asked] { return make_share(*c, *asked); });

  auto* shares = words.add("shares", "List the links to an instance");
  instance_of(words, shares, asked);
  words.does(shares, [c, asked] { return list_shares(*c, *asked); });

  auto* back = words.add("unshare", "Take a link back; who came by it is cut off");
  instance_of(words, back, asked);
  words.one_thing(back->add_option("link", asked->share, "The link's id, as \"tiltyard shares\" lists it")
                      ->type_name("LINK")
                      ->required());
  words.does(back, [c, asked] { return unshare(*c, *asked); });
  words.advise("share-unknown", "See them: tiltyard shares ID");
}

}  // namespace tiltyard::doors
