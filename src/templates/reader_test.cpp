#include <gmock/gmock.h>

#include <fmt/format.h>

#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Template read_toml(const TestFolder& folder, std::string_view toml) {
  folder.write("t/instance.toml", toml);
  return read_folder(folder.at("t"), test_options());
}

TEST(R1_1, InstanceTomlSaysEverythingOfATemplate) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, R"(
id = "web-one"
name = "Web one"
category = "web"
description = "A page."
active = false
image = "tiltyard/busybox:1"
ports = [8000, 1337]
disable_dynamic_flags = true
flag_prefix = "CTF"
cost_centre = "EXAM"
expected_boot = 4
access = ["web", "terminal"]
max_instances = 7
[limits]
cpus = 0.25
memory = "64m"
pids = 32
files = 2048
[credentials]
user = "player"
password = "secret"
[ready]
path = "/up"
port = 8000
timeout = 60
interval = 500
)");
  EXPECT_EQ(tmpl.problems.size(), 1u) << "the password is everybody's, and the door is open";
  EXPECT_EQ(tmpl.id.str(), "web-one");
  EXPECT_EQ(tmpl.name, "Web one");
  EXPECT_FALSE(tmpl.active);
  EXPECT_FALSE(tmpl.dynamic_flags);
  EXPECT_EQ(tmpl.cost_centre, "EXAM");
  EXPECT_EQ(tmpl.expected_boot, seconds{4});
  EXPECT_EQ(tmpl.max_instances, 7);
  EXPECT_EQ(tmpl.credentials->password, "secret");
  ASSERT_EQ(tmpl.services.size(), 1u);
  const auto& resources = tmpl.services[0].machine.resources;
  EXPECT_DOUBLE_EQ(resources.cpus, 0.25);
  EXPECT_EQ(resources.memory, 64 << 20);
  EXPECT_EQ(resources.memory_swap, 64 << 20) << "no swap";
  EXPECT_EQ(resources.pids, 32);
  ASSERT_EQ(resources.ulimits.size(), 1u);
  EXPECT_EQ(resources.ulimits[0].hard, 2048);
  ASSERT_EQ(tmpl.endpoints.size(), 2u);
  EXPECT_EQ(tmpl.endpoints[0].name, "web");
  EXPECT_EQ(tmpl.endpoints[0].kind, EndpointKind::kHttp);
  EXPECT_EQ(tmpl.endpoints[1].name, "port-1337");
  EXPECT_EQ(tmpl.endpoints[1].kind, EndpointKind::kTcp);
  EXPECT_EQ(tmpl.ready.path, "/up");
  EXPECT_EQ(tmpl.ready.interval, std::chrono::milliseconds{500});
}

TEST(R1_9, AKindThatNobodySaysIsAGuessAndTheLintSaysSo) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, "image = \"x\"\nports = [5000, 1337]\n");
  ASSERT_EQ(tmpl.endpoints.size(), 2u);
  EXPECT_TRUE(tmpl.endpoints[0].guessed);
  EXPECT_EQ(tmpl.endpoints[0].kind, EndpointKind::kHttp);
  EXPECT_FALSE(tmpl.endpoints[1].guessed) << "looked at by nobody";
  EXPECT_EQ(tmpl.endpoints[1].kind, EndpointKind::kTcp);
  ASSERT_EQ(tmpl.notes.size(), 2u);
  EXPECT_EQ(tmpl.notes[0].line, 2);
  EXPECT_THAT(tmpl.notes[0].message, HasSubstr("[[endpoint]] machine = \"main\" port = 5000 kind = \"tcp\""));
  EXPECT_THAT(tmpl.notes[1].message, HasSubstr("port = 1337 kind = \"http\""));
  EXPECT_THAT(problems_text(tmpl), IsEmpty()) << "a guess is no warning";
}

