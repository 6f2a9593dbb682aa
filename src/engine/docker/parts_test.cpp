// The driver's pure parts: words of the daemon, bodies, frames, ignore patterns.
#include <gmock/gmock.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>

#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/docker/ages.h"
#include "engine/docker/answers.h"
#include "engine/docker/build_trace.h"
#include "engine/docker/connection.h"
#include "engine/docker/facts.h"
#include "engine/docker/frames.h"
#include "engine/docker/freezer.h"
#include "engine/docker/machine_body.h"
#include "engine/docker/same_files.h"
#include "engine/ignore.h"

namespace tiltyard::engine::docker {
namespace {

using testing::HasSubstr;

std::string said(About about, int status, const std::string& words) {
  return refusal(about, status, R"({"message":")" + words + "\"}").reason;
}

/// A folder that looks like both versions of cgroups are mounted below it.
struct Groups {
  explicit Groups(const std::string& group) {
    char name[] = "/tmp/freezer-test-XXXXXX";
    root = ::mkdtemp(name);
    for (const auto* version : {"/freezer", "/unified"}) std::filesystem::create_directories(root + version + group);
    std::ofstream(root + "/freezer" + group + "/freezer.state") << "FROZEN";
    std::ofstream(root + "/unified" + group + "/cgroup.freeze") << "1";
  }
  ~Groups() { std::filesystem::remove_all(root); }
  std::string mounts(bool first, bool second) const {
    return "proc /proc proc rw 0 0\n" + (first ? "cgroup " + root + "/freezer cgroup rw,relatime,freezer 0 0\n" : "") +
           (second ? "cgroup2 " + root + "/unified cgroup2 rw 0 0\n" : "");
  }
  std::string text(const std::string& file) const {
    std::ifstream in(root + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string root;
};

TEST(R1_15, TheFreezerIsFoundInBothVersionsOfCgroups) {
  const std::string group = "/any.slice/docker-abc123.scope";
  const Groups there(group);
  const std::string both = "9:memory:" + group + "\n6:freezer:" + group + "\n0::" + group + "\n";
  EXPECT_EQ(freezer_file(there.mounts(true, true), both, "abc123"), there.root + "/freezer" + group + "/freezer.state");
  const auto unified = freezer_file(there.mounts(false, true), "0::" + group + "\n", "abc123");
  ASSERT_EQ(unified, there.root + "/unified" + group + "/cgroup.freeze");
  EXPECT_TRUE(write_freezer(*unified, false));
  EXPECT_EQ(there.text("/unified" + group + "/cgroup.freeze").substr(0, 1), "0");
  EXPECT_FALSE(write_freezer(there.root + "/gone/freezer.state", true));
}

TEST(R1_15, TheFreezerOfSomebodyElseIsLeftAlone) {
  const std::string group = "/docker/abc123";
  const Groups there(group);
  const auto mounts = there.mounts(true, true);
  EXPECT_FALSE(freezer_file(mounts, "6:freezer:/docker/fff\n", "abc123"))
      << "the process number was given away meanwhile";
  EXPECT_FALSE(freezer_file(mounts, "6:freezer:/\n0::/\n", "abc123"));
  EXPECT_FALSE(freezer_file(mounts, "6:freezer:" + group + "\n", ""));
  EXPECT_FALSE(freezer_file(mounts, "6:freezer:/../../docker/abc123\n", "abc123"));
  EXPECT_FALSE(freezer_file("", "6:freezer:" + group + "\n", "abc123"));
  EXPECT_FALSE(freezer_file(mounts, "", "abc123"));
}

TEST(R14_2, WordsOfTheDaemonBecomeOurReasons) {
  EXPECT_EQ(said(About::kMachine, 404, "No such image: x:latest"), "image-missing");
  EXPECT_EQ(said(About::kStart, 404, "No such container: x"), "machine-missing");
  EXPECT_EQ(
      said(About::kMachine, 409, "Conflict. The container name \\\"/x\\\" is already in use by container \\\"1\\\"."),
      "name-taken");
  EXPECT_EQ(said(About::kNetwork, 403, "Pool overlaps with other one on this address space"), "address-taken");
  EXPECT_EQ(said(About::kStart, 403, "Address already in use"), "address-taken");
  EXPECT_EQ(said(About::kMachine, 500, "write /var/lib/x: no space left on device"), "engine-out-of-disk");
  EXPECT_EQ(said(About::kStart, 500, "fork/exec /usr/bin/runc: cannot allocate memory"), "engine-out-of-memory");
  EXPECT_EQ(said(About::kStart, 500, "pipe2: too many open files"), "engine-busy");
  EXPECT_EQ(said(About::kStart, 500, "rpc error: code = Unavailable desc = transport is closing"), "engine-lost");
  EXPECT_EQ(said(About::kStart, 400,
                 "failed to create shim task: OCI runtime create failed: exec: \\\"x\\\": executable file not found in "
                 "$PATH: unknown"),
            "machine-did-not-start");
  EXPECT_EQ(said(About::kImage, 500,
                 "Get \\\"http://127.0.0.1:5000/v2/\\\": dial tcp 127.0.0.1:5000: connect: connection refused"),
            "registry-away");
  EXPECT_EQ(said(About::kImage, 500, "Get \\\"http://r/v2/x/manifests/1\\\": no basic auth credentials"),
            "registry-denied");
  EXPECT_EQ(said(About::kMachine, 500, "connection refused"), "engine-refused") << "nobody's registry";
  EXPECT_EQ(said(About::kMachine, 500, "something new"), "engine-refused");
  EXPECT_EQ(refusal(About::kMachine, 500, "<html>").reason, "engine-refused");
  EXPECT_EQ(transport_error("e", {Code::kUnavailable, "connect-failed", "", "", {}}).reason, "engine-away");
  EXPECT_EQ(transport_error("e", {Code::kUnavailable, "connection-lost", "", "", {}}).reason, "engine-lost");
  EXPECT_EQ(transport_error("e", {Code::kTimeout, "timeout", "", "", {}}).code, Code::kTimeout);
}

TEST(R15_1, PartsWithAKnownWayOutAreNamed) {
  const auto old = [](const std::string& runc, const std::string& revision, const std::string& engine) {
    std::string known;
    const auto version = parse_json(R"({"Components":[{"Name":"Engine","Version":")" + engine +
                                    R"(","Details":{"GitCommit":"5d6db84"}},{"Name":"runc","Version":")" + runc +
                                    R"(","Details":{"GitCommit":")" + revision + R"("}}]})");
    for (const auto& part : old_parts(*version)) known += part.name + " " + part.version + " " + part.known_as + "\n";
    return known;
  };
  const std::string of_2025 = " CVE-2025-31133, CVE-2025-52565, CVE-2025-52881\n";
  EXPECT_EQ(old("1.3.3", "v1.3.3-0-gd842d77", "28.0.0"), "");
  EXPECT_EQ(old("1.2.8", "", "25.0.5"), "");
  EXPECT_EQ(old("1.5.0", "", "23.0.11"), "");
  EXPECT_EQ(old("1.3.2", "", "26.1.0"), "runc 1.3.2" + of_2025);
  EXPECT_EQ(old("1.1.11", "", "24.0.9"),
            "Engine 24.0.9 CVE-2024-29018\nrunc 1.1.11 CVE-2024-21626\nrunc 1.1.11" + of_2025);
  // A distribution's own mending counts, and its revision is what people look for.
  EXPECT_EQ(old("1.1.5+ds1", "1.1.5+ds1-1+deb12u1", "26.1.0"), "runc 1.1.5+ds1-1+deb12u1" + of_2025);
  EXPECT_EQ(old("1.1.5+ds1", "1.1.5+ds1-1", "26.1.0"), "runc 1.1.5+ds1-1 CVE-2024-21626\nrunc 1.1.5+ds1-1" + of_2025);
  EXPECT_EQ(old("unknown", "", "26.1.0"), "") << "what is not known is not complained of";
  EXPECT_TRUE(old_parts(boost::json::value()).empty());
}

