#include <fcntl.h>

#include <algorithm>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "templates/rights.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

std::string service(std::string_view lines) {
  return std::string("services:\n  a:\n    image: x\n    ports: [80]\n") + std::string(lines);
}

/// Every one of these must break the template, at line 5 and nowhere silently.
struct Attempt {
  const char* name;
  const char* lines;
};

class R1_4_Refused : public testing::TestWithParam<Attempt> {};

TEST_P(R1_4_Refused, WithFileAndLine) {
  TestFolder folder;
  folder.write("secret.txt", "host");
  folder.write("t/f", "x");
  folder.link("t/out", "../secret.txt");
  folder.link("t/up", "..");
  folder.link("t/absolute", "/etc");
  folder.link("t/chain", "up");
  folder.link("t/loop", "loop");
  ::mkfifo(folder.at("t/pipe").c_str(), 0600);
  const Template tmpl = read_compose_text(folder, service(GetParam().lines));
  ASSERT_TRUE(tmpl.broken()) << problems_text(tmpl);
  bool there = false;
  for (const auto& problem : tmpl.problems) {
    there = there || (problem.severity == Problem::Severity::kError && problem.file == "compose.yaml" &&
                      problem.line >= 5 && problem.line <= 9);
  }
  EXPECT_TRUE(there) << problems_text(tmpl);
}