TEST(R1_9, WhoeverSaysTheKindInAnyWayIsNotGuessedAt) {
  struct Case {
    const char* text;
    EndpointKind kind;
  };
  for (const auto& [text, kind] : {
           Case{"[[endpoint]]\nport = 5000\nkind = \"http\"\n", EndpointKind::kHttp},
           Case{"[[endpoint]]\nport = 5000\nkind = \"tcp\"\n", EndpointKind::kTcp},
           Case{"ports = [5000]\n[ready]\npath = \"/up\"\n", EndpointKind::kHttp},
           Case{"ports = [1337]\n[ready]\npath = \"/up\"\n", EndpointKind::kHttp},
           Case{"ports = [1337]\n[ready]\nport = 1337\npath = \"/up\"\n", EndpointKind::kHttp},
           Case{"ports = [5000]\naccess = [\"web\"]\n", EndpointKind::kHttp},
           Case{"ports = [1337]\naccess = [\"web\"]\n", EndpointKind::kHttp},
           Case{"ports = [5000]\naccess = [\"tcp\"]\n", EndpointKind::kTcp},
           Case{"ports = [5000]\naccess = [\"ssh\", \"terminal\"]\n", EndpointKind::kTcp},
       }) {
    TestFolder folder;
    const Template tmpl = read_toml(folder, std::string("image = \"x\"\n") + text);
    ASSERT_EQ(tmpl.endpoints.size(), 1u) << text;
    EXPECT_EQ(tmpl.endpoints[0].kind, kind) << text;
    EXPECT_FALSE(tmpl.endpoints[0].guessed) << text;
    EXPECT_TRUE(tmpl.notes.empty()) << text;
  }
}

TEST(R1_9, WhatComposeSaysOfAPortIsNoGuess) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder,
                                          "services:\n  a:\n    image: x\n    ports:\n      - 5000\n"
                                          "      - {target: 8000, app_protocol: http}\n"
                                          "      - {target: 8080, app_protocol: tcp}\n"
                                          "      - {target: 8443, app_protocol: tls}\n");
  ASSERT_EQ(tmpl.endpoints.size(), 4u) << problems_text(tmpl);
  EXPECT_TRUE(tmpl.endpoints[0].guessed);
  EXPECT_FALSE(tmpl.endpoints[1].guessed);
  EXPECT_FALSE(tmpl.endpoints[2].guessed);
  EXPECT_EQ(tmpl.endpoints[2].kind, EndpointKind::kTcp);
  EXPECT_EQ(tmpl.endpoints[3].kind, EndpointKind::kTls);
  ASSERT_EQ(tmpl.notes.size(), 1u);
  EXPECT_EQ(tmpl.notes[0].line, 5);
  EXPECT_THAT(tmpl.notes[0].message, HasSubstr("app_protocol: tcp"));
}

TEST(R1_1, WhatIsNotSaidHasTheServersDefaults) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, "image = \"x\"\nports = [80]\n");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  EXPECT_EQ(tmpl.id.str(), "t");
  EXPECT_EQ(tmpl.name, "t");
  EXPECT_TRUE(tmpl.active);
  const auto& machine = tmpl.services.at(0).machine;
  const auto& container = tmpl.services.at(0).container;
  EXPECT_DOUBLE_EQ(machine.resources.cpus, 0.5);
  EXPECT_EQ(machine.resources.memory, 256 << 20);
  EXPECT_EQ(machine.resources.pids, 256);
  EXPECT_THAT(container.capabilities,
              ElementsAre("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"));
}

TEST(R1_1, ALimitOverTheCeilingNamesBothNumbers) {
  TestFolder folder;
  const Template tmpl =
      read_toml(folder, "image = \"x\"\nports=[80]\nmem_limit = \"64g\"\ncpus = 16\npids_limit = 100000\n");
  EXPECT_EQ(problem_with(tmpl, "65536 MiB is over the server's ceiling of 2048 MiB").line, 3);
  EXPECT_EQ(problem_with(tmpl, "16 is over the server's ceiling of 2").line, 4);
  EXPECT_EQ(problem_with(tmpl, "100000 is over the server's ceiling of 2048").line, 5);
}

