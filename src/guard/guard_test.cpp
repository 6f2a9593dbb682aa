#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>
#include <fstream>

#include "engine/docker/machine_body.h"
#include "engine/snapshots.h"
#include "guard/bodies.h"
#include "guard/rules.h"

namespace tiltyard::guard {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

engine::Labels labels() {
  return {{engine::kLabelManaged, "true"}, {engine::kLabelNamespace, "ours"}, {engine::kLabelServer, "s"}};
}

/// Rules about folders that are there.
class R1_5_Guard : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "guard-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ / "files" / "i1" / "flags");
    fs::create_directories(folder_ / "templates" / "t");
    std::ofstream(folder_ / "files" / "i1" / "flags" / "0") << "flag";
    std::ofstream(folder_ / "templates" / "t" / "note") << "text";
    fs::create_symlink("/etc", folder_ / "files" / "i1" / "flags" / "link");
    fs::create_symlink("/etc/shadow", folder_ / "templates" / "t" / "link");
    rules_ = {"ours", folder_ / "files", folder_ / "templates", "runsc", {}};
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// What the server itself sends.
  static json::object machine() {
    engine::MachineSpec spec;
    spec.name = "ours-abc";
    spec.image = "image:1";
    spec.networks = {{"ours-net", "10.0.0.2", {"web"}}};
    spec.container().capabilities = {"CHOWN"};
    spec.resources.memory = 64 << 20;
    spec.resources.cpus = 0.5;
    engine::docker::BodyOptions options;
    options.log_driver = "json-file";
    return json::parse(engine::docker::machine_body(spec, labels(), options).json).as_object();
  }
  static json::object& host(json::object& body) { return body["HostConfig"].as_object(); }
  static json::object bind(const std::string& source, bool read_only) {
    return {{"Type", "bind"},
            {"Source", source},
            {"Target", "/x"},
            {"ReadOnly", read_only},
            {"BindOptions", {{"Propagation", "rprivate"}}}};
  }

  bool passes(const json::object& body, std::string_view target = "/v1.41/containers/create?name=ours-abc") {
    auto call = read_call("POST", target, rules_);
    if (!call) return false;
    auto text = read_body(*call, json::serialize(body), rules_);
    why_ = text ? "" : text.error().message;
    named_ = call->named;
    return text.has_value();
  }
  bool mounts(json::object mount) {
    auto body = machine();
    host(body)["Mounts"] = json::array{std::move(mount)};
    return passes(body);
  }

  fs::path folder_;
  Rules rules_;
  std::string why_;
  std::vector<Thing> named_;
};

TEST_F(R1_5_Guard, WhatTheServerSendsPasses) {
  EXPECT_TRUE(passes(machine())) << why_;
  // Its network is looked up, twice.
  ASSERT_FALSE(named_.empty());
  EXPECT_EQ(named_.front().name, "ours-net");
  engine::NetworkSpec spec;
  spec.name = "ours-net";
  spec.subnet = "10.0.0.0/24";
  spec.gateway = "10.0.0.1";
  const auto network = json::parse(engine::docker::network_body(spec, "tyn-0123456789", labels())).as_object();
  EXPECT_TRUE(passes(network, "/networks/create")) << why_;
  for (const auto& [method, target] : std::initializer_list<std::pair<const char*, const char*>>{
           {"GET", "/_ping"},
           {"GET", "/v1.41/containers/ours-abc/json"},
           {"POST", "/v1.41/containers/ours-abc/start"},
           {"DELETE", "/v1.41/containers/ours-abc?force=1&v=1"},
           {"GET", "/v1.41/images/tiltyard%2Fbusybox%3A1/json"},
           {"GET", "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22tiltyard.namespace%3Dours%22%5D%7D"},
           {"PUT", "/v1.41/containers/ours-abc/archive?path=%2F"},
           {"GET", "/v1.41/images/json?filters=%7B%22label%22%3A%5B%22tiltyard.base%3D1%22%5D%7D"},
           {"GET", "/v1.41/images/json?filters=%7B%22label%22%3A%5B%22tiltyard.namespace%3Dours%22%5D%7D"},
           {"DELETE", "/v1.41/images/tiltyard%2Ft-web-main%3A0123"},
           {"GET", "/v1.41/containers/ours-abc/export"},
           {"POST", "/v1.41/images/tiltyard%2Fs-0123%3Am0/tag?repo=tiltyard%2Fs-0123&tag=m0-45"},
           {"DELETE", "/v1.41/images/tiltyard%2Fs-0123%3Am0"},
           {"POST", "/v1.41/build?t=x%3A1&networkmode=none&rm=1&version=2"}})
    EXPECT_TRUE(read_call(method, target, rules_)) << target;
}

