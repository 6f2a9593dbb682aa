// What files from elsewhere say, read as `docker compose config` reads it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Service& service_of(const Template& tmpl, std::string_view name) {
  const auto found = std::ranges::find(tmpl.services, name, &Service::name);
  if (found == tmpl.services.end()) throw std::runtime_error("no service " + std::string(name));
  return *found;
}

std::vector<std::string> aliases_of(const Service& service, std::string_view network) {
  const auto found = std::ranges::find(service.networks, network, &ServiceNetwork::network);
  return found == service.networks.end() ? std::vector<std::string>{"no such network"} : found->aliases;
}

TEST(R1_3, AContainerNameIsOneMoreNameOnEveryNetwork) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  front: {image: x, container_name: shop-front}
  store:
    image: x
    container_name: shop_store.1
    networks: {one: {aliases: [depot]}, two: {}}
  same: {image: x, container_name: same, networks: [one]}
  later: {image: x, container_name: "later-${INSTANCE_ID}", networks: [one]}
  project: {image: x, container_name: "${COMPOSE_PROJECT_NAME}-p", networks: [one]}
networks: {one: {}, two: {}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(aliases_of(service_of(tmpl, "front"), "default"), ElementsAre("shop-front"));
  EXPECT_THAT(aliases_of(service_of(tmpl, "store"), "one"), ElementsAre("depot", "shop_store.1"));
  EXPECT_THAT(aliases_of(service_of(tmpl, "store"), "two"), ElementsAre("shop_store.1"));
  EXPECT_THAT(aliases_of(service_of(tmpl, "same"), "one"), IsEmpty());
  EXPECT_THAT(aliases_of(service_of(tmpl, "later"), "one"), IsEmpty());
  EXPECT_THAT(aliases_of(service_of(tmpl, "project"), "one"), ElementsAre("t-p"));
  EXPECT_TRUE(service_of(tmpl, "store").machine.name.empty());
  EXPECT_FALSE(says(tmpl, "container_name"));
}

TEST(R1_3, AMachineThatIsAloneFindsItselfByItsOtherNames) {
  TestFolder folder;
  const Template tmpl =
      read_compose_text(folder, "services: {a: {image: x, container_name: n, networks: {default: {aliases: [m]}}}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(tmpl.services[0].networks, IsEmpty());
  EXPECT_THAT(tmpl.services[0].extra_hosts, ElementsAre(std::pair("m", "a"), std::pair("n", "a")));
}

TEST(R1_3, OneContainerNameIsOneServices) {
  TestFolder folder;
  EXPECT_EQ(problem_with(read_compose_text(folder,
                                           "services:\n  a: {image: x, container_name: n}\n  b: {image: x, "
                                           "container_name: n}\n"),
                         "\"a\" and \"b\" have the same container_name")
                .line,
            3);
  EXPECT_FALSE(read_compose_text(folder,
                                 "services:\n  a: {image: x, container_name: n}\n  b: {image: x, container_name: n, "
                                 "profiles: [off]}\n")
                   .broken());
  EXPECT_TRUE(says(read_compose_text(folder, "services: {a: {image: x, container_name: 'a b'}}\n"), "is no name for"));
}

TEST(R1_3, DefaultsMayHoldBraces) {
  TestFolder folder;
  folder.write("t/.env", "SET=s\nEMPTY=\n");
  const Template tmpl = read_compose_text(folder, R"(services:
  a:
    image: x
    environment:
      A: '${UNSET:-{"a":1}}'
      B: '${SET:-{"a":1}}'
      C: '${SET:-{}}'
      D: '${NOPE:-${ALSO:-deep}}'
      E: '${EMPTY-kept} ${EMPTY:-replaced}'
      F: '${SET:+yes ${NOPE:-in}}'
      G: 'a$${b}c$$d'
      H: '${UNSET:-{"a":{"b":[{}]}}} ${SET}'
      I: '${UNSET-{}'
      J: '${UNSET:-${SET}{x}}'
      K: '${UNSET:-{"x":"${SET}"}}!'
      L: '${UNSET:-}}'
      M: '${SET+{}}${UNSET+{}}'
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "a").container.environment,
              ElementsAre(R"(A={"a":1})", "B=s", "C=s", "D=deep", "E= replaced", "F=yes in", "G=a${b}c$d",
                          R"(H={"a":{"b":[{}]}} s)", "I={", "J=s{x}", R"(K={"x":"s"}!)", "L=}", "M={}"));
}