TEST(R1_2, UnknownKeyNamesLineAndNearestKey) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, "image = \"x\"\nprots = [80]\n[limits]\nmemroy = \"1g\"\n");
  EXPECT_TRUE(tmpl.broken());
  EXPECT_THAT(problems_text(tmpl),
              HasSubstr("instance.toml:2: error: \"prots\" is no key of instance.toml; did you mean \"ports\"?\n"));
  EXPECT_EQ(problem_with(tmpl, "did you mean \"memory\"").line, 4);
}

TEST(R1_2, AKindOfEndpointThatThereIsNotIsAnErrorAndNeverAnotherKind) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, "image = \"x\"\n[[endpoint]]\nport = 80\nkind = \"htpp\"\n");
  EXPECT_TRUE(tmpl.broken());
  EXPECT_EQ(problem_with(tmpl, "an endpoint's kind is http, tcp, udp or tls").line, 4);
}

TEST(R2_2, AnEndpointSaysWhereItsTlsEndsAndHowItsMachineIsTold) {
  TestFolder folder;
  const Template tmpl = read_toml(folder,
                                  "image = \"x\"\n[[endpoint]]\nport = 8443\nkind = \"tls\"\nproxy_protocol = 2\n"
                                  "[[endpoint]]\nport = 31\ntls = \"end\"\n"
                                  "[[endpoint]]\nport = 32\nkind = \"tcp\"\nproxy_protocol = 1\n"
                                  "[[endpoint]]\nport = 33\nclient_claims = true\n");
  EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
  ASSERT_EQ(tmpl.endpoints.size(), 4u);
  using enum EndpointKind;
  EXPECT_EQ(tmpl.endpoints[0].kind, kTls);
  EXPECT_EQ(tmpl.endpoints[0].handover, (Handover{TlsEnd::kMachine, 2, false}));
  EXPECT_EQ(tmpl.endpoints[1].kind, kTls) << "who says where its TLS ends has some";
  EXPECT_EQ(tmpl.endpoints[1].handover, (Handover{TlsEnd::kGateway, 0, false}));
  EXPECT_EQ(tmpl.endpoints[2].kind, kTcp);
  EXPECT_EQ(tmpl.endpoints[2].handover, (Handover{TlsEnd::kMachine, 1, false}));
  EXPECT_EQ(tmpl.endpoints[3].kind, kHttp);
  EXPECT_EQ(tmpl.endpoints[3].handover, (Handover{TlsEnd::kMachine, 0, true}));
}

TEST(R2_2, WhatDoesNotFitAnEndpointsKindIsSaidWithItsLine) {
  struct Case {
    const char* lines;
    const char* message;
  };
  for (const auto& [lines, message] : {
           Case{"kind = \"tcp\"\ntls = \"end\"\n", "this is none of kind tls"},
           Case{"kind = \"tls\"\ntls = \"here\"\n", "tls is \"through\""},
           Case{"kind = \"http\"\nproxy_protocol = 1\n", "told of the player in X-Forwarded-For"},
           Case{"name = \"a\"\nproxy_protocol = 1\n", "needs a kind that is said"},
           Case{"kind = \"tcp\"\nproxy_protocol = 3\n", "proxy_protocol"},
           Case{"kind = \"udp\"\nproxy_protocol = 2\n", "proxy_protocol is for endpoints of kind tcp and tls"},
           Case{"kind = \"tls\"\nclient_claims = true\n", "this is no endpoint of kind http"},
           Case{"kind = \"tls\"\nhost = \"a\"\n", "this is no endpoint of kind http"},
       }) {
    TestFolder folder;
    const auto tmpl = read_toml(folder, std::string("image = \"x\"\n[[endpoint]]\nport = 80\n") + lines);
    EXPECT_TRUE(tmpl.broken()) << lines;
    EXPECT_EQ(problem_with(tmpl, message).line, 5) << lines;
  }
}