TEST(R1_5, ACrashInAMachineWritesNoCoreOnTheHost) {
  MachineSpec spec;
  EXPECT_THAT(machine_body(spec, {}, {}).json, HasSubstr(R"({"Name":"core","Soft":0,"Hard":0})"));
  spec.resources.ulimits = {{"core", 5, 5}};
  EXPECT_THAT(machine_body(spec, {}, {}).json, HasSubstr(R"("Ulimits":[{"Name":"core","Soft":5,"Hard":5}])"));
}

TEST(R14_2, FramesAreTakenApartWhereverTheyAreCut) {
  const std::string stream = std::string("\1\0\0\0\0\0\0\3abc", 11) + std::string("\2\0\0\0\0\0\0\2no", 10) +
                             std::string("\1\0\0\0\0\0\0\0", 8) + std::string("\1\0\0\0\0\0\0\1d", 9);
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    Frames frames;
    std::string out, err;
    for (const auto part : {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}) {
      frames.take(std::string(part));
      while (const auto piece = frames.next()) (piece->error_stream ? err : out) += piece->data;
    }
    EXPECT_EQ(out, "abcd") << cut;
    EXPECT_EQ(err, "no") << cut;
  }
}

TEST(R1_3, WhatABuildSaysIsMadePlain) {
  EXPECT_EQ(plain("\x1B[91mError: \x1B[0mno\x1B[K"), "Error: no");
  EXPECT_EQ(plain("10%\r50%\rdone\r"), "done");
  EXPECT_EQ(plain("a\tb\a\x7F\x01 \xC2\x9B"
                  "c \xC3\xA4\n"),
            "a b c \xC3\xA4");
  EXPECT_EQ(plain("\x1B]0;title\ax\x1B]8;;http://y\x1B\\z\x1B(B\x1B"), "xz");
  EXPECT_EQ(plain("cut \x1B[3"), "cut ");
  EXPECT_EQ(plain_lines("\x1B[1ma\nb\x1B[m\n"), "a\nb\n");
}