INSTANTIATE_TEST_SUITE_P(
    All, R1_4_Refused,
    testing::Values(
        Attempt{"privileged", "    privileged: true\n"}, Attempt{"privileged_yes", "    privileged: yes\n"},
        Attempt{"privileged_quoted", "    privileged: \"true\"\n"}, Attempt{"host_network", "    network_mode: host\n"},
        Attempt{"other_container", "    network_mode: container:other\n"},
        Attempt{"other_service", "    network_mode: service:b\n"}, Attempt{"pid", "    pid: host\n"},
        Attempt{"ipc", "    ipc: host\n"}, Attempt{"ipc_shareable", "    ipc: shareable\n"},
        Attempt{"uts", "    uts: host\n"}, Attempt{"userns", "    userns_mode: host\n"},
        Attempt{"cgroup", "    cgroup: host\n"}, Attempt{"cgroup_parent", "    cgroup_parent: /x\n"},
        Attempt{"devices", "    devices: [/dev/sda]\n"},
        Attempt{"device_rules", "    device_cgroup_rules: ['a *:* rwm']\n"}, Attempt{"gpus", "    gpus: all\n"},
        Attempt{"cap_sys_admin", "    cap_add: [SYS_ADMIN]\n"},
        Attempt{"cap_prefixed", "    cap_add: [cap_net_admin]\n"}, Attempt{"cap_all", "    cap_add: [ALL]\n"},
        Attempt{"net_raw", "    cap_add: [NET_RAW]\n"},
        Attempt{"seccomp", "    security_opt: ['seccomp:unconfined']\n"},
        Attempt{"apparmor", "    security_opt: ['apparmor=unconfined']\n"},
        Attempt{"sysctl", "    sysctls: {kernel.core_pattern: '|/x'}\n"},
        Attempt{"forwarding", "    sysctls: [net.ipv4.ip_forward=1]\n"},
        Attempt{"socket", "    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"},
        Attempt{"api_socket", "    use_api_socket: true\n"}, Attempt{"absolute_bind", "    volumes: ['/etc:/host']\n"},
        Attempt{"parent_bind", "    volumes: ['../secret.txt:/x']\n"},
        Attempt{"sneaky_parent", "    volumes: ['./f/../../secret.txt:/x']\n"},
        Attempt{"home", "    volumes: ['~/x:/x']\n"}, Attempt{"link", "    volumes: ['./out:/x']\n"},
        Attempt{"link_folder", "    volumes: ['./up/secret.txt:/x']\n"},
        Attempt{"absolute_link", "    volumes: ['./absolute/passwd:/x']\n"},
        Attempt{"chain", "    volumes: ['./chain/secret.txt:/x']\n"}, Attempt{"loop", "    volumes: ['./loop:/x']\n"},
        Attempt{"pipe", "    volumes: ['./pipe:/x']\n"},
        Attempt{"long_bind", "    volumes:\n      - type: bind\n        source: /etc\n        target: /x\n"},
        Attempt{"image_mount", "    volumes: [{type: image, source: x, target: /x}]\n"},
        Attempt{"over_proc", "    volumes: ['./f:/proc/x']\n"},
        Attempt{"over_root", "    volumes: ['v:/']\nvolumes: {v: {}}\n"},
        Attempt{"volumes_from", "    volumes_from: [b]\n"}, Attempt{"env_file", "    env_file: ../secret.txt\n"},
        Attempt{"env_link", "    env_file: out\n"}, Attempt{"label_file", "    label_file: ../secret.txt\n"},
        Attempt{"build_up", "    build: ..\n"}, Attempt{"build_absolute", "    build: /etc\n"},
        Attempt{"build_link", "    build: ./up\n"}, Attempt{"build_url", "    build: https://example.org/x.git\n"},
        Attempt{"build_ssh", "    build: {context: ., ssh: [default]}\n"},
        Attempt{"build_privileged", "    build: {context: ., privileged: true}\n"},
        Attempt{"build_network", "    build: {context: ., network: host}\n"},
        Attempt{"dockerfile_up", "    build: {context: ., dockerfile: ../secret.txt}\n"},
        Attempt{"additional_context", "    build: {context: ., additional_contexts: {x: /etc}}\n"},
        Attempt{"external_network", "    networks: [n]\nnetworks: {n: {external: true}}\n"},
        Attempt{"host_driver", "    networks: [n]\nnetworks: {n: {driver: host}}\n"},
        Attempt{"macvlan", "    networks: [n]\nnetworks: {n: {driver: macvlan, driver_opts: {parent: eth0}}}\n"},
        Attempt{"external_volume", "    volumes: ['v:/x']\nvolumes: {v: {external: true}}\n"},
        Attempt{"volume_bind_trick",
                "    volumes: ['v:/x']\nvolumes: {v: {driver_opts: {type: none, o: bind, device: /}}}\n"},
        Attempt{"volume_driver", "    volumes: ['v:/x']\nvolumes: {v: {driver: sshfs}}\n"},
        Attempt{"external_secret", "    secrets: [s]\nsecrets: {s: {external: true}}\n"},
        Attempt{"secret_up", "    secrets: [s]\nsecrets: {s: {file: ../secret.txt}}\n"},
        Attempt{"secret_link", "    secrets: [s]\nsecrets: {s: {file: ./out}}\n"},
        Attempt{"config_absolute", "    configs: [s]\nconfigs: {s: {file: /etc/shadow}}\n"},
        Attempt{"host_gateway", "    extra_hosts: ['h:host-gateway']\n"},
        Attempt{"extra_address", "    extra_hosts: {h: 169.254.169.254}\n"},
        Attempt{"runtime", "    runtime: sysbox\n"}, Attempt{"rtprio", "    ulimits: {rtprio: 99}\n"},
        Attempt{"oom", "    oom_score_adj: -1000\n"}, Attempt{"endless_pids", "    pids_limit: -1\n"},
        Attempt{"endless_swap", "    memswap_limit: -1\n"},
        Attempt{"our_label", "    labels: {tiltyard.instance: x}\n"},
        Attempt{"extends_up", "    extends: {file: ../other.yaml, service: x}\n"},
        Attempt{"extends_url", "    extends: {file: 'https://x/y', service: x}\n"}),
    [](const testing::TestParamInfo<Attempt>& info) { return std::string(info.param.name); });

TEST(R1_4, WhatAnExtendedFileSmugglesInIsJudgedAtItsOwnLine) {
  TestFolder folder;
  folder.write("t/deep/base.yaml",
               "services:\n  evil:\n    image: x\n    privileged: true\n    volumes:\n      - ../../secret:/x\n");
  folder.write("secret", "host");
  const Template tmpl =
      read_compose_text(folder, "services:\n  a:\n    extends: {file: deep/base.yaml, service: evil}\n");
  const Problem privileged = problem_with(tmpl, "\"privileged\" is refused");
  EXPECT_EQ(privileged.file, "deep/base.yaml");
  EXPECT_EQ(privileged.line, 4);
  EXPECT_EQ(problem_with(tmpl, "leaves the template's folder").line, 6);
}