TEST(R1_2, AnEndpointMaySayWhatItsProgramIsCalled) {
  TestFolder folder;
  const Template tmpl = read_toml(folder,
                                  "image = \"x\"\n[[endpoint]]\nport = 5173\nhost = \"localhost:5173\"\n"
                                  "[[endpoint]]\nport = 80\n");
  EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
  ASSERT_EQ(tmpl.endpoints.size(), 2u);
  EXPECT_EQ(tmpl.endpoints[0].called, "localhost:5173");
  EXPECT_EQ(tmpl.endpoints[0].kind, EndpointKind::kHttp) << "who has a host speaks HTTP";
  EXPECT_EQ(tmpl.endpoints[1].called, "");
  for (const auto* bad : {"", "a b", "http://a", "a/b", "a:", "a:b", "a:123456", "a\\r\\nX: y", ":80"}) {
    TestFolder other;
    const auto text = fmt::format("image = \"x\"\n[[endpoint]]\nport = 80\nhost = \"{}\"\n", bad);
    EXPECT_EQ(problem_with(read_toml(other, text), "is no host").line, 4) << bad;
  }
  TestFolder raw;
  EXPECT_EQ(problem_with(read_toml(raw, "image = \"x\"\n[[endpoint]]\nport = 22\nkind = \"tcp\"\nhost = \"a\"\n"),
                         "no endpoint of kind http")
                .line,
            5);
}

TEST(R1_1, CredentialsAreEverybodysOrMadeForEachOwner) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, R"(image = "test/one:1"
ports = [8000]
[credentials]
user = "player"
per_owner = true
file = "/run/password"
variable = "PLAYER_PASSWORD"
read = "start"
)");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  ASSERT_TRUE(tmpl.credentials);
  EXPECT_TRUE(tmpl.credentials->per_owner);
  EXPECT_TRUE(tmpl.credentials->read_at_start);
  EXPECT_EQ(tmpl.credentials->file, "/run/password");
  EXPECT_EQ(tmpl.credentials->variable, "PLAYER_PASSWORD");
  EXPECT_EQ(tmpl.credentials->machine, "main");
  const auto wrong = [&folder](const std::string& lines) {
    return read_toml(folder, "image = \"test/one:1\"\n[credentials]\nuser = \"player\"\n" + lines);
  };
  EXPECT_EQ(
      problem_with(wrong("password = \"a\"\nper_owner = true\n"), "user and password, or user and per_owner").line, 2);
  EXPECT_EQ(problem_with(wrong("per_owner = true\n"), "no machine would know").line, 2);
  EXPECT_EQ(problem_with(wrong("per_owner = true\nfile = \"run/../x\"\n"), "credentials.file is").line, 5);
  EXPECT_EQ(problem_with(wrong("per_owner = true\nvariable = \"A B\"\n"), "credentials.variable is").line, 5);
  EXPECT_EQ(problem_with(wrong("password = \"a\"\nmachine = \"db\"\n"), "no service \"db\"").line, 5);
  EXPECT_EQ(problem_with(wrong("password = \"a\"\nread = \"late\"\n"), "credentials.read is").line, 5);
}

TEST(R1_5, APasswordThatOwnersShareIsWarnedOfWhereStrangersCanTryIt) {
  TestFolder folder;
  const auto with = [&folder](int port, const std::string& line) {
    return read_toml(folder, "image = \"test/one:1\"\nports = [" + std::to_string(port) +
                                 "]\n[credentials]\nuser = \"player\"\n" + line);
  };
  EXPECT_EQ(problem_with(with(22, "password = \"a\"\n"), "per_owner = true draws one").line, 3);
  EXPECT_FALSE(says(with(8000, "password = \"a\"\n"), "per_owner"));
  EXPECT_FALSE(says(with(22, "per_owner = true\nfile = \"/run/password\"\n"), "per_owner"));
}

