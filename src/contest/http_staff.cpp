// What staff do with contests, and what they look at: api/paths/contest.yaml.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <set>

#include "contest/evidence.h"
#include "contest/http.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::contest {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using http::Request;
using http::Response;
using Answered = Result<Response>;

constexpr int kMostOnAPage = 500, kCases = 50;
constexpr std::int64_t kMostPoints = 1'000'000;

Response reply(const json::value& value) { return Response::json(200, json::serialize(value)); }

json::object staff_json(const Service& service, const Running& running) {
  auto out = contest_json(service, running);
  json::array challenges;
  for (const auto& one : running.contest.challenges) challenges.emplace_back(one);
  out["challenges"] = std::move(challenges);
  out["thawed"] = running.contest.thawed;
  out["feed"] = running.contest.feed.empty() ? json::value(nullptr)
                                             : json::value("/api/v1/contest-feeds/" + running.contest.feed);
  return out;
}

bool is_slug(std::string_view text) {
  return !text.empty() && text.size() <= 40 && !text.starts_with('-') && !text.ends_with('-') &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

/// Null and missing are different: missing leaves what is there.
void read_time(http::Body& body, std::string_view name, std::optional<TimePoint>& out) {
  if (!body.has(name)) return;
  const auto text = body.maybe_text(name, 1, 40);
  out.reset();
  if (!text) return;
  auto time = parse_rfc3339(*text);
  if (time) out = *time;
  else body.refuse(fmt::format("{} takes a time like 2026-12-01T09:00:00Z", name));
}

void read_bloods(http::Body& body, std::array<int, 3>& out) {
  const auto* value = body.any("bloods");
  if (!value || value->is_null()) return;
  const auto* list = value->if_array();
  const bool good = list && list->size() == out.size() && std::ranges::all_of(*list, [](const json::value& one) {
                      return one.is_int64() && one.as_int64() >= 0 && one.as_int64() <= 1000;
                    });
  if (!good) return body.refuse("bloods takes three whole numbers from 0 to 1000: thousandths of the value");
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int>((*list)[i].as_int64());
}

asio::awaitable<Answered> put(Service* service, Request request) {
  const std::string id(request.param("contest"));
  Contest contest;
  contest.id = id;
  contest.title = id;
  auto before = service->find(id);
  if (before) contest = (*before)->contest;
  if (!is_slug(id) || id == kPractice)
    co_return fail(Code::kInvalid, "contest-name",
                   "A contest is called by a-z, 0-9 and \"-\", at most 40 of them, and not \"practice\".");
  http::Body body(request.body);
  if (auto title = body.maybe_text("title", 1, 100)) contest.title = *title;
  if (auto about = body.maybe_text("about", 0, 20'000)) contest.about = *about;
  read_time(body, "starts_at", contest.starts_at);
  read_time(body, "ends_at", contest.ends_at);
  read_time(body, "freeze_at", contest.freeze_at);
  if (auto thawed = body.maybe_flag("thawed")) contest.thawed = *thawed;
  if (auto challenges = body.maybe_texts("challenges", 2000, 64)) contest.challenges = *challenges;
  if (auto divisions = body.maybe_texts("divisions", 20, 60)) contest.divisions = *divisions;
  read_bloods(body, contest.bloods);
  if (auto feed = body.maybe_flag("feed"))
    contest.feed = *feed ? (contest.feed.empty() ? random_hex(16) : contest.feed) : "";
  if (contest.starts_at && contest.ends_at && *contest.ends_at <= *contest.starts_at)
    body.refuse("ends_at must be after starts_at");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  for (const auto& challenge : contest.challenges) {
    if (!service->shelf().find(challenge))
      co_return fail(Code::kInvalid, "challenge-unknown", fmt::format("There is no challenge \"{}\".", challenge));
  }
  auto kept = co_await service->put(std::move(contest), identity::actor_of(request));
  if (!kept) co_return fail(std::move(kept.error()));
  auto now = service->find(id);
  if (!now) co_return fail(std::move(now.error()));
  auto response = reply(staff_json(*service, **now));
  response.status = before ? 200 : 201;
  co_return response;
}

asio::awaitable<Answered> show(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  co_return reply(staff_json(*service, **running));
}

asio::awaitable<Answered> remove(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  if ((*running)->contest.id == kPractice)
    co_return fail(Code::kInvalid, "contest-name",
                   "Practice cannot be removed; contest.practice = false switches it off.");
  auto gone = co_await service->remove((*running)->contest.id, identity::actor_of(request));
  if (!gone) co_return fail(std::move(gone.error()));
  co_return Response::empty(204);
}

asio::awaitable<Answered> live_board(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  auto division = division_of(**running, request);
  if (!division) co_return fail(std::move(division.error()));
  auto board = co_await board_json(service, *running, std::move(*division), true);
  if (!board) co_return fail(std::move(board.error()));
  co_return reply(*board);
}

asio::awaitable<Answered> stand(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  const std::string owner(request.param("owner"));
  auto standing = service->standing(**running, owner);
  http::Body body(request.body);
  if (body.has("division")) standing.division = body.maybe_text("division", 0, 60).value_or("");
  if (const auto state = body.maybe_text("state", 1, 20)) {
    const auto named = standing_named(*state);
    if (named) standing.state = *named;
    else body.refuse("state is one of plays, hidden, disqualified");
  }
  const auto& divisions = (*running)->contest.divisions;
  if (!standing.division.empty() && std::ranges::find(divisions, standing.division) == divisions.end())
    body.refuse("division is none of the contest's");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto kept = co_await service->stand(*running, owner, standing, identity::actor_of(request));
  if (!kept) co_return fail(std::move(kept.error()));
  co_return reply(
      json::object{{"owner", owner}, {"state", to_string(standing.state)}, {"division", standing.division}});
}

asio::awaitable<Answered> award(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  http::Body body(request.body);
  auto owner = body.text("owner", 1, 64);
  const auto points = body.number("points", -kMostPoints, kMostPoints);
  auto note = body.text("note", 1, 200);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto given =
      co_await service->award(*running, std::move(owner), points, std::move(note), identity::actor_of(request));
  if (!given) co_return fail(std::move(given.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<std::map<std::string, std::string>>> names_of(Service* service, std::set<std::string> owners) {
  std::vector<std::string> wanted(owners.begin(), owners.end());
  auto names = co_await service->identity().owner_names(std::move(wanted));
  if (!names) co_return fail(std::move(names.error()));
  std::map<std::string, std::string> out;
  for (auto& [id, name] : *names) out.emplace(id, name.name);
  co_return out;
}

json::object who_json(const std::string& id, const std::map<std::string, std::string>& names) {
  const auto name = names.find(id);
  return {{"id", id}, {"name", name == names.end() ? id : name->second}};
}

/// All that counts, in its order: what a board is made of.
asio::awaitable<Answered> marks(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  auto rows = co_await service->store().marks((*running)->contest.id, 0);
  if (!rows) co_return fail(std::move(rows.error()));
  std::set<std::string> owners;
  for (const auto& one : *rows) owners.insert(one.owner);
  auto names = co_await names_of(service, std::move(owners));
  if (!names) co_return fail(std::move(names.error()));
  constexpr std::string_view kKinds[] = {"solve", "hint", "award"};
  json::array items;
  for (const auto& one : *rows) {
    items.push_back(json::object{{"seq", one.seq},
                                 {"kind", kKinds[static_cast<std::size_t>(one.kind)]},
                                 {"owner", who_json(one.owner, *names)},
                                 {"user", one.user},
                                 {"challenge", one.challenge},
                                 {"name", one.name},
                                 {"points", one.points},
                                 {"at", to_rfc3339(one.at)},
                                 {"note", one.note}});
  }
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Answered> take_back(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  const auto text = request.param("seq");
  if (text.empty() || text.size() > 18 || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    co_return fail(Code::kNotFound, "mark-unknown", "There is no such entry.");
  auto gone = co_await service->take_back(*running, std::stoll(std::string(text)), identity::actor_of(request));
  if (!gone) co_return fail(std::move(gone.error()));
  co_return Response::empty(204);
}

asio::awaitable<Answered> submissions(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  const auto limit = http::query_number(request, "limit", 100, 1, kMostOnAPage);
  if (!limit) co_return fail(limit.error());
  const auto after = http::query_number(request, "cursor", 0, 0, INT64_MAX);
  if (!after) co_return fail(after.error());
  SubmissionQuery query{(*running)->contest.id,
                        request.query_value("challenge"),
                        request.query_value("owner"),
                        request.query_value("result"),
                        *after,
                        static_cast<int>(*limit) + 1};
  auto rows = co_await service->store().submissions(query);
  if (!rows) co_return fail(std::move(rows.error()));
  http::Cursor next;
  if (rows->size() > static_cast<std::size_t>(*limit)) {
    rows->pop_back();
    next = std::to_string(rows->back().id);
  }
  std::set<std::string> owners;
  for (const auto& one : *rows) owners.insert({one.owner, one.user});
  auto names = co_await names_of(service, std::move(owners));
  if (!names) co_return fail(std::move(names.error()));
  json::array items;
  for (const auto& one : *rows) {
    items.push_back(json::object{{"id", std::to_string(one.id)},
                                 {"challenge", one.challenge},
                                 {"owner", who_json(one.owner, *names)},
                                 {"user", who_json(one.user, *names)},
                                 {"result", to_string(one.result)},
                                 {"text", one.text},
                                 {"address", one.address},
                                 {"at", to_rfc3339(one.at)}});
  }
  co_return http::page_answer(std::move(items), std::move(next));
}

json::object shared_json(const Shared& one, const Evidence& evidence, const std::map<std::string, std::string>& names) {
  json::array reasons;
  for (const auto& reason : evidence.reasons)
    reasons.push_back(json::object{{"weight", reason.weight}, {"text", reason.text}});
  return {{"hash", one.hash},
          {"challenge", one.challenge},
          {"owner", who_json(one.owner, names)},
          {"user", who_json(one.user, names)},
          {"flag_owner", who_json(one.flag_owner, names)},
          {"address", one.address},
          {"times", one.times},
          {"first_at", to_rfc3339(one.first)},
          {"last_at", to_rfc3339(one.last)},
          {"score", evidence.score()},
          {"reasons", std::move(reasons)},
          {"verdict", one.verdict.empty() ? json::value(nullptr) : json::value(one.verdict)},
          {"verdict_by", one.verdict_by.empty() ? json::value(nullptr) : json::value(one.verdict_by)},
          {"verdict_at", or_null(one.verdict_at)},
          {"note", one.note}};
}

/// Pages of cases: for each one the rows of two players are read.
asio::awaitable<Answered> shared(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  const auto limit = http::query_number(request, "limit", kCases, 1, kCases);
  if (!limit) co_return fail(limit.error());
  const auto skip = http::query_number(request, "cursor", 0, 0, kMostOnAPage);
  if (!skip) co_return fail(skip.error());
  auto rows = co_await service->store().shared((*running)->contest.id);
  if (!rows) co_return fail(std::move(rows.error()));
  const auto first = std::min(static_cast<std::size_t>(*skip), rows->size());
  const auto last = std::min(first + static_cast<std::size_t>(*limit), rows->size());
  std::set<std::string> owners;
  for (auto i = first; i < last; ++i) owners.insert({(*rows)[i].owner, (*rows)[i].user, (*rows)[i].flag_owner});
  auto names = co_await names_of(service, std::move(owners));
  if (!names) co_return fail(std::move(names.error()));
  json::array items;
  for (auto i = first; i < last; ++i) {
    auto evidence = co_await evidence_of(service, *running, (*rows)[i], *rows);
    if (!evidence) co_return fail(std::move(evidence.error()));
    items.push_back(shared_json((*rows)[i], *evidence, *names));
  }
  http::Cursor next;
  if (last < rows->size()) next = std::to_string(last);
  co_return http::page_answer(std::move(items), std::move(next));
}

/// A verdict, or (null) none any more. Disqualified means that the submitter is, in this contest; undone with it.
asio::awaitable<Answered> judge(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  auto found = co_await service->store().find_shared(std::string(request.param("hash")));
  if (!found) co_return fail(std::move(found.error()));
  if (!*found || (*found)->contest != (*running)->contest.id)
    co_return fail(Code::kNotFound, "case-unknown", "There is no such case.");
  auto one = std::move(**found);
  http::Body body(request.body);
  const auto verdict = body.maybe_text("verdict", 1, 20);
  one.note = body.maybe_text("note", 0, 1000).value_or("");
  const std::set<std::string> known{"innocent", "warned", "disqualified"};
  if (verdict && !known.contains(*verdict)) body.refuse("verdict is innocent, warned, disqualified or null");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  const bool was = one.verdict == "disqualified", is = verdict == "disqualified";
  const auto actor = identity::actor_of(request);
  one.verdict = verdict.value_or("");
  one.verdict_by = verdict ? actor.name : "";
  one.verdict_at = verdict ? std::optional(service->now()) : std::nullopt;
  auto kept = co_await service->judge(one, actor);
  if (!kept) co_return fail(std::move(kept.error()));
  if (was != is) {
    auto standing = service->standing(**running, one.owner);
    standing.state = is ? Standing::State::kDisqualified : Standing::State::kPlays;
    auto stands = co_await service->stand(*running, one.owner, standing, actor);
    if (!stands) co_return fail(std::move(stands.error()));
  }
  co_return Response::empty(204);
}

asio::awaitable<Answered> announce(Service* service, Request request) {
  auto running = service->find(request.param("contest"));
  if (!running) co_return fail(std::move(running.error()));
  http::Body body(request.body);
  auto text = body.text("text", 1, 1000);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto told = co_await service->announce(*running, std::move(text), identity::actor_of(request));
  if (!told) co_return fail(std::move(told.error()));
  co_return Response::empty(204);
}

asio::awaitable<Answered> look_again(Service* service, Request) {
  auto looked = co_await service->look_again();
  if (!looked) co_return fail(std::move(looked.error()));
  json::array items;
  for (const auto& [id, challenge] : service->shelf().all()) {
    json::array problems;
    for (const auto& problem : challenge->problems)
      problems.push_back(json::object{{"file", problem.file}, {"line", problem.line}, {"message", problem.message}});
    items.push_back(json::object{{"id", id}, {"name", challenge->content.name}, {"problems", std::move(problems)}});
  }
  co_return http::page_answer(std::move(items));
}

}  // namespace

void add_staff_routes(house::Routes& routes, Service& service) {
  const auto add = [&](const char* method, std::string pattern, const char* limit, auto handler) {
    routes.add(method, std::move(pattern), {Access::kOperator, Scope::kAdmin}, {limit},
               [own = &service, handler](Request request) { return handler(own, std::move(request)); });
  };
  const std::string contest = "/api/v1/admin/contests/{contest}";
  add("GET", contest, "admin-read", show);
  add("PUT", contest, "admin-change", put);
  add("DELETE", contest, "admin-change", remove);
  add("GET", contest + "/board", "admin-read", live_board);
  add("PUT", contest + "/owners/{owner}", "admin-change", stand);
  add("POST", contest + "/awards", "admin-change", award);
  add("GET", contest + "/marks", "admin-read", marks);
  add("DELETE", contest + "/marks/{seq}", "admin-change", take_back);
  add("GET", contest + "/submissions", "admin-read", submissions);
  add("GET", contest + "/shared", "admin-read", shared);
  add("PUT", contest + "/shared/{hash}", "admin-change", judge);
  add("POST", contest + "/announcements", "admin-change", announce);
  add("POST", "/api/v1/admin/challenges/reload", "admin-change", look_again);
}

}  // namespace tiltyard::contest
