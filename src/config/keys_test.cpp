// How keys are declared, read and shown; with keys of the test's own.
#include "config/keys.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/test_folder.h"

namespace tiltyard::config {
namespace {

using namespace std::chrono_literals;

testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is not in:\n" << text;
}

enum class Animal { kCat, kDog };

struct Door {
  std::string url;
  bool open = false;
  int width = 90;
  Secret code;
};

/// The options of two parts, with a field of every kind.
struct Options {
  std::string listen = "127.0.0.1:8000", domain = "localhost", folder = "data", url = "https://example";
  std::vector<std::string> proxies;
  bool watch = true;
  double cpus = 0.5;
  std::uint16_t first = 20000, last = 29999;
  Secret token;
  std::size_t places = 1000;
  std::uint64_t memory = 256ULL << 20;
  std::chrono::milliseconds idle{300'000};
  Animal animal = Animal::kCat;
  std::map<std::string, Door> doors;
};

/// Keys that are bound to `options`.
struct Bound : Keys {
  explicit Bound(Options& o) {
    begin("house");
    section("house", "Where it is.")
        .text("listen", o.listen, form::kAddress, "Where it answers.")
        .text("folder", o.folder, form::kPath, "Its files.")
        .text("url", o.url, form::kUrl, "How it is called.")
        .texts("proxies", o.proxies, form::kNetworks, "Who stands before it.")
        .flag("watch", o.watch, "Whether it looks.")
        .ports("ports", o.first, o.last, "Its ports.")
        .secret("token", o.token, 16, "What lets in.");
    begin("yard");
    section("yard", "What is behind it.")
        .text("domain", o.domain, form::kHost, "Its name.")
        .real("cpus", o.cpus, 0.01, 1024, "How fast.")
        .number("places", o.places, 0, 100'000, "How many.")
        .bytes("memory", o.memory, 1024, 1ULL << 40, "How large.")
        .time("idle", o.idle, 1s, 24h, "How long.")
        .choice("animal", o.animal, {{"cat", Animal::kCat}, {"dog", Animal::kDog}}, "Who lives there.");
    section("yard").tables<Door>(
        "doors", o.doors,
        [](Section& keys, Door& door) {
          keys.text("url", door.url, form::kUrl, "Where it leads.")
              .flag("open", door.open, "Whether it is.")
              .number("width", door.width, 50, 200, "In centimetres.")
              .secret("code", door.code, 4, "What opens it.");
        },
        [](const std::string& name, Door& door, Problems& problems) {
          problems.expect(!door.url.empty(), "yard.doors." + name + ".url is missing.");
        },
        "The ways in, a section each.");
    afterwards([&o](Problems& problems) { problems.expect(o.places != 13, "yard.places is 13."); });
  }
};

std::string error_in(const std::string& toml, const Environment& environment = {}) {
  const TestFolder folder;
  Options options;
  const auto read = Bound(options).read(folder.write("tiltyard.toml", toml), environment);
  if (read) return "(no error)";
  EXPECT_EQ(read.error().reason, "config-invalid");
  EXPECT_EQ(read.error().code, Code::kInvalid);
  return read.error().message;
}

TEST(R15_1, EveryKindOfFieldIsReadFromTheFileAndFromAVariable) {
  const TestFolder folder;
  Options by_file, by_variable;
  const auto file = folder.write("tiltyard.toml", R"(
[house]
listen = "[::1]:9000"
folder = "state"
url = "https://ctf.example/"
proxies = ["10.0.0.0/8", "::1"]
watch = false
ports = "30000-30099"
token = "0123456789abcdef"
[yard]
domain = "play.example"
cpus = 2
places = 0
memory = "128M"
idle = "10 m"
animal = "dog"
[yard.doors.front]
url = "https://in.example"
open = true
width = 100
code = "1234"
)");
  Bound from_file(by_file);
  const auto read = from_file.read(file, {});
  ASSERT_TRUE(read) << read.error().message;
  Bound from_variables(by_variable);
  const auto also = from_variables.read(
      folder.at("missing.toml"),
      {{"TILTYARD_HOUSE_LISTEN", "[::1]:9000"},
       {"TILTYARD_HOUSE_FOLDER", "state"},
       {"TILTYARD_HOUSE_URL", "https://ctf.example/"},
       {"TILTYARD_HOUSE_PROXIES", "10.0.0.0/8,::1"},
       {"TILTYARD_HOUSE_WATCH", "no"},
       {"TILTYARD_HOUSE_PORTS", "30000-30099"},
       {"TILTYARD_HOUSE_TOKEN", "0123456789abcdef"},
       {"TILTYARD_YARD_DOMAIN", "play.example"},
       {"TILTYARD_YARD_CPUS", "2"},
       {"TILTYARD_YARD_PLACES", "0"},
       {"TILTYARD_YARD_MEMORY", "128m"},
       {"TILTYARD_YARD_IDLE", "10m"},
       {"TILTYARD_YARD_ANIMAL", "dog"},
       {"TILTYARD_YARD_DOORS", "front.url=https://in.example;front.open=yes;front.width=100;front.code=1234"}});
  ASSERT_TRUE(also) << also.error().message;
  for (const auto* options : {&by_file, &by_variable}) {
    EXPECT_EQ(options->listen, "[::1]:9000");
    EXPECT_EQ(options->folder, folder.at("state"));
    EXPECT_EQ(options->url, "https://ctf.example");
    EXPECT_EQ(options->proxies, (std::vector<std::string>{"10.0.0.0/8", "::1"}));
    EXPECT_FALSE(options->watch);
    EXPECT_EQ(options->first, 30000);
    EXPECT_EQ(options->last, 30099);
    EXPECT_EQ(options->token.reveal(), "0123456789abcdef");
    EXPECT_EQ(options->cpus, 2);
    EXPECT_EQ(options->places, 0U);
    EXPECT_EQ(options->memory, 128ULL << 20);
    EXPECT_EQ(options->idle, 10min);
    EXPECT_EQ(options->animal, Animal::kDog);
    ASSERT_TRUE(options->doors.contains("front"));
    EXPECT_TRUE(options->doors.at("front").open);
    EXPECT_EQ(options->doors.at("front").width, 100);
    EXPECT_EQ(options->doors.at("front").code.reveal(), "1234");
  }
  for (std::size_t i = 0; i < from_file.all().size(); ++i)
    EXPECT_EQ(from_file.all()[i].value.shown(), from_variables.all()[i].value.shown());
}

TEST(R15_1, AKeyThatTwoDeclareIsRefusedWithBothNames) {
  Options options;
  Bound keys(options);
  keys.begin("moat");
  std::string other;
  keys.section("yard").text("domain", other, form::kAny, "Another one.");
  const auto read = keys.read("", {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, "config-key-twice");
  EXPECT_EQ(read.error().message, "The key yard.domain is declared by yard and by moat.");
}

TEST(R15_1, AnUnknownKeyIsAnErrorWithFileLineAndSuggestion) {
  EXPECT_TRUE(has(error_in("[yard]\n\nplcaes = 5\n"),
                  "tiltyard.toml:3: There is no key yard.plcaes. Did you mean yard.places?"));
  EXPECT_TRUE(has(error_in("[house]\ndomain = \"x\"\n"), "Did you mean yard.domain?"));
  EXPECT_TRUE(has(error_in("[hous]\nlisten = \"x\"\n"),
                  "tiltyard.toml:1: There is no section \"hous\". Did you mean [house]?"));
  EXPECT_TRUE(has(error_in("listen = \"x\"\n"), "outside of any section. Did you mean house.listen?"));
  EXPECT_TRUE(error_in("[yard]\nzzzzzzzz = 5\n").ends_with("There is no key yard.zzzzzzzz."));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_YARD_PLACE", "5"}}),
                  "TILTYARD_YARD_PLACE: There is no such setting. Did you mean TILTYARD_YARD_PLACES?"));
  EXPECT_EQ(error_in("", {{"TILTYARD_URL", "http://x"}, {"TILTYARD_TOKEN", "y"}}), "(no error)");
}

/// One bad value for each form, refused with the key's name and what it takes.
TEST(R15_1, ValuesThatDoNotFitAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"house.listen", R"("127.0.0.1:70000")"},
      {"house.listen", R"("localhost:8000")"},
      {"house.listen", R"("::1:8000")"},
      {"house.folder", R"("a\nb")"},
      {"house.url", R"("ctf.example")"},
      {"house.proxies", R"(["10.0.0.0/33"])"},
      {"house.proxies", R"("10.0.0.0/8")"},
      {"house.proxies", "[1, 2]"},
      {"house.watch", R"("yes")"},
      {"house.ports", R"("30000-20000")"},
      {"house.ports", R"("80-90")"},
      {"yard.domain", R"("a b")"},
      {"yard.cpus", "nan"},
      {"yard.cpus", "0"},
      {"yard.places", "100001"},
      {"yard.places", "1.5"},
      {"yard.places", R"("5")"},
      {"yard.places", "1979-05-27"},
      {"yard.memory", R"("1")"},
      {"yard.memory", R"("99999999999999999999m")"},
      {"yard.memory", "-1"},
      {"yard.idle", "0"},
      {"yard.idle", R"("5 weeks")"},
      {"yard.animal", R"("cow")"},
      {"yard.doors", R"("front")"},
  };
  for (const auto& [key, value] : bad) {
    const std::size_t dot = key.find('.');
    const std::string error = error_in("[" + key.substr(0, dot) + "]\n" + key.substr(dot + 1) + " = " + value + "\n");
    EXPECT_TRUE(has(error, "tiltyard.toml:2: " + key + " is ")) << key << " = " << value;
    EXPECT_TRUE(has(error, "; it takes ")) << key << " = " << value;
  }
  EXPECT_TRUE(has(error_in("[yard]\nanimal = \"cow\"\n"), "yard.animal is \"cow\"; it takes \"cat\" or \"dog\"."));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_YARD_ANIMAL", "cow"}}), "TILTYARD_YARD_ANIMAL: yard.animal is \"cow\""));
  EXPECT_TRUE(has(error_in("house = 3\n"), "house is a section"));
}