TEST(R1_2, EveryKindOfWrongValueIsToldWithItsLine) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, R"(image = 3
ports = [0]
timeout = -1
access = ["teleport"]
id = "Not An Id"
active = "yes"
lease = "ctf"
[credentials]
user = "only"
[[endpoint]]
name = "x"
[ready]
path = "no-slash"
)");
  EXPECT_EQ(problem_with(tmpl, "image takes a text").line, 1);
  EXPECT_EQ(problem_with(tmpl, "ports takes").line, 2);
  EXPECT_EQ(problem_with(tmpl, "timeout takes").line, 3);
  EXPECT_EQ(problem_with(tmpl, "teleport").line, 4);
  EXPECT_EQ(problem_with(tmpl, "an id has").line, 5);
  EXPECT_EQ(problem_with(tmpl, "active takes true or false").line, 6);
  EXPECT_EQ(problem_with(tmpl, "lease is a table").line, 7);
  EXPECT_EQ(problem_with(tmpl, "needs user and password").line, 8);
  EXPECT_EQ(problem_with(tmpl, "an endpoint needs its port").line, 10);
  EXPECT_EQ(problem_with(tmpl, "ready.path starts with").line, 13);
}

TEST(R1_2, BrokenTomlNamesItsLine) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, "name = \"x\"\n\nports = [80\nactive = true\n");
  ASSERT_TRUE(tmpl.broken());
  EXPECT_EQ(tmpl.problems[0].file, "instance.toml");
  EXPECT_EQ(tmpl.problems[0].line, 4);
}

TEST(R1_2, KeysOfTheOlderInstancerCarryOver) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, R"(
name = "Old one"
category = "pwn"
ports = [1337]
timeout = 600
extend_time = 300
disable_dynamic_flags = false
image = "x"
mem_limit = "128m"
pids_limit = 64
cpus = 1
)");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  EXPECT_EQ(tmpl.lease.timeout, seconds{600});
  EXPECT_EQ(tmpl.lease.extend_by, seconds{300});
  EXPECT_EQ(tmpl.services[0].machine.resources.pids, 64);
}

TEST(R1_2, JustADockerfileIsATemplate) {
  TestFolder folder;
  folder.write("t/Dockerfile", "ARG BASE=tiltyard/busybox:1\nFROM $BASE\nCOPY flag.txt /\n");
  folder.write("t/flag.txt", "X{y}\n");
  const Template tmpl = read_toml(folder, "ports = [8000]\n");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  ASSERT_EQ(tmpl.services.size(), 1u);
  const auto& service = tmpl.services[0];
  EXPECT_EQ(service.name, "main");
  EXPECT_THAT(service.base_images, ElementsAre("tiltyard/busybox:1"));
  ASSERT_TRUE(service.build);
  EXPECT_EQ(service.build->context, folder.at("t"));
  EXPECT_EQ(service.build->tag, service.machine.image);
  EXPECT_THAT(service.machine.image, testing::MatchesRegex("tiltyard/t-t-main:[0-9a-f]{16}"));
}

TEST(R1_2, AnEmptyFolderSaysWhatIsMissing) {
  TestFolder folder;
  folder.write("t/README", "nothing");
  const Template tmpl = read_folder(folder.at("t"), test_options());
  EXPECT_TRUE(says(tmpl, "no compose file, no Dockerfile"));
}

TEST(R1_2, AFoldersNameThatIsNoIdGivesOne) {
  const std::vector<std::pair<std::string, std::string>> names{
      {"gitea-1.4-rce", "gitea-1-4-rce"},
      {"Log4Shell", "log4shell"},
      {"a-very-long-name-of-a-vulnerable-web-application", "a-very-long-name-of-a-vulnerable-web-app"}};
  for (const auto& [name, id] : names) {
    TestFolder folder;
    folder.write(name + "/instance.toml", "image = \"x:1\"\nports = [80]\n");
    const Template tmpl = read_folder(folder.at(name), test_options());
    EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
    EXPECT_EQ(tmpl.id.str(), id);
    EXPECT_TRUE(says(tmpl, "so the id is \"" + id + "\"")) << problems_text(tmpl);
  }
}

