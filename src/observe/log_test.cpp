#include "observe/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "observe/redact.h"

namespace tiltyard::log {
namespace {

namespace fs = std::filesystem;

/// Logs into a file of its own and gives its lines back.
class LogFile {
 public:
  LogFile(Level least, Format format)
      : path_(fs::temp_directory_path() / ("tiltyard-log-" + std::to_string(getpid()))) {
    fs::remove(path_);
    configure(least, format, path_.string());
  }
  ~LogFile() {
    configure(Level::kInfo, Format::kText, "stderr");
    fs::remove(path_);
  }
  std::vector<std::string> lines() const {
    std::ifstream file(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

 private:
  fs::path path_;
};

TEST(R10_5, TextLinesHaveUtcTimeLevelModuleAndFields) {
  LogFile file(Level::kTrace, Format::kText);
  warn("labs", "An instance was slow.", {{"instance", "i1"}, {"text", "two words"}, {"ms", 1500}, {"empty", ""}});
  ASSERT_EQ(file.lines().size(), 1U);
  const std::regex form(
      R"re(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn  labs: An instance was slow\. instance=i1 text="two words" ms=1500 empty="")re");
  EXPECT_TRUE(std::regex_match(file.lines()[0], form)) << file.lines()[0];
}

TEST(R10_5, JsonLinesAreObjectsWhateverIsInThem) {
  LogFile file(Level::kTrace, Format::kJson);
  error("net", "Odd \"request\".",
        {{"path", "/a\"b\\c\nd\x01"},
         {"bytes", std::string("\xff\xfe ok")},
         {"level", "info"},
         {"file", "\u2028\u202e"}});
  ASSERT_EQ(file.lines().size(), 1U);
  const auto line = boost::json::parse(file.lines()[0]).as_object();
  EXPECT_EQ(line.at("level"), "error");
  EXPECT_EQ(line.at("field.level"), "info");
  EXPECT_EQ(line.at("module"), "net");
  EXPECT_EQ(line.at("message"), "Odd \"request\".");
  EXPECT_EQ(line.at("path"), "/a\"b\\c\nd\x01");
  EXPECT_EQ(line.at("bytes"), "\ufffd\ufffd ok");
}

TEST(R10_5, OnlyTheLevelsFromTheLeastUpAreWritten) {
  LogFile file(Level::kWarn, Format::kText);
  for (Level level : {Level::kTrace, Level::kDebug, Level::kInfo, Level::kWarn, Level::kError, Level::kFatal}) {
    EXPECT_EQ(enabled(level), level >= Level::kWarn);
    write(level, "test", "A line.");
  }
  EXPECT_EQ(file.lines().size(), 3U);
  set_level(Level::kFatal);
  error("test", "A line.");
  EXPECT_EQ(file.lines().size(), 3U);
}

TEST(R10_5, NoValueCanForgeALine) {
  LogFile file(Level::kTrace, Format::kText);
  info("http", "A request came.", {{"agent", "x\n2026-01-01T00:00:00.000Z fatal http: forged\r\x1b[2J\x7f\xc2\x85"}});
  info("http", "A request came.", {{"agent", "a=b\" level=fatal"}});
  const auto lines = file.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[0].find("x\\n2026"), std::string::npos);
  for (char c : lines[0]) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7F);
  EXPECT_EQ(lines[0].find("\xc2\x85"), std::string::npos);
  EXPECT_NE(lines[1].find(R"(agent="a=b\" level=fatal")"), std::string::npos);
}

TEST(R10_5, SecretKeysAreKnownByTheirWords) {
  for (const char* key : {"token", "admin_token", "X-Token", "setCookie", "Set-Cookie", "cookies", "authorization",
                          "password", "old-password", "flag", "flags", "flag.value", "client_secret", "link",
                          "sign_in_link", "passphrase", "Authorization", "API-Token", "csrf"}) {
    EXPECT_TRUE(detail::names_secret(key)) << key;
  }
  for (const char* key : {"template", "linked", "flagship", "token_count", "flag_id", "secret_file", "link_bytes", "",
                          "tokenizer", "instance", "unlink"}) {
    EXPECT_FALSE(detail::names_secret(key)) << key;
  }
}

TEST(R10_5, SecretsInsideValuesAreCut) {
  const std::string token = "ty_abcdefghijklmnopqrst";
  EXPECT_EQ(detail::redact("got " + token + ", thanks"), "got ty_***, thanks");
  EXPECT_EQ(detail::redact("x" + token), "xty_***");
  EXPECT_EQ(detail::redact("ty_short"), "ty_short");
  EXPECT_EQ(detail::redact("Authorization: Bearer abcdefgh12345"), "Authorization:***");
  EXPECT_EQ(detail::redact("sent bearer abcdefgh12345 twice"), "sent bearer *** twice");
  EXPECT_EQ(detail::redact("BASIC dXNlcjpwYXNz!"), "BASIC ***");
  EXPECT_EQ(detail::redact("basic auth is off"), "basic auth is off");
  EXPECT_EQ(detail::redact("GET / HTTP/1.1\r\nCookie: a=b; c=d\r\nHost: h"), "GET / HTTP/1.1\r\nCookie:***\r\nHost: h");
  EXPECT_EQ(detail::redact("Set-Cookie: session=1"), "Set-Cookie:***");
  EXPECT_EQ(detail::redact("go to https://h/signin#abc123 now"), "go to https://h/signin#*** now");
  EXPECT_EQ(detail::redact("no secret here"), "no secret here");
}

TEST(R10_5, FlagsPasswordsAndForeignTokensAreCut) {
  EXPECT_EQ(detail::redact("read FLAG{s3cr3t_thing} there"), "read FLAG{***} there");
  EXPECT_EQ(detail::redact("picoCTF{a.b-c}"), "picoCTF{***}");
  EXPECT_EQ(detail::redact("my-ctf_2{x=1}ctf{yes}"), "my-ctf_2{***}ctf{***}");
  EXPECT_EQ(detail::redact("expected ${FLAG} or {a: b}"), "expected ${FLAG} or {a: b}");
  EXPECT_EQ(detail::redact("at redis://:hunter22@cache:6379/1"), "at redis://:***@cache:6379/1");
  EXPECT_EQ(detail::redact("smtp://range:pa:ss@mail/x@y"), "smtp://range:***@mail/x@y");
  EXPECT_EQ(detail::redact("http://host:80/a@b"), "http://host:80/a@b");
  EXPECT_EQ(detail::redact("https://discord.com/api/webhooks/123/aBc-dEf failed"),
            "https://discord.com/api/webhooks/*** failed");
  EXPECT_EQ(detail::redact("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl."), "eyJ***");
  EXPECT_EQ(detail::redact("Token ctfd_0123456789abcdef0123456789"), "Token ctfd_***");
  EXPECT_EQ(detail::redact("grant=1&client_secret=abc&x=2"), "grant=1&client_secret=***&x=2");
  EXPECT_EQ(detail::redact(R"({"password": "hunter2", "name": "ann"})"), R"({"password": "***", "name": "ann"})");
  EXPECT_EQ(detail::redact("the token is revoked; password: none"), "the token is revoked; password: none");
}

TEST(R10_5, CuttingIsLinear) {
  const std::string words(1'000'000, 'a');
  EXPECT_EQ(detail::redact(words).size(), words.size());
  const std::string urls = [] {
    std::string out;
    for (int i = 0; i < 100'000; ++i) out += "://a:";
    return out;
  }();
  EXPECT_EQ(detail::redact(urls), urls);
}

TEST(R10_5, NothingSecretReachesTheFile) {
  const std::string token = "ty_ABCDEFGHIJKLMNOPQRSTUVWX";
  for (Format format : {Format::kText, Format::kJson}) {
    LogFile file(Level::kTrace, format);
    info("identity", "Signed in with " + token, {{"token", "hunter2"}, {"url", "/x?t=" + token}, {"flag", "FLAG{x}"}});
    const std::string line = file.lines().at(0);
    for (const char* secret : {"ABCDEFGH", "hunter2", "FLAG{x}"})
      EXPECT_EQ(line.find(secret), std::string::npos) << line;
  }
}

TEST(R10_5, LinesOfManyThreadsStayWhole) {
  LogFile file(Level::kTrace, Format::kJson);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) info("test", "A line.", {{"thread", t}, {"text", std::string(300, 'a')}});
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = file.lines();
  ASSERT_EQ(lines.size(), 1600U);
  for (const auto& line : lines) EXPECT_NO_THROW((void)boost::json::parse(line));
}

TEST(R10_5, AFileThatCannotBeOpenedOrWrittenHurtsNobody) {
  EXPECT_NO_THROW(configure(Level::kInfo, Format::kText, "/proc/no/such/folder/log"));
  info("test", "This goes to standard error.");
  EXPECT_NO_THROW(configure(Level::kInfo, Format::kText, "/dev/full"));
  EXPECT_NO_THROW(info("test", "This goes nowhere.", {{"text", std::string(100'000, 'x')}}));
  shutdown();
  EXPECT_NO_THROW(info("test", "After the end."));
  configure(Level::kInfo, Format::kText, "stderr");
}

}  // namespace
}  // namespace tiltyard::log