TEST(R1_3, BuildKitsTraceIsReadAsLines) {
  const auto field = [](int number, const std::string& bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
  };
  const auto base64 = [](const std::string& bytes) {
    std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    out.pop_back();
    return out;
  };
  const auto log = [&](const std::string& step, const std::string& said) {
    return base64(field(3, field(1, step) + "\x18\x01" + field(4, said)));
  };
  BuildTrace trace;
  const std::string named = field(1, "sha256:a") + field(3, "[one 2/3] RUN x");
  EXPECT_THAT(trace.take(base64(field(1, named))), testing::IsEmpty()) << "it has not begun";
  EXPECT_THAT(trace.take(base64(field(1, named + field(5, "t")))), testing::ElementsAre("[one 2/3] RUN x"));
  EXPECT_THAT(trace.take(base64(field(1, named + field(5, "t") + field(6, "t")))), testing::IsEmpty()) << "said once";
  EXPECT_THAT(trace.take(log("sha256:a", "half ")), testing::IsEmpty());
  EXPECT_THAT(trace.take(log("sha256:b", "other\n")), testing::ElementsAre("other"));
  EXPECT_THAT(trace.take(log("sha256:a", "line\nnext\nmore")), testing::ElementsAre("half line", "next"));
  EXPECT_THAT(trace.rest(), testing::ElementsAre("more"));
  // What came from outside may be anything.
  for (const std::string wrong : {"!", "", "AA", "////////////////", "Cv8="})
    EXPECT_THAT(trace.take(wrong), testing::IsEmpty());
  EXPECT_THAT(trace.take(base64(std::string("\x1a\x7f"
                                            "short"))),
              testing::IsEmpty());
}

TEST(R1_3, AnEnginesVersionTellsWhichDockerfilesItReads) {
  EXPECT_EQ(syntax_of("20.10.24+dfsg1"), 102);
  EXPECT_EQ(syntax_of("23.0.1"), 104);
  EXPECT_EQ(syntax_of("28.2.2"), 114);
  EXPECT_EQ(syntax_of("31.0.0"), 119);
  for (const char* classic : {"4.3.1", "19.03.1", "", "x"}) EXPECT_EQ(syntax_of(classic), 0) << classic;
}

