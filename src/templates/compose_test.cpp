#include <gmock/gmock.h>

#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;
using testing::UnorderedElementsAre;

const Service& service_of(const Template& tmpl, std::string_view name) {
  for (const auto& service : tmpl.services) {
    if (service.name == name) return service;
  }
  ADD_FAILURE() << "no service " << name << "\n" << problems_text(tmpl);
  static const Service none;
  return none;
}

TEST(R1_3, AStackIsReadWhole) {
  TestFolder folder;
  folder.write("t/web/Dockerfile", "FROM tiltyard/debian:12\nRUN true\n");
  folder.write("t/web.env", "FROM_FILE=1\nBOTH=file\n");
  folder.write("t/data/page.html", "hello");
  folder.write("t/db.secret", "s3cret");
  const Template tmpl = read_compose_text(folder, R"(
services:
  web:
    build: {context: web, args: {VERSION: 2}, target: ""}
    command: ["serve", "--port", "8000"]
    entrypoint: /bin/run "with space"
    environment: {BOTH: own, FLAG_HERE: "${FLAG}", NUMBER: 5, LITERAL: "$$x"}
    env_file: web.env
    ports: ["8080:8000"]
    expose: ["9000"]
    depends_on:
      db: {condition: service_healthy}
      init: {condition: service_completed_successfully}
      cache: {condition: service_started, required: false}
    networks: {front: {aliases: [www]}, back: {}}
    volumes:
      - ./data:/data:ro
      - ./data:/own:rw
      - uploads:/uploads
      - /scratch
      - {type: tmpfs, target: /tmp, tmpfs: {size: 16m, mode: 0700}}
    tmpfs: ["/run:size=1m"]
    secrets: [{source: password, target: pw, mode: 0400}]
    configs: [settings]
    working_dir: /srv
    user: "1000:1000"
    hostname: web-host
    domainname: lab
    init: true
    read_only: true
    tty: true
    restart: on-failure:3
    stop_signal: sigint
    stop_grace_period: 5s
    labels: [a=b, c]
    shm_size: 32m
    ulimits: {nofile: {soft: 100, hard: 200}, nproc: 50}
    sysctls: {net.core.somaxconn: 512}
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
    mem_limit: 64m
    mem_reservation: 32m
    cpus: "0.25"
    pids_limit: 40
    extra_hosts: ["database:db", "self=127.0.0.1"]
    healthcheck: {test: curl -f localhost, interval: 2s, timeout: 1s, retries: 4, start_period: 3s}
  db: {image: db, networks: [back], healthcheck: {test: [CMD, up]}}
  init: {image: db, networks: [back], restart: "no"}
  cache: {image: cache, networks: [back], healthcheck: {disable: true}}
networks: {front: {}, back: {internal: true}}
volumes: {uploads: {}, unused: {}}
secrets: {password: {file: ./db.secret}}
configs: {settings: {content: "debug: no"}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  ASSERT_EQ(tmpl.problems.size(), 1u) << problems_text(tmpl);
  EXPECT_TRUE(says(tmpl, "host port \"8080\" is rewritten"));
  const Service& web = service_of(tmpl, "web");
  const auto& machine = web.machine;
  const auto& container = web.container;
  EXPECT_THAT(container.command, Optional(ElementsAre("serve", "--port", "8000")));
  EXPECT_THAT(container.entrypoint, Optional(ElementsAre("/bin/run", "with space")));
  EXPECT_THAT(container.environment,
              UnorderedElementsAre("FROM_FILE=1", "BOTH=own", "FLAG_HERE=${FLAG}", "NUMBER=5", "LITERAL=$x"));
  EXPECT_THAT(web.ports, ElementsAre(8000, 9000));
  EXPECT_EQ(web.depends_on.at("db"), DependsOn::kHealthy);
  EXPECT_EQ(web.depends_on.at("init"), DependsOn::kCompleted);
  EXPECT_THAT(web.optional_depends, ElementsAre("cache"));
  ASSERT_EQ(web.networks.size(), 2u);
  EXPECT_THAT(web.networks[0].aliases, ElementsAre("www"));
  ASSERT_EQ(web.binds.size(), 4u);
  EXPECT_TRUE(web.binds[0].read_only);
  EXPECT_FALSE(web.binds[1].read_only);
  EXPECT_EQ(web.binds[2].target, "/settings");
  EXPECT_EQ(web.binds[2].content, "debug: no");
  EXPECT_EQ(web.binds[3].target, "/run/secrets/pw");
  EXPECT_EQ(web.binds[3].mode, 0400);
  EXPECT_EQ(web.binds[3].path, "db.secret");
  ASSERT_EQ(web.volumes.size(), 2u);
  EXPECT_EQ(web.volumes[0].volume, "uploads");
  EXPECT_EQ(web.volumes[1].volume, "");
  ASSERT_EQ(container.mounts.size(), 2u);
  EXPECT_EQ(container.mounts[0].tmpfs_size, 16 << 20);
  EXPECT_EQ(container.mounts[0].tmpfs_mode, 0700);
  EXPECT_EQ(container.mounts[1].tmpfs_size, 1 << 20);
  EXPECT_EQ(container.working_dir, "/srv");
  EXPECT_EQ(container.user, "1000:1000");
  EXPECT_EQ(machine.hostname, "web-host");
  EXPECT_TRUE(container.init && container.read_only && container.terminal);
  EXPECT_EQ(container.restart, "on-failure:3");
  EXPECT_EQ(container.stop_signal, "SIGINT");
  EXPECT_EQ(machine.stop_grace, milliseconds{5000});
  EXPECT_THAT(machine.labels, UnorderedElementsAre(Pair("a", "b"), Pair("c", "")));
  EXPECT_EQ(machine.resources.shm, 32 << 20);
  EXPECT_EQ(machine.resources.memory, 64 << 20);
  EXPECT_EQ(machine.resources.memory_reservation, 32 << 20);
  EXPECT_DOUBLE_EQ(machine.resources.cpus, 0.25);
  EXPECT_EQ(machine.resources.pids, 40);
  ASSERT_EQ(machine.resources.ulimits.size(), 2u);
  EXPECT_EQ(machine.resources.ulimits[0].soft, 100);
  EXPECT_THAT(container.capabilities, ElementsAre("NET_BIND_SERVICE"));
  EXPECT_THAT(container.sysctls, ElementsAre(Pair("net.core.somaxconn", "512")));
  EXPECT_THAT(web.extra_hosts, ElementsAre(Pair("database", "db"), Pair("self", "127.0.0.1")));
  ASSERT_TRUE(container.health);
  EXPECT_THAT(container.health->test, ElementsAre("CMD-SHELL", "curl -f localhost"));
  EXPECT_EQ(container.health->interval, milliseconds{2000});
  EXPECT_EQ(container.health->retries, 4);
  EXPECT_TRUE(service_of(tmpl, "cache").container.health->disabled);
  ASSERT_TRUE(web.build);
  EXPECT_EQ(web.build->context, folder.at("t/web"));
  EXPECT_THAT(web.build->args, ElementsAre(Pair("VERSION", "2")));
  EXPECT_THAT(tmpl.volumes, ElementsAre("uploads"));
  ASSERT_EQ(tmpl.networks.size(), 2u);
  EXPECT_TRUE(tmpl.networks[0].internal) << "no egress: nothing leads outside";
  ASSERT_EQ(tmpl.endpoints.size(), 1u);
  EXPECT_EQ(tmpl.endpoints[0].machine, "web");
  EXPECT_EQ(tmpl.endpoints[0].port, 8000);
}

TEST(R1_3, WithEgressOnlyInternalNetworksStayInside) {
  TestFolder folder;
  folder.write("t/instance.toml", "[network]\negress = true\n");
  Options options = test_options();
  options.allow["*"].keys = {"egress"};
  const Template tmpl = read_compose_text(
      folder,
      "services:\n  a: {image: x, networks: [out, in], ports: [80]}\n  b: {image: x, networks: [in]}\n"
      "networks: {out: {}, in: {internal: true}}\n",
      options);
  ASSERT_EQ(tmpl.networks.size(), 2u) << problems_text(tmpl);
  EXPECT_FALSE(tmpl.networks[0].internal);
  EXPECT_TRUE(tmpl.networks[1].internal);
}

TEST(R1_3, PinnedAddressesNamesAndPortsAreRewrittenWithAWarning) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  a:
    image: x
    mac_address: 02:00:00:00:00:01
    ports: ["127.0.0.1:8080:80"]
    networks:
      n:
        ipv4_address: 172.20.0.5
  b: {image: x, networks: [n]}
networks:
  n:
    name: fixed
    ipam: {config: [{subnet: 172.20.0.0/16}]}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(problem_with(tmpl, "`mac_address` is rewritten").line, 4);
  EXPECT_EQ(problem_with(tmpl, "host port \"8080\" is rewritten").line, 5);
  EXPECT_EQ(problem_with(tmpl, "`ipv4_address` is rewritten").line, 8);
  EXPECT_EQ(problem_with(tmpl, "`name` is rewritten").line, 12);
  EXPECT_EQ(problem_with(tmpl, "`ipam` is rewritten").line, 13);
  EXPECT_TRUE(service_of(tmpl, "a").machine.name.empty());
}

TEST(R1_3, SpawnTimeNamesWorkWhereOlderInstancersPutThem) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(services:
  a:
    image: x
    container_name: web-${INSTANCE_ID}
    ports: ["${PORT_80}:80"]
    environment:
      - FLAG
      - URL=http://h:${PORT_80}/
)");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  EXPECT_THAT(tmpl.services.at(0).container.environment, ElementsAre("FLAG=${FLAG}", "URL=http://h:${PORT_80}/"));
  EXPECT_EQ(tmpl.endpoints.at(0).port, 80);
  const Template wrong = read_compose_text(folder, "services:\n  a:\n    image: x\n    command: ['echo', '${FLAG}']\n");
  EXPECT_EQ(problem_with(wrong, "known only when an instance starts").line, 4);
  const Template shell =
      read_compose_text(folder, "services:\n  a:\n    image: x\n    ports: [80]\n    command: sh -c 'echo $${FLAG}'\n");
  EXPECT_FALSE(shell.broken()) << problems_text(shell);
  EXPECT_EQ(shell.services.at(0).container.command->at(2), "echo ${FLAG}");
}

