// What services and builds take from each other, and from what lies beside them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "templates/dockerfile_rewrite.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string said(const Service& service) {
  engine::BuildSpec spec = *service.build;
  rewrite_dockerfile(std::string(spec.dockerfile_text), 102, spec);
  return spec.dockerfile_text;
}

TEST(R1_3, ABuildReadsContextsThatHaveNamesOfTheirOwn) {
  TestFolder folder;
  folder.write("t/app/main.py", "x");
  folder.write("t/shared/lib.py", "one");
  folder.write("t/shared/secret.txt", "not for the build");
  folder.write("t/shared/.dockerignore", "secret.txt\n");
  const std::string text =
      "services:\n  a:\n    ports: [80]\n    build:\n      context: app\n      additional_contexts:\n"
      "        Lib: ./shared\n        base: docker-image://debian:12\n      dockerfile_inline: |\n"
      "        FROM base AS first\n        COPY --from=lib ./lib.py /x/\n        COPY main.py /\n"
      "        RUN --mount=from=lib,target=/l true\n        FROM LIB\n";
  const Template tmpl = read_compose_text(folder, text);
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const Service& service = tmpl.services.at(0);
  EXPECT_THAT(service.base_images, ElementsAre("debian:12"));
  EXPECT_EQ(said(service),
            "FROM debian:12 AS first\nCOPY named/lib/lib.py /x/\nCOPY context/main.py /\n"
            "RUN --mount=target=/l,source=named/lib true\nFROM scratch \nCOPY named/lib/ /\n\n");
  const auto again = [&] { return read_compose_text(folder, text).services.at(0).machine.image; };
  folder.write("t/shared/secret.txt", "changed");
  EXPECT_EQ(again(), service.machine.image) << "its own ignore file leaves it out";
  folder.write("t/shared/lib.py", "two");
  EXPECT_NE(again(), service.machine.image) << "what the build reads counts";
}

TEST(R1_3, ANamedContextOfTheNetworkOrOfNoFolderIsRefusedWithWhatToWrite) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM x AS stage\n");
  const auto with = [&](const std::string& contexts) {
    return problems_text(read_compose_text(folder,
                                           "services:\n  a:\n    ports: [80]\n    build:\n      context: .\n      "
                                           "additional_contexts: " +
                                               contexts + "\n"));
  };
  EXPECT_THAT(with("{lib: https://example.org/x.git}"), HasSubstr("write lib: ./FOLDER"));
  EXPECT_THAT(with("[lib=git@example.org:x]"), HasSubstr("compose.yaml:6"));
  EXPECT_THAT(with("{lib: ./absent}"), HasSubstr("there is no folder \"./absent\""));
  EXPECT_THAT(with("{lib: ../up}"), HasSubstr("leaves the template's folder"));
  EXPECT_THAT(with("{stage: docker-image://y}"), HasSubstr("both a stage of the Dockerfile and one of"));
}

TEST(R1_3, ABuildIsShownItsSecretsForOneStep) {
  TestFolder folder;
  folder.write("t/token.txt", "s3cret\n");
  folder.write("t/.env", "PASSWORD=hush\n");
  const auto with = [&](const std::string& run) {
    return read_compose_text(folder,
                             "services:\n  a:\n    ports: [80]\n    build:\n      context: .\n      secrets: [token, "
                             "{source: pass, target: pw}]\n      dockerfile_inline: |\n        FROM x\n        RUN " +
                                 run + "\nsecrets:\n  token: {file: ./token.txt}\n  pass: {environment: PASSWORD}\n");
  };
  const Template tmpl = with(
      "--mount=type=secret,id=token --mount=type=secret,id=pw,target=/pw,required "
      "--mount=type=secret,id=nobody y");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  engine::BuildSpec spec = *tmpl.services.at(0).build;
  EXPECT_EQ(spec.secrets, (std::map<std::string, std::string>{{"pw", "hush"}, {"token", "s3cret\n"}}));
  rewrite_dockerfile(std::string(spec.dockerfile_text), 102, spec);
  EXPECT_EQ(spec.dockerfile_text,
            "FROM x\nRUN --mount=type=bind,source=secrets/token,target=/run/secrets/token "
            "--mount=type=bind,source=secrets/pw,target=/pw y\n\n");
  ASSERT_EQ(spec.texts.size(), 2u);
  EXPECT_EQ(spec.texts[0].path, "secrets/token");
  EXPECT_EQ(spec.texts[0].text, "s3cret\n");
  EXPECT_TRUE(spec.buildkit) << "a mount is BuildKit's";
  EXPECT_TRUE(says(with("--mount=type=secret,id=other,required y"), "write secrets: [other] in its `build`"));
  EXPECT_TRUE(says(with("--mount=type=secret,id=token,env=T y"), "write X=$(cat /run/secrets/token)"));
}