TEST(R14_2, IgnorePatternsAreDockers) {
  const Ignore ignore("# comment\n*.log\n/build/\n**/node_modules\nsecret?\n!keep.log\ndocs/[a-c]*\n  spaced  \n");
  for (const char* path :
       {"a.log", "build", "build/x/y", "node_modules/a", "web/node_modules/b/c", "secret1", "docs/b.md", "spaced"}) {
    EXPECT_TRUE(ignore.excludes(path)) << path;
  }
  for (const char* path : {"keep.log", "sub/a.log", "builder", "secret", "secret12", "docs/d.md", "# comment"}) {
    EXPECT_FALSE(ignore.excludes(path)) << path;
  }
  EXPECT_TRUE(ignore.has_exceptions());
  const Ignore all("*\n!src\n!src/**\n");
  EXPECT_TRUE(all.excludes("README"));
  EXPECT_FALSE(all.excludes("src"));
  EXPECT_FALSE(all.excludes("src/a/b.c"));
  const auto matches = [](const char* pattern, const char* path) { return Ignore(pattern).excludes(path); };
  EXPECT_TRUE(matches("a/**/b", "a/b"));
  EXPECT_TRUE(matches("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(matches("a/*/b", "a/x/y/b"));
}

// What github.com/moby/patternmatcher and its reader of ignore files do where the manual leaves it open.
TEST(R1_3, IgnorePatternsAreReadAsBuildersDo) {
  struct Case {
    const char *pattern, *path;
    bool excluded;
  };
  for (const Case& one : std::initializer_list<Case>{{"**", "a/b", true},
                                                     {"**.log", "a.log", true},
                                                     {"**.log", "a/b.log", true},
                                                     {"**/x", "x", true},
                                                     {"**/x", "a/x/deep", true},
                                                     {"**/x", "ax", false},
                                                     {"**x", "ax", true},
                                                     {"a/**", "a", false},
                                                     {"a/**", "a/b/c", true},
                                                     {"a**", "ab/c", true},
                                                     {"**/a/**", "x/a/b", true},
                                                     {"**/a/**", "x/a", false},
                                                     {"a/**/*.c", "a/b.c", true},
                                                     {"a/**/*.c", "a/b/c/d.c", true},
                                                     {"./a//b/../c/", "a/c", true},
                                                     {"/a", "a", true},
                                                     {"../a", "a", false},
                                                     {"/../a", "a", true},
                                                     {".", "a", false},
                                                     {"/", "a", false},
                                                     {"*", ".hidden", true},
                                                     {"*", "a/b", true},
                                                     {"?", "\u00e4", true},
                                                     {"[\u00e0-\u00ff]", "\u00e4", true},
                                                     {"[^a]", "b", true},
                                                     {"[!a]", "b", false},
                                                     {"\\*", "*", true},
                                                     {"\\*", "a", false},
                                                     {"a b", "a b", true},
                                                     {" a \t", "a", true},
                                                     {"  # a", "# a", true},
                                                     {"*.md\n!R*.md\nREAD*", "README.md", true},
                                                     {"*\n! a", "a", false},
                                                     {"*\n!a/b", "a/b", false},
                                                     {"*\n!a/b", "a/c", true},
                                                     {"a\n!a/b\na/b/c", "a/b/c", true},
                                                     {"a\r\n", "a", true},
                                                     {"A", "a", false}})
    EXPECT_EQ(Ignore(one.pattern).excludes(one.path), one.excluded) << one.pattern << " of " << one.path;
  for (const char* wrong : {"!", "a\n  !  ", "[", "[]a]", "[-a]", "a\\", "[a"})
    EXPECT_NE(Ignore(wrong).fault(), "") << wrong;
  EXPECT_EQ(Ignore("# [\n\n[]\n").fault(), "line 3: the pattern's [ is not closed");
  EXPECT_EQ(Ignore("[]]").fault(), "line 1: the pattern's [ is not closed");
}

