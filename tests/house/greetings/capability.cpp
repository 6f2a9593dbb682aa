#include "greetings/capability.h"

#include <soci/soci.h>

#include <boost/json.hpp>

#include "bus/event_log.h"
#include "config/keys.h"
#include "house/ground.h"
#include "identity/identity.h"
#include "net/body.h"
#include "observe/metrics.h"

namespace tiltyard::greetings {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;

constexpr auto kCount = "greetings.count";
constexpr std::size_t kMostBody = 64;

asio::awaitable<Result<json::value>> list(house::Ground* ground) {
  auto work = [](soci::session& sql) -> Result<json::value> {
    json::array items;
    const soci::rowset<soci::row> rows = sql.prepare << "select text, counted from greetings order by text";
    for (const auto& row : rows)
      items.push_back(json::object{{"text", row.get<std::string>(0)}, {"counted", row.get<int>(1) != 0}});
    return json::value{{"items", std::move(items)}, {"next", nullptr}};
  };
  co_return co_await ground->store.read(std::move(work));
}

asio::awaitable<Result<http::Response>> show(house::Ground* ground, http::Request) {
  auto items = co_await list(ground);
  if (!items) co_return fail(std::move(items.error()));
  co_return http::Response::json(200, json::serialize(*items));
}

/// The row, the event and the job that counts it are there together or not at all.
asio::awaitable<Result<http::Response>> say(house::Ground* ground, int longest, http::Request request) {
  http::Body body(request.body);
  const auto said = body.text("text", 1, kMostBody);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (said.size() > static_cast<std::size_t>(longest))
    co_return fail(Code::kInvalid, "greeting-too-long", "The greeting is too long.");
  const auto& who = identity::principal_of(request);
  bus::Event event;
  event.kind = events::kSaid;
  event.subject = said;
  event.owner = who.owner();
  event.actor = {who.name, who.user.str(), request.client_address};
  auto work = [text = said, event, jobs = &ground->jobs](soci::session& sql) -> Result<> {
    sql << "insert into greetings (text, counted) values (:text, 0)", soci::use(text);
    if (auto noted = bus::record(sql, event); !noted) return noted;
    jobs::NewJob job;
    job.kind = kCount;
    job.payload = text;
    if (auto made = jobs->enqueue(sql, std::move(job)); !made) return fail(std::move(made.error()));
    return {};
  };
  auto written = co_await ground->store.write(std::move(work));
  if (!written) co_return fail(std::move(written.error()));
  metrics::counter(measures::kSaid, {"no"}).add();
  co_return http::Response::empty(204);
}

asio::awaitable<Result<jobs::Next>> count(house::Ground* ground, jobs::Firing firing) {
  auto work = [text = firing.payload](soci::session& sql) -> Result<> {
    sql << "update greetings set counted = 1 where text = :text", soci::use(text);
    return {};
  };
  auto written = co_await ground->store.write(std::move(work));
  if (!written) co_return fail(std::move(written.error()));
  metrics::counter(measures::kSaid, {"yes"}).add();
  co_return jobs::Next::done();
}

asio::awaitable<Result<std::string>> everybody(identity::Principal, std::string) { co_return std::string(); }

class GreetStep final : public labs::Step {
 public:
  explicit GreetStep(const std::string& word) : word_(word) {}
  std::string name() const override { return "greet"; }
  std::vector<std::string> before() const override { return {"machines"}; }
  asio::awaitable<Result<>> make(labs::SpawnRef spawn) override {
    for (const auto& service : spawn->origin()->services)
      spawn->additions(service.name).environment.push_back("GREETING=" + word_);
    co_return Result<>{};
  }
  asio::awaitable<Result<>> undo(labs::SpawnRef) override { co_return Result<>{}; }

 private:
  const std::string& word_;
};

}  // namespace

void Capability::keys(config::Keys& keys) {
  keys.section("greetings", "What is said.")
      .text("word", options_.word, config::form::kAny, "What machines are greeted with.")
      .number("longest", options_.longest, 1, 40, "Bytes that a greeting may have.");
  keys.afterwards([this](config::Problems& problems) {
    problems.expect(options_.word.size() <= static_cast<std::size_t>(options_.longest),
                    "greetings.word is longer than greetings.longest.");
  });
}

std::vector<store::Migration> Capability::migrations() const {
  return {{"greetings", "create table greetings (text text primary key, counted integer not null)"}};
}

std::vector<limits::Limiter> Capability::limiters() const {
  return {{"greetings", "Greeting", limits::Key::kUser, {3, 60, 0}, std::chrono::hours{1}}};
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  jobs::Kind kind;
  kind.name = kCount;
  kind.about = "Counts a greeting.";
  kind.handler = [own = ground_](jobs::Firing firing) { return count(own, std::move(firing)); };
  ground.jobs.declare(std::move(kind));
  return {};
}

void Capability::routes(house::Routes& routes) {
  routes.add("GET", "/api/v1/greetings", {Access::kSignedIn, Scope::kRead}, {"list-read"},
             [own = ground_](http::Request request) { return show(own, std::move(request)); });
  routes.add(
      "POST", "/api/v1/greetings", {Access::kAuthor, Scope::kInstances}, {"greetings"},
      [this](http::Request request) { return say(ground_, options_.longest, std::move(request)); }, kMostBody);
}

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes&) {
  realtime::RoomKind kind;
  kind.name = "greetings";
  kind.event = "snapshot";
  kind.admit = everybody;
  kind.snapshot = [own = ground_](std::string) { return list(own); };
  kind.pace = std::chrono::milliseconds{100};
  return {std::move(kind)};
}

labs::Steps Capability::steps(const std::string&) {
  labs::Steps steps;
  steps.push_back(std::make_unique<GreetStep>(options_.word));
  return steps;
}

}  // namespace tiltyard::greetings
