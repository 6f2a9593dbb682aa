// The shapes are those of CTFd/api/v1/{users,teams,config}.py and CTFd/schemas of CTFd 3.7.
#include "identity/ctfd.h"

#include <fmt/core.h>
#include <boost/json/array.hpp>

#include <algorithm>

#include "base/json.h"
#include "identity/secrets.h"
#include "identity/strategy.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

constexpr Duration kModeBelievedFor = std::chrono::minutes{5};
constexpr std::size_t kMostKnown = 10'000;

Error unavailable(std::string cause) {
  return {Code::kUnavailable,
          "ctfd-unavailable",
          "The CTFd that knows your account does not answer as it should. Who is signed in stays so; try again in a "
          "minute.",
          std::move(cause),
          {}};
}

/// Ids are whole numbers; kept as text. Empty: null or not there.
std::string id_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? std::to_string(value->get_int64()) : std::string();
}

/// Whether a list of member ids (or of objects with an id) has this one.
bool has_member(const json::array& members, const std::string& id) {
  return std::ranges::any_of(members, [&](const json::value& one) {
    if (one.is_int64()) return std::to_string(one.get_int64()) == id;
    return one.is_object() && id_of(one.get_object(), "id") == id;
  });
}

constexpr std::string_view kNotTheCtfd =
    ", not JSON: the CTFd has not said that; if a proxy stands before it (Cloudflare, a sign-in page), it has to let "
    "this server's calls of /api/v1 through";

/// Whether the CTFd itself has answered, and not a proxy before it. Its API answers in JSON, refusals too, but for
/// whoever is banned: they get a page (CTFd/utils/initialization, banned()).
bool is_own(const egress::Answer& answer) {
  if (answer.status == 200) return answer.json;
  const bool refusal = answer.status >= 400 && answer.status < 500 && answer.status != 429;
  return refusal && (answer.json || (answer.status == 403 && answer.text.contains("banned from this CTF")));
}

}  // namespace

Ctfd::Ctfd(std::string url, Secret admin_token, std::optional<Role> admins, const Clock& clock)
    : url_(std::move(url)), admin_token_(std::move(admin_token)), admins_(admins), clock_(clock) {
  while (url_.ends_with('/')) url_.pop_back();
}

bool Ctfd::looks_like_token(std::string_view text) {
  if (text.starts_with("ctfd_")) text.remove_prefix(5);
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= 32 && text.size() <= 128 && std::ranges::all_of(text, digit);
}

asio::awaitable<Result<egress::Answer>> Ctfd::get(std::string path, std::string token) {
  if (!breaker_.closed(clock_.now())) co_return fail(unavailable("not asked: it has failed several times"));
  egress::Ask question;
  question.url = url_ + "/api/v1" + path;
  // CTFd looks at the token only when the request says that it is JSON (CTFd/utils/initialization, tokens()).
  question.headers.set("Authorization", "Token " + token);
  question.headers.set("Content-Type", "application/json");
  auto answer = co_await egress::call(std::move(question));
  if (answer && is_own(*answer)) {
    breaker_.succeeded();
    co_return answer;
  }
  breaker_.failed(clock_.now());
  auto cause = answer ? fmt::format("{} answered {}{}", path, answer->status, answer->json ? "" : kNotTheCtfd)
                      : fmt::format("{}: {} {}", path, answer.error().reason, answer.error().cause);
  log::warn("identity", "the CTFd does not answer as it should", {{"cause", cause}});
  auto error = unavailable(std::move(cause));
  const auto wait = answer ? answer->retry_after : std::string();
  if (!wait.empty() && wait.size() < 6 && std::ranges::all_of(wait, [](char c) { return c >= '0' && c <= '9'; }))
    error.with("retry_after_s", wait);
  co_return fail(std::move(error));
}

asio::awaitable<Result<std::optional<json::value>>> Ctfd::data(std::string path, std::string token) {
  using Found = std::optional<json::value>;
  auto answer = co_await get(std::move(path), std::move(token));
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return Found();
  auto* found = answer->body.if_contains("data");
  if (found == nullptr) co_return Found();
  co_return Found(std::move(*found));
}

asio::awaitable<Result<std::optional<bool>>> Ctfd::plays_in_teams(std::string token) {
  if (clock_.now() < teams_until_) co_return teams_;
  // The setting is for administrators; a player's token is refused, and then what players see tells it.
  auto key = admin_token_.empty() ? token : admin_token_.reveal();
  auto mode = co_await data("/configs/user_mode", std::move(key));
  if (!mode) co_return fail(std::move(mode.error()));
  teams_.reset();
  if (*mode && (*mode)->is_object()) {
    const auto value = text_of((*mode)->get_object(), "value");
    if (value == "teams") teams_ = true;
    if (value == "users") teams_ = false;
  }
  if (!teams_) {
    // Every end point of teams is 404 in user mode (require_team_mode); without a team /teams/me is 403 in team mode.
    auto mine = co_await get("/teams/me", std::move(token));
    if (!mine) co_return fail(std::move(mine.error()));
    if (mine->status == 200 || mine->status == 403) teams_ = true;
    if (mine->status == 404) teams_ = false;
  }
  if (teams_) teams_until_ = clock_.now() + kModeBelievedFor;
  co_return teams_;
}

