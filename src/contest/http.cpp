// What players do and see of contests: api/paths/contest.yaml.
#include "contest/http.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <algorithm>
#include <set>

#include "net/body.h"
#include "net/page.h"

namespace tiltyard::contest {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using identity::Principal;
using identity::principal_of;
using Answered = Result<Response>;

json::value or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::object contest_json(const Service& service, const Running& running) {
  const auto& contest = running.contest;
  const auto now = service.now();
  json::array divisions, bloods;
  for (const auto& one : contest.divisions) divisions.emplace_back(one);
  for (const auto one : contest.bloods) bloods.emplace_back(one);
  return {{"id", contest.id},
          {"title", contest.title},
          {"about", contest.about},
          {"starts_at", or_null(contest.starts_at)},
          {"ends_at", or_null(contest.ends_at)},
          {"freeze_at", or_null(contest.freeze_at)},
          {"frozen", contest.frozen(now)},
          {"state", !contest.began(now)  ? "waits"
                    : contest.ended(now) ? "over"
                                         : "runs"},
          {"divisions", std::move(divisions)},
          {"bloods", std::move(bloods)}};
}

Result<std::string> division_of(const Running& running, const Request& request) {
  auto division = request.query_value("division");
  const auto& all = running.contest.divisions;
  if (division.empty() || std::ranges::find(all, division) != all.end()) return division;
  return fail(Code::kNotFound, "division-unknown", "The contest has no such division.");
}

asio::awaitable<Result<json::object>> board_json(Service* service, RunningRef running, std::string division,
                                                 bool live) {
  const auto now = service->now();
  const auto& board = live ? running->live : running->shown(now);
  const auto version = running->version;
  const auto places = service->places(*running, division, live);
  json::array challenges;
  std::map<std::string, std::int64_t> numbers;
  for (const auto& challenge : service->challenges(*running)) {
    // What nobody may know of yet is no column; what is hidden counts for nobody.
    if (!running->contest.began(now) || challenge->content.hidden || challenge->broken() ||
        (challenge->opens && *challenge->opens > now))
      continue;
    numbers.emplace(challenge->id, static_cast<std::int64_t>(challenges.size()));
    const bool named = challenge->content.requires_ids.empty() || challenge->content.locked == "shown";
    challenges.push_back(json::object{{"id", named ? json::value(challenge->id) : json::value(nullptr)},
                                      {"name", named ? challenge->content.name : std::string("?")},
                                      {"category", challenge->content.category},
                                      {"value", board.value(challenge->id)},
                                      {"solves", board.solve_count(challenge->id)}});
  }
  std::vector<std::string> owners;
  for (const auto& place : *places) owners.push_back(place.owner);
  auto names = co_await service->identity().owner_names(std::move(owners));
  if (!names) co_return fail(std::move(names.error()));
  json::array items;
  for (const auto& place : *places) {
    json::array solved;
    for (const auto& challenge : place.challenges) {
      if (const auto number = numbers.find(challenge); number != numbers.end()) solved.emplace_back(number->second);
    }
    const auto& name = names->at(place.owner);
    items.push_back(json::object{
        {"position", place.position},
        {"owner", place.owner},
        {"name", name.name},
        {"team", name.team},
        {"division", place.division.empty() ? json::value(nullptr) : json::value(place.division)},
        {"score", place.score},
        {"last_at", place.last == TimePoint{} ? json::value(nullptr) : json::value(to_rfc3339(place.last))},
        {"solved", std::move(solved)}});
  }
  co_return json::object{{"contest", contest_json(*service, *running)},
                         {"version", version},
                         {"challenges", std::move(challenges)},
                         {"items", std::move(items)},
                         {"next", nullptr}};
}

namespace {

constexpr std::size_t kLongestFlag = 4096;
constexpr std::size_t kPlotted = 10;

/// An answer that many ask for at once: the same for a second, unless a solve comes in between.
struct Kept {
  std::weak_ptr<Running> of;
  std::uint64_t version = 0;
  std::int64_t second = 0;
  std::string text;
};

struct HttpParts {
  Service& service;
  WorkerPool& files;
  std::map<std::string, Kept> kept = {};  ///< by what it is, the contest and its division
};
using PartsRef = std::shared_ptr<HttpParts>;

/// JSON in ASCII alone: UTF-16 escapes, as RFC 8259 7 has them.
std::string escaped(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      out += text[at++];
      continue;
    }
    const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    std::uint32_t point = lead & (0x3fu >> more);
    for (std::size_t i = 1; i <= more && at + i < text.size(); ++i)
      point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fu);
    at += more + 1;
    if (point < 0x10000) out += fmt::format("\\u{:04x}", point);
    else
      out +=
          fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
  }
  return out;
}

