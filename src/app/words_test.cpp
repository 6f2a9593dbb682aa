// The command line from its words to its exit code, against a real HTTP server: row 11.4.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "app/command_line.h"
#include "cli/words.h"
#include "net/server.h"

namespace tiltyard::app {
namespace {

using namespace cli;

namespace fs = std::filesystem;
namespace json = boost::json;

struct Locale {
  Locale() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
} const locale;

using Answered = boost::asio::awaitable<Result<http::Response>>;

/// A folder that goes away with the test; the working directory meanwhile, so that no tiltyard.toml is found by chance.
class Folder {
 public:
  Folder() : before_(fs::current_path()) {
    auto pattern = (fs::temp_directory_path() / "cli-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    fs::current_path(path_);
  }
  ~Folder() {
    fs::current_path(before_);
    fs::remove_all(path_);
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path before_, path_;
};

struct Outcome {
  int code = 0;
  std::string out, error;
};

Outcome run(std::vector<std::string> words, std::map<std::string, std::string> environment = {}) {
  Context context;
  context.environment = std::move(environment);
  Outcome outcome;
  CommandLine line(context, [](const std::string& config) { return config == "given.toml" ? 42 : 43; });
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  outcome.code = line.commands().run(words);
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.error = ::testing::internal::GetCapturedStderr();
  return outcome;
}

std::vector<std::string> complete(Context& context, const std::vector<std::string>& words) {
  return CommandLine(context, {}).commands().complete(words);
}

/// What the commands are to the server: the requests it saw.
struct Seen {
  std::string method, target, authorization, body;
};

class AServer : public ::testing::Test {
 protected:
  AServer() : loops_(1), router_(loops_.home()) {}

  void answer(const std::string& method, const std::string& pattern,
              std::function<http::Response(const http::Request&)> make) {
    http::Route route;
    route.method = method;
    route.pattern = "/api/v1" + pattern;
    route.handler = [this, make = std::move(make)](http::Request request) -> Answered {
      return reply(make, std::move(request));
    };
    router_.add(std::move(route));
  }
  void answer_json(const std::string& method, const std::string& pattern, int status, const std::string& body) {
    answer(method, pattern, [=](const http::Request&) { return http::Response::json(status, body); });
  }
  std::string url() {
    if (!server_) {
      server_ = std::make_unique<http::Server>(loops_, router_, http::ServerOptions{});
      EXPECT_TRUE(server_->start());
    }
    return "http://127.0.0.1:" + std::to_string(server_->port());
  }
  Outcome ask(std::vector<std::string> words) {
    return run(std::move(words), {{"TILTYARD_URL", url()}, {"TILTYARD_TOKEN", "ty_test"}});
  }
  void TearDown() override {
    if (server_)
      boost::asio::co_spawn(loops_.home(), server_->stop(std::chrono::milliseconds{0}), boost::asio::use_future).get();
    loops_.stop();
  }
  const Seen& last() const { return seen_.back(); }

  std::vector<Seen> seen_;

 private:
  Answered reply(std::function<http::Response(const http::Request&)> make, http::Request request) {
    seen_.push_back({request.method, request.target, std::string(request.headers.get("Authorization")), request.body});
    co_return make(request);
  }

  Folder folder_;
  net::Loops loops_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

using R11_4_CommandLine = AServer;

constexpr auto kRunning =
    R"({"id":"i1","template":"web","state":"running","endpoints":[{"name":"web","kind":"http","url":"http://i1.localhost:8080/"}],
  "expires_at":"2999-01-01T00:00:00.000Z"})";

TEST_F(R11_4_CommandLine, SpawnSaysWhereTheMachineIs) {
  answer_json("POST", "/instances", 202, R"({"id":"i1","template":"web","state":"starting"})");
  answer_json("GET", "/instances/{id}", 200, kRunning);
  const auto done = ask({"spawn", "web", "--wait", "--context", "exam"});
  EXPECT_EQ(done.code, kOk) << done.error;
  EXPECT_NE(done.out.find("http://i1.localhost:8080/"), std::string::npos);
  EXPECT_EQ(done.error, "") << "no progress where nobody looks";
  EXPECT_EQ(seen_.front().authorization, "Bearer ty_test");
  EXPECT_EQ(json::parse(seen_.front().body), (json::value{{"template", "web"}, {"context", "exam"}}));
  const auto piped = ask({"spawn", "web", "--wait", "--json"});
  EXPECT_EQ(json::parse(piped.out), json::parse(kRunning));
}

TEST_F(R11_4_CommandLine, FailedSpawnIsAFailure) {
  answer_json("POST", "/instances", 202,
              R"({"id":"i1","state":"failed","reason":{"code":"engine-unavailable","text":"The engine is away."}})");
  const auto done = ask({"spawn", "web"});
  EXPECT_EQ(done.code, kFailed);
  EXPECT_NE(done.out.find("The engine is away."), std::string::npos);
}

TEST_F(R11_4_CommandLine, ListsReadAllPages) {
  answer("GET", "/instances", [](const http::Request& request) {
    const bool second = request.query_value("cursor") == "a b";
    return http::Response::json(
        200, second ? R"({"items":[{"id":"i2","template":"web","state":"queued","queue":{"position":2}}],"next":null})"
                    : std::string(R"({"items":[)") + kRunning + R"(],"next":"a b"})");
  });
  const auto table = ask({"ls"});
  EXPECT_EQ(table.code, kOk) << table.error;
  EXPECT_NE(table.out.find("i1  web       running"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("i2  web       queued   place 2"), std::string::npos) << table.out;
  const auto piped = json::parse(ask({"ls", "--json", "--all"}).out);
  EXPECT_EQ(piped.at("items").as_array().size(), 2U);
  EXPECT_NE(last().target.find("owner=all"), std::string::npos);
}

TEST_F(R11_4_CommandLine, ErrorsSayWhatToTypeNextAndHaveTheirCode) {
  struct Case {
    int status;
    const char* reason;
    int code;
    const char* advice;
  };
  const Case cases[] = {
      {404, "instance-unknown", kNotFound, "tiltyard ls"},   {404, "template-unknown", kNotFound, "tiltyard templates"},
      {409, "instance-exists", kFailed, "tiltyard show i7"}, {429, "limit-reached", kFailed, "tiltyard stop ID"},
      {401, "not-signed-in", kFailed, "TILTYARD_TOKEN"},     {503, "engine-unavailable", kFailed, "tiltyard doctor"}};
  const Case* now = nullptr;
  answer("GET", "/instances/{id}", [&](const http::Request&) {
    const json::value problem{{"type", std::string("urn:tiltyard:error:") + now->reason},
                              {"status", now->status},
                              {"title", "t"},
                              {"detail", "It did not work."},
                              {"instance_id", "i7"}};
    return http::Response::json(now->status, json::serialize(problem));
  });
  for (const auto& each : cases) {
    now = &each;
    const auto done = ask({"show", "x"});
    EXPECT_EQ(done.code, each.code) << each.reason;
    EXPECT_TRUE(done.error.starts_with("tiltyard: It did not work.\n")) << done.error;
    EXPECT_NE(done.error.find(each.advice), std::string::npos) << done.error;
    EXPECT_EQ(done.out, "");
  }
}

/// A server's end of an exec: hears what is to run, says what it has to, and closes.
struct Script {
  std::string first;
  std::vector<http::WebSocket::Message> says;
};

boost::asio::awaitable<void> play(std::shared_ptr<Script> script, std::shared_ptr<http::WebSocket> socket) {
  auto asked = co_await socket->read();
  if (asked) script->first = asked->data;
  for (auto message : script->says) co_await socket->write(std::move(message));
  co_await socket->close(1000, "ended");
}

http::Response playing(std::shared_ptr<Script> script) {
  auto response = http::Response::empty(101);
  response.websocket = [script](std::shared_ptr<http::WebSocket> socket) { return play(script, std::move(socket)); };
  return response;
}

TEST_F(R11_4_CommandLine, ExecPassesOnOutputAndExitCode) {
  auto script = std::make_shared<Script>();
  script->says = {{true, "\1out\n"}, {true, "\2err\n"}, {false, R"({"exit_code":7,"stopped_by":null})"}};
  answer("GET", "/instances/{id}/exec", [script](const http::Request&) { return playing(script); });
  const auto done =
      ask({"exec", "i1", "--machine", "box", "-n", "--", "sh", "-c", "ls --json", "--machine", "[a,b]", "", "--"});
  EXPECT_EQ(done.code, 7);
  EXPECT_EQ(done.out, "out\n");
  EXPECT_EQ(done.error, "err\n");
  const auto wanted = json::parse(script->first);
  EXPECT_EQ(json::serialize(wanted.at("command")), R"(["sh","-c","ls --json","--machine","[a,b]","","--"])");
  EXPECT_EQ(wanted.at("input"), json::value(false));
  EXPECT_EQ(last().target, "/api/v1/instances/i1/exec?machine=box");
  EXPECT_EQ(ask({"exec", "i1", "-n", "--", "ls"}).code, 7) << "a command may have the name of one of ours";
  const auto answer = json::parse(ask({"exec", "i1", "-n", "--json", "--timeout", "2m", "--", "ls"}).out);
  EXPECT_EQ(answer, json::parse(R"({"stdout":"out\n","stderr":"err\n","exit_code":7,"stopped_by":null})"));
  EXPECT_EQ(json::parse(script->first).at("time_limit"), json::value(120));
  for (const auto* wrong : {"0", "25h", "soon"})
    EXPECT_EQ(ask({"exec", "i1", "--timeout", wrong, "--", "ls"}).code, kUsage);
}

TEST_F(R11_4_CommandLine, ExecSaysWhatItCut) {
  auto script = std::make_shared<Script>();
  script->says = {{true,
                   "\1\xFF"
                   "a"},
                  {false, R"({"exit_code":137,"stopped_by":"time-limit"})"}};
  answer("GET", "/instances/{id}/exec", [script](const http::Request&) { return playing(script); });
  const auto late = ask({"exec", "i1", "-n", "--", "sleep", "9"});
  EXPECT_EQ(late.code, 124);
  EXPECT_EQ(late.out,
            "\xFF"
            "a");
  EXPECT_NE(late.error.find("--timeout"), std::string::npos) << late.error;
  const auto answer = json::parse(ask({"exec", "i1", "-n", "--json", "--", "sleep", "9"}).out);
  EXPECT_EQ(answer.at("stopped_by"), json::value("time-limit"));
  EXPECT_EQ(json::serialize(answer.at("not_utf8")), R"(["stdout"])");
  EXPECT_EQ(answer.at("stdout"), json::value("\xEF\xBF\xBD"
                                             "a"));
}

TEST_F(R11_4_CommandLine, ExecSaysThatItWasCutOffAndWhyItWasRefused) {
  auto script = std::make_shared<Script>();
  script->says = {{true, "\1half"}};
  answer("GET", "/instances/{id}/exec", [script](const http::Request& request) {
    if (request.param("id") == "gone")
      return http::problem({Code::kNotFound, "instance-unknown", "There is no such instance.", {}, {}});
    return playing(script);
  });
  const auto cut = ask({"exec", "i1", "-n", "--", "ls"});
  EXPECT_EQ(cut.code, kServerAway);
  EXPECT_EQ(cut.out, "half");
  EXPECT_NE(cut.error.find("lost before the command ended"), std::string::npos) << cut.error;
  script->says = {{false, R"({"error":{"type":"urn:tiltyard:error:machine-unknown","status":404,"detail":"No."}})"}};
  const auto refused = ask({"exec", "i1", "-n", "--", "ls"});
  EXPECT_EQ(refused.code, kNotFound);
  EXPECT_TRUE(refused.error.starts_with("tiltyard: No.\n")) << refused.error;
  const auto unknown = ask({"exec", "gone", "-n", "--", "ls"});
  EXPECT_EQ(unknown.code, kNotFound);
  EXPECT_NE(unknown.error.find("tiltyard ls"), std::string::npos) << unknown.error;
}

TEST_F(R11_4_CommandLine, LogsStream) {
  answer("GET", "/instances/{id}/logs", [](const http::Request&) {
    auto response = http::Response::text(200, "");
    response.stream = [](std::shared_ptr<http::BodyWriter> writer) -> boost::asio::awaitable<void> {
      for (int i = 0; i < 3; ++i) {
        std::string line = "line " + std::to_string(i) + "\n";
        co_await writer->write(std::move(line));
      }
    };
    return response;
  });
  const auto done = ask({"logs", "i1", "-f", "--tail", "5", "--machine", "a b"});
  EXPECT_EQ(done.code, kOk) << done.error;
  EXPECT_EQ(done.out, "line 0\nline 1\nline 2\n");
  EXPECT_EQ(last().target, "/api/v1/instances/i1/logs?tail=5&follow=1&machine=a%20b");
  EXPECT_EQ(ask({"logs", "i1", "--tail", "-1"}).code, kUsage);
}

TEST_F(R11_4_CommandLine, TemplatesSayWhyInAPipeToo) {
  answer_json(
      "GET", "/templates", 200,
      R"({"items":[{"id":"web","state":"ready","reason":null,"problems":[{"severity":"warning","file":"compose.yaml",
  "line":7,"message":"`ports` is ignored"}]},{"id":"pwn","state":"waiting","reason":"It waits for a base image.","problems":[]},
  {"id":"bad","state":"broken","reason":"instance.toml:3: no key","problems":[{"severity":"error","file":"instance.toml",
  "line":3,"message":"no key"}]}],"next":null})");
  const auto done = ask({"templates"});
  EXPECT_EQ(done.code, kOk);
  EXPECT_TRUE(
      done.out.ends_with("\n\nweb/compose.yaml:7: warning: `ports` is ignored\npwn: It waits for a base image.\n"
                         "bad/instance.toml:3: error: no key\n"))
      << done.out;
}