TEST_F(R1_5_Guard, ANetworkWithoutABridgeOfOursIsRefused) {
  json::object network{{"Name", "ours-net"},
                       {"Driver", "bridge"},
                       {"Labels", json::object{{engine::kLabelManaged, "true"}, {engine::kLabelNamespace, "ours"}}},
                       {"Internal", true},
                       {"IPAM", json::object{{"Driver", "default"}, {"Config", json::array()}}}};
  EXPECT_FALSE(passes(network, "/networks/create")) << "no options at all";
  network["Options"] = json::object();
  EXPECT_FALSE(passes(network, "/networks/create"));
  network["Options"] = json::object{{engine::docker::kBridgeOption, "tyn-0123456789"}};
  EXPECT_TRUE(passes(network, "/networks/create")) << why_;
}

using R1_15_Guard = R1_5_Guard;
TEST_F(R1_15_Guard, ASnapshotIsOfOurMachinesAndSaysNothingElse) {
  const auto* good = "/v1.41/commit?container=ours-abc&repo=tiltyard%2Fs-0123&tag=m0&pause=1";
  const json::object mark{{"Labels", json::object{{engine::kLabelSnapshot, "0123"}}}};
  EXPECT_TRUE(passes(mark, good)) << why_;
  ASSERT_EQ(named_.size(), 1u) << "its owner is looked up";
  EXPECT_EQ(named_.front().name, "ours-abc");
  for (const auto* target :
       {"/v1.41/commit?container=theirs-abc&repo=tiltyard%2Fs-0123&tag=m0&pause=1",
        "/v1.41/commit?container=ours-abc&repo=tiltyard%2Ft-web&tag=m0&pause=1",
        "/v1.41/commit?container=ours-abc&repo=tiltyard%2Fs-0%2F1&tag=m0&pause=1",
        "/v1.41/commit?container=ours-abc&repo=tiltyard%2Fs-0123&tag=m0",
        "/v1.41/commit?container=ours-abc&repo=tiltyard%2Fs-0123&tag=m0&pause=1&changes=USER%20root",
        "/v1.41/images/tiltyard%2Fs-0123%3Am0/tag?repo=tiltyard%2Ft-web&tag=1",
        "/v1.41/images/tiltyard%2Fbusybox%3A1/tag?repo=tiltyard%2Fs-0123&tag=1"})
    EXPECT_FALSE(read_call("POST", target, rules_)) << target;
  auto changed = mark;
  changed["Cmd"] = json::array{"sh"};
  EXPECT_FALSE(passes(changed, good));
  EXPECT_FALSE(passes({{"Labels", json::object{{engine::kLabelBase, "1"}}}}, good));
}

TEST_F(R1_5_Guard, ATmpfsIsOneAndNothingElse) {
  const auto passes_with = [&](const char* options) {
    auto body = machine();
    host(body)["Tmpfs"] = json::object{{"/t", options}};
    return passes(body);
  };
  EXPECT_TRUE(passes_with("mode=0700,size=16777216,exec,uid=1000,gid=1000")) << why_;
  EXPECT_TRUE(passes_with("mode=1777,size=50%,nr_inodes=100,ro")) << why_;
  for (const auto* options :
       {"bind", "rbind,size=1", "", "size=", "mode=0700,,exec", "size=1m", "shared", "remount", "uid=root"})
    EXPECT_FALSE(passes_with(options)) << options;
}

TEST_F(R1_5_Guard, WhatIsLaidOverIsATemplatesFolderUnderAnInstancesOwn) {
  fs::create_directories(folder_ / "templates" / "t" / "data");
  fs::create_directories(folder_ / "files" / "i1" / "binds" / "over-data" / "upper");
  const auto lower = (folder_ / "templates" / "t" / "data").string();
  const auto own = (folder_ / "files" / "i1" / "binds" / "over-data").string();
  const auto passes_over = [&](const std::string& below, const std::string& above, const std::string& more = "") {
    engine::MachineSpec spec;
    engine::Mount over{engine::Mount::Kind::kOver, below, "/data", false};
    over.apart = above;
    spec.container().mounts = {over};
    auto made = json::parse(engine::docker::machine_body(spec, labels(), {}).json).at("HostConfig").at("Mounts").at(0);
    auto& options = made.as_object()["VolumeOptions"].as_object()["DriverConfig"].as_object()["Options"].as_object();
    if (!more.empty()) options["o"] = std::string(options["o"].as_string()) + more;
    return mounts(made.as_object());
  };
  if (::geteuid() == 0) EXPECT_TRUE(passes_over(lower, own)) << why_;
  EXPECT_FALSE(passes_over("/etc", own));
  EXPECT_FALSE(passes_over(lower, "/etc"));
  EXPECT_FALSE(passes_over(lower, (folder_ / "files" / "i1").string()));
  EXPECT_FALSE(passes_over(lower + ":/etc", own));
  EXPECT_FALSE(passes_over(lower, own, ",metacopy=on"));
  EXPECT_FALSE(passes_over(lower, own + "/../../../i2/binds/over-data"));
}

