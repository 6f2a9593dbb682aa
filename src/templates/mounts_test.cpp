// What machines see of their template's folder.
#include <gmock/gmock.h>

#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

const Service& service_of(const Template& tmpl, std::string_view name) {
  for (const auto& service : tmpl.services) {
    if (service.name == name) return service;
  }
  ADD_FAILURE() << "no service " << name << "\n" << problems_text(tmpl);
  static const Service none;
  return none;
}

const engine::Mount& tmpfs_of(const Template& tmpl, const std::string& target) {
  for (const auto& mount : tmpl.services.at(0).container.mounts) {
    if (mount.target == target) return mount;
  }
  static const engine::Mount none;
  return none;
}

TEST(R1_3, ATmpfsTakesWhatMountTakes) {
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, R"(
services:
  box:
    image: x
    tmpfs:
      - /work:exec,uid=1000,gid=1000,mode=0700,size=16m
      - /part:size=50%,nr_inodes=4k,suid
      - /read:rw,noexec,dev,mpol=bind
      - /plain
      - "/empty:"
    volumes:
      - {type: tmpfs, target: /long, read_only: true, tmpfs: {size: 2gb, mode: 0755}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& work = tmpfs_of(tmpl, "/work");
  EXPECT_EQ(work.tmpfs_size, 16 << 20);
  EXPECT_EQ(work.tmpfs_mode, 0700);
  EXPECT_EQ(work.tmpfs_options, "exec,uid=1000,gid=1000");
  EXPECT_EQ(tmpfs_of(tmpl, "/part").tmpfs_options, "size=50%,nr_inodes=4096,suid");
  EXPECT_EQ(tmpfs_of(tmpl, "/read").tmpfs_options, "rw,noexec");
  EXPECT_EQ(tmpfs_of(tmpl, "/plain").tmpfs_mode, 01777);
  EXPECT_EQ(tmpfs_of(tmpl, "/long").tmpfs_options, "ro");
  EXPECT_EQ(tmpfs_of(tmpl, "/long").tmpfs_size, std::int64_t{2} << 30);
  EXPECT_TRUE(says(tmpl, "the option \"dev\" is ignored")) << problems_text(tmpl);
  EXPECT_TRUE(says(tmpl, "the option \"mpol\" is ignored")) << problems_text(tmpl);
  for (const std::string wrong :
       {"uid=root", "size=x", "size=0%", "mode=9", "bind", "exec=1", "uid=-1", "gid=4294967295"}) {
    const Template bad =
        read_compose_text(folder, "services:\n  box:\n    image: x\n    tmpfs: ['/t:" + wrong + "']\n");
    EXPECT_TRUE(says(bad, "is no option of tmpfs")) << wrong;
  }
}

TEST(R1_3, ABindIsWritableUnlessItSaysOtherwise) {
  TestFolder folder;
  folder.write("t/data/page.html", "hello");
  const Template tmpl = read_compose_text(folder, R"(
services:
  a:
    image: x
    ports: [80]
    volumes:
      - ./data:/short
      - ./data:/ro:ro,z
      - ./uploads:/up
      - type: bind
        source: ./data
        target: /long
        bind: {propagation: shared}
      - {type: bind, source: ./made, target: /made, read_only: true}
      - {type: volume, source: v, target: /v, volume: {nocopy: true}}
      - v:/w:nocopy
  b: {image: x, volumes: ["./data/page.html:/page.html:ro", "./data:/seen:ro"]}
volumes: {v: {}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& binds = service_of(tmpl, "a").binds;
  ASSERT_EQ(binds.size(), 5u);
  EXPECT_FALSE(binds[0].read_only || binds[0].fresh);
  EXPECT_TRUE(binds[1].read_only && binds[1].shared) << "what the other mount writes is seen here";
  EXPECT_TRUE(!binds[2].read_only && binds[2].fresh && binds[2].path == "uploads");
  EXPECT_FALSE(binds[3].read_only);
  EXPECT_TRUE(binds[4].read_only && binds[4].fresh);
  EXPECT_TRUE(says(tmpl, "there is no \"./uploads\": every instance gets an empty folder")) << problems_text(tmpl);
  EXPECT_TRUE(service_of(tmpl, "a").volumes.at(0).no_copy && service_of(tmpl, "a").volumes.at(1).no_copy);
  EXPECT_FALSE(service_of(tmpl, "b").binds.at(0).shared);
  EXPECT_TRUE(service_of(tmpl, "b").binds.at(1).shared);
  const Template strict = read_compose_text(folder, R"(
services:
  a:
    image: x
    volumes: [{type: bind, source: ./none, target: /n, bind: {create_host_path: false}}]
)");
  EXPECT_TRUE(says(strict, "there is no \"./none\" to bind")) << problems_text(strict);
}

TEST(R1_3, ALargeFolderThatIsWrittenToIsKnownAsOne) {
  TestFolder folder;
  folder.write("t/big/file", std::string(5 << 20, 'x'));
  for (int i = 0; i < 250; ++i) folder.write("t/many/" + std::to_string(i), "");
  folder.write("t/small/file", "x");
  const Template tmpl = read_compose_text(folder, R"(
services:
  a: {image: x, ports: [80], volumes: ["./big:/big", "./many:/many", "./small:/small"]}
  b: {image: x, volumes: ["./big:/read:ro", "./many:/read-many:ro"]}
  c: {image: x, volumes: ["./many:/written"]}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  const auto& binds = service_of(tmpl, "a").binds;
  EXPECT_TRUE(binds.at(0).large && binds.at(0).shared && binds.at(1).large && binds.at(1).shared);
  EXPECT_FALSE(binds.at(2).large || binds.at(2).shared);
  EXPECT_TRUE(!service_of(tmpl, "b").binds.at(0).large && service_of(tmpl, "b").binds.at(0).shared);
}

TEST(R1_3, SecretsAndConfigsBelongToWhomTheySay) {
  TestFolder folder;
  folder.write("t/key", "k");
  const Template tmpl = read_compose_text(folder, R"(
services:
  a:
    image: x
    user: "1000:100"
    ports: [80]
    secrets: [key, {source: key, target: own, uid: "5", gid: 6, mode: 0400}]
    configs: [{source: conf, target: /etc/app.conf, mode: 0440, uid: "1001"}]
  named: {image: x, user: app, secrets: [key]}
secrets: {key: {file: ./key}}
configs: {conf: {content: "x"}}
)");
  ASSERT_FALSE(tmpl.broken()) << problems_text(tmpl);
  EXPECT_FALSE(says(tmpl, "ignored")) << problems_text(tmpl);
  const auto& binds = service_of(tmpl, "a").binds;
  ASSERT_EQ(binds.size(), 3u);
  EXPECT_TRUE(binds[0].uid == 1001 && binds[0].gid == 100 && binds[0].mode == 0440);
  EXPECT_TRUE(binds[1].uid == 1000 && binds[1].gid == 100 && binds[1].mode == 0444) << "the service's own user";
  EXPECT_TRUE(binds[2].uid == 5 && binds[2].gid == 6 && binds[2].mode == 0400);
  EXPECT_EQ(service_of(tmpl, "named").binds.at(0).uid, -1);
  const Template bad = read_compose_text(
      folder, "services:\n  a: {image: x, secrets: [{source: key, uid: app}]}\nsecrets: {key: {file: ./key}}\n");
  EXPECT_TRUE(says(bad, "`uid` takes a number")) << problems_text(bad);
}

}  // namespace
}  // namespace tiltyard::templates