TEST(R1_2, AllFourNamesOfAComposeFileAreRead) {
  for (const char* name : {"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}) {
    TestFolder folder;
    folder.write(std::string("t/") + name, "services: {a: {image: x, ports: [80]}}\n");
    const Template tmpl = read_folder(folder.at("t"), test_options());
    EXPECT_FALSE(tmpl.broken()) << name << "\n" << problems_text(tmpl);
    EXPECT_EQ(tmpl.services.size(), 1u) << name;
  }
}

TEST(R1_2, TheContentHashFollowsTheContent) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM scratch\nCOPY a /\n");
  folder.write("t/a", "one");
  const Template first = read_toml(folder, "ports = [80]\n");
  const Template again = read_folder(folder.at("t"), test_options());
  EXPECT_EQ(first.hash, again.hash);
  EXPECT_EQ(first.services[0].machine.image, again.services[0].machine.image);
  folder.write("t/a", "two");
  const Template changed = read_folder(folder.at("t"), test_options());
  EXPECT_NE(first.hash, changed.hash);
  EXPECT_NE(first.services[0].machine.image, changed.services[0].machine.image);
  folder.write("t/.dockerignore", "notes\n");
  const Template ignoring = read_folder(folder.at("t"), test_options());
  folder.write("t/notes", "not part of the image");
  EXPECT_EQ(read_folder(folder.at("t"), test_options()).services[0].machine.image, ignoring.services[0].machine.image);
  std::filesystem::permissions(folder.at("t/a"), std::filesystem::perms::owner_all);
  EXPECT_NE(read_folder(folder.at("t"), test_options()).services[0].machine.image, ignoring.services[0].machine.image)
      << "modes count";
}

TEST(R1_2, TooLargeAContextIsToldBeforeItIsSent) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM scratch\n");
  for (int i = 0; i < 2010; ++i) folder.write("t/files/" + std::to_string(i), "");
  const Template tmpl = read_toml(folder, "ports = [80]\n");
  EXPECT_TRUE(says(tmpl, "more than 2000 files"));
}