TEST_F(R11_4_CommandLine, WhatIsThereOfACaptureIsNotLostToAnAnswerWithoutOne) {
  answer_json("GET", "/admin/captures/{id}/file", 404, R"({"type":"urn:tiltyard:error:capture-unknown","status":404,
  "title":"t","detail":"There is no such capture."})");
  std::ofstream("c1.pcapng") << "evidence";
  EXPECT_EQ(ask({"captures", "get", "c1"}).code, kNotFound);
  EXPECT_EQ(ask({"captures", "get", "c2"}).code, kNotFound);
  EXPECT_EQ(std::filesystem::file_size("c1.pcapng"), 8U);
  EXPECT_FALSE(std::filesystem::exists("c2.pcapng"));
  const auto before = seen_.size();
  EXPECT_EQ(ask({"capture", "i1", "-w", "no/such/folder"}).code, kFailed);
  EXPECT_EQ(seen_.size(), before) << "a capture that nobody can look on at has begun";
}

TEST_F(R11_4_CommandLine, AGatewayAtTheAddressIsKnown) {
  answer_json("GET", "/instances", 404, R"({"type":"urn:tiltyard:error:instance-unknown","title":"t","status":404,
  "detail":"d","answered_by":"gateway","host":"127.0.0.1"})");
  answer_json("GET", "/me", 200, R"({"type":"urn:tiltyard:error:gateway","status":200,"answered_by":"gateway"})");
  for (const auto* word : {"ls", "whoami"}) {
    const auto done = ask({word});
    EXPECT_EQ(done.code, kUsage);
    EXPECT_NE(done.error.find("gateway"), std::string::npos) << done.error;
    EXPECT_NE(done.error.find("TILTYARD_URL"), std::string::npos) << done.error;
  }
}