TEST(R1_5, BodyIsHardenedByDefault) {
  MachineSpec spec;
  spec.name = "m";
  spec.image = "i";
  spec.networks = {{"front", "10.0.0.2", {"web"}}, {"back", "10.0.1.2", {}}};
  spec.resources.memory = 100;
  spec.resources.cpus = 0.25;
  const Body body = machine_body(spec, {}, {"json-file", false});
  for (const char* part :
       {R"("CapDrop":["ALL"])", R"("CapAdd":[])", R"("SecurityOpt":["no-new-privileges"])", R"("PidsLimit":256)",
        R"("Memory":100,"MemorySwap":100)", R"("NanoCpus":250000000)", R"("NetworkMode":"front")",
        R"("EndpointsConfig":{"front":{"IPAMConfig":{"IPv4Address":"10.0.0.2"},"Aliases":["web"]}})",
        R"("max-file":"1")"}) {
    EXPECT_THAT(body.json, HasSubstr(part));
  }
  EXPECT_THAT(body.json, testing::Not(HasSubstr("Privileged")));
  EXPECT_THAT(machine_body(spec, {}, {"json-file", true}).json, HasSubstr(R"("back":{"IPAMConfig")"));
}

TEST(R1_13, HashTellsSpecsApart) {
  MachineSpec spec;
  spec.name = "m";
  spec.image = "i";
  const BodyOptions options{"json-file", false};
  const Body first = machine_body(spec, {{"a", "b"}}, options);
  EXPECT_EQ(first.hash, machine_body(spec, {{"a", "b"}}, options).hash);
  EXPECT_THAT(first.json, HasSubstr(first.hash));
  spec.container().environment = {"X=1"};
  EXPECT_NE(first.hash, machine_body(spec, {{"a", "b"}}, options).hash);
}

TEST(R1_13, WhoMadeItIsNotInTheHashOfAMachine) {
  MachineSpec machine;
  machine.name = "m";
  const Body before = machine_body(machine, {{"a", "b"}}, {});
  const Body now = machine_body(machine, {{"a", "b"}, {kLabelServer, "0123"}}, {});
  EXPECT_EQ(before.hash, now.hash);
  EXPECT_THAT(now.json, HasSubstr(R"("tiltyard.server":"0123")"));
}

TEST(R1_5, WhereNamesAreAskedForIsSaidButNotInTheHash) {
  MachineSpec machine;
  machine.name = "m";
  const Body before = machine_body(machine, {}, {});
  machine.dns = {"10.64.0.1"};
  const Body now = machine_body(machine, {}, {});
  EXPECT_EQ(before.hash, now.hash) << "a machine of a version that left it out is the same";
  EXPECT_THAT(now.json, HasSubstr(R"("Dns":["10.64.0.1"])"));
}

TEST(R1_3, GroupsAndWhereShortNamesAreLookedForGoToTheEngine) {
  MachineSpec machine;
  machine.name = "m";
  const Body before = machine_body(machine, {}, {});
  EXPECT_THAT(before.json, testing::Not(HasSubstr("GroupAdd")));
  machine.container().groups = {"video", "1001"};
  machine.dns_search = {"corp.example"};
  machine.dns_options = {"ndots:1"};
  const Body now = machine_body(machine, {}, {});
  for (const char* said :
       {R"("GroupAdd":["video","1001"])", R"("DnsSearch":["corp.example"])", R"("DnsOptions":["ndots:1"])"})
    EXPECT_THAT(now.json, HasSubstr(said));
  EXPECT_NE(before.hash, now.hash);
}

TEST(R1_5, SetUserIdProgramsCountWithinTheSameCapabilities) {
  MachineSpec machine;
  machine.name = "m";
  machine.container().capabilities = {"SETUID"};
  const Body before = machine_body(machine, {}, {});
  machine.container().set_user_id = true;
  const Body now = machine_body(machine, {}, {});
  EXPECT_EQ(before.hash, now.hash) << "a machine of a version that did not look for them is the same";
  EXPECT_THAT(before.json, HasSubstr("no-new-privileges"));
  EXPECT_THAT(now.json, testing::Not(HasSubstr("SecurityOpt")));
  EXPECT_THAT(now.json, HasSubstr(R"("CapDrop":["ALL"],"CapAdd":["SETUID"])"));
}