asio::awaitable<Result<std::optional<sql::OutsideTeam>>> Ctfd::team_details(Member member, std::string token) {
  using Found = std::optional<sql::OutsideTeam>;
  if (member.team_id.empty()) co_return Found();
  // The members, which CTFd shows to administrators; whoever is not among them is not in the team.
  auto members = co_await data(fmt::format("/teams/{}/members", member.team_id), token);
  if (!members) co_return fail(std::move(members.error()));
  if (*members && (*members)->is_array() && !has_member((*members)->get_array(), member.id)) co_return Found();
  auto details = co_await data("/teams/" + member.team_id, std::move(token));
  if (!details) co_return fail(std::move(details.error()));
  if (!*details || !(*details)->is_object()) co_return Found();
  const auto& team = (*details)->get_object();
  const auto* listed = team.if_contains("members");
  if (listed != nullptr && listed->is_array() && !has_member(listed->get_array(), member.id)) co_return Found();
  if (text_of(team, "name").empty()) co_return Found();
  co_return Found(sql::OutsideTeam{text_of(team, "name"), member.team_id});
}

asio::awaitable<Result<std::optional<sql::OutsideTeam>>> Ctfd::team_of(Member member, std::string token) {
  using Found = std::optional<sql::OutsideTeam>;
  auto named = co_await team_details(member, token);
  if (!named || *named) co_return named;
  auto mine = co_await data("/teams/me", token);
  if (!mine) co_return fail(std::move(mine.error()));
  if (*mine && (*mine)->is_object()) {
    const auto& team = (*mine)->get_object();
    if (!id_of(team, "id").empty()) co_return Found(sql::OutsideTeam{text_of(team, "name"), id_of(team, "id")});
  }
  // The list of users, filtered by name, has the team's id.
  auto users = co_await data(fmt::format("/users?field=name&q={}", http::percent_encode(member.name)), token);
  if (!users) co_return fail(std::move(users.error()));
  if (!*users || !(*users)->is_array()) co_return Found();
  for (const auto& one : (*users)->get_array()) {
    if (!one.is_object() || id_of(one.get_object(), "id") != member.id) continue;
    Member listed = member;
    listed.team_id = id_of(one.get_object(), "team_id");
    if (listed.team_id.empty() || listed.team_id == member.team_id) break;
    auto details = co_await team_details(listed, token);
    if (!details || *details) co_return details;
    co_return Found(sql::OutsideTeam{"Team " + listed.team_id, listed.team_id});
  }
  co_return Found();
}

/// By the token itself: CTFd shows "type" to administrators only, so no player's answer has it (CTFd/schemas/users.py,
/// views).
asio::awaitable<Result<Role>> Ctfd::role_of(std::string id, std::string token) {
  auto shown = co_await data("/users/" + id, std::move(token));
  if (!shown) co_return fail(std::move(shown.error()));
  if (!*shown || !(*shown)->is_object()) co_return Role::kPlayer;
  const auto& user = (*shown)->get_object();
  co_return id_of(user, "id") == id&& text_of(user, "type") == "admin" ? *admins_ : Role::kPlayer;
}

asio::awaitable<Result<sql::Outside>> Ctfd::ask(std::string token) {
  auto answer = co_await get("/users/me", token);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 401 || answer->status == 403) co_return credentials_wrong("the CTFd refuses the token");
  auto* user = answer->body.if_contains("data");
  if (answer->status != 200 || user == nullptr || !user->is_object() || id_of(user->get_object(), "id").empty()) {
    co_return fail(unavailable(fmt::format("/users/me answered {} without a user", answer->status)));
  }
  const auto& body = user->get_object();
  const Member member{id_of(body, "id"), text_of(body, "name"), id_of(body, "team_id")};
  sql::Outside who;
  who.provider = provider();
  who.subject = member.id;
  who.name = member.name;
  if (admins_) {
    const auto role = co_await role_of(member.id, token);
    if (!role) co_return fail(role.error());
    who.role = *role;
  }
  // CTFd does not say whether the address was confirmed, so it is not taken for the user's.
  auto teams = co_await plays_in_teams(token);
  if (!teams) co_return fail(std::move(teams.error()));
  if (teams->value_or(!member.team_id.empty())) {
    auto team = co_await team_of(member, std::move(token));
    if (!team) co_return fail(std::move(team.error()));
    who.team = std::move(*team);
  }
  co_return who;
}

std::optional<Result<sql::Outside>> Ctfd::known(const std::string& token) const {
  const auto found = known_.find(fingerprint(token));
  if (found == known_.end() || clock_.now() >= found->second.until) return std::nullopt;
  return found->second.answer;
}

void Ctfd::remember(const std::string& key, const Result<sql::Outside>& answer) {
  // What is wrong now may be right in a moment, but not when the CTFd itself has said no.
  if (!answer && answer.error().code != Code::kUnauthenticated) return;
  const auto now = clock_.now();
  if (known_.size() >= kMostKnown) std::erase_if(known_, [&](const auto& entry) { return now >= entry.second.until; });
  if (known_.size() >= kMostKnown) known_.clear();
  known_.insert_or_assign(key, Known{answer, now + kBelievedFor});
}

asio::awaitable<Result<sql::Outside>> Ctfd::who(std::string token) {
  if (!looks_like_token(token)) co_return credentials_wrong("not a CTFd token");
  if (auto found = known(token)) co_return std::move(*found);
  const auto key = fingerprint(token);
  const auto ticket = co_await flights_.enter(key);
  if (!ticket) {
    if (auto found = known(token)) co_return std::move(*found);
    co_return fail(unavailable("the call that others waited for has failed"));
  }
  auto answer = co_await ask(std::move(token));
  remember(key, answer);
  co_return answer;
}

}  // namespace tiltyard::identity