Response answer(const json::value& value) { return Response::json(200, json::serialize(value)); }

Result<RunningRef> contest_of(const PartsRef& parts, const Request& request) {
  return parts->service.find(request.param("contest"));
}

json::value blood_json(int blood) { return blood == 0 ? json::value(nullptr) : json::value(blood); }

json::array texts_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

json::array hints_json(const Service& service, const Running& running, const Challenge& task, const Principal& who) {
  json::array out;
  for (std::size_t i = 0; i < task.content.hints.size(); ++i) {
    const auto& hint = task.content.hints[i];
    const bool taken = who.staff() || service.has_hint(running, who.owner(), task.id, name_of(task.content, i));
    out.push_back(json::object{{"number", i},
                               {"title", hint.title.empty() ? fmt::format("Hint {}", i + 1) : hint.title},
                               {"cost", running.contest.ended(service.now()) ? 0 : hint.cost},
                               {"taken", taken},
                               {"text", taken ? json::value(hint.text) : json::value(nullptr)}});
  }
  return out;
}

json::array files_json(const Running& running, const Challenge& task) {
  json::array out;
  for (std::size_t i = 0; i < task.content.files.size(); ++i) {
    const auto& file = task.content.files[i];
    auto name = file.name;
    if (name.empty()) name = file.path.empty() ? file.url : file.path.substr(file.path.rfind('/') + 1);
    const auto url = file.path.empty()
                         ? file.url
                         : fmt::format("/api/v1/contests/{}/challenges/{}/files/{}", running.contest.id, task.id, i);
    out.push_back(json::object{{"name", name}, {"url", url}});
  }
  return out;
}

/// As the caller may see it. In a list without what makes it long.
json::object challenge_json(const Service& service, const Running& running, const Challenge& task, const Principal& who,
                            bool whole) {
  const auto sight = service.sight(running, task, who);
  const bool open = sight == Sight::kOpen, named = sight != Sight::kAnonymous;
  const auto& board = running.shown(service.now());
  const auto solved = running.live.solved_at(task.id, who.owner());
  json::object out{
      {"id", named ? json::value(task.id) : json::value(nullptr)},
      {"name", named ? json::value(task.content.name) : json::value(nullptr)},
      {"category", task.content.category},
      {"tags", named ? texts_json(task.content.tags) : json::array()},
      {"locked", !open},
      {"requires", named ? texts_json(task.content.requires_ids) : json::array()},
      {"value", board.value(task.id)},
      {"solves", board.solve_count(task.id)},
      {"solved_at", or_null(solved)},
      {"template", open && task.tmpl ? json::value(task.tmpl->str()) : json::value(nullptr)},
      {"hidden", task.content.hidden},
      {"problem", who.staff() && task.broken() ? json::value(task.problems.front().message) : json::value(nullptr)}};
  if (!whole) return out;
  out["description"] = open ? task.content.description : "";
  out["authors"] = texts_json(task.content.authors);
  out["connection"] = open ? task.content.connection : "";
  out["attribution"] = task.content.attribution;
  out["has_flag"] = task.has_flag();
  out["wanted"] = task.content.logic == "all" ? task.answers.size() + (task.content.own_flags ? 1 : 0) : 1;
  out["attempts"] = task.content.attempts == 0 ? json::value(nullptr) : json::value(task.content.attempts);
  out["closes_at"] = or_null(task.closes);
  out["next"] = solved && !task.content.next.empty() ? json::value(task.content.next) : json::value(nullptr);
  out["hints"] = open ? hints_json(service, running, task, who) : json::array();
  out["files"] = open ? files_json(running, task) : json::array();
  return out;
}