TEST(R1_5, ATmpfsHasItsSizeAndWhatItsTemplateSays) {
  MachineSpec machine;
  Mount plain{Mount::Kind::kTmpfs, "", "/plain", false};
  Mount own{Mount::Kind::kTmpfs, "", "/own", false, 1 << 20, 0700};
  own.tmpfs_options = "exec,uid=1000";
  Mount part{Mount::Kind::kTmpfs, "", "/part", false};
  part.tmpfs_options = "size=50%";
  Mount empty{Mount::Kind::kVolume, "v", "/v", false};
  empty.no_copy = true;
  machine.container().mounts = {plain, own, part, empty};
  const auto host = boost::json::parse(machine_body(machine, {}, {}).json).at("HostConfig");
  EXPECT_EQ(host.at("Tmpfs"), boost::json::parse(R"({"/plain": "mode=1777,size=67108864",
      "/own": "mode=0700,size=1048576,exec,uid=1000", "/part": "mode=1777,size=50%"})"));
  ASSERT_EQ(host.at("Mounts").get_array().size(), 1u);
  EXPECT_EQ(host.at("Mounts").at(0).at("VolumeOptions"), boost::json::parse(R"({"NoCopy": true})"));
}

TEST(R1_3, AFolderIsLaidOverByAVolumeThatGoesWithItsMachine) {
  MachineSpec machine;
  Mount over{Mount::Kind::kOver, "/srv/templates/t/data", "/data", false};
  over.apart = "/srv/instances/i/binds/over-data";
  machine.container().mounts = {over};
  const auto mount = boost::json::parse(machine_body(machine, {}, {}).json).at("HostConfig").at("Mounts").at(0);
  EXPECT_EQ(mount, boost::json::parse(R"({"Target": "/data", "Type": "volume", "ReadOnly": false, "VolumeOptions": {
      "NoCopy": true, "DriverConfig": {"Name": "local", "Options": {"type": "overlay", "device": "overlay",
      "o": "lowerdir=/srv/templates/t/data,upperdir=/srv/instances/i/binds/over-data/upper,workdir=/srv/instances/i/binds/over-data/work"}}}})"));
  // What was written counts, not what it lies over.
  boost::json::value inspected = boost::json::parse(R"({"GraphDriver": {"Data": {"UpperDir": "/layer"}}, "Mounts": [
      {"Type": "volume", "Source": "/var/lib/docker/volumes/x/_data", "Destination": "/data", "RW": true}]})");
  inspected.as_object()["HostConfig"] = {{"Mounts", boost::json::array{mount}}};
  EXPECT_THAT(footprint_of(inspected, "/srv").folders,
              testing::ElementsAre("/layer", "/srv/instances/i/binds/over-data/upper"));
}

TEST(R1_5, ADiskLimitIsGivenWhereTheStorageKeepsIt) {
  const auto info = boost::json::parse(R"({"Driver": "overlay2", "DockerRootDir": "/var/lib/docker"})");
  const auto holds = [&](const boost::json::value& about, const std::string& mounts) {
    std::istringstream text(mounts);
    return limits_disk(about, text);
  };
  const std::string root = "/dev/a / ext4 rw 0 0\n";
  EXPECT_FALSE(holds(info, root));
  EXPECT_FALSE(holds(info, root + "/dev/b /var/lib xfs rw,noquota 0 0\n"));
  EXPECT_TRUE(holds(info, root + "/dev/b /var/lib/docker xfs rw,prjquota 0 0\n"));
  EXPECT_TRUE(holds(info, "/dev/b /var xfs rw,pquota 0 0\n" + root));
  EXPECT_FALSE(holds(info, root + "/dev/b /var/lib/dock xfs rw,prjquota 0 0\n")) << "another folder";
  EXPECT_FALSE(holds(info, "/dev/b / xfs rw,prjquota 0 0\n/dev/c /var/lib/docker ext4 rw 0 0\n"));
  EXPECT_TRUE(holds(boost::json::parse(R"({"Driver": "btrfs"})"), ""));
  MachineSpec machine;
  machine.resources.disk = 100 << 20;
  BodyOptions options;
  EXPECT_THAT(machine_body(machine, {}, options).json, Not(HasSubstr("StorageOpt")));
  options.limits_disk = true;
  EXPECT_THAT(machine_body(machine, {}, options).json, HasSubstr(R"("StorageOpt":{"size":"104857600"})"));
}