TEST(R1_1, EveryMachineHasALimitOfWhatItWrites) {
  TestFolder folder;
  const Template own = read_toml(folder, "image = \"x\"\nports = [80]\ndisk = \"100m\"\n[limits]\ninodes = 5000\n");
  EXPECT_TRUE(own.problems.empty());
  EXPECT_EQ(own.services.at(0).machine.resources.disk, 100 << 20);
  EXPECT_EQ(own.services.at(0).machine.resources.inodes, 5000);
  const Template usual = read_toml(folder, "image = \"x\"\nports = [80]\n");
  EXPECT_EQ(usual.services.at(0).machine.resources.disk, std::int64_t{4} << 30);
  EXPECT_EQ(usual.services.at(0).machine.resources.inodes, 400'000);
  EXPECT_TRUE(read_toml(folder, "image = \"x\"\nports = [80]\ndisk = \"2000g\"\n").broken());
}

TEST(R1_1, WaysInThatAreNotThereAreTold) {
  TestFolder folder;
  const auto web = read_toml(folder, "image = \"x\"\nports = [80]\naccess = [\"web\", \"ssh\", \"terminal\"]\n");
  EXPECT_FALSE(web.broken());
  EXPECT_EQ(problem_with(web, "access \"ssh\" needs an endpoint of kind tcp").line, 3);
  EXPECT_FALSE(says(web, "access \"web\""));
  EXPECT_FALSE(says(web, "access \"terminal\""));
  const auto tcp = read_toml(folder, "image = \"x\"\nports = [22]\naccess = [\"web\", \"ssh\", \"tcp\"]\n");
  EXPECT_TRUE(says(tcp, "access \"web\" needs an endpoint of kind http"));
  EXPECT_FALSE(says(tcp, "needs an endpoint of kind tcp"));
}

TEST(R2_4, AnEndpointSaysWhoseDoorItIs) {
  TestFolder folder;
  const auto door = [&](const std::string& said) {
    const auto tmpl = read_toml(folder, "image = \"x\"\n[[endpoint]]\nport = 80\n" + said);
    EXPECT_THAT(problems_text(tmpl), IsEmpty());
    return tmpl.endpoints.at(0).door;
  };
  EXPECT_EQ(door("kind = \"http\"\n"), Door::kUnsaid);
  EXPECT_EQ(door("kind = \"http\"\nowner_only = true\n"), Door::kOwner);
  EXPECT_EQ(door("kind = \"http\"\nowner_only = false\n"), Door::kOpen);
  EXPECT_EQ(door("kind = \"tcp\"\nowner_only = true\n"), Door::kOwner);
  EXPECT_EQ(door("kind = \"tcp\"\nowner_only = \"address\"\n"), Door::kAddress);
  EXPECT_EQ(door("kind = \"tcp\"\nowner_only = \"prompt\"\n"), Door::kPrompt);
  const auto wrong = [&](const std::string& said, const std::string& text) {
    return problem_with(read_toml(folder, "image = \"x\"\n[[endpoint]]\nport = 80\n" + said), text).line;
  };
  EXPECT_EQ(wrong("kind = \"http\"\nowner_only = \"prompt\"\n", "is a way of raw TCP"), 5);
  EXPECT_EQ(wrong("owner_only = \"address\"\n", "is a way of raw TCP"), 4);
  EXPECT_EQ(wrong("kind = \"udp\"\nowner_only = \"prompt\"\n", "asks in a line of raw TCP"), 5);
  EXPECT_EQ(wrong("owner_only = \"everybody\"\n", "takes true, false, \"address\" or \"prompt\""), 4);
  EXPECT_EQ(wrong("owner_only = 1\n", "takes true, false"), 4);
}

TEST(R1_2, ADoubleDashDividesEndpointsFromInstancesAndIsNoPartOfAName) {
  TestFolder folder;
  EXPECT_EQ(problem_with(read_toml(folder, "id = \"a--b\"\nimage = \"x\"\nports = [80]\n"), "an id has").line, 1);
  EXPECT_TRUE(
      says(read_toml(folder, "image = \"x\"\n[[endpoint]]\nname = \"a--b\"\nport = 80\n"), "an endpoint's name"));
}

TEST(R2_8, WhatMayBeOpenedIsTheOperatorsWordUnlessTheTemplateSaysLess) {
  TestFolder folder;
  EXPECT_FALSE(read_toml(folder, "image = \"x\"\nports = [80]\n").open_ports.kinds);
  const auto said = read_toml(folder, R"(image = "x"
ports = [80]
[open_ports]
kinds = ["tcp"]
max = 2
ranges = ["22", "8000-8099"]
machines = ["main"]
)");
  EXPECT_FALSE(said.broken());
  EXPECT_EQ(said.open_ports.kinds, std::vector{EndpointKind::kTcp});
  EXPECT_EQ(said.open_ports.max, 2);
  EXPECT_EQ(said.open_ports.ranges, (std::vector<PortRange>{{22, 22}, {8000, 8099}}));
  EXPECT_EQ(said.open_ports.machines, std::vector<std::string>{"main"});
  const auto none = read_toml(folder, "image = \"x\"\nports = [80]\n[open_ports]\nkinds = []\n");
  ASSERT_TRUE(none.open_ports.kinds);
  EXPECT_TRUE(none.open_ports.kinds->empty());
  const auto wrong = read_toml(folder, R"(image = "x"
ports = [80]
[open_ports]
kinds = ["gopher"]
ranges = ["9-8", "0", "70000", "a"]
machines = ["db"]
)");
  EXPECT_EQ(problem_with(wrong, "an endpoint's kind").line, 4);
  EXPECT_EQ(problem_with(wrong, "open_ports.ranges").line, 5);
  EXPECT_EQ(problem_with(wrong, "no service \"db\"").line, 6);
}

TEST(R1_8, TheThreePoliciesHaveTheirNumbers) {
  TestFolder folder;
  const LeasePolicy ctf = read_toml(folder, "image=\"x\"\ntimeout = 3600\nextend_time = 900\n").lease;
  EXPECT_EQ(ctf.name, "ctf");
  EXPECT_EQ(ctf.timeout, hours{1});
  EXPECT_EQ(ctf.extend_by, seconds{900});
  EXPECT_EQ(ctf.extend_after, seconds{1800});
  EXPECT_EQ(ctf.max_added, hours{1});
  const LeasePolicy academy = read_toml(folder, "image=\"x\"\n[lease]\npolicy = \"academy\"\n").lease;
  EXPECT_EQ(academy.extend_by, hours{1});
  EXPECT_EQ(academy.extend_within, hours{1});
  EXPECT_EQ(academy.max_extensions, 1);
  EXPECT_EQ(academy.max_total, hours{6});
  EXPECT_EQ(academy.by_context.at("room"), hours{1});
  EXPECT_EQ(academy.by_context.at("exam"), hours{3});
  const LeasePolicy chat = read_toml(folder, "image=\"x\"\n[lease]\npolicy = \"chat\"\n").lease;
  EXPECT_EQ(chat.timeout, hours{168});
  EXPECT_EQ(chat.extend_by, hours{168});
  EXPECT_EQ(chat.sweep_at, "18:00");
}

TEST(R1_8, OwnNumbersReplaceThoseOfThePolicy) {
  TestFolder folder;
  const Template tmpl = read_toml(folder, R"(image="x"
ports=[80]
[lease]
policy = "academy"
timeout = "90m"
extend_by = 600
max_extensions = 3
max_total = 7200
)");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  EXPECT_EQ(tmpl.lease.timeout, seconds{5400});
  EXPECT_THAT(tmpl.lease.by_context, IsEmpty());
  EXPECT_EQ(tmpl.lease.max_extensions, 3);
  const Template wrong = read_toml(folder, "image=\"x\"\n[lease]\npolicy = \"acadmy\"\n");
  EXPECT_EQ(problem_with(wrong, "did you mean \"academy\"").line, 3);
}

TEST(R1_2, EndpointsSayMachineAndKind) {
  TestFolder folder;
  folder.write("t/compose.yaml", "services:\n  web: {image: x, expose: [80]}\n  db: {image: y, expose: [5432]}\n");
  const Template tmpl = read_toml(folder, R"(
ports = [80]
[[endpoint]]
name = "sql"
machine = "db"
port = 5432
owner_only = false
)");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  ASSERT_EQ(tmpl.endpoints.size(), 2u);
  EXPECT_EQ(tmpl.endpoints[0].name, "sql");
  EXPECT_EQ(tmpl.endpoints[0].machine, "db");
  EXPECT_EQ(tmpl.endpoints[1].machine, "web");
  const Template wrong = read_toml(folder, "ports = [9]\n[[endpoint]]\nmachine=\"nobody\"\nport=1\n");
  EXPECT_EQ(problem_with(wrong, "no service has port 9").line, 1);
  EXPECT_EQ(problem_with(wrong, "there is no service \"nobody\"").line, 4);
}

TEST(R1_5, EgressNeedsTheOperator) {
  TestFolder folder;
  const Template refused = read_toml(folder, "image=\"x\"\nports=[80]\n[network]\negress = true\n");
  EXPECT_EQ(problem_with(refused, "egress is refused").line, 4);
  Options options = test_options();
  options.allow["t"].keys = {"egress"};
  const Template allowed = read_folder(folder.at("t"), options);
  EXPECT_FALSE(allowed.broken());
  EXPECT_TRUE(allowed.egress);
}

TEST(R1_2, TheShippedTemplatesAreClean) {
  const std::filesystem::path shipped = std::filesystem::path(TILTYARD_SOURCE_DIR) / "templates";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shipped)) {
    if (!entry.is_directory()) continue;
    const Template tmpl = read_folder(entry.path().string(), test_options());
    EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
    ++count;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace tiltyard::templates
