// users, token, whoami.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include <iostream>

#include "cli/words.h"
#include "identity/capability.h"

namespace tiltyard::identity {
namespace {

using namespace cli;
namespace json = boost::json;

struct UserOptions {
  std::string name, role, team;
  bool password_from_input = false;
};

struct TokenOptions {
  std::string name, lives;
};

Result<json::value> post(Api& api, std::string path, json::object body) {
  Api::Call call;
  call.method = "POST";
  call.path = std::move(path);
  call.body = json::value(std::move(body));
  return api.call(std::move(call));
}

/// The highest of somebody's roles: they come with the least first.
std::string role_of(const json::value& user) {
  const auto& roles = items_of(user, "roles");
  return roles.empty() || !roles.back().is_string() ? std::string() : std::string(roles.back().get_string());
}

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

int add_user(Context& context, const UserOptions& options) {
  json::object body{{"name", options.name}};
  if (!options.role.empty()) body["role"] = options.role;
  if (!options.team.empty()) body["team"] = options.team;
  if (options.password_from_input) {
    // Not as an argument: those are in the process list and in the shell's history.
    std::string password;
    if (!std::getline(std::cin, password) || password.empty()) {
      note("tiltyard: --password-stdin reads the password from standard input, and there was none");
      return kUsage;
    }
    body["password"] = password;
  }
  const auto user = post(context.api(), "/admin/users", std::move(body));
  if (!user) return complain(context, user.error());
  if (context.json) {
    print_json(*user);
    return kOk;
  }
  print(fmt::format("{} {} ({})\n", harmless(text_of(*user, "id")), harmless(text_of(*user, "name")), role_of(*user)));
  if (const auto link = text_of(*user, "sign_in_url"); !link.empty()) {
    note("One-time sign-in link, good for 24 hours:");
    print(harmless(link) + "\n");
  }
  return kOk;
}

int list_users(Context& context) {
  const auto list = context.api().list("/admin/users");
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "NAME", "ROLE", "TEAM", "PASSWORD", "LAST SIGN-IN", "STATE"}, context.colours);
  for (const auto& user : items_of(*list)) {
    const auto& disabled = member(user, "disabled");
    const bool off = disabled.is_bool() && disabled.get_bool();
    table.add({text_of(user, "id"),
               text_of(user, "name"),
               role_of(user),
               or_dash(text_of(member(user, "team"), "name")),
               member(user, "has_password") == json::value(true) ? "yes" : "no",
               or_dash(relative_text(text_of(user, "last_sign_in_at"), context.clock.now())),
               {off ? "disabled" : "active", off ? Colour::kRed : Colour::kGreen}});
  }
  print(table.text());
  return kOk;
}

int create_token(Context& context, const TokenOptions& options) {
  json::object body{{"name", options.name}};
  if (!options.lives.empty()) {
    const auto seconds = parse_seconds(options.lives);
    if (seconds < 0) {
      note(fmt::format("tiltyard: \"{}\" is no duration like 90s, 15m, 2h or 30d", options.lives));
      return kUsage;
    }
    body["expires_in_s"] = seconds;
  }
  const auto token = post(context.api(), "/me/tokens", std::move(body));
  if (!token) return complain(context, token.error());
  if (context.json) {
    print_json(*token);
    return kOk;
  }
  if (context.error_is_terminal) note("This is the only time that it is shown. Use it: export TILTYARD_TOKEN=…");
  print(text_of(*token, "token") + "\n");
  return kOk;
}

int list_tokens(Context& context) {
  const auto list = context.api().list("/me/tokens");
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  const auto now = context.clock.now();
  Table table({"ID", "NAME", "MADE", "LAST USED", "EXPIRES"}, context.colours);
  for (const auto& token : items_of(*list)) {
    table.add({text_of(token, "id"), text_of(token, "name"), relative_text(text_of(token, "created_at"), now),
               or_dash(relative_text(text_of(token, "last_used_at"), now)),
               or_dash(relative_text(text_of(token, "expires_at"), now))});
  }
  print(table.text());
  return kOk;
}

int revoke_token(Context& context, const std::string& id) {
  Api::Call call;
  call.method = "DELETE";
  call.path = "/me/tokens/" + encoded(id);
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  if (!context.json) print(fmt::format("{} revoked\n", harmless(id)));
  return kOk;
}

int whoami(Context& context) {
  const auto me = context.api().get("/me");
  if (!me) return complain(context, me.error());
  if (context.json) {
    print_json(*me);
    return kOk;
  }
  const auto team = text_of(member(*me, "team"), "name");
  print(fmt::format("{} ({}{}) at {}\n", harmless(text_of(*me, "name")), role_of(*me),
                    team.empty() ? "" : ", team " + harmless(team), context.api().where().url));
  return kOk;
}

void add_users(Words& words) {
  auto* c = &words.context;
  auto* users = words.add("users", "Who can sign in (admins)");
  users->require_subcommand(1);
  auto* add = users->add_subcommand("add", "Make a user; without a password it prints a one-time link");
  auto user = std::make_shared<UserOptions>();
  add->add_option("name", user->name, "The name to sign in with")->required()->type_name("");
  words.one_of(add->add_option("--role", user->role, "player, author, operator or admin")->type_name("ROLE"),
               {"player", "author", "operator", "admin"});
  add->add_option("--team", user->team, "The team's name; made when it is new")->type_name("NAME");
  add->add_flag("--password-stdin", user->password_from_input, "Read the password from standard input");
  words.does(add, [c, user] { return add_user(*c, *user); });
  words.does(users->add_subcommand("ls", "Everybody"), [c] { return list_users(*c); });
}

void add_tokens(Words& words) {
  auto* c = &words.context;
  auto* token = words.add("token", "My API tokens");
  token->require_subcommand(1);
  auto* create = token->add_subcommand("create", "Make one; it is shown once");
  auto made = std::make_shared<TokenOptions>();
  create->add_option("name", made->name, "What it is for")->required()->type_name("");
  create->add_option("--expires", made->lives, "When it stops working: 90s, 15m, 2h, 30d")->type_name("TIME");
  words.does(create, [c, made] { return create_token(*c, *made); });
  words.does(token->add_subcommand("ls", "All of mine"), [c] { return list_tokens(*c); });
  auto* revoke = token->add_subcommand("revoke", "End one at once");
  auto id = std::make_shared<std::string>();
  words.one_of_list(revoke->add_option("id", *id, "The token's id")->required()->type_name(""), "/me/tokens");
  words.does(revoke, [c, id] { return revoke_token(*c, *id); });
}

}  // namespace

void Capability::words(Words& words) {
  add_users(words);
  add_tokens(words);
  words.does(words.add("whoami", "Who I am to the server"), [c = &words.context] { return whoami(*c); });
  words.advise("user-unknown", "See who there is: tiltyard users ls");
  words.advise("token-unknown", "See yours: tiltyard token ls");
  words.advise("not-signed-in",
               "Set TILTYARD_TOKEN to a token of yours, or run this where the server's data/admin.token can be read "
               "(--config FILE).");
}

}  // namespace tiltyard::identity