TEST(R1_9, WhatTheLastCheckOfAnUnhealthyMachineSaidIsKnown) {
  const auto status = machine_status(boost::json::parse(R"({"State": {"Status": "running", "Health": {
    "Status": "unhealthy", "Log": [{"ExitCode": 0, "Output": "fine"}, {"ExitCode": 1, "Output": "no database\n"}]}}})"));
  EXPECT_EQ(status.health, Health::kUnhealthy);
  EXPECT_EQ(status.check_said, "no database\n");
  EXPECT_EQ(machine_status(boost::json::parse(R"({"State": {"Health": {"Status": "healthy", "Log": [
    {"Output": "fine"}]}}})"))
                .check_said,
            "");
}

TEST(R1_5, WhereAMachineWritesIsFoundInWhatTheEngineSays) {
  const auto inspected = boost::json::parse(R"({
    "Config": {"Labels": {"tiltyard.disk": "1048576 500"}},
    "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/var/lib/docker/overlay2/1/diff"}},
    "Mounts": [
      {"Type": "volume", "Source": "/var/lib/docker/volumes/v/_data", "RW": true},
      {"Type": "volume", "Source": "/var/lib/docker/volumes/read/_data", "RW": false},
      {"Type": "bind", "Source": "/srv/data/instances/i/binds/as-is/d", "RW": true},
      {"Type": "bind", "Source": "/srv/data/instances/i/flags/0", "RW": false},
      {"Type": "bind", "Source": "/srv/database", "RW": true}]})");
  const auto found = footprint_of(inspected, "/srv/data");
  EXPECT_EQ(found.most_bytes, 1048576);
  EXPECT_EQ(found.most_inodes, 500);
  EXPECT_THAT(found.folders, testing::ElementsAre("/var/lib/docker/overlay2/1/diff", "/var/lib/docker/volumes/v/_data",
                                                  "/srv/data/instances/i/binds/as-is/d"))
      << "neither what it only reads nor what the operator shares with it";
  EXPECT_TRUE(footprint_of(boost::json::parse("{}"), "").folders.empty());
}

TEST(R1_5, AMachineIsMadeWithItsLimitsOfDisk) {
  MachineSpec machine;
  machine.resources.disk = 100 << 20;
  machine.resources.inodes = 500;
  const auto with = machine_body(machine, {}, {});
  EXPECT_THAT(with.json, HasSubstr(R"("tiltyard.disk":"104857600 500")"));
  machine.resources.disk = 200 << 20;
  EXPECT_EQ(machine_body(machine, {}, {}).hash, with.hash) << "what a version before made is the same machine";
}

TEST(R1_5, RoutesOfTheHostAreRangesInUse) {
  std::istringstream text(
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
      "tys-abcde0\t0000400A\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0\n"
      "tun0\t0000480A\t00000000\t0001\t0\t0\t0\t0000F8FF\t0\t0\t0\n");
  const auto routes = host_routes(text, {"tys-abcde0"});
  ASSERT_EQ(routes.size(), 2u) << "neither the default route nor that of a network that is known already";
  EXPECT_EQ(routes[0].subnet, "10.0.2.0/24");
  EXPECT_EQ(routes[0].holder, "eth0");
  EXPECT_EQ(routes[1].subnet, "10.72.0.0/13");
  EXPECT_TRUE(routes[1].route);
}

TEST(R1_5, ANetworksRangesAndBridgeAreRead) {
  const auto network = boost::json::parse(R"({"Name": "n", "Id": "0123456789abcdef", "Labels": {"a": "b"},
      "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]}, "Options": {}})");
  const auto ranges = ranges_of(network);
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].subnet, "172.17.0.0/16");
  EXPECT_EQ(ranges[0].holder, "n");
  EXPECT_FALSE(ranges[0].route);
  EXPECT_EQ(bridge_of(network), "br-0123456789ab");
}