TEST(R15_1, AllProblemsAreToldAtOnceAndOnlyThenWhatDoesNotFitTogether) {
  const std::string error = error_in("[yard]\ncpus = 0\nplcaes = 5\nplaces = 13\n", {{"TILTYARD_HOUSE_WATCH", "x"}});
  EXPECT_EQ(std::ranges::count(error, '\n'), 2) << error;
  EXPECT_EQ(error_in("[yard]\nplaces = 13\n"), "yard.places is 13.");
}

TEST(R15_1, BrokenTomlIsAnErrorWithItsLine) {
  EXPECT_TRUE(has(error_in("[yard]\nplaces = = 5\n"), "tiltyard.toml:2: "));
  EXPECT_TRUE(has(error_in("[yard]\nplaces = 1\nplaces = 2\n"), "tiltyard.toml:3: "));
  EXPECT_TRUE(has(error_in("a = \"\xff\"\n"), "tiltyard.toml:1: "));
}

TEST(R15_1, AFolderOrAnEmptyFile) {
  const TestFolder folder;
  Options options;
  const auto of_folder = Bound(options).read(folder.at("."), {});
  ASSERT_FALSE(of_folder);
  EXPECT_EQ(of_folder.error().reason, "config-unreadable");
  EXPECT_TRUE(Bound(options).read(folder.write("empty.toml", ""), {}));
  EXPECT_EQ(options.folder, folder.at("data")) << "defaults are relative to the file as well";
}

