#include "contest/service.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include "base/base64url.h"
#include "base/text.h"
#include "base/utf8.h"
#include "bus/event_log.h"
#include "contest/events.h"
#include "observe/log.h"

namespace tiltyard::contest {
namespace {

namespace json = boost::json;
using identity::Principal;
using R = Submission::Result;

constexpr std::chrono::seconds kLookAtFiles{5};
constexpr std::size_t kShownText = 256;

Board::Rules rules_of(const Contest& contest) {
  Board::Rules rules;
  rules.bloods = contest.bloods;
  rules.starts_at = contest.starts_at;
  if (contest.starts_at && contest.ends_at)
    rules.length = std::chrono::duration<double>(*contest.ends_at - *contest.starts_at).count();
  return rules;
}

std::string_view without_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// As it may stand in a list: one line, and not all of a long one.
std::string shown(std::string_view text) {
  std::string out = as_utf8(text.substr(0, kShownText));
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

}  // namespace

std::string name_of(const imports::Challenge& challenge, std::size_t hint) {
  const auto& id = challenge.hints[hint].id;
  return id.empty() ? fmt::format("#{}", hint + 1) : id;
}

bool Running::has(const std::string& challenge) const {
  return contest.challenges.empty() || std::ranges::find(contest.challenges, challenge) != contest.challenges.end();
}

/// What a text is, before anybody looks into the tables of the contest.
struct Service::Verdict {
  R result = R::kWrong;
  std::string flag_owner;
  std::size_t flag = 0;
  std::string text;
};

Service::Service(const Options& options, Parts parts)
    : options_(options),
      parts_(parts),
      store_(parts.store),
      shelf_(parts.folder, options.points, parts.catalogue, parts.files),
      news_(parts.home),
      loads_(parts.home),
      hint_turn_(parts.home) {}

Service::~Service() = default;

asio::awaitable<Result<>> Service::start() {
  co_await shelf_.look();
  listener_ = parts_.store.listen(kChannel, parts_.home, [this](const store::News& news) {
    if (news.missed || news.payload == "*") reload_ = true;
    news_.set();
  });
  co_return co_await load();
}

void Service::open() {
  gate_.spawn(parts_.home, "follow contests", follow());
  gate_.spawn(parts_.home, "look at challenges", look_at_files());
}

asio::awaitable<void> Service::close() {
  listener_.reset();
  co_await gate_.close();
}

asio::awaitable<void> Service::follow() {
  while (true) {
    std::ignore = co_await news_.wait_for(std::chrono::seconds{30});
    news_.reset();
    auto done = reload_ ? co_await load() : co_await catch_up();
    if (!done)
      log::warn("contest", "contests could not be read",
                {{"reason", done.error().reason}, {"cause", done.error().cause}});
  }
}

asio::awaitable<void> Service::look_at_files() {
  while (true) {
    co_await sleep_for(kLookAtFiles);
    if (!co_await shelf_.look()) continue;
    for (auto& [id, running] : running_) settle(*running);
  }
}

asio::awaitable<Result<>> Service::look_again() {
  co_await shelf_.look();
  co_return co_await load();
}

/// Everything anew, one after the other: who reads first must not be the last to write.
asio::awaitable<Result<>> Service::load() {
  const auto turn = co_await loads_.take();
  co_return co_await read_all();
}

/// Contests, who stands how, and all that counts.
asio::awaitable<Result<>> Service::read_all() {
  reload_ = false;
  auto contests = co_await store_.contests();
  if (!contests) co_return fail(std::move(contests.error()));
  auto standings = co_await store_.standings();
  if (!standings) co_return fail(std::move(standings.error()));
  auto marks = co_await store_.marks("", 0);
  if (!marks) co_return fail(std::move(marks.error()));
  // Nothing is waited for from here on, so that nobody sees half of it.
  if (options_.practice) {
    Contest practice;
    practice.id = kPractice;
    practice.title = "Practice";
    contests->push_back(std::move(practice));
  }
  std::map<std::string, RunningRef, std::less<>> before;
  before.swap(running_);
  standings_ = std::move(*standings);
  hints_.clear();
  for (auto& contest : *contests) {
    const auto id = contest.id;
    auto running = std::make_shared<Running>(std::move(contest), Board(rules_of(contest)));
    running->live = Board(rules_of(running->contest));
    if (const auto old = before.find(id); old != before.end()) running->version = old->second->version;
    running_.emplace(id, std::move(running));
  }
  for (auto& [id, running] : running_) {
    running->live.set_standings(standings_[id]);
    settle(*running);
  }
  // What was committed after they were read is read again.
  applied_ = 0;
  for (const auto& mark : *marks) apply(mark);
  co_return co_await catch_up();
}

asio::awaitable<Result<>> Service::catch_up() {
  auto marks = co_await store_.marks("", applied_);
  if (!marks) co_return fail(std::move(marks.error()));
  for (const auto& mark : *marks) apply(mark);
  co_return Result<>{};
}

/// Everybody who reads marks gets here, so some come twice.
void Service::apply(const Mark& mark) {
  const auto found = running_.find(mark.contest);
  if (found != running_.end() && mark.seq > found->second->live.last_seq()) {
    auto& running = *found->second;
    const auto& freeze = running.contest.freeze_at;
    if (freeze && !running.contest.thawed && mark.at >= *freeze && !running.kept) running.kept = running.live;
    running.live.apply(mark);
    if (running.kept && mark.at < *freeze) running.kept->apply(mark);
    ++running.version;
    if (mark.kind == Mark::Kind::kHint) hints_[mark.contest][mark.owner].push_back(mark.challenge + '\n' + mark.name);
  }
  applied_ = std::max(applied_, mark.seq);
}

/// What its challenges are worth, as their files say now.
void Service::settle(Running& running) const {
  std::map<std::string, Worth, std::less<>> worths;
  for (const auto& challenge : challenges(running))
    worths[challenge->id] = {challenge->value, challenge->content.breaks_ties};
  if (running.kept) running.kept->set_worths(worths);
  running.live.set_worths(std::move(worths));
  ++running.version;
}

std::vector<RunningRef> Service::contests() const {
  std::vector<RunningRef> out;
  for (const auto& [id, running] : running_) out.push_back(running);
  std::ranges::sort(out, [](const RunningRef& left, const RunningRef& right) {
    const auto begins = [](const RunningRef& one) { return one->contest.starts_at.value_or(TimePoint{}); };
    return begins(left) != begins(right) ? begins(left) > begins(right) : left->contest.id < right->contest.id;
  });
  return out;
}

Result<RunningRef> Service::find(std::string_view id) const {
  const auto found = running_.find(id);
  if (found != running_.end()) return found->second;
  return fail(Code::kNotFound, "contest-unknown", "There is no such contest.");
}

/// A challenge whose contest is not over is nobody's to practise with.
std::vector<ChallengeRef> Service::challenges(const Running& running) const {
  std::vector<ChallengeRef> out;
  const bool practice = running.contest.id == kPractice;
  for (const auto& [id, challenge] : shelf_.all()) {
    if (!running.has(id)) continue;
    const bool taken = practice && std::ranges::any_of(running_, [&](const auto& other) {
                         const auto& contest = other.second->contest;
                         return contest.id != kPractice && other.second->has(id) && !contest.ended(now());
                       });
    if (!taken) out.push_back(challenge);
  }
  return out;
}

Result<RunningRef> Service::contest_for(const std::string& challenge) const {
  RunningRef closed;
  if (shelf_.find(challenge)) {
    for (const auto& running : contests()) {
      const auto& contest = running->contest;
      if (contest.id == kPractice || !running->has(challenge)) continue;
      if (contest.began(now()) && !contest.ended(now())) return running;
      if (!contest.began(now())) closed = running;
    }
    if (closed) return closed;
    if (const auto practice = running_.find(kPractice); practice != running_.end()) return practice->second;
  }
  return fail(Code::kNotFound, "challenge-unknown", "There is no such challenge.");
}

Sight Service::sight(const Running& running, const Challenge& challenge, const Principal& who) const {
  if (who.staff()) return Sight::kOpen;
  const auto at = now();
  if (challenge.broken() || challenge.content.hidden || !running.contest.began(at)) return Sight::kNot;
  if (challenge.opens && *challenge.opens > at) return Sight::kNot;
  const bool ready = std::ranges::all_of(challenge.content.requires_ids, [&](const std::string& id) {
    return !shelf_.find(id) || !running.has(id) || running.live.solved_at(id, who.owner());
  });
  if (ready) return Sight::kOpen;
  if (challenge.content.locked == "shown") return Sight::kLocked;
  return challenge.content.locked == "anonymous" ? Sight::kAnonymous : Sight::kNot;
}

Result<ChallengeRef> Service::challenge(const RunningRef& running, std::string_view id, const Principal& who) const {
  const auto all = challenges(*running);
  const auto found = std::ranges::find(all, id, [](const ChallengeRef& one) -> std::string_view { return one->id; });
  if (found != all.end() && sight(*running, **found, who) != Sight::kNot) return *found;
  return fail(Code::kNotFound, "challenge-unknown", "There is no such challenge.");
}

std::shared_ptr<const std::vector<Place>> Service::places(const Running& running, const std::string& division,
                                                          bool live) const {
  const auto& board = live ? running.live : running.shown(now());
  auto& kept = running.places[division];
  if (!kept.all || kept.version != running.version || kept.of != &board) {
    kept.all = std::make_shared<const std::vector<Place>>(board.places(division));
    kept.version = running.version;
    kept.of = &board;
  }
  return kept.all;
}

std::int64_t Service::own_score(const Running& running, const std::string& owner) const {
  const auto& shown = running.shown(now());
  const auto place = running.live.place(owner);
  if (!place) return 0;
  if (&shown == &running.live) return place->score;
  std::int64_t score = place->others;
  for (const auto& challenge : place->challenges) score += shown.value(challenge);
  return score;
}

bool Service::has_hint(const Running& running, const std::string& owner, const std::string& challenge,
                       const std::string& name) const {
  const auto contest = hints_.find(running.contest.id);
  if (contest == hints_.end()) return false;
  const auto taken = contest->second.find(owner);
  return taken != contest->second.end() &&
         std::ranges::find(taken->second, challenge + '\n' + name) != taken->second.end();
}

Standing Service::standing(const Running& running, const std::string& owner) const {
  const auto contest = standings_.find(running.contest.id);
  if (contest == standings_.end()) return {};
  const auto found = contest->second.find(owner);
  return found == contest->second.end() ? Standing{} : found->second;
}

Result<> Service::open_for(const Running& running, const Challenge& challenge, const Principal& who) const {
  const auto at = now();
  const auto& contest = running.contest;
  if (!who.staff() && !contest.began(at))
    return fail(Code::kConflict, "contest-not-begun", "The contest has not begun.");
  if (!who.staff() && contest.ended(at)) return fail(Code::kConflict, "contest-over", "The contest is over.");
  if (sight(running, challenge, who) != Sight::kOpen)
    return fail(Code::kConflict, "challenge-locked", "Other challenges have to be solved before this one.");
  if (!who.staff() && challenge.closes && *challenge.closes <= at)
    return fail(Code::kConflict, "challenge-closed", "This challenge is closed.");
  return {};
}

asio::awaitable<Result<Service::Verdict>> Service::judge_text(const Principal* who, const Challenge* challenge,
                                                              std::string text) {
  Verdict out;
  out.text = without_blanks(text);
  if (has_controls(out.text)) co_return out;
  if (const auto match = challenge->answers.match(out.text)) {
    out.result = R::kCorrect;
    out.flag = *match;
    co_return out;
  }
  if (!challenge->content.own_flags || !challenge->tmpl) co_return out;
  auto owner = co_await parts_.flags.owner_of(out.text);
  if (!owner) co_return fail(std::move(owner.error()));
  if (!*owner || (*owner)->tmpl != *challenge->tmpl) co_return out;
  // A flag of one's own from before one was in a team is still one's own.
  const bool own = (*owner)->owner == who->owner() || (*owner)->owner == who->user.str();
  out.result = own ? R::kCorrect : R::kForeign;
  out.flag = challenge->answers.size();
  out.flag_owner = (*owner)->owner;
  co_return out;
}

asio::awaitable<Result<Answer>> Service::hand_in(Principal who, std::string contest, std::string id, std::string text,
                                                 std::string address) {
  auto running = contest.empty() ? contest_for(id) : find(contest);
  if (!running) co_return fail(std::move(running.error()));
  const auto place = *running;
  if (!who.staff() && !place->contest.began(now()))
    co_return fail(Code::kConflict, "contest-not-begun", "The contest has not begun.");
  auto found = challenge(place, id, who);
  if (!found) co_return fail(std::move(found.error()));
  const auto task = *found;
  if (auto open = open_for(*place, *task, who); !open) co_return fail(std::move(open.error()));
  if (!task->has_flag())
    co_return fail(Code::kConflict, "challenge-without-flag", "There is nothing to hand in for this challenge.");
  auto verdict = co_await judge_text(&who, task.get(), std::move(text));
  if (!verdict) co_return fail(std::move(verdict.error()));

  Answer out;
  out.contest = place->contest.id;
  out.challenge = task->id;
  Entry entry;
  entry.wanted = 1;
  if (task->content.logic == "all") entry.wanted = task->answers.size() + (task->content.own_flags ? 1 : 0);
  if (task->content.logic == "team" && who.team) {
    auto members = co_await parts_.identity.members(*who.team);
    if (!members) co_return fail(std::move(members.error()));
    entry.wanted = std::max<std::size_t>(*members, 1);
    entry.by_member = true;
  }
  out.wanted = entry.wanted;
  if (who.staff()) {
    out.counts = false;
    out.outcome.result = verdict->result;
    co_return out;
  }
  const auto at = now();
  entry.submission = {
      0, out.contest, out.challenge, who.owner(), who.user.str(), shown(verdict->text), verdict->result, address, at};
  entry.hash = hex(sha256(verdict->text));
  entry.flag_owner = verdict->flag_owner;
  entry.flag = verdict->flag;
  entry.attempts = task->content.attempts;
  const bus::Actor actor{who.name, who.user.str(), address};
  const auto detail = json::serialize(json::object{{"contest", out.contest}, {"challenge", out.challenge}});
  const auto& told = place->contest.hides(at, at) ? events::kSolvedUnseen : events::kSolved;
  entry.solved = bus::Event{told, task->id, who.owner(), actor, at, detail};
  entry.shared =
      bus::Event{events::kShared,
                 task->id,
                 who.owner(),
                 actor,
                 at,
                 json::serialize(json::object{
                     {"contest", out.contest}, {"challenge", out.challenge}, {"flag_owner", verdict->flag_owner}})};
  auto outcome = co_await store_.hand_in(std::move(entry));
  if (!outcome) co_return fail(std::move(outcome.error()));
  out.outcome = std::move(*outcome);
  if (out.outcome.mark) {
    if (out.outcome.mark->seq == applied_ + 1) apply(*out.outcome.mark);
    else if (auto caught = co_await catch_up(); !caught) co_return fail(std::move(caught.error()));
  }
  // Staff may have changed the contest meanwhile.
  const auto counted = find(out.contest);
  if (!counted) co_return out;
  out.value = (*counted)->shown(now()).value(task->id);
  if (!(*counted)->contest.frozen(now())) out.blood = (*counted)->live.blood(task->id, who.owner());
  co_return out;
}

asio::awaitable<Result<>> Service::take_hint(Principal who, RunningRef place, ChallengeRef task, std::size_t hint) {
  // Of two hints at once the second is paid with what the first has left.
  const auto turn = co_await hint_turn_.take();
  auto fresh = find(place->contest.id);
  if (!fresh) co_return fail(std::move(fresh.error()));
  place = *fresh;
  const auto& hints = task->content.hints;
  if (hint >= hints.size()) co_return fail(Code::kNotFound, "hint-unknown", "There is no such hint.");
  const auto& wanted = hints[hint];
  const auto name = name_of(task->content, hint);
  if (who.staff() || has_hint(*place, who.owner(), task->id, name)) co_return Result<>{};
  const bool over = place->contest.ended(now());
  if (!over) {
    if (auto open = open_for(*place, *task, who); !open) co_return fail(std::move(open.error()));
  }
  for (const auto& before : wanted.requires_ids) {
    if (!has_hint(*place, who.owner(), task->id, before))
      co_return fail(Code::kConflict, "hint-locked", "Another hint has to be taken before this one.");
  }
  const auto cost = over ? 0 : wanted.cost;
  if (cost > 0 && place->live.score(who.owner()) < cost)
    co_return fail(Code::kConflict, "points-missing",
                   fmt::format("The hint costs {} points, more than there are.", cost));
  Mark mark{.contest = place->contest.id,
            .kind = Mark::Kind::kHint,
            .owner = who.owner(),
            .user = who.user.str(),
            .challenge = task->id,
            .name = name,
            .points = -cost,
            .at = now()};
  const bus::Event event{
      events::kHint, task->id,
      who.owner(),   {who.name, who.user.str()},
      mark.at,       json::serialize(json::object{{"contest", mark.contest}, {"hint", name}, {"cost", cost}})};
  auto added = co_await store_.add(std::move(mark), event);
  if (!added) co_return fail(std::move(added.error()));
  co_return co_await catch_up();
}

asio::awaitable<Result<>> Service::put(Contest contest, bus::Actor actor) {
  const bus::Event event{events::kChanged, contest.id, {},
                         std::move(actor), now(),      json::serialize(json::object{{"title", contest.title}})};
  auto kept = co_await store_.put(std::move(contest), event);
  if (!kept) co_return kept;
  co_return co_await load();
}

asio::awaitable<Result<>> Service::remove(std::string contest, bus::Actor actor) {
  const bus::Event event{events::kChanged, contest, {}, std::move(actor), now(), R"({"removed":true})"};
  auto gone = co_await store_.remove(std::move(contest), event);
  if (!gone) co_return gone;
  co_return co_await load();
}

/// `owner-unknown`: nobody has that id.
asio::awaitable<Result<>> Service::known(std::string owner) {
  std::vector<std::string> one{owner};
  auto names = co_await parts_.identity.owner_names(std::move(one));
  if (!names) co_return fail(std::move(names.error()));
  // Who is not known is called by the id.
  if (names->at(owner).name != owner) co_return Result<>{};
  co_return fail(Code::kNotFound, "owner-unknown", "There is no user and no team of this id.");
}

asio::awaitable<Result<>> Service::award(RunningRef place, std::string owner, std::int64_t points, std::string note,
                                         bus::Actor actor) {
  if (auto there = co_await known(owner); !there) co_return there;
  const Mark mark{.contest = place->contest.id,
                  .kind = Mark::Kind::kAward,
                  .owner = owner,
                  .name = new_ulid(),
                  .points = points,
                  .at = now(),
                  .note = note};
  const bus::Event event{events::kAward, mark.contest,
                         owner,          std::move(actor),
                         mark.at,        json::serialize(json::object{{"points", points}, {"note", note}})};
  auto added = co_await store_.add(mark, event);
  if (!added) co_return fail(std::move(added.error()));
  co_return co_await catch_up();
}

asio::awaitable<Result<>> Service::take_back(RunningRef place, std::int64_t seq, bus::Actor actor) {
  const bus::Event event{events::kAward,
                         place->contest.id,
                         {},
                         std::move(actor),
                         now(),
                         json::serialize(json::object{{"taken_back", seq}})};
  auto gone = co_await store_.take_back(place->contest.id, seq, event);
  if (!gone) co_return gone;
  co_return co_await load();
}

asio::awaitable<Result<>> Service::stand(RunningRef place, std::string owner, Standing standing, bus::Actor actor) {
  if (auto there = co_await known(owner); !there) co_return there;
  const bus::Event event{
      events::kStanding,
      place->contest.id,
      owner,
      std::move(actor),
      now(),
      json::serialize(json::object{{"state", to_string(standing.state)}, {"division", standing.division}})};
  auto kept = co_await store_.put_standing(place->contest.id, owner, standing, event);
  if (!kept) co_return kept;
  co_return co_await load();
}

asio::awaitable<Result<>> Service::judge(Shared shared, bus::Actor actor) {
  const bus::Event event{
      events::kJudged, shared.challenge,
      shared.owner,    std::move(actor),
      now(),           json::serialize(json::object{{"contest", shared.contest}, {"verdict", shared.verdict}})};
  co_return co_await store_.judge(std::move(shared), event);
}

asio::awaitable<Result<std::vector<labs::Instance>>> Service::instances_of(std::string owner, TemplateId tmpl) {
  return parts_.labs.service().history(std::move(owner), std::move(tmpl));
}

asio::awaitable<Result<std::optional<std::vector<access::Seen>>>> Service::visits_of(std::string owner,
                                                                                     TemplateId tmpl) {
  return parts_.visits.seen(std::move(owner), std::move(tmpl));
}

asio::awaitable<Result<>> Service::announce(RunningRef place, std::string text, bus::Actor actor) {
  const bus::Event event{events::kAnnounced,
                         place->contest.id,
                         {},
                         std::move(actor),
                         now(),
                         json::serialize(json::object{{"text", text}})};
  co_return co_await bus::record(parts_.store, event);
}

}  // namespace tiltyard::contest