TEST(R1_3, BothSpellingsOfALimitMustAgree) {
  TestFolder folder;
  const Template same = read_compose_text(folder,
                                          "services:\n  a:\n    image: x\n    mem_limit: 64m\n    deploy: {resources: "
                                          "{limits: {memory: 64M, cpus: '0.1', pids: 5}}}\n    ports: [80]\n");
  EXPECT_THAT(problems_text(same), IsEmpty());
  EXPECT_DOUBLE_EQ(same.services.at(0).machine.resources.cpus, 0.1);
  EXPECT_EQ(same.services.at(0).machine.resources.pids, 5);
  const Template other = read_compose_text(
      folder, "services:\n  a:\n    image: x\n    mem_limit: 64m\n    deploy: {resources: {limits: {memory: 65m}}}\n");
  EXPECT_EQ(problem_with(other, "the memory limit is said twice, and differently (compose.yaml:4)").line, 5);
  const Template quota = read_compose_text(
      folder, "services:\n  a:\n    image: x\n    cpu_quota: 25000\n    cpu_period: 50000\n    ports: [80]\n");
  EXPECT_DOUBLE_EQ(quota.services.at(0).machine.resources.cpus, 0.5);
  const Template over = read_compose_text(folder,
                                          "services:\n  a:\n    image: x\n    mem_limit: 8g\n    cpus: 8\n    ulimits: "
                                          "{nofile: 1000000}\n    shm_size: 4g\n    memswap_limit: 9g\n");
  EXPECT_EQ(problem_with(over, "8192 MiB is over the server's ceiling of 2048 MiB").line, 4);
  EXPECT_EQ(problem_with(over, "8 is over the server's ceiling of 2").line, 5);
  EXPECT_EQ(problem_with(over, "1000000 is over the server's ceiling of 65536").line, 6);
  EXPECT_EQ(problem_with(over, "4096 MiB is over").line, 7);
  EXPECT_EQ(problem_with(over, "swap of 7168 MiB is over").line, 8);
}