TEST(R15_1, TablesOfTablesAreCheckedKeyByKey) {
  const auto error = [](const std::string& keys) {
    return error_in("[yard.doors.front]\nurl = \"https://a\"\n" + keys);
  };
  EXPECT_EQ(error("width = 60\n"), "(no error)");
  EXPECT_TRUE(has(error("widht = 60\n"), "There is no key yard.doors.front.widht. Did you mean width?"));
  EXPECT_TRUE(has(error("width = 10\n"), "yard.doors.front.width is 10; it takes a whole number from 50 to 200."));
  EXPECT_TRUE(has(error("code_file = \"missing\"\n"), "The file of yard.doors.front.code cannot be read: missing"));
  EXPECT_TRUE(has(error("code = \"1234\"\ncode_file = \"a\"\n"), "are both given; keep one."));
  EXPECT_TRUE(has(error("code = \"12 34\"\n"), "yard.doors.front.code is not usable")) << "and is not shown";
  EXPECT_TRUE(has(error_in("[yard.doors.front]\nopen = true\n"), "yard.doors.front.url is missing."));
  EXPECT_TRUE(has(error_in("[yard.doors.\"Front door\"]\nurl = \"https://a\"\n"), "is not 1 to 32 of a-z, 0-9 and -."));
  EXPECT_TRUE(has(error_in("[yard.doors]\nfront = 5\n"), "write [yard.doors.front] and its keys below it."));
  EXPECT_TRUE(
      has(error_in("", {{"TILTYARD_YARD_DOORS", "front"}}), "it takes a table for each name: [yard.doors.NAME]."));
}