TEST_F(R11_4_CommandLine, TheApisOwnAddressWillDo) {
  answer_json("GET", "/me", 200, R"({"name":"zoë","roles":["player"]})");
  for (const auto* end : {"", "/", "/api/v1", "/api/v1/"})
    EXPECT_EQ(run({"whoami"}, {{"TILTYARD_URL", url() + end}}).code, kOk) << end;
}

TEST_F(R11_4_CommandLine, WhatIsNoTokenIsNotSent) {
  const auto done = run({"ls"}, {{"TILTYARD_URL", url()}, {"TILTYARD_TOKEN", "ty_a ty_b"}});
  EXPECT_EQ(done.code, kUsage);
  EXPECT_NE(done.error.find("TILTYARD_TOKEN"), std::string::npos) << done.error;
  EXPECT_TRUE(seen_.empty());
}

TEST_F(R11_4_CommandLine, StopGoesOnWithTheOthers) {
  answer("DELETE", "/instances/{id}", [](const http::Request& request) {
    if (request.param("id") == "gone")
      return http::problem({Code::kNotFound, "instance-unknown", "There is no such instance.", {}, {}});
    return http::Response::json(202, R"({"id":"i2","state":"stopping"})");
  });
  const auto done = ask({"stop", "--no-wait", "gone", "i2"});
  EXPECT_EQ(done.code, kNotFound);
  EXPECT_EQ(done.out, "i2 stopping\n");
}