TEST(R1_4, WhatAnIncludedFileSmugglesInIsJudgedAtItsOwnLine) {
  TestFolder folder;
  folder.write("t/more/other.yaml",
               "services:\n  b:\n    image: x\n    pid: host\nvolumes:\n  v:\n    driver_opts: {o: bind}\n");
  const Template tmpl =
      read_compose_text(folder, "include: [more/other.yaml]\nservices: {a: {image: x, ports: [80]}}\n");
  EXPECT_EQ(problem_with(tmpl, "\"pid\" is refused").file, "more/other.yaml");
  EXPECT_EQ(problem_with(tmpl, "\"pid\" is refused").line, 4);
  EXPECT_EQ(problem_with(tmpl, "\"driver_opts\" is refused").line, 7);
}

TEST(R1_4, AnIncludeMayNotLeaveTheFolder) {
  TestFolder folder;
  folder.write("other.yaml", "services: {b: {image: x}}\n");
  folder.link("t/link.yaml", "../other.yaml");
  EXPECT_TRUE(says(read_compose_text(folder, "include: [../other.yaml]\nservices: {a: {image: x}}\n"),
                   "leaves the template's folder"));
  EXPECT_TRUE(says(read_compose_text(folder, "include: [link.yaml]\nservices: {a: {image: x}}\n"),
                   "leaves the template's folder"));
  EXPECT_TRUE(says(read_compose_text(folder, "include: ['oci://x/y']\nservices: {a: {image: x}}\n"),
                   "nothing from the network"));
  folder.write("t/inside.yaml", "services: {b: {image: x}}\n");
  EXPECT_TRUE(says(
      read_compose_text(folder, "include: [{path: inside.yaml, project_directory: ..}]\nservices: {a: {image: x}}\n"),
      "leaves the template's folder"));
  EXPECT_TRUE(
      says(read_compose_text(folder, "include: [{path: inside.yaml, env_file: ../.env}]\nservices: {a: {image: x}}\n"),
           "leaves the template's folder"));
}

TEST(R1_4, AnAnchorAndAVariableHideNothing) {
  TestFolder folder;
  folder.write("t/.env", "MODE=host\nWHERE=/etc\n");
  const Template tmpl = read_compose_text(
      folder,
      "x-base: &base\n  privileged: true\nservices:\n  a:\n    <<: *base\n    image: x\n    network_mode: ${MODE}\n"
      "    volumes:\n      - ${WHERE}:/x\n");
  EXPECT_EQ(problem_with(tmpl, "\"privileged\" is refused").line, 2) << "where it stands, not where it is used";
  EXPECT_EQ(problem_with(tmpl, "network_mode \"host\" is refused").line, 7);
  EXPECT_EQ(problem_with(tmpl, "\"/etc\" is absolute").line, 9);
}

TEST(R1_4, TheFoldersOwnFilesMayNotBeLinksThatLeave) {
  TestFolder folder;
  folder.write("outside.toml", "image = \"x\"\n");
  folder.write("outside.yaml", "services: {a: {image: x}}\n");
  folder.write("outside.env", "A=b\n");
  folder.link("t/instance.toml", "../outside.toml");
  folder.link("t/.env", "../outside.env");
  folder.link("t/compose.yaml", "../outside.yaml");
  const Template tmpl = read_folder(folder.at("t"), test_options());
  ASSERT_EQ(tmpl.problems.size(), 3u) << problems_text(tmpl);
  for (const auto& problem : tmpl.problems)
    EXPECT_THAT(problem.message, testing::HasSubstr("leaves the template's folder"));
}