TEST(R1_3, ServicesTakeTheLimitsOfInstanceTomlUnlessTheySayTheirOwn) {
  TestFolder folder;
  folder.write("t/instance.toml", "ports=[80]\n[limits]\nmemory = \"100m\"\npids = 20\n");
  const Template tmpl =
      read_compose_text(folder, "services:\n  a: {image: x, expose: [80]}\n  b: {image: x, mem_limit: 50m}\n");
  EXPECT_THAT(problems_text(tmpl), IsEmpty());
  EXPECT_EQ(service_of(tmpl, "a").machine.resources.memory, 100 << 20);
  EXPECT_EQ(service_of(tmpl, "b").machine.resources.memory, 50 << 20);
  EXPECT_EQ(service_of(tmpl, "b").machine.resources.pids, 20);
}

TEST(R1_3, ExtendsMergesAsTheSpecificationSays) {
  TestFolder folder;
  folder.write("t/common/base.yaml", R"(services:
  root:
    image: base
    environment: [A=1, B=1]
    volumes: ["./files:/files:ro"]
  base:
    extends: root
    command: [old, words]
    environment: {B: 2}
    cap_drop: [KILL]
    labels: {x: "1"}
    depends_on: [db]
    healthcheck: {test: [CMD, old], retries: 9}
)");
  folder.write("t/common/files/x", "y");
  const Template tmpl = read_compose_text(folder, R"(services:
  a:
    extends: {file: common/base.yaml, service: base}
    command: [new]
    environment: [C=3]
    cap_drop: [CHOWN]
    healthcheck: {test: [CMD, new]}
    ports: [80]
  db: {image: db}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& a = service_of(tmpl, "a");
  EXPECT_EQ(a.machine.image, "base");
  EXPECT_THAT(*a.container.command, ElementsAre("new"));
  EXPECT_THAT(a.container.environment, UnorderedElementsAre("A=1", "B=2", "C=3"));
  EXPECT_THAT(a.container.capabilities, testing::Not(testing::Contains("KILL")));
  EXPECT_THAT(a.container.capabilities, testing::Not(testing::Contains("CHOWN")));
  EXPECT_THAT(a.container.health->test, ElementsAre("CMD", "new"));
  EXPECT_EQ(a.container.health->retries, 9);
  EXPECT_EQ(a.depends_on.count("db"), 1u);
  ASSERT_EQ(a.binds.size(), 1u);
  EXPECT_EQ(a.binds[0].path, "common/files") << "paths start from the file they stand in";
}

TEST(R1_3, CirclesAreToldAndNotWalked) {
  TestFolder folder;
  EXPECT_EQ(
      problem_with(read_compose_text(folder, "services:\n  a: {extends: b}\n  b: {extends: a}\n"), "extends itself")
          .file,
      "compose.yaml");
  EXPECT_TRUE(says(read_compose_text(folder, "services:\n  a: {extends: a}\n"), "extends itself"));
  EXPECT_TRUE(
      says(read_compose_text(folder, "include: [compose.yaml]\nservices: {a: {image: x}}\n"), "includes itself"));
  folder.write("t/one.yaml", "include: [two.yaml]\nservices: {b: {image: x}}\n");
  folder.write("t/two.yaml", "include: [one.yaml]\nservices: {c: {image: x}}\n");
  EXPECT_TRUE(says(read_compose_text(folder, "include: [one.yaml]\nservices: {a: {image: x}}\n"), "includes itself"));
  const Template depends = read_compose_text(folder,
                                             "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: "
                                             "[c]}\n  c:\n    image: x\n    depends_on:\n      - a\n");
  EXPECT_EQ(problem_with(depends, "the dependencies run in a circle: a → b → c → a").line, 7);
  EXPECT_TRUE(says(read_compose_text(folder, "services:\n  a: {image: x, depends_on: [a]}\n"), "circle"));
  EXPECT_TRUE(says(read_compose_text(folder, "services:\n  a: {image: x, depends_on: [nobody]}\n"), "no service"));
}

TEST(R1_3, IncludeBringsWholeFiles) {
  TestFolder folder;
  folder.write("t/parts/db.yaml",
               "services:\n  db:\n    image: db:${VERSION:-none}\n    volumes: ['data:/data', "
               "'./init:/init:ro']\nvolumes: {data: {}}\n");
  folder.write("t/parts/init/x", "y");
  folder.write("t/parts/.env", "VERSION=7\n");
  const Template tmpl = read_compose_text(
      folder, "include:\n  - parts/db.yaml\nservices:\n  a: {image: x, ports: [80], depends_on: [db]}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(service_of(tmpl, "db").machine.image, "db:7");
  EXPECT_EQ(service_of(tmpl, "db").binds.at(0).path, "parts/init");
  EXPECT_THAT(tmpl.volumes, ElementsAre("data"));
}

TEST(R1_3, AnOverrideFileIsLaidOver) {
  TestFolder folder;
  folder.write("t/compose.override.yaml",
               "services:\n  a:\n    image: new\n    environment: {B: '2'}\n    ports: !override [81]\n    labels: "
               "!reset {}\n    privileged: true\n");
  const Template tmpl = read_compose_text(
      folder, "services:\n  a:\n    image: old\n    environment: {A: '1'}\n    ports: [80]\n    labels: {x: y}\n");
  const Problem privileged = problem_with(tmpl, "\"privileged\" is refused");
  EXPECT_EQ(privileged.file, "compose.override.yaml");
  EXPECT_EQ(privileged.line, 7);
  const auto& machine = tmpl.services.at(0).machine;
  const auto& container = tmpl.services.at(0).container;
  EXPECT_EQ(machine.image, "new");
  EXPECT_THAT(container.environment, UnorderedElementsAre("A=1", "B=2"));
  EXPECT_THAT(tmpl.services[0].ports, ElementsAre(81));
  EXPECT_THAT(machine.labels, IsEmpty());
}

TEST(R1_3, ProfilesAreChosenInInstanceToml) {
  TestFolder folder;
  const char* text =
      "services:\n  a: {image: x, ports: [80], depends_on: {b: {condition: service_started, required: false}}}\n  b: "
      "{image: y, profiles: [debug]}\n";
  const Template without = read_compose_text(folder, text);
  EXPECT_THAT(problems_text(without), IsEmpty());
  EXPECT_EQ(without.services.size(), 1u);
  EXPECT_THAT(without.services[0].depends_on, IsEmpty());
  EXPECT_THAT(without.networks, IsEmpty()) << "one machine needs no network of its own";
  folder.write("t/instance.toml", "profiles = [\"debug\"]\n");
  const Template with = read_compose_text(folder, text);
  EXPECT_EQ(with.services.size(), 2u);
  EXPECT_EQ(with.networks.size(), 1u);
}

TEST(R1_3, ServicesWithTheSameBuildShareAnImage) {
  TestFolder folder;
  folder.write("t/app/Dockerfile", "FROM scratch\n");
  const Template tmpl = read_compose_text(folder,
                                          "services:\n  web: {build: app, ports: [80]}\n  worker: {build: ./app/, "
                                          "command: [work]}\n  other: {build: {context: app, args: {A: b}}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(service_of(tmpl, "web").machine.image, service_of(tmpl, "worker").machine.image);
  EXPECT_NE(service_of(tmpl, "web").machine.image, service_of(tmpl, "other").machine.image);
  EXPECT_EQ(service_of(tmpl, "worker").build->tag, service_of(tmpl, "web").machine.image);
}

TEST(R1_3, ADockerfileMayStandBesideItsContext) {
  TestFolder folder;
  folder.write("t/docker/App", "FROM tiltyard/busybox:1\n");
  folder.write("t/app/x", "y");
  const Template tmpl =
      read_compose_text(folder,
                        "services:\n  a: {build: {context: app, dockerfile: ../docker/App}, ports: [80]}\n  b: {build: "
                        "{context: ., dockerfile_inline: \"FROM tiltyard/debian:12\"}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_EQ(service_of(tmpl, "a").build->dockerfile_text, "FROM tiltyard/busybox:1\n");
  EXPECT_THAT(service_of(tmpl, "b").base_images, ElementsAre("tiltyard/debian:12"));
  EXPECT_TRUE(says(read_compose_text(folder, "services:\n  a: {build: app}\n"), "the build has no Dockerfile"));
  EXPECT_TRUE(
      says(read_compose_text(folder, "services:\n  a: {build: {context: ., dockerfile: docker/App, target: nope}}\n"),
           "no stage \"nope\""));
}

TEST(R1_3, WhatOneServiceBuildsAnotherUsesByItsName) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM tiltyard/busybox:1\n");
  folder.write("t/base/Dockerfile", "FROM tiltyard/debian:12\nRUN x\n");
  const Template tmpl =
      read_compose_text(folder,
                        "services:\n  worker: {image: acme/shared}\n  web: {build: {context: ., tags: "
                        "[cron]}, image: docker.io/acme/shared:latest, ports: [80]}\n"
                        "  base: {build: base, image: \"base:2\", profiles: [build]}\n"
                        "  user: {image: docker.io/library/base:2}\n  job: {image: \"cron:latest\"}\n"
                        "  other: {image: \"acme/shared:2\"}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_TRUE(tmpl.problems.empty()) << problems_text(tmpl);
  const auto image = [&](std::string_view name) { return service_of(tmpl, name).machine.image; };
  EXPECT_EQ(image("web").substr(0, 17), "tiltyard/t-t-web:");
  EXPECT_EQ(image("worker"), image("web"));
  EXPECT_EQ(image("job"), image("web"));
  EXPECT_EQ(image("user").substr(0, 18), "tiltyard/t-t-base:") << "a service that is not started builds too";
  EXPECT_THAT(service_of(tmpl, "user").base_images, ElementsAre("tiltyard/debian:12"));
  EXPECT_EQ(service_of(tmpl, "user").build_runs, 1);
  ASSERT_TRUE(service_of(tmpl, "worker").build);
  EXPECT_EQ(service_of(tmpl, "worker").build->tag, image("web"));
  EXPECT_EQ(image("other"), "acme/shared:2") << "another name is another image";
  EXPECT_FALSE(service_of(tmpl, "other").build);
}

TEST(R1_3, AnImagesTagTellsOfAllThatItsBuildReadsAndOfNothingElse) {
  TestFolder folder;
  const char* text = "services:\n  a: {build: {context: ., args: {X: \"1\"}}, ports: [80]}\n";
  const auto tag = [&](std::string compose) {
    const Template tmpl = read_compose_text(folder, compose);
    EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
    return tmpl.services.at(0).machine.image;
  };
  folder.write("t/.dockerignore", "*\n!www\n");
  folder.write("t/Dockerfile", "FROM tiltyard/busybox:1 AS one\nRUN echo 1\nFROM one\n");
  folder.write("t/www/index.html", "hello");
  folder.write("t/notes.md", "1");
  std::set<std::string> seen{tag(text)};
  const auto changed = [&](std::string_view file, std::string_view content) {
    folder.write(file, content);
    return seen.insert(tag(text)).second;
  };
  EXPECT_TRUE(changed("t/Dockerfile", "FROM tiltyard/busybox:1 AS one\nRUN echo 2\nFROM one\n"))
      << "though it is left out";
  EXPECT_TRUE(changed("t/www/index.html", "bye"));
  EXPECT_TRUE(changed("t/.dockerignore", "*\n!www\n!notes.md\n"));
  EXPECT_TRUE(changed("t/notes.md", "2"));
  EXPECT_TRUE(changed("t/Dockerfile.dockerignore", "*\n")) << "it counts in place of the other";
  EXPECT_FALSE(changed("t/notes.md", "3")) << "left out by now";
  EXPECT_FALSE(changed("t/.dockerignore", "www\n")) << "not read any more";
  EXPECT_TRUE(seen.insert(tag("services:\n  a: {build: {context: ., args: {X: \"2\"}}, ports: [80]}\n")).second);
  EXPECT_TRUE(seen.insert(tag("services:\n  a: {build: {context: ., target: one}, ports: [80]}\n")).second);
  // Neither when a file was written, nor what a file is called that is read either way.
  const std::string before = tag(text);
  std::filesystem::last_write_time(folder.at("t/Dockerfile"), std::filesystem::file_time_type{});
  EXPECT_EQ(tag(text), before);
  folder.remove("t/Dockerfile.dockerignore");
  folder.write("t/.dockerignore", "*\n");
  const std::string named = tag(text);
  folder.write("t/App", "FROM tiltyard/busybox:1 AS one\nRUN echo 2\nFROM one\n");
  EXPECT_EQ(tag("services:\n  a: {build: {context: ., dockerfile: App, args: {X: \"1\"}}, ports: [80]}\n"), named);
  folder.write("t/.dockerignore", "x\n!\n");
  EXPECT_TRUE(says(read_compose_text(folder, text), "its .dockerignore, line 2: \"!\" needs a pattern"));
}

TEST(R1_3, VariablesComeFromEnvFileAndInstanceToml) {
  TestFolder folder;
  folder.write("t/.env", "TAG=1\nBOTH=env\n");
  folder.write("t/instance.toml", "[variables]\nBOTH = \"toml\"\n");
  const Template tmpl = read_compose_text(
      folder, "services:\n  a:\n    image: x:${TAG}\n    environment: {A: $BOTH, B: \"${NONE}\"}\n    ports: [80]\n");
  EXPECT_FALSE(tmpl.broken());
  EXPECT_EQ(tmpl.services.at(0).machine.image, "x:1");
  EXPECT_THAT(tmpl.services[0].container.environment, UnorderedElementsAre("A=toml", "B="));
  EXPECT_EQ(problem_with(tmpl, "NONE is not set").line, 4);
}

TEST(R1_3, NobodyWaitsForHealthThatIsNeverAsked) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder,
                                          "services:\n  a:\n    image: x\n    depends_on:\n      b: {condition: "
                                          "service_healthy}\n  b: {image: y, healthcheck: {disable: true}}\n");
  EXPECT_EQ(problem_with(tmpl, "whose healthcheck is disabled").line, 5);
}

TEST(R1_3, LinksAndNetworkModeNoneAreUnderstood) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder,
                                          "services:\n  a: {image: x, ports: [80], links: ['db:database']}\n  db: "
                                          "{image: y}\n  alone: {image: z, network_mode: none}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(service_of(tmpl, "a").extra_hosts, ElementsAre(Pair("database", "db")));
  EXPECT_EQ(service_of(tmpl, "a").depends_on.at("db"), DependsOn::kStarted);
  EXPECT_EQ(service_of(tmpl, "alone").networks.at(0).network, "alone-alone");
  EXPECT_TRUE(says(tmpl, "network_mode none is rewritten"));
}

TEST(R1_2, ABareMistakeIsToldOnceAndClearly) {
  TestFolder folder;
  for (const auto& [text, want] : std::map<std::string, std::string>{
           {"", "the file is empty"},
           {"just text", "must be a map"},
           {"services: []\n", "has no `services`"},
           {"services: {}\n", "has no `services`"},
           {"services: {a: }\n", "must be a map"},
           {"services: {a: {}}\n", "needs `image` or `build`"},
           {"services: {a: {image: x, volumes: ['nope:/x']}}\n", "is not declared"},
           {"services: {a: {image: x, networks: [nope]}}\n", "is not declared"},
           {"services: {a: {image: x, secrets: [nope]}}\n", "is not declared"},
           {"services: {a: {image: x, restart: sometimes}}\n", "not known"},
           {"services: {a: {image: x, volumes: ['../nope:/x']}}\n", "refused"},
           {"services: {a: {image: x, healthcheck: {test: [echo]}}}\n", "starts with CMD"},
           {"services: {a: {image: x, mem_limit: lots}}\n", "takes a size"},
           {"services: {a: {image: x, volumes: ['v:/x', 'w:/x/']}}\nvolumes: {v: {}, w: {}}\n", "two mounts"}}) {
    const Template tmpl = read_compose_text(folder, text);
    EXPECT_TRUE(tmpl.broken()) << text;
    EXPECT_TRUE(says(tmpl, want)) << text << "\n" << problems_text(tmpl);
  }
}

}  // namespace
}  // namespace tiltyard::templates