TEST(R1_3, ProfilesComeFromDotenvToo) {
  const char* compose =
      "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [local]}\n  c: {image: x, profiles: "
      "[dev, more]}\n";
  const auto names = [](const Template& tmpl) {
    std::vector<std::string> out;
    for (const auto& service : tmpl.services) out.push_back(service.name);
    return out;
  };
  TestFolder folder;
  EXPECT_THAT(problem_with(read_compose_text(folder, compose), "\"a\" depends on \"b\"").message,
              HasSubstr("profiles = [\"local\"] in instance.toml, or COMPOSE_PROFILES in .env"));
  folder.write("t/.env", "COMPOSE_PROFILES=local\n");
  EXPECT_THAT(names(read_compose_text(folder, compose)), ElementsAre("a", "b"));
  folder.write("t/.env", "COMPOSE_PROFILES=\" local, more \"\n");
  EXPECT_THAT(names(read_compose_text(folder, compose)), ElementsAre("a", "b", "c"));
  folder.write("t/.env", "COMPOSE_PROFILES=*\n");
  EXPECT_THAT(names(read_compose_text(folder, compose)), ElementsAre("a", "b", "c"));
  // What instance.toml says wins, also where it says none.
  folder.write("t/instance.toml", "profiles = [\"dev\"]\n");
  EXPECT_TRUE(says(read_compose_text(folder, compose), "whose profile is not active"));
  folder.write("t/instance.toml", "[variables]\nCOMPOSE_PROFILES = \"local,dev\"\n");
  EXPECT_THAT(names(read_compose_text(folder, compose)), ElementsAre("a", "b", "c"));
}