TEST_F(R11_4_CommandLine, PeopleAndTokens) {
  answer_json("POST", "/admin/users", 201,
              R"({"id":"u1","name":"zoë","roles":["player","author"],"sign_in_url":"http://x/signin#abc"})");
  answer_json("POST", "/me/tokens", 201, R"({"id":"t1","name":"ci","token":"ty_secret"})");
  answer("DELETE", "/me/tokens/{id}", [](const http::Request&) { return http::Response::empty(204); });
  EXPECT_EQ(ask({"users", "add", "zoë", "--role", "author", "--team", "Red"}).out,
            "u1 zoë (author)\nhttp://x/signin#abc\n");
  EXPECT_EQ(json::parse(last().body), (json::value{{"name", "zoë"}, {"role", "author"}, {"team", "Red"}}));
  EXPECT_EQ(ask({"token", "create", "ci", "--expires", "30d"}).out, "ty_secret\n");
  EXPECT_EQ(json::parse(last().body), (json::value{{"name", "ci"}, {"expires_in_s", 2592000}}));
  EXPECT_EQ(ask({"token", "create", "ci", "--expires", "soon"}).code, kUsage);
  EXPECT_EQ(ask({"token", "revoke", "t1"}).code, kOk);
  EXPECT_EQ(ask({"users", "add", "x", "--role", "king"}).code, kUsage);
}

TEST_F(R11_4_CommandLine, CompletionKnowsTheServersIds) {
  answer_json("GET", "/templates", 200, R"({"items":[{"id":"web"},{"id":"wifi"},{"id":"pwn"}],"next":null})");
  answer_json("GET", "/me/tokens", 200, R"({"items":[{"id":"t1"}],"next":null})");
  Context known;
  known.environment = {{"TILTYARD_URL", url()}};
  EXPECT_EQ(complete(known, {"spawn", "--wait", "w"}), (std::vector<std::string>{"web", "wifi"}));
  EXPECT_EQ(complete(known, {"token", "revoke", ""}), std::vector<std::string>{"t1"});
  EXPECT_EQ(complete(known, {"token", "create", ""}), std::vector<std::string>{});
  Context context;
  context.environment = {{"TILTYARD_URL", "http://127.0.0.1:1"}};
  EXPECT_EQ(complete(context, {"spawn", "w"}), std::vector<std::string>{}) << "no server, no waiting";
  EXPECT_EQ(complete(context, {"s"}),
            (std::vector<std::string>{"serve", "share", "shares", "show", "snapshots", "spawn", "stop", "submit"}));
  EXPECT_EQ(complete(context, {"config", ""}), (std::vector<std::string>{"check", "example", "schema"}));
  EXPECT_EQ(complete(context, {"spawn", "--w"}), (std::vector<std::string>{"--wait"}));
  EXPECT_EQ(complete(context, {"completion", ""}), (std::vector<std::string>{"bash", "zsh"}));
  EXPECT_EQ(complete(context, {"users", "add", "--role", "a"}), (std::vector<std::string>{"admin", "author"}));
  EXPECT_EQ(complete(context, {"usage", "--json", "--by", "t"}), std::vector<std::string>{"template"});
}

TEST(R11_4, NoServerIsAnExitCodeOfItsOwn) {
  const Folder folder;
  const auto done = run({"ls"}, {{"TILTYARD_URL", "http://127.0.0.1:1"}});
  EXPECT_EQ(done.code, kServerAway);
  EXPECT_NE(done.error.find("tiltyard serve --config"), std::string::npos) << done.error;
  EXPECT_EQ(run({"ls"}, {{"TILTYARD_URL", "not a url"}}).code, kUsage);
}

TEST(R11_4, WrongWordsAreUsageErrors) {
  const Folder folder;
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"fly"},
                                                       {"spawn"},
                                                       {"show"},
                                                       {"ls", "--fast"},
                                                       {"exec"},
                                                       {"exec", "i1"},
                                                       {"config"},
                                                       {"completion", "fish"},
                                                       {"usage", "--by", "moon"}};
  for (const auto& words : wrong) {
    const auto done = run(words, {{"TILTYARD_URL", "http://127.0.0.1:1"}});
    EXPECT_EQ(done.code, kUsage) << (words.empty() ? "" : words[0]);
    EXPECT_NE(done.error.find("tiltyard"), std::string::npos);
  }
  // No request may go elsewhere than to the thing that is meant.
  for (const auto* word : {"show", "extend", "stop", "logs", "exec", "spawn"}) {
    for (const auto* id : {"", ".", "..", "a/b"}) {
      const auto done = run({word, id}, {{"TILTYARD_URL", "http://127.0.0.1:1"}});
      EXPECT_EQ(done.code, kUsage) << word << " " << id;
      EXPECT_NE(done.error.find("id"), std::string::npos) << done.error;
    }
  }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"unshare", "i1", ".."},
                                                {"ports", "close", "i1", ".."},
                                                {"certificates", "renew", ".."},
                                                {"ports"},
                                                {"ports", "free"}}) {
    const auto done = run(words, {{"TILTYARD_URL", "http://127.0.0.1:1"}});
    EXPECT_EQ(done.code, kUsage) << words[0] << ": " << done.error;
  }
  EXPECT_EQ(run({"token", "create", ""}).code, kUsage);
  EXPECT_NE(run({"spwan", "web"}).error.find("do you mean \"spawn\"?"), std::string::npos);
  EXPECT_NE(run({"--json", "templates", "lnt"}).error.find("do you mean \"lint\"?"), std::string::npos);
  EXPECT_NE(run({"users"}).error.find("users needs one of add, ls"), std::string::npos);
  EXPECT_NE(run({"spawn", "--wiat", "web"}).error.find("--wiat"), std::string::npos);
  EXPECT_EQ(run({"token", "create", "x", "--expires", ""}).code, kUsage) << "it would last for ever";
  const auto lost = run({"ls", "--config", "nowhere.toml"});
  EXPECT_EQ(lost.code, kUsage);
  EXPECT_NE(lost.error.find("nowhere.toml"), std::string::npos) << lost.error;
  EXPECT_EQ(run({"config", "check", "--config", "nowhere.toml"}).code, kFailed) << "a slip in its name is no default";
  EXPECT_EQ(run({"--help"}).code, kOk);
  EXPECT_NE(run({"--help"}).out.find("Exit codes"), std::string::npos);
  EXPECT_EQ(run({"--version"}).code, kOk);
  EXPECT_EQ(run({"serve", "--config", "given.toml"}).code, 42);
}