TEST(R1_4, ALinkInABuildContextIsItsTextAndADockerfileMayNotLeave) {
  TestFolder folder;
  folder.write("secret", "of the host");
  folder.write("t/app/Dockerfile", "FROM scratch\n");
  const char* text = "services:\n  a:\n    build: app\n    ports: [80]\n";
  std::set<std::string> tags;
  const auto tag = [&] {
    const Template tmpl = read_compose_text(folder, text);
    EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
    return tmpl.services.at(0).machine.image;
  };
  for (const char* target :
       {"/etc/passwd", "/usr/share/app/conf", "../../secret", "../../nothing", "Dockerfile", "."}) {
    folder.remove("t/app/link");
    folder.link("t/app/link", target);
    EXPECT_TRUE(tags.insert(tag()).second) << "the text of the link counts: " << target;
  }
  folder.remove("t/app/link");
  folder.link("t/app/link", "../../secret");
  const std::string before = tag();
  folder.write("secret", "changed");
  EXPECT_EQ(tag(), before) << "what it leads to is not read";
  folder.remove("t/app/Dockerfile");
  folder.link("t/app/Dockerfile", "../../secret");
  EXPECT_TRUE(says(read_compose_text(folder, text), "the build has no Dockerfile"));
  folder.remove("t/app/Dockerfile");
  folder.remove("t/app/.dockerignore");
  folder.write("t/app/Dockerfile", "FROM scratch\n");
  folder.link("t/app/.dockerignore", "../../secret");
  EXPECT_TRUE(says(read_compose_text(folder, text), ".dockerignore is a symbolic link"));
}

TEST(R1_4, ALinkThatStaysInsideIsFine) {
  TestFolder folder;
  folder.write("t/real/file", "x");
  folder.link("t/link", "real");
  folder.link("t/back", folder.at("t/real"));
  const Template tmpl = read_compose_text(folder, service("    volumes: ['./link/file:/a:ro', './back/file:/b:ro']\n"));
  EXPECT_FALSE(tmpl.broken()) << problems_text(tmpl);
  ASSERT_EQ(tmpl.services[0].binds.size(), 2u);
  EXPECT_EQ(tmpl.services[0].binds[0].path, "real/file");
  EXPECT_EQ(tmpl.services[0].binds[1].path, "real/file");
}

TEST(R1_4, TheOperatorAllowsOneKeyForOneTemplate) {
  TestFolder folder;
  const std::string text = service(
      "    privileged: true\n    cap_add: [SYS_PTRACE]\n    sysctls: {net.ipv4.ip_forward: 1}\n    devices: "
      "[/dev/net/tun]\n"
      "    runtime: runsc\n    volumes: ['/srv/data:/data:ro', 'v:/v']\nvolumes: {v: {external: true, name: "
      "shared}}\n");
  EXPECT_EQ(
      7, std::ranges::count(read_compose_text(folder, text).problems, Problem::Severity::kError, &Problem::severity));
  Options options = test_options();
  options.allow["t"].keys = {"privileged",   "cap:SYS_PTRACE", "sysctl:net.ipv4.ip_forward",
                             "devices",      "runtime:runsc",  "bind:/srv/data",
                             "volume:shared"};
  const Template tmpl = read_compose_text(folder, text, options);
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& container = tmpl.services[0].container;
  EXPECT_TRUE(container.privileged_by_operator);
  EXPECT_THAT(container.capabilities, testing::Contains("SYS_PTRACE"));
  EXPECT_THAT(container.sysctls, testing::Contains(testing::Pair("net.ipv4.ip_forward", "1")));
  EXPECT_THAT(container.devices, testing::ElementsAre("/dev/net/tun:/dev/net/tun:rwm"));
  EXPECT_EQ(container.runtime, "runsc");
  ASSERT_EQ(container.mounts.size(), 2u);
  EXPECT_EQ(container.mounts[0].source, "/srv/data");
  EXPECT_EQ(container.mounts[1].source, "shared");
  Options other = test_options();
  other.allow["somebody-else"] = options.allow["t"];
  EXPECT_TRUE(read_compose_text(folder, text, other).broken());
}