TEST_F(R1_5_Guard, AMachineOfTheHostDoesNot) {
  const std::initializer_list<std::pair<const char*, json::value>> bad{
      {"Privileged", true},
      {"PidMode", "host"},
      {"IpcMode", "host"},
      {"UTSMode", "host"},
      {"UsernsMode", "host"},
      {"CgroupnsMode", "host"},
      {"Cgroup", "container:x"},
      {"CgroupParent", "/"},
      {"Binds", json::array{"/:/h"}},
      {"CapAdd", json::array{"SYS_ADMIN"}},
      {"CapDrop", json::array{}},
      {"SecurityOpt", json::array{"seccomp=unconfined"}},
      {"Devices", json::array{{{"PathOnHost", "/dev/sda"}}}},
      {"DeviceCgroupRules", json::array{"a *:* rwm"}},
      {"VolumesFrom", json::array{"other"}},
      {"Runtime", "other"},
      {"PidsLimit", 0},
      {"PublishAllPorts", true},
      {"PortBindings", json::object()},
      {"MaskedPaths", json::array{}},
      {"ReadonlyPaths", json::array{}},
      {"OomScoreAdj", -1000},
      {"privileged", true},
      {"LogConfig", {{"Type", "syslog"}}}};
  for (const auto& [name, value] : bad) {
    auto body = machine();
    host(body)[name] = value;
    EXPECT_FALSE(passes(body)) << name;
    EXPECT_NE(why_.find("refuses"), std::string::npos) << name;
  }
  auto foreign = machine();
  foreign["Labels"].as_object()[engine::kLabelNamespace] = "theirs";
  EXPECT_FALSE(passes(foreign));
  EXPECT_FALSE(passes(machine(), "/containers/create?name=theirs-abc"));
  EXPECT_FALSE(passes(machine(), "/containers/create?name=ours-abc&platform=x"));
  auto hosts = machine();
  host(hosts)["NetworkMode"] = "host";
  // It is a name like any other here, and no network of ours has it.
  EXPECT_TRUE(passes(hosts));
  EXPECT_EQ(named_.front().name, "host");
  EXPECT_FALSE(may_be_ours("host", rules_));
}

TEST_F(R1_5_Guard, GroupsOfTheImageAndDomainsOfShortNamesPass) {
  auto body = machine();
  host(body)["GroupAdd"] = json::array{"video"};
  host(body)["DnsSearch"] = json::array{"corp.example"};
  host(body)["DnsOptions"] = json::array{"ndots:1"};
  EXPECT_TRUE(passes(body)) << why_;
  host(body)["GroupAdd"] = "video";
  EXPECT_FALSE(passes(body));
}

TEST_F(R1_5_Guard, WhatAnOperatorAllowsPasses) {
  auto body = machine();
  host(body)["CapAdd"] = json::array{"NET_RAW"};
  EXPECT_FALSE(passes(body));
  rules_.grants = {"cap:NET_RAW", "bind:/srv/data"};
  EXPECT_TRUE(passes(body)) << why_;
  EXPECT_TRUE(mounts(bind("/srv/data", false))) << why_;
  EXPECT_FALSE(mounts(bind("/srv/data/more", false)));
}

TEST_F(R1_5_Guard, SetUserIdProgramsCountWhereTheOperatorLetsThem) {
  auto body = machine();
  host(body).erase("SecurityOpt");
  EXPECT_FALSE(passes(body));
  rules_.grants = {"setuid"};
  EXPECT_TRUE(passes(body)) << why_;
  host(body)["SecurityOpt"] = json::array{"no-new-privileges"};
  EXPECT_TRUE(passes(body)) << why_;
  for (const auto* option : {"seccomp=unconfined", "no-new-privileges=false", "apparmor=unconfined"}) {
    host(body)["SecurityOpt"] = json::array{option};
    EXPECT_FALSE(passes(body)) << option;
  }
}