TEST(R1_3, ABuildMayStartFromWhatAnotherServiceBuilds) {
  TestFolder folder;
  folder.write("t/base/Dockerfile", "FROM debian\n");
  folder.write("t/base/file", "one");
  folder.write("t/app/Dockerfile", "ARG BASE=acme/base\nFROM $BASE:latest\nCOPY --from=top /x /x\n");
  const std::string text =
      "services:\n  app:\n    ports: [80]\n    build: {context: app, additional_contexts: {top: 'service:base'}}\n"
      "  base:\n    build: base\n    image: acme/base\n";
  const Template tmpl = read_compose_text(folder, text);
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const Service &app = tmpl.services.at(0), &base = tmpl.services.at(1);
  EXPECT_THAT(app.base_images, ElementsAre(base.machine.image, base.machine.image));
  engine::BuildSpec spec = *app.build;
  rewrite_dockerfile("ARG BASE=acme/base\nFROM $BASE:latest\nCOPY --from=top /x /x\n", 0, spec);
  EXPECT_EQ(spec.dockerfile_text,
            "ARG BASE=acme/base\nFROM " + base.machine.image + " \nCOPY --from=" + base.machine.image + " /x /x\n\n");
  folder.write("t/base/file", "two");
  const Template changed = read_compose_text(folder, text);
  EXPECT_NE(changed.services.at(0).machine.image, app.machine.image) << "what it starts from is a part of it";
  EXPECT_EQ(changed.services.at(0).machine.image, changed.services.at(0).build->tag);

  folder.write("t/base/Dockerfile", "FROM other\n");
  const std::string circle =
      "services:\n  app:\n    ports: [80]\n    build: app\n    image: other\n  base:\n    build: "
      "base\n    image: acme/base\n";
  EXPECT_TRUE(says(read_compose_text(folder, circle), "start from each other"));
  EXPECT_TRUE(says(read_compose_text(folder,
                                     "services:\n  app:\n    ports: [80]\n    build: app\n  base:\n    build: "
                                     "base\n    image: acme/base\n    profiles: [later]\n"),
                   "no active service is that"));
}

TEST(R1_3, AServiceMountsWhatAnotherOneMounts) {
  TestFolder folder;
  folder.write("t/html/index.html", "x");
  const Template tmpl =
      read_compose_text(folder,
                        "services:\n  web: {image: x, ports: [80], volumes_from: ['data:ro'], volumes: ['own:/v']}\n"
                        "  data: {image: y, volumes: ['./html:/srv', 'files:/v', /cache], tmpfs: [/t]}\n"
                        "  third: {image: z, volumes_from: [web]}\nvolumes: {own: {}, files: {}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto mounted = [](const Service& service) {
    std::string out;
    for (const auto& one : service.binds) out += one.path + ":" + one.target + (one.read_only ? ":ro " : " ");
    for (const auto& one : service.volumes) out += one.volume + ":" + one.target + (one.read_only ? ":ro " : " ");
    return out;
  };
  EXPECT_EQ(mounted(tmpl.services[0]), "html:/srv:ro own:/v of-data-cache:/cache:ro ");
  EXPECT_EQ(mounted(tmpl.services[1]), "html:/srv files:/v of-data-cache:/cache ");
  EXPECT_EQ(mounted(tmpl.services[2]), "html:/srv:ro own:/v of-data-cache:/cache:ro ");
  EXPECT_THAT(tmpl.services[2].container.mounts, IsEmpty()) << "what lies in memory is one machine's";
  EXPECT_TRUE(tmpl.services[0].depends_on.contains("data"));
  EXPECT_NE(std::ranges::find(tmpl.volumes, "of-data-cache"), tmpl.volumes.end());
  EXPECT_TRUE(says(read_compose_text(folder,
                                     "services:\n  a: {image: x, ports: [80], volumes_from: [b]}\n  b: {image: "
                                     "y, volumes_from: [a]}\n"),
                   "run in a circle"));
  EXPECT_TRUE(
      says(read_compose_text(folder, "services:\n  a: {image: x, ports: [80], volumes_from: ['container:b']}\n"),
           "name the service"));
}

TEST(R1_3, OptionsOfAVolumesDriverMeanMemoryOrAFolderOfTheTemplates) {
  TestFolder folder;
  folder.write("t/files/x", "x");
  const auto with = [&](const std::string& options) {
    return read_compose_text(folder,
                             "services:\n  a: {image: x, ports: [80], volumes: ['v:/v']}\n  b: {image: x, volumes: "
                             "['v:/w:ro']}\nvolumes:\n  v:\n    driver_opts: " +
                                 options + "\n");
  };
  const Template bound = with("{type: none, o: bind, device: '${PWD}/files'}");
  ASSERT_FALSE(bound.broken()) << problems_text(bound);
  ASSERT_EQ(bound.services[0].binds.size(), 1u);
  EXPECT_EQ(bound.services[0].binds[0].path, "files");
  EXPECT_FALSE(bound.services[0].binds[0].read_only);
  EXPECT_TRUE(bound.services[0].binds[0].shared) << "both see the same files";
  const Template memory = with("{type: tmpfs, device: tmpfs, o: 'size=8m,uid=1000'}");
  ASSERT_FALSE(memory.broken()) << problems_text(memory);
  ASSERT_EQ(memory.services[1].container.mounts.size(), 1u);
  EXPECT_EQ(memory.services[1].container.mounts[0].tmpfs_size, 8 << 20);
  EXPECT_EQ(memory.services[1].container.mounts[0].tmpfs_options, "uid=1000,ro");
  EXPECT_TRUE(says(memory, "each service has one of its own"));
  for (const char* bad : {"{type: none, o: bind, device: /etc}", "{type: none, o: bind, device: ../up}",
                          "{type: nfs, o: "
                          "addr=1.2.3.4, device: ':/x'}",
                          "{type: none, device: ./files}",
                          "{type: overlay, o: bind, device: "
                          "./files}",
                          "{type: tmpfs, o: 'size=8m', mountpoint: /x}"})
    EXPECT_EQ(problem_with(with(bad), "refused").line, 6) << bad;
}