TEST(R11_4, TheAdminTokenStaysOnThisMachine) {
  for (const auto* here :
       {"http://127.0.0.1:8000", "http://localhost", "https://[::1]:8000/x", "http://127.9.9.9/", "unix:///run/x"})
    EXPECT_TRUE(leads_to_this_machine(here)) << here;
  for (const auto* away : {"http://ctf.example", "http://127.0.0.1.example.org", "http://127.0.0.1@evil.example",
                           "http://localhost.example", "", "127.0.0.1"}) {
    EXPECT_FALSE(leads_to_this_machine(away)) << away;
  }
  const Folder folder;
  folder.write("site/tiltyard.toml", "[server]\nlisten = \"127.0.0.1:8123\"\n");
  folder.write("site/data/admin.token", "the-admin-token-of-this-site\n");
  Context context;
  context.config = folder.file("site/tiltyard.toml");
  CommandLine line(context, {});
  auto where = context.find_server();
  EXPECT_EQ(where.url, "http://127.0.0.1:8123");
  EXPECT_EQ(where.token.reveal(), "the-admin-token-of-this-site");
  context.environment["TILTYARD_URL"] = "http://ctf.example";
  EXPECT_TRUE(context.find_server().token.empty());
  context.environment["TILTYARD_TOKEN"] = "\t mine\r\n";
  context.environment["TILTYARD_URL"] = " http://ctf.example\r";
  EXPECT_EQ(context.find_server().url, "http://ctf.example");
  EXPECT_EQ(context.find_server().token.reveal(), "mine");
}