asio::awaitable<Answered> list_contests(PartsRef parts, Request) {
  json::array items;
  for (const auto& running : parts->service.contests()) items.push_back(contest_json(parts->service, *running));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Answered> list_challenges(PartsRef parts, Request request) {
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  const auto& who = principal_of(request);
  json::array items;
  for (const auto& task : parts->service.challenges(**running)) {
    if (parts->service.sight(**running, *task, who) != Sight::kNot)
      items.push_back(challenge_json(parts->service, **running, *task, who, false));
  }
  auto out = http::page(std::move(items));
  out["contest"] = contest_json(parts->service, **running);
  out["score"] = parts->service.own_score(**running, who.owner());
  co_return answer(out);
}

/// Who has solved it, as far as that is shown.
asio::awaitable<Result<json::array>> solvers_json(PartsRef parts, RunningRef running, std::string id) {
  struct Solver {
    std::string owner;
    TimePoint at;
  };
  std::vector<Solver> solvers;
  const auto& board = running->shown(parts->service.now());
  for (const auto* solve : board.solves(id)) {
    solvers.push_back({board.owner_of(*solve), solve->at});
    if (solvers.size() == 100) break;
  }
  std::vector<std::string> owners;
  for (const auto& one : solvers) owners.push_back(one.owner);
  auto names = co_await parts->service.identity().owner_names(std::move(owners));
  if (!names) co_return fail(std::move(names.error()));
  json::array out;
  for (const auto& one : solvers)
    out.push_back(json::object{{"owner", one.owner}, {"name", names->at(one.owner).name}, {"at", to_rfc3339(one.at)}});
  co_return out;
}

asio::awaitable<Answered> show_challenge(PartsRef parts, Request request) {
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  const auto who = principal_of(request);
  auto task = parts->service.challenge(*running, request.param("challenge"), who);
  if (!task) co_return fail(std::move(task.error()));
  if (parts->service.sight(**running, **task, who) == Sight::kAnonymous)
    co_return fail(Code::kNotFound, "challenge-unknown", "There is no such challenge.");
  auto out = challenge_json(parts->service, **running, **task, who, true);
  out["contest"] = (*running)->contest.id;
  out["attempts_left"] = nullptr;
  if (const auto most = (*task)->content.attempts; most > 0) {
    auto wrong = co_await parts->service.store().wrong_ones((*running)->contest.id, (*task)->id, who.owner());
    if (!wrong) co_return fail(std::move(wrong.error()));
    out["attempts_left"] = std::max<std::int64_t>(most - *wrong, 0);
  }
  auto solvers = co_await solvers_json(parts, *running, (*task)->id);
  if (!solvers) co_return fail(std::move(solvers.error()));
  out["solvers"] = std::move(*solvers);
  co_return answer(out);
}

asio::awaitable<Answered> submit(PartsRef parts, Request request) {
  http::Body body(request.body);
  auto challenge = body.text("challenge", 1, 64);
  auto flag = body.text("flag", 1, kLongestFlag);
  auto contest = body.maybe_text("contest", 1, 64).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto handed = co_await parts->service.hand_in(principal_of(request), std::move(contest), std::move(challenge),
                                                std::move(flag), request.client_address);
  if (!handed) co_return fail(std::move(handed.error()));
  using R = Submission::Result;
  const auto result = handed->outcome.result == R::kForeign ? R::kWrong : handed->outcome.result;
  const bool solved = result == R::kCorrect || result == R::kAlready;
  json::object out{{"result", to_string(result)},
                   {"contest", handed->contest},
                   {"challenge", handed->challenge},
                   {"counts", handed->counts},
                   {"value", solved ? json::value(handed->value) : json::value(nullptr)},
                   {"blood", result == R::kCorrect ? blood_json(handed->blood) : json::value(nullptr)},
                   {"found", result == R::kPart ? json::value(handed->outcome.found) : json::value(nullptr)},
                   {"wanted", handed->wanted},
                   {"attempts_left", handed->outcome.attempts_left ? json::value(*handed->outcome.attempts_left)
                                                                   : json::value(nullptr)}};
  co_return answer(out);
}

/// A whole number that a path names.
std::optional<std::size_t> number_in(std::string_view text) {
  if (text.empty() || text.size() > 4 || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  return std::stoul(std::string(text));
}

asio::awaitable<Answered> take_hint(PartsRef parts, Request request) {
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  const auto who = principal_of(request);
  auto task = parts->service.challenge(*running, request.param("challenge"), who);
  if (!task) co_return fail(std::move(task.error()));
  const auto number = number_in(request.param("hint"));
  if (!number) co_return fail(Code::kNotFound, "hint-unknown", "There is no such hint.");
  auto taken = co_await parts->service.take_hint(who, *running, *task, *number);
  if (!taken) co_return fail(std::move(taken.error()));
  auto hints = hints_json(parts->service, **running, **task, who);
  auto out = hints[*number].as_object();
  out["text"] = (*task)->content.hints[*number].text;
  out["taken"] = true;
  co_return answer(out);
}

asio::awaitable<void> copy_file(WorkerPool& files, int file, std::shared_ptr<http::BodyWriter> to) {
  struct Closer {
    int file;
    ~Closer() { ::close(file); }
  } closer{file};
  while (true) {
    auto work = [file] {
      std::string piece(256 << 10, '\0');
      const auto got = ::read(file, piece.data(), piece.size());
      piece.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      return std::pair(got, std::move(piece));
    };
    auto [got, piece] = co_await offload(files, std::move(work));
    // Cut off in the middle, so that nobody takes what came for the whole.
    if (got < 0) throw std::runtime_error("a hand-out could not be read");
    if (got == 0) co_return;
    if (auto written = co_await to->write(std::move(piece)); !written) co_return;
  }
}

asio::awaitable<Answered> download(PartsRef parts, Request request) {
  const auto missing = [] { return fail(Code::kNotFound, "file-unknown", "There is no such file."); };
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  const auto who = principal_of(request);
  auto task = parts->service.challenge(*running, request.param("challenge"), who);
  if (!task) co_return fail(std::move(task.error()));
  const auto number = number_in(request.param("file"));
  const auto& files = (*task)->content.files;
  if (!number || *number >= files.size() || files[*number].path.empty() ||
      parts->service.sight(**running, **task, who) != Sight::kOpen)
    co_return missing();
  auto work = [folder = (*task)->folder, path = files[*number].path] { return open_below(folder, path); };
  const auto file = co_await offload(parts->files, std::move(work));
  if (!file) co_return missing();
  const auto& one = files[*number];
  auto name = one.name.empty() ? one.path.substr(one.path.rfind('/') + 1) : one.name;
  Response response;
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", "attachment; filename*=UTF-8''" + http::percent_encode(name));
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.stream = [pool = &parts->files, file = *file](std::shared_ptr<http::BodyWriter> to) {
    return copy_file(*pool, file, std::move(to));
  };
  co_return response;
}

using Made = asio::awaitable<Result<json::object>>;

Made plot_json(Service* service, RunningRef running, std::string division) {
  const auto places = service->places(*running, division, false);
  std::vector<std::string> owners;
  for (const auto& place : *places) {
    owners.push_back(place.owner);
    if (owners.size() == kPlotted) break;
  }
  auto history = running->shown(service->now()).history(owners);
  auto names = co_await service->identity().owner_names(owners);
  if (!names) co_return fail(std::move(names.error()));
  json::array items;
  for (const auto& owner : owners) {
    json::array steps;
    for (const auto& step : history[owner])
      steps.push_back(json::object{{"at", to_rfc3339(step.at)}, {"score", step.score}});
    items.push_back(json::object{{"owner", owner}, {"name", names->at(owner).name}, {"steps", std::move(steps)}});
  }
  co_return http::page(std::move(items));
}

Made public_board(Service* service, RunningRef running, std::string division) {
  return board_json(service, std::move(running), std::move(division), false);
}

/// Strangers may ask for these as often as they like, and they cost the more the more people play.
asio::awaitable<Answered> kept_answer(PartsRef parts, Request request, std::string what,
                                      Made (*make)(Service*, RunningRef, std::string)) {
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  auto division = division_of(**running, request);
  if (!division) co_return fail(std::move(division.error()));
  const auto name = what + '\n' + (*running)->contest.id + '\n' + *division;
  const auto version = (*running)->version;
  const std::int64_t second = to_micros(parts->service.now()) / 1'000'000;
  const auto& kept = parts->kept[name];
  if (kept.of.lock() == *running && kept.version == version && kept.second == second)
    co_return Response::json(200, kept.text);
  auto made = co_await make(&parts->service, *running, std::move(*division));
  if (!made) co_return fail(std::move(made.error()));
  auto text = json::serialize(*made);
  parts->kept[name] = {*running, version, second, text};
  co_return Response::json(200, std::move(text));
}

asio::awaitable<Answered> board(PartsRef parts, Request request) {
  return kept_answer(std::move(parts), std::move(request), "board", public_board);
}

/// How the first ten came to where they are.
asio::awaitable<Answered> plot(PartsRef parts, Request request) {
  return kept_answer(std::move(parts), std::move(request), "plot", plot_json);
}

/// A player's or a team's own page, as everybody may see it.
asio::awaitable<Answered> owner(PartsRef parts, Request request) {
  auto running = contest_of(parts, request);
  if (!running) co_return fail(std::move(running.error()));
  const auto place = *running;
  const std::string id(request.param("owner"));
  const auto now = parts->service.now();
  const auto& shown = place->shown(now);
  const auto all = parts->service.places(*place, "", false);
  const auto found = std::ranges::find(*all, id, &Place::owner);
  if (found == all->end()) co_return fail(Code::kNotFound, "owner-unknown", "Nobody of that name is on the board.");
  json::array solves;
  for (const auto& challenge : found->challenges) {
    const auto task = parts->service.shelf().find(challenge);
    if (!task || task->content.hidden) continue;
    solves.push_back(json::object{{"challenge", challenge},
                                  {"name", task->content.name},
                                  {"category", task->content.category},
                                  {"value", shown.value(challenge)},
                                  {"blood", blood_json(shown.blood(challenge, id))},
                                  {"at", or_null(shown.solved_at(challenge, id))}});
  }
  std::vector<std::string> one{id};
  auto names = co_await parts->service.identity().owner_names(std::move(one));
  if (!names) co_return fail(std::move(names.error()));
  const auto& name = names->at(id);
  co_return answer(
      json::object{{"owner", id},
                   {"name", name.name},
                   {"team", name.team},
                   {"division", found->division.empty() ? json::value(nullptr) : json::value(found->division)},
                   {"position", found->position},
                   {"score", found->score},
                   {"bonus", found->bonus},
                   {"other_points", found->others},
                   {"solves", std::move(solves)}});
}

/// CTFtime's scoreboard feed, its minimal form (ctftime.org/json-scoreboard-feed): all beyond ASCII is escaped.
asio::awaitable<Answered> feed(PartsRef parts, Request request) {
  const auto secret = request.param("feed");
  for (const auto& running : parts->service.contests()) {
    const auto& wanted = running->contest.feed;
    if (wanted.empty() || !Secret(wanted).equals(secret)) continue;
    auto board = co_await board_json(&parts->service, running, "", false);
    if (!board) co_return fail(std::move(board.error()));
    json::array standings;
    for (const auto& item : (*board)["items"].as_array()) {
      standings.push_back(
          json::object{{"pos", item.at("position")}, {"team", item.at("name")}, {"score", item.at("score")}});
    }
    auto response = Response::json(200, escaped(json::serialize(json::object{{"standings", std::move(standings)}})));
    response.headers.set("Access-Control-Allow-Origin", "*");
    co_return response;
  }
  co_return fail(Code::kNotFound, "contest-unknown", "There is no such feed.");
}

}  // namespace

void add_routes(house::Routes& routes, Service& service, WorkerPool& files) {
  const auto parts = std::make_shared<HttpParts>(service, files);
  const auto add = [&](const char* method, std::string pattern, house::Rights rights, const char* limit, auto handler) {
    routes.add(method, std::move(pattern), rights, {limit},
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  const std::string contest = "/api/v1/contests/{contest}", challenge = contest + "/challenges/{challenge}";
  const house::Rights signed_in{Access::kSignedIn}, own{Access::kSignedIn, Scope::kFlags, Whose::kSelf};
  const house::Rights anybody{service.options().public_boards ? Access::kOpen : Access::kSignedIn};
  add("POST", "/api/v1/flags/submit", own, "flag-submit", submit);
  add("GET", "/api/v1/contests", anybody, "contest-read", list_contests);
  add("GET", contest + "/challenges", signed_in, "list-read", list_challenges);
  add("GET", challenge, signed_in, "item-read", show_challenge);
  add("GET", challenge + "/files/{file}", signed_in, "contest-file", download);
  add("POST", challenge + "/hints/{hint}", own, "contest-hint", take_hint);
  add("GET", contest + "/board", anybody, "contest-read", board);
  add("GET", contest + "/plot", anybody, "contest-read", plot);
  add("GET", contest + "/owners/{owner}", anybody, "contest-read", owner);
  add("GET", "/api/v1/contest-feeds/{feed}", {Access::kOpen}, "contest-read", feed);
}

}  // namespace tiltyard::contest