TEST(R1_9, LabelsOfImagesAndServicesSayWhatAPortSpeaks) {
  TestFolder folder;
  folder.write("t/Dockerfile",
               "FROM x AS one\nLABEL org.tiltyard.port.5000=tcp a=\"b c\"\nFROM y AS other\nLABEL "
               "org.tiltyard.port.9000=tcp\nFROM one\nLABEL org.tiltyard.port.4444=\"HTTP\"\n");
  const auto kinds = [](const Template& tmpl) {
    EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
    std::string out;
    for (const auto& one : tmpl.endpoints) out += fmt::format("{} {} {};", one.port, word_of(one.kind), one.guessed);
    return out;
  };
  EXPECT_EQ(kinds(read_compose_text(
                folder,
                "services:\n  a: {build: ., ports: [5000, 4444, 9000]}\n  b:\n    image: z\n    ports: [7000, 8000]\n"
                "    labels: [traefik.http.services.b.loadbalancer.server.port=7000, org.tiltyard.port.8000=tcp]\n")),
            "5000 tcp false;4444 http false;9000 tcp false;7000 http false;8000 tcp false;");
  folder.remove("t/compose.yaml");
  folder.write("t/instance.toml", "ports = [5000, 4444]\n[[endpoint]]\nport = 8080\n");
  EXPECT_EQ(kinds(read_folder(folder.at("t"), test_options())), "8080 http true;5000 tcp false;4444 http false;");
}

TEST(R1_3, WhatComposeRunsWithoutHarmIsNotRefused) {
  TestFolder folder;
  const Template tmpl = read_compose_text(
      folder,
      "services:\n  a:\n    image: x\n    ports: [80]\n    group_add: [video, 1001]\n    dns_search: [., "
      "corp.example]\n"
      "    dns_opt: ['ndots:1', use-vc]\n    cpuset: 0,1\n    blkio_config: {weight: 300}\n    oom_kill_disable: true\n"
      "    storage_opt: {size: 1g}\n    scale: 3\n    deploy: {replicas: 2, mode: replicated}\n    networks: {n: "
      "{driver_opts: {x: y}, interface_name: wan}}\nnetworks:\n  n: {driver_opts: {com.docker.network.bridge.name: "
      "br-x}}\n");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_THAT(tmpl.services[0].container.groups, ElementsAre("video", "1001"));
  EXPECT_THAT(tmpl.services[0].machine.dns_search, ElementsAre(".", "corp.example"));
  EXPECT_THAT(tmpl.services[0].machine.dns_options, ElementsAre("ndots:1", "use-vc"));
  EXPECT_EQ(problem_with(tmpl, "`scale: 3` is rewritten to 1").line, 12);
  EXPECT_TRUE(says(tmpl, "`replicas: 2` is rewritten to 1: a service is one machine; write a service for each"));
  EXPECT_TRUE(says(tmpl,
                   "\"storage_opt\" is ignored: what it may write is limited by instance.toml; write disk = \"1g\" "
                   "there"));
  const Template more = read_compose_text(
      folder,
      "services:\n  a:\n    image: x\n    ports: [80]\n    hostname: my_host\n    oom_score_adj: 500\n"
      "    extra_hosts: ['a=[::1]', 'b:0.0.0.0', 'c=::1']\n");
  ASSERT_FALSE(more.broken()) << problems_text(more);
  EXPECT_EQ(more.services[0].machine.hostname, "my_host");
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(more.services[0].extra_hosts, ElementsAre(Pair("a", "::1"), Pair("b", "0.0.0.0"), Pair("c", "::1")));
  EXPECT_EQ(problem_with(more, "\"oom_score_adj\" is ignored").line, 6);
  const auto refused = [&](const std::string& line) {
    return read_compose_text(folder, "services:\n  a:\n    image: x\n    ports: [80]\n    " + line + "\n").broken();
  };
  EXPECT_TRUE(refused("group_add: ['a:b']"));
  EXPECT_TRUE(refused("dns_search: ['a b']"));
  EXPECT_TRUE(refused("dns_opt: [\"ndots:1\\noptions x\"]"));
}

}  // namespace
}  // namespace tiltyard::templates