TEST(R11_4, ConfigurationWithoutAServer) {
  const Folder folder;
  folder.write("good.toml", "[server]\nlisten = \"127.0.0.1:9000\"\n");
  folder.write("bad.toml", "[server]\nlisten = 7\nlisen = \"x\"\n");
  EXPECT_EQ(run({"config", "check", "--config", "good.toml"}).code, kOk);
  const auto bad = run({"config", "check", "--config", "bad.toml"});
  EXPECT_EQ(bad.code, kFailed);
  EXPECT_NE(bad.error.find("bad.toml:3"), std::string::npos) << bad.error;
  const auto schema = json::parse(run({"config", "schema", "--json"}).out);
  EXPECT_GT(schema.at("items").as_array().size(), 20U);
  EXPECT_NE(run({"config", "example"}).out.find("[server]"), std::string::npos);
}

TEST(R11_4, KindsOfEventsWithoutAServer) {
  const auto kinds = json::parse(run({"events", "--json"}).out);
  EXPECT_GT(kinds.at("items").as_array().size(), 40U);
  EXPECT_NE(run({"events", "--markdown"}).out.find("| `instance.running` | labs |"), std::string::npos);
}

TEST(R11_4, LintNamesFileAndLine) {
  const Folder folder;
  folder.write("templates/good/Dockerfile", "FROM tiltyard/busybox:1\n");
  folder.write("templates/good/instance.toml", "name = \"Good\"\nports = [8000]\n");
  folder.write("templates/bad/Dockerfile", "FROM tiltyard/busybox:1\n");
  folder.write("templates/bad/instance.toml", "name = \"Bad\"\nports = [8000]\ntimeot = 5\n");
  const auto good = run({"templates", "lint", "templates/good"});
  EXPECT_EQ(good.code, kOk) << good.out << good.error;
  const auto all = run({"templates", "lint", "templates"});
  EXPECT_EQ(all.code, kFailed);
  EXPECT_NE(all.out.find("templates/bad/instance.toml:3: error: "), std::string::npos) << all.out;
  EXPECT_NE(all.error.find("2 templates: 1 error"), std::string::npos) << all.error;
  const auto piped = json::parse(run({"templates", "lint", "templates", "--json"}).out);
  EXPECT_EQ(piped.at("items").at(0).at("line"), json::value(3));
  EXPECT_EQ(run({"templates", "lint", "nowhere"}).code, kNotFound);
}