TEST(R1_3, ComposeFileInDotenvNamesTheFiles) {
  TestFolder folder;
  folder.write("t/stack/base.yml", "services: {a: {image: one, volumes: ['./www:/www:ro'], ports: [80]}}\n");
  folder.write("t/stack/prod.yml", "services: {a: {image: two}}\n");
  folder.write("t/stack/www/index.html", "x");
  folder.write("t/compose.override.yaml", "services: {a: {image: never}}\n");
  folder.write("t/.env", "COMPOSE_FILE=stack/base.yml:stack/prod.yml\n");
  const Template tmpl = read_compose_text(folder, "services: {other: {image: x}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(service_of(tmpl, "a").machine.image, "two");
  EXPECT_EQ(service_of(tmpl, "a").binds.at(0).path, "stack/www");
  folder.write("t/.env", "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=stack/base.yml,\n");
  EXPECT_EQ(service_of(read_compose_text(folder, ""), "a").machine.image, "one");
  folder.write("t/.env", "COMPOSE_FILE=gone.yml\n");
  EXPECT_EQ(problem_with(read_compose_text(folder, ""), "there is no file \"gone.yml\"").file, ".env");
  folder.write("t/.env", "COMPOSE_FILE=../x.yml\n");
  EXPECT_TRUE(read_compose_text(folder, "").broken());
}

TEST(R1_3, ATmpfsAsTextAndAsListAreOne) {
  TestFolder folder;
  folder.write("t/compose.override.yaml", "services: {a: {tmpfs: ['/run/:size=8m', /scratch]}}\n");
  const Template tmpl = read_compose_text(folder, "services: {a: {image: x, tmpfs: /run}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& mounts = service_of(tmpl, "a").container.mounts;
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_THAT(mounts[0].target, testing::StartsWith("/run"));
  EXPECT_EQ(mounts[0].tmpfs_size, 8 << 20);
  EXPECT_EQ(mounts[1].target, "/scratch");
}

TEST(R1_3, AShortDependencyOverALongOneIsTheShortOne) {
  TestFolder folder;
  folder.write("t/compose.override.yaml", "services: {a: {depends_on: [b]}}\n");
  const Template tmpl = read_compose_text(
      folder,
      "services: {a: {image: x, depends_on: {b: {condition: service_healthy}, c: {condition: service_healthy}}}, b: "
      "{image: x}, c: {image: x}}\n");
  EXPECT_EQ(service_of(tmpl, "a").depends_on.at("b"), DependsOn::kStarted);
  EXPECT_EQ(service_of(tmpl, "a").depends_on.at("c"), DependsOn::kHealthy);
}

TEST(R1_3, AFileMayChangeWhatItIncludes) {
  TestFolder folder;
  folder.write("t/base/compose.yaml", R"(services:
  app:
    image: x
    command: [run]
    volumes: ["./www:/www:ro"]
    ports: ["8080"]
    environment: {WHO: base, KEPT: "1"}
  other: {image: y}
networks: {default: {internal: true}}
)");
  folder.write("t/base/www/index.html", "base");
  const Template tmpl = read_compose_text(folder, R"(include: [base/compose.yaml]
services:
  first: {image: z}
  app:
    environment: {WHO: main, MORE: "1"}
    command: !reset null
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const Service& app = service_of(tmpl, "app");
  EXPECT_EQ(app.machine.image, "x");
  EXPECT_FALSE(app.container.command);
  EXPECT_EQ(app.binds.at(0).path, "base/www");
  EXPECT_THAT(app.ports, ElementsAre(8080));
  EXPECT_THAT(app.container.environment, UnorderedElementsAre("WHO=main", "KEPT=1", "MORE=1"));
  EXPECT_EQ(tmpl.services.at(0).name, "first");
  EXPECT_EQ(tmpl.services.size(), 3u);
}

TEST(R1_3, TwoIncludedFilesMayNotDisagree) {
  TestFolder folder;
  folder.write("t/one.yaml", "services: {a: {image: one}}\n");
  folder.write("t/two.yaml", "services:\n  a: {image: two}\n");
  const Template tmpl = read_compose_text(folder, "include: [one.yaml, two.yaml]\n");
  EXPECT_EQ(problem_with(tmpl, "\"a\" of services is also in two.yaml:2").file, "one.yaml");
  folder.write("t/two.yaml", "services: {a: {image: one}}\n");
  EXPECT_FALSE(read_compose_text(folder, "include: [one.yaml, {path: two.yaml, env_file: /dev/null}]\n").broken());
}

TEST(R1_3, HealthChecksAsPeopleWriteThem) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  list: {image: x, healthcheck: {test: ["CMD-SHELL", "wget", "-qO-", "http://127.0.0.1/"]}}
  text: {image: x, healthcheck: {test: "wget x || exit 1", interval: 1m30s, start_period: 5s, retries: 0}}
  "off": {image: x, healthcheck: {disable: true}}
  none: {image: x, healthcheck: {test: NONE}}
  listed: {image: x, healthcheck: {test: ["NONE"]}}
  times: {image: x, healthcheck: {interval: 0s, timeout: 0s, retries: 7}}
  empty: {image: x, healthcheck: {test: []}}
  fast: {image: x, healthcheck: {test: [CMD, x], interval: 5ms, start_period: 48h}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto health = [&](std::string_view name) { return *service_of(tmpl, name).container.health; };
  EXPECT_THAT(health("list").test, ElementsAre("CMD-SHELL", "wget", "-qO-", "http://127.0.0.1/"));
  EXPECT_EQ(problem_with(tmpl, "the shell runs only \"wget\"").line, 2);
  EXPECT_THAT(health("text").test, ElementsAre("CMD-SHELL", "wget x || exit 1"));
  EXPECT_EQ(health("text").interval, std::chrono::seconds{90});
  EXPECT_EQ(health("text").retries, 3);
  EXPECT_TRUE(health("off").disabled);
  EXPECT_TRUE(health("none").disabled);
  EXPECT_TRUE(health("listed").disabled);
  EXPECT_FALSE(health("times").disabled);
  EXPECT_THAT(health("times").test, IsEmpty());
  EXPECT_EQ(health("times").interval, std::chrono::seconds{30});
  EXPECT_EQ(health("times").timeout, std::chrono::seconds{30});
  EXPECT_EQ(health("times").retries, 7);
  EXPECT_THAT(health("empty").test, IsEmpty());
  EXPECT_EQ(health("fast").interval, std::chrono::milliseconds{100});
  EXPECT_EQ(health("fast").start_period, std::chrono::hours{1});
  EXPECT_EQ(problem_with(tmpl, "`interval` is rewritten to 100 ms").line, 9);
  const Template wrong = read_compose_text(folder, "services: {a: {image: x, healthcheck: {test: [curl, -f, x]}}}\n");
  EXPECT_THAT(problem_with(wrong, "`test` as a list").message, HasSubstr("write [CMD, curl, …]"));
  EXPECT_TRUE(says(read_compose_text(folder, "services: {a: {image: x, healthcheck: {test: [CMD]}}}\n"),
                   "has no command behind CMD"));
}

TEST(R1_3, ACommandEndsWhereOnlyAShellWouldGoOn) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  a:
    image: x
    command: httpd -f -p 8081 && echo never
    entrypoint: ["/bin/x", "&&"]
  b:
    image: x
    command: >
      sh -c "
        echo one
        echo two;"
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(*service_of(tmpl, "a").container.command, ElementsAre("httpd", "-f", "-p", "8081"));
  EXPECT_THAT(*service_of(tmpl, "a").container.entrypoint, ElementsAre("/bin/x", "&&"));
  EXPECT_EQ(problem_with(tmpl, "`command` ends before \"&& echo never\"").line, 4);
  EXPECT_THAT(*service_of(tmpl, "b").container.command, ElementsAre("sh", "-c", "\n  echo one\n  echo two;"));
  EXPECT_TRUE(
      says(read_compose_text(folder, "services: {a: {image: x, command: 'sh -c (a)'}}\n"), "outside of quotes"));
}

TEST(R1_3, QuestionMarksMayStandInFlow) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder,
                                          "\xEF\xBB\xBF"
                                          R"(services:
  app:	
    image: x	# tab before a comment
    command: [httpd, -f, what?, ?x, a?b?, "q?", 'r?',]
    ports: [
	"8080",
	"8081:8080"
    ]
    environment: {A: "1",B: "x:y","E":"2", URL: http://db/x?ssl=off, "a?b": c?}
    labels:
      ? long
      : key?
      what?: 1 ? 2
    healthcheck:
      test: [CMD, wget, http://127.0.0.1:8080/sh?probe=1]
...
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const Service& app = service_of(tmpl, "app");
  EXPECT_THAT(*app.container.command, ElementsAre("httpd", "-f", "what?", "?x", "a?b?", "q?", "r?"));
  EXPECT_THAT(app.container.environment, ElementsAre("A=1", "B=x:y", "E=2", "URL=http://db/x?ssl=off", "a?b=c?"));
  EXPECT_THAT(app.machine.labels, UnorderedElementsAre(std::pair("long", "key?"), std::pair("what?", "1 ? 2")));
  EXPECT_THAT(app.container.health->test, ElementsAre("CMD", "wget", "http://127.0.0.1:8080/sh?probe=1"));
}

TEST(R1_3, EscapesOfYamlAreUnicode) {
  TestFolder folder;
  const Template tmpl = read_compose_text(
      folder, R"(services: {a: {image: x, labels: {a: "\_\N?\xe9\u2028\U0001F600é\/", b: é?, "\_": c}}})"
              "\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "a").machine.labels,
              UnorderedElementsAre(std::pair("a", "\u00A0\u0085?\u00E9\u2028\U0001F600\u00E9/"),
                                   std::pair("b", "\u00E9?"), std::pair("\u00A0", "c")));
}

TEST(R1_3, EnvironmentValuesAreAsWritten) {
  TestFolder folder;
  const Template tmpl = read_compose_text(
      folder,
      "services: {a: {image: x, environment: {A: true, B: yes, C: 0010, D: 1.10, E: 1e3, F: 0xFF, G: , H: ~, I: "
      "2024-02-30, J: 12:30:45, K: 123456789012345678901234567890, L: \"\", M: .inf, N: null, O: 'null', P: 0o17, Q: "
      "+1, R: 1_000}}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "a").container.environment,
              ElementsAre("A=true", "B=yes", "C=0010", "D=1.10", "E=1e3", "F=0xFF", "I=2024-02-30", "J=12:30:45",
                          "K=123456789012345678901234567890", "L=", "M=.inf", "O=null", "P=0o17", "Q=+1", "R=1_000"));
}

TEST(R1_3, PortsOfOtherProtocolsAreLeftOut) {
  TestFolder folder;
  const Template tmpl =
      read_compose_text(folder, "services: {a: {image: x, ports: ['53:53/sctp', '53:53'], expose: ['55/sctp']}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(tmpl.services[0].ports, ElementsAre(53));
  EXPECT_TRUE(says(tmpl, "the sctp port is ignored: the gateway carries TCP and UDP"));
}

TEST(R2_3, ComposesUdpPortsAreEndpoints) {
  TestFolder folder;
  const Template tmpl = read_compose_text(
      folder,
      "services:\n  a: {image: x, ports: ['53:53/udp', '53:53', {target: 54, protocol: udp, name: game}], expose: "
      "['99/udp']}\n  b: {image: x, ports: ['5000-5001/udp']}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(tmpl.services[0].ports, ElementsAre(53));
  EXPECT_THAT(tmpl.services[0].udp_ports, ElementsAre(53, 54, 99));
  std::vector<std::string> got;
  for (const auto& one : tmpl.endpoints)
    got.push_back(fmt::format("{} {} {} {}", one.name, one.machine, one.port, tiltyard::word_of(one.kind)));
  EXPECT_THAT(got, ElementsAre("udp-53 a 53 udp", "port-53 a 53 tcp", "game a 54 udp", "udp-5000 b 5000 udp",
                               "udp-5001 b 5001 udp"));
}

TEST(R2_3, ABarePortMeansWhatItsServiceHasOfIt) {
  TestFolder folder;
  folder.write("t/instance.toml", "ports = [53, 69]\n");
  const Template tmpl = read_compose_text(
      folder, "services:\n  a: {image: x, expose: ['53/udp', '53']}\n  b: {image: x, expose: ['69/udp']}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  std::vector<std::string> got;
  for (const auto& one : tmpl.endpoints)
    got.push_back(fmt::format("{} {} {}", one.machine, one.port, tiltyard::word_of(one.kind)));
  EXPECT_THAT(got, ElementsAre("a 53 tcp", "a 53 udp", "b 69 udp"));
}

TEST(R1_3, AMergeKeyMayStandOnce) {
  TestFolder folder;
  const Template tmpl =
      read_compose_text(folder, "x-a: &a {image: x}\nx-b: &b {user: '1'}\nservices:\n  a:\n    <<: *a\n    <<: *b\n");
  EXPECT_EQ(problem_with(tmpl, "`<<` is there twice; write <<: [*a, *b]").line, 6);
}

TEST(R1_3, MergeKeysAreShallow) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(x-a: &a
  environment: { A: "1", B: "1" }
  restart: "no"
x-b: &b
  environment: { B: "2" }
  restart: always
services:
  list: {image: x, <<: [*a, *b]}
  own: {image: x, environment: {C: "3"}, <<: *b}
  chain: {image: x, environment: {<<: {X: "1", Y: "1"}, Y: "2"}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "list").container.environment, UnorderedElementsAre("A=1", "B=1"));
  EXPECT_EQ(service_of(tmpl, "list").container.restart, "no");
  EXPECT_THAT(service_of(tmpl, "own").container.environment, ElementsAre("C=3"));
  EXPECT_EQ(service_of(tmpl, "own").container.restart, "always");
  EXPECT_THAT(service_of(tmpl, "chain").container.environment, UnorderedElementsAre("X=1", "Y=2"));
}

TEST(R1_3, WhoeverKnowsAPinnedAddressIsToldWhere) {
  TestFolder folder;
  folder.write("t/app/config.ini", "[plc]\n# the controller\nhost = 172.28.5.10:7000\nother = 172.28.5.100\n");
  folder.write("t/app/scan.py", "targets('172.28.5.0/24')\n");
  folder.write("t/app/blob.bin", std::string_view("172.28.5.10\0", 12));
  folder.write("t/other-compose.yml", "172.28.5.10\n");
  const Template tmpl = read_compose_text(folder, R"(services:
  web:
    image: x
    command: ["sh", "-c", "nc 172.28.5.10 7000"]
    environment: {URL: "http://172.28.5.10/", NO: "1172.28.5.10 172.28.5.101 2.172.28.5.10"}
    networks: {lan: {ipv4_address: 172.28.5.2}}
  scada:
    image: x
    networks: {lan: {ipv4_address: 172.28.5.10}}
networks:
  lan:
    ipam: {config: [{subnet: 172.28.5.0/24, gateway: 172.28.5.1}]}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(problem_with(tmpl, "a program that knows 172.28.5.10 will not find the machine").line, 9);
  std::vector<std::string> hits;
  for (const auto& problem : tmpl.problems) {
    if (problem.message.find("which every instance has another for") != std::string::npos)
      hits.push_back(problem.file + ":" + std::to_string(problem.line));
  }
  EXPECT_THAT(hits, UnorderedElementsAre("compose.yaml:4", "compose.yaml:5", "app/config.ini:3", "app/scan.py:1"));
  EXPECT_THAT(problem_with(tmpl, "172.28.5.10 is the address of \"scada\"").message,
              HasSubstr("write its name, scada"));
}

TEST(R1_3, ANameForAPinnedAddressIsItsService) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  web: {image: x, networks: [lan], extra_hosts: ["plc:172.28.5.10", "me:127.0.0.1"]}
  scada: {image: x, networks: {lan: {ipv4_address: 172.28.5.10}}}
networks: {lan: {}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "web").extra_hosts,
              ElementsAre(std::pair("plc", "scada"), std::pair("me", "127.0.0.1")));
}

TEST(R1_2, AnEmptyListOfPortsSwitchesTheComposeFilesOff) {
  TestFolder folder;
  folder.write("t/instance.toml", "ports = []\n");
  const Template tmpl = read_compose_text(folder, "services: {a: {image: x, ports: [80, 81]}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(tmpl.endpoints, IsEmpty());
  EXPECT_THAT(tmpl.problems, IsEmpty()) << problems_text(tmpl);
  folder.write("t/instance.toml", "ports = [81]\n");
  EXPECT_EQ(read_compose_text(folder, "services: {a: {image: x, ports: [80, 81]}}\n").endpoints.at(0).port, 81);
}

}  // namespace
}  // namespace tiltyard::templates