TEST(R14_2, StatsOfBothCgroupVersions) {
  auto stats = [](const char* detail) {
    const std::string text =
        std::string(R"({"cpu_stats":{"cpu_usage":{"total_usage":5}},"pids_stats":{"current":3},)") +
        R"("memory_stats":{"usage":1000,"limit":18446744073709551615,"stats":{)" + detail + "}}," +
        R"("networks":{"eth0":{"rx_bytes":1,"tx_bytes":2},"eth1":{"rx_bytes":10,"tx_bytes":20}},)" +
        R"("blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":7},{"op":"write","value":8}]}})";
    return machine_stats(boost::json::parse(text));
  };
  const Stats old = stats(R"("total_inactive_file":100,"inactive_file":1)");
  EXPECT_EQ(old.memory, 900);
  EXPECT_EQ(stats(R"("inactive_file":400)").memory, 600);
  EXPECT_EQ(old.memory_limit, INT64_MAX);
  EXPECT_EQ(old.rx_bytes, 11);
  EXPECT_EQ(old.tx_bytes, 22);
  EXPECT_EQ(old.read_bytes, 7);
  EXPECT_EQ(old.write_bytes, 8);
  EXPECT_EQ(old.pids, 3);
  EXPECT_EQ(old.cpu_nanos, 5);
}

TEST(R1_4, DevicesThatTheOperatorAllowedReachTheEngine) {
  MachineSpec spec;
  EXPECT_THAT(machine_body(spec, {}, {"json-file", false}).json, Not(HasSubstr("Devices")));
  spec.container().devices = {"/dev/net/tun", "/dev/null:/dev/empty:r"};
  const auto text = machine_body(spec, {}, {"json-file", false}).json;
  EXPECT_THAT(text,
              HasSubstr(R"({"PathOnHost":"/dev/net/tun","PathInContainer":"/dev/net/tun","CgroupPermissions":"rwm"})"));
  EXPECT_THAT(text, HasSubstr(R"({"PathOnHost":"/dev/null","PathInContainer":"/dev/empty","CgroupPermissions":"r"})"));
}

/// A process that listens on `folder`/socket, in a root of its own if `apart`; it ends with the object.
class Listener {
 public:
  Listener(const std::string& folder, bool apart) {
    int ready[2];
    if (::pipe(ready) != 0) return;
    child_ = ::fork();
    if (child_ == 0) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strcpy(address.sun_path, (folder + "/socket").c_str());
      const int link = ::socket(AF_UNIX, SOCK_STREAM, 0);
      bool good = ::bind(link, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      if (apart) good = good && ::chroot(folder.c_str()) == 0 && ::chdir("/") == 0;
      good = good && ::listen(link, 8) == 0;
      const char word = good ? 'y' : 'n';
      if (::write(ready[1], &word, 1) == 1) ::pause();
      ::_exit(0);
    }
    char word = 0;
    listens = ::read(ready[0], &word, 1) == 1 && word == 'y';
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Listener() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  bool listens = false;

 private:
  pid_t child_ = -1;
};

TEST(R5_2, AnEngineInAnotherRootDoesNotSeeOurFiles) {
  char name[] = "/tmp/engine-root-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  for (const bool apart : {false, true}) {
    const Listener engine(folder, apart);
    ASSERT_TRUE(engine.listens);
    EXPECT_EQ(sees_our_files(folder + "/socket", folder), !apart);
    std::filesystem::remove(folder + "/socket");
  }
  EXPECT_TRUE(sees_our_files(folder + "/socket", folder)) << "nobody listens: it is away, and will be asked again";
  std::filesystem::remove_all(folder);
}

/// A daemon that has been told to end closes its door first; it is away then, though who is inside is still served.
TEST(R1_13, ADaemonThatEndsIsKnownByItsDoor) {
  char name[] = "/tmp/engine-door-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  asio::io_context loop;
  asio::local::stream_protocol::acceptor daemon(loop, asio::local::stream_protocol::endpoint(folder + "/socket"));
  http::Target target;
  target.unix_path = folder + "/socket";
  Connection connection("docker", target);
  const auto knock = [&] {
    auto answer = asio::co_spawn(loop, connection.open_door(), asio::use_future);
    loop.restart();
    loop.run();
    return answer.get();
  };
  EXPECT_TRUE(knock());
  EXPECT_FALSE(connection.away());
  daemon.close();
  const auto shut = knock();
  ASSERT_FALSE(shut);
  EXPECT_EQ(shut.error().reason, "engine-away");
  EXPECT_TRUE(connection.away());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tiltyard::engine::docker