TEST(R11_4, LintTakesSeveralFolders) {
  const Folder folder;
  for (const std::string id : {"one", "two", "three"}) {
    folder.write("templates/" + id + "/instance.toml", "name = \"T\"\nimage = \"x:1\"\nports = [8000]\n");
  }
  const auto two = run({"templates", "lint", "templates/one", "templates/two"});
  EXPECT_EQ(two.code, kOk) << two.out << two.error;
  EXPECT_NE(two.error.find("2 templates: 0 errors"), std::string::npos) << two.error;
  EXPECT_NE(run({"templates", "lint", "templates/one", "templates"}).error.find("3 templates"), std::string::npos)
      << "each once";
  EXPECT_EQ(run({"templates", "lint", "templates/one", "nowhere"}).code, kNotFound);
  folder.write("templates/four/instance.toml", "id = \"one\"\nimage = \"x:1\"\nports = [8000]\n");
  const auto twins = run({"templates", "lint", "templates"});
  EXPECT_EQ(twins.code, kFailed);
  EXPECT_NE(twins.out.find("templates/one: error: the folder templates/four has the same id"), std::string::npos)
      << twins.out;
}

/// One more capability, which has a word that labs has.
class Doubled final : public house::Capability {
 public:
  std::string_view name() const override { return "doubled"; }
  void words(Words& words) override {
    words.does(words.add("spawn", "Mine"), [] { return 7; });
    words.does(words.add("doubling", "Mine, too"), [] { return 7; });
  }
};