TEST(R1_5, WhatSetUserIdProgramsMayIsSaidByTheTemplateWithinTheOperatorsLeave) {
  TestFolder folder;
  Options options = test_options();
  const auto with = [&](const std::string& option, const std::string& toml) {
    folder.write("t/instance.toml", toml);
    const auto keys = option.empty() ? "" : "    security_opt: ['no-new-privileges:" + option + "']\n";
    return read_compose_text(folder, service(keys), options);
  };
  EXPECT_EQ(with("", "").services[0].set_user_id, SetUserId::kAsImage);
  EXPECT_EQ(with("", "setuid = true").services[0].set_user_id, SetUserId::kYes);
  EXPECT_EQ(with("", "setuid = false").services[0].set_user_id, SetUserId::kNo);
  EXPECT_EQ(with("false", "setuid = false").services[0].set_user_id, SetUserId::kYes) << "the service's own word wins";
  EXPECT_EQ(with("true", "setuid = true").services[0].set_user_id, SetUserId::kNo);
  options.setuid = false;
  EXPECT_EQ(with("", "").services[0].set_user_id, SetUserId::kForbidden);
  EXPECT_FALSE(with("true", "").broken());
  for (const auto& forbidden : {with("false", ""), with("", "setuid = true")}) {
    EXPECT_TRUE(forbidden.broken());
    EXPECT_GT(problem_with(forbidden, "an operator can allow \"setuid\"").line, 0);
  }
  options.allow["t"].keys = {"setuid"};
  EXPECT_EQ(with("", "").services[0].set_user_id, SetUserId::kAsImage);
  EXPECT_EQ(with("false", "").services[0].set_user_id, SetUserId::kYes);
}

TEST(R1_5, LintSaysByTheDockerfileWhatBecomesOfSetUserIdPrograms) {
  TestFolder folder;
  Options options = test_options();
  const auto with = [&](const std::string& run) {
    folder.write("t/Dockerfile", "FROM scratch\n" + run + "\n");
    return lint_rights(read_folder(folder.at("t"), options));
  };
  for (const auto* plain : {"RUN chmod 755 /a && chmod +x /b", "RUN chmod 0644 4755", "RUN chmod 1777 /tmp",
                            "# chmod u+s /x", "COPY --chmod=755 a /a", "RUN echo sudo", "RUN chmod a-w /s"})
    EXPECT_TRUE(with(plain).empty()) << plain;
  for (const auto* line :
       {"RUN cp a b && chmod 4755 /b", "RUN chmod -v u+s /b", "RUN chmod 2755 /b", "RUN chmod 06755 b",
        "COPY --chmod=4755 a /a", "RUN setcap cap_net_bind_service+ep /b", "RUN apk add --no-cache sudo",
        "RUN apt-get update && apt-get install -y curl sudo", "RUN [\"chmod\", \"4755\", \"/b\"]"}) {
    const auto found = with(line);
    ASSERT_EQ(found.size(), 1u) << line;
    EXPECT_EQ(found[0].severity, Problem::Severity::kNote);
    EXPECT_EQ(found[0].file + ":" + std::to_string(found[0].line), "Dockerfile:2");
  }
  options.setuid = false;
  EXPECT_EQ(with("RUN chmod 4755 /b").at(0).severity, Problem::Severity::kWarning);
  folder.write("t/instance.toml", "setuid = false");
  EXPECT_THAT(with("RUN chmod 4755 /b").at(0).message, testing::HasSubstr("Take setuid = false"));
}

TEST(R1_4, TheTemplateCannotAllowItself) {
  TestFolder folder;
  folder.write("t/instance.toml", "allow = [\"privileged\"]\n[network]\negress = true\n");
  const Template tmpl = read_compose_text(folder, service("    privileged: true\n"));
  EXPECT_TRUE(says(tmpl, "\"allow\" is no key"));
  EXPECT_TRUE(says(tmpl, "\"privileged\" is refused"));
  EXPECT_TRUE(says(tmpl, "egress is refused"));
}

}  // namespace
}  // namespace tiltyard::templates