TEST_F(R1_5_Guard, OnlyOwnFilesAreMounted) {
  const auto files = (folder_ / "files").string(), templates = (folder_ / "templates").string();
  EXPECT_TRUE(mounts(bind(files + "/i1/flags/0", false))) << why_;
  for (const auto& source :
       {std::string("/"), std::string("/etc"), files, files + "/i1", files + "/i1/flags", files + "/i1/flags/0/x",
        files + "/i1/flags/link", files + "/i1/flags/missing", files + "/../files/i1/flags/0",
        files + "/i1/flags/../flags/0", files + "/i1//flags/0", std::string("/var/run/docker.sock")})
    EXPECT_FALSE(mounts(bind(source, true))) << source;
  if (::geteuid() == 0) {
    EXPECT_TRUE(mounts(bind(templates + "/t/note", true))) << why_;
    EXPECT_FALSE(mounts(bind(templates + "/t/note", false)));
    EXPECT_FALSE(mounts(bind(templates + "/t/link", true)));
    ASSERT_EQ(::chown((templates + "/t").c_str(), 1000, 1000), 0);
    EXPECT_FALSE(mounts(bind(templates + "/t/note", true)));
  }
  auto shared = bind(files + "/i1/flags/0", true);
  shared["BindOptions"].as_object()["Propagation"] = "rshared";
  EXPECT_FALSE(mounts(shared));
  json::object volume{{"Type", "volume"}, {"Source", "ours-v"}, {"Target", "/x"}, {"ReadOnly", false}};
  EXPECT_TRUE(mounts(volume)) << why_;
  volume["VolumeOptions"] = {{"DriverConfig", {{"Options", {{"device", "/"}, {"o", "bind"}}}}}};
  EXPECT_FALSE(mounts(volume));
}

TEST_F(R1_5_Guard, NoOtherCallPasses) {
  for (const auto& [method, target] : std::initializer_list<std::pair<const char*, const char*>>{
           {"GET", "/containers/json?all=1"},
           {"GET", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22tiltyard.namespace%3Dtheirs%22%5D%7D"},
           {"GET", "/v1.41/containers/theirs/json"},
           {"POST", "/v1.41/containers/theirs/exec"},
           {"POST", "/v1.41/containers/ours-abc/update"},
           {"POST", "/v1.41/containers/ours-abc/rename?name=x"},
           {"GET", "/v1.41/containers/ours-abc/archive?path=/"},
           {"POST", "/v1.41/commit?container=ours-abc"},
           {"POST", "/v1.41/images/load"},
           {"POST", "/v1.41/images/create?fromSrc=-"},
           {"POST", "/v1.41/build?networkmode=host"},
           {"POST", "/v1.41/build?version=2&networkmode=host"},
           {"GET", "/v1.41/images/json"},
           {"GET", "/v1.41/images/json?filters=%7B%22label%22%3A%5B%22tiltyard.managed%3Dtrue%22%5D%7D"},
           {"DELETE", "/v1.41/images/tiltyard%2Fbusybox%3A1"},
           {"DELETE", "/v1.41/images/sha256%3A0123"},
           {"DELETE", "/v1.41/images/tiltyard%2Ft-web%3A1?force=1"},
           {"DELETE", "/v1.41/images/tiltyard%2Ft-..%2Fbusybox%3A1"},
           {"POST", "/v1.41/build?remote=http%3A%2F%2Fx"},
           {"POST", "/v1.41/build?networkmode=none;networkmode=host"},
           {"POST", "/v1.41/build?networkmode=none&networkmode=host"},
           {"GET", "/v1.41/secrets"},
           {"POST", "/swarm/init"},
           {"POST", "/plugins/pull"},
           {"GET", "/v1.41/images/..%2Fcontainers%2Ftheirs/json"},
           {"GET", "//containers/ours-abc/json"},
           {"GET", "/v1.41/v1.41/_ping"},
           {"GET", "/v1.41/containers/ours-a%2F..%2Ftheirs/json"},
           {"DELETE", "/v1.41/networks/bridge"},
           {"get", "/_ping"}})
    EXPECT_FALSE(read_call(method, target, rules_)) << method << " " << target;
}

TEST_F(R1_5_Guard, NetworksAreThoseThatTheFirewallKnows) {
  engine::NetworkSpec spec;
  spec.name = "ours-net";
  const auto body = [&](const std::string& bridge) {
    return json::parse(engine::docker::network_body(spec, bridge, labels())).as_object();
  };
  EXPECT_TRUE(passes(body("tys-0123456789"), "/networks/create")) << why_;
  for (const auto* bridge : {"docker0", "tysx0123456789", "tyse0123456789", "br-0", "tys-01234567890"})
    EXPECT_FALSE(passes(body(bridge), "/networks/create")) << bridge;
  auto options = body("tys-0123456789");
  options["Options"].as_object()["com.docker.network.bridge.host_binding_ipv4"] = "0.0.0.0";
  EXPECT_FALSE(passes(options, "/networks/create"));
  auto driver = body("tys-0123456789");
  driver["Driver"] = "macvlan";
  EXPECT_FALSE(passes(driver, "/networks/create"));
  EXPECT_FALSE(passes({{"Name", "ours-v"}, {"Labels", body("tys-0123456789")["Labels"]}, {"Driver", "local"}},
                      "/volumes/create"));
  EXPECT_TRUE(passes({{"Name", "ours-v"}, {"Labels", body("tys-0123456789")["Labels"]}}, "/volumes/create")) << why_;
}

}  // namespace
}  // namespace tiltyard::guard