TEST(R11_4, AWordThatTwoDeclareIsRefusedWithBothNames) {
  const Folder folder;
  auto all = capabilities();
  all.push_back(std::make_unique<Doubled>());
  Context context;
  CommandLine line(context, {}, std::move(all));
  EXPECT_EQ(line.commands().faults(), std::vector<std::string>{"The word spawn is declared by labs and by doubled."});
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(line.commands().run({"doubling"}), kFailed);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("declared by labs and by doubled"), std::string::npos);
}

TEST(R11_4, HelpListsTheWordsInTheOrderOfTheCapabilities) {
  const Folder folder;
  const auto all = run({"help"});
  EXPECT_EQ(all.code, kOk) << all.error;
  EXPECT_EQ(all.out, run({"--help"}).out);
  std::size_t last = 0;
  for (const auto* word : {"  serve ", "  users ", "  whoami ", "  templates ", "  spawn ", "  exec ", "  usage ",
                           "  attack ", "  doctor ", "  config ", "  completion ", "  help "}) {
    const auto at = all.out.find(word);
    ASSERT_NE(at, std::string::npos) << word;
    EXPECT_GT(at, last) << word;
    last = at;
  }
  EXPECT_EQ(run({"help", "templates", "lint"}).out, run({"templates", "lint", "--help"}).out);
  EXPECT_EQ(run({"help", "fly"}).code, kUsage);
}

TEST(R11_4, AnErrorNamesTheWholeCommandThatHelps) {
  const auto wrong = run({"templates", "lint", "--nonsense"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_NE(wrong.error.find("See: tiltyard templates lint --help"), std::string::npos) << wrong.error;
  EXPECT_EQ(run({"templates", "lint", "--help"}).code, kOk);
  EXPECT_NE(run({"--nonsense"}).error.find("See: tiltyard --help"), std::string::npos);
}

}  // namespace
}  // namespace tiltyard::app