TEST(R15_1, ASectionMayBeATableOfTables) {
  std::map<std::string, Door> doors;
  Keys keys;
  keys.begin("gates");
  keys.section("gates", "Ways in.")
      .tables<Door>(
          "", doors, [](Section& one, Door& door) { one.number("width", door.width, 50, 200, "In centimetres."); },
          nullptr, "A section each.");
  const TestFolder folder;
  const auto read = keys.read(folder.write("a.toml", "[gates.north]\nwidth = 120\n[gates.south]\n"), {});
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(doors.size(), 2U);
  EXPECT_EQ(doors.at("north").width, 120);
  EXPECT_EQ(doors.at("south").width, 90);
  EXPECT_TRUE(has(keys.markdown(), "### [gates.NAME]"));
  const auto wrong = keys.read(folder.write("b.toml", "[gates.north]\nwdith = 120\n"), {});
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(has(wrong.error().message, "There is no key gates.north.wdith. Did you mean width?"));
}

TEST(R15_2, SecretsComeFromFilesAndFromTheEnvironment) {
  const TestFolder folder;
  folder.write("token", "0123456789abcdef\n");
  folder.write("code", "4321\n");
  Options options;
  const auto by_key = Bound(options).read(
      folder.write("a.toml",
                   "[house]\ntoken_file = \"token\"\n[yard.doors.a]\nurl = \"https://a\"\ncode_file = \"code\"\n"),
      {});
  ASSERT_TRUE(by_key) << by_key.error().message;
  EXPECT_EQ(options.token.reveal(), "0123456789abcdef");
  EXPECT_EQ(options.doors.at("a").code.reveal(), "4321");
  Options other;
  const auto by_variable = Bound(other).read("", {{"TILTYARD_HOUSE_TOKEN_FILE", folder.at("token")}});
  ASSERT_TRUE(by_variable) << by_variable.error().message;
  EXPECT_EQ(other.token.reveal(), "0123456789abcdef");
  ASSERT_TRUE(Bound(other).read(folder.at("a.toml"), {{"TILTYARD_HOUSE_TOKEN", "fedcba9876543210"}}));
  EXPECT_EQ(other.token.reveal(), "fedcba9876543210");
}

TEST(R15_2, ASecretGivenTwiceOrUnreadableIsAnError) {
  EXPECT_TRUE(has(error_in("[house]\ntoken = \"0123456789abcdef\"\ntoken_file = \"t\"\n"), "are both given"));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_HOUSE_TOKEN", "0123456789abcdef"}, {"TILTYARD_HOUSE_TOKEN_FILE", "t"}}),
                  "are both set"));
  EXPECT_TRUE(has(error_in("[house]\n\ntoken_file = \"missing\"\n"),
                  "tiltyard.toml:3: The file of house.token cannot be read"));
  EXPECT_TRUE(has(error_in("[yard]\nplaces_file = \"x\"\n"), "There is no key yard.places_file"));
}

TEST(R15_2, NoErrorAndNoDocumentHoldsASecret) {
  const std::string secret = "hunter2 with blanks in it";
  for (const std::string& error :
       {error_in("[house]\ntoken = \"" + secret + "\"\n"), error_in("", {{"TILTYARD_HOUSE_TOKEN", secret}}),
        error_in("[house]\ntoken = \"hunter2\"\n")}) {
    EXPECT_TRUE(has(error, "house.token is not usable"));
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
  }
  Options options;
  options.token = Secret("hunter2hunter2hunter2");
  options.doors["front"].code = Secret("hunter2");
  const Bound keys(options);
  for (const Key& key : keys.all()) EXPECT_EQ(key.value.shown().find("hunter2"), std::string::npos);
  EXPECT_EQ((keys.example_toml() + keys.markdown()).find("hunter2"), std::string::npos);
}

TEST(R15_2, APasswordInAUrlIsNotShown) {
  EXPECT_EQ(without_password("postgresql://range:s3cret@db.example:5432/range?sslmode=verify-full"),
            "postgresql://range:***@db.example:5432/range?sslmode=verify-full");
  EXPECT_EQ(without_password("postgresql://db/range?user=a&password=s3cret&port=1"),
            "postgresql://db/range?user=a&password=***&port=1");
  EXPECT_EQ(without_password("postgresql://a:s3/c@ret@db/range"), "postgresql://a:***@db/range");
  for (const char* plain : {"sqlite:data/a@b.db", "postgresql://db/range", "postgresql://a@db:5432/range"})
    EXPECT_EQ(without_password(plain), plain);
}

}  // namespace
}  // namespace tiltyard::config
