// users, token, usage, whoami.
#include <fmt/core.h>
#include <boost/json/array.hpp>

#include <iostream>

#include "cli/context.h"

namespace tiltyard::cli {
namespace {

namespace json = boost::json;

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

}  // namespace

int add_user(Context& context, UserOptions options) {
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

int create_token(Context& context, const std::string& name, const std::string& lives) {
  json::object body{{"name", name}};
  if (!lives.empty()) {
    const auto seconds = parse_seconds(lives);
    if (seconds < 0) {
      note(fmt::format("tiltyard: \"{}\" is no duration like 90s, 15m, 2h or 30d", lives));
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

int usage(Context& context, const std::string& by, const std::string& from, const std::string& to) {
  auto path = "/admin/usage?by=" + encoded(by);
  if (!from.empty()) path += "&from=" + encoded(from);
  if (!to.empty()) path += "&to=" + encoded(to);
  const auto list = context.api().list(path);
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  std::string heading = by;
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

}  // namespace tiltyard::cli
