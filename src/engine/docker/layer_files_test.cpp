// Files in a machine's own layer, from the host.
#include "engine/docker/layer_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include <filesystem>
#include <fstream>

namespace tiltyard::engine::docker {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string name, content;
  mode_t mode = 0644;
  std::string link;  ///< hard, to an entry before
};

std::string tar_of(const std::vector<Entry>& entries) {
  std::string out(64 * 1024, '\0');
  std::size_t used = 0;
  archive* const writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  for (const auto& from : entries) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, from.name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, from.mode);
    archive_entry_set_uid(entry, 1234);
    archive_entry_set_gid(entry, 2345);
    archive_entry_set_mtime(entry, 981173106, 0);
    if (!from.link.empty()) archive_entry_set_hardlink(entry, from.link.c_str());
    else archive_entry_set_size(entry, static_cast<la_int64_t>(from.content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, from.content.data(), from.content.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
  out.resize(used);
  return out;
}

/// A layer over two of an image.
class R5_2_Layer : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
    std::string name = (fs::temp_directory_path() / "layer-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const auto* each : {"upper", "one", "two", "outside"}) fs::create_directories(folder_ / each);
    layer_ = {folder_ / "upper", {folder_ / "one", folder_ / "two"}};
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  struct stat facts(const std::string& name) const {
    struct stat out{};
    EXPECT_EQ(::lstat((folder_ / name).c_str(), &out), 0) << name;
    return out;
  }
  std::string rewritten(const Rewrite& text) const {
    auto done = rewrite(layer_, {text});
    return done ? "" : done.error().reason;
  }

  fs::path folder_;
  Layer layer_;
};

TEST_F(R5_2_Layer, AFileIsAsItsArchiveSaysAndItsFoldersAsTheImageHasThem) {
  write("one/srv/app/flag", "the image's");
  write("two/srv/x", "");
  ASSERT_EQ(::chown((folder_ / "one/srv/app").c_str(), 77, 88), 0);
  ASSERT_EQ(::chmod((folder_ / "one/srv/app").c_str(), 02750), 0);
  fs::last_write_time(folder_ / "one/srv/app", fs::file_time_type::clock::now() - std::chrono::hours(1000));
  const auto image = facts("one/srv/app");
  ASSERT_TRUE(unpack(layer_, tar_of({{"srv/app/flag", "mine", 04640}, {"srv/app/again", "", 0, "srv/app/flag"}})));
  EXPECT_EQ(read("upper/srv/app/flag"), "mine");
  const auto file = facts("upper/srv/app/flag"), again = facts("upper/srv/app/again"), made = facts("upper/srv/app");
  EXPECT_TRUE(file.st_uid == 1234 && file.st_gid == 2345 && (file.st_mode & 07777) == 04640);
  EXPECT_EQ(file.st_mtim.tv_sec, 981173106);
  EXPECT_EQ(again.st_ino, file.st_ino) << "two names of one file stay one";
  EXPECT_TRUE(made.st_uid == 77 && made.st_gid == 88 && (made.st_mode & 07777) == 02750);
  EXPECT_EQ(made.st_mtim.tv_sec, image.st_mtim.tv_sec);
  EXPECT_EQ(read("one/srv/app/flag"), "the image's");
  ASSERT_TRUE(unpack(layer_, tar_of({{"srv/app/flag", "once more"}, {"srv/app/again", "", 0, "srv/app/flag"}})));
  EXPECT_EQ(read("upper/srv/app/again"), "once more") << "what was cut in the middle is done again";
  ASSERT_TRUE(unpack(layer_, tar_of({{"new/folder/flag", "x"}})));
  EXPECT_EQ(facts("upper/new/folder").st_mode & 07777, 0755u);
}

TEST_F(R5_2_Layer, LinksAreFollowedInsideTheMachineAndNowhereElse) {
  fs::create_directories(folder_ / "two/run");
  fs::create_directories(folder_ / "one/var");
  fs::create_symlink("/run", folder_ / "one/var/run");
  fs::create_symlink("../../../../../../../../etc", folder_ / "one/var/up");
  fs::create_symlink(folder_ / "outside", folder_ / "one/var/away");
  ASSERT_TRUE(unpack(layer_, tar_of({{"var/run/password", "p"}, {"var/up/flag", "f"}, {"var/away/x", "a"}})));
  EXPECT_EQ(read("upper/run/password"), "p");
  EXPECT_EQ(read("upper/etc/flag"), "f") << "the machine's own";
  EXPECT_TRUE(fs::is_empty(folder_ / "outside"));
  EXPECT_EQ(read("upper" + (folder_ / "outside" / "x").string()), "a");
  fs::create_symlink("b", folder_ / "one/a");
  fs::create_symlink("a", folder_ / "one/b");
  EXPECT_EQ(unpack(layer_, tar_of({{"a/x", ""}})).error().reason, "file-refused");
  write("one/file", "");
  EXPECT_EQ(unpack(layer_, tar_of({{"file/x", ""}})).error().reason, "file-refused");
  EXPECT_EQ(unpack(layer_, tar_of({{"var", ""}})).error().reason, "file-refused") << "a folder";
}

TEST_F(R5_2_Layer, WhatTheImageTookAwayIsNotThere) {
  fs::create_directories(folder_ / "two/gone");
  ASSERT_EQ(::chmod((folder_ / "two/gone").c_str(), 0700), 0);
  ASSERT_EQ(::mknod((folder_ / "one/gone").c_str(), S_IFCHR, makedev(0, 0)), 0);
  ASSERT_TRUE(unpack(layer_, tar_of({{"gone/flag", "x"}})));
  EXPECT_EQ(facts("upper/gone").st_mode & 07777, 0755u) << "a new folder";
}

TEST_F(R5_2_Layer, ATextIsRewrittenWhereItIsAndNothingElse) {
  ASSERT_TRUE(unpack(layer_, tar_of({{"etc/app.conf", "flag=FLAG{one} twice FLAG{one}\n", 04755}})));
  const auto before = facts("upper/etc/app.conf");
  ASSERT_EQ(rewritten({"/etc/app.conf", "FLAG{one}", "FLAG{one}"}), "");
  std::ofstream(folder_ / "upper/etc/app.conf", std::ios::app) << "port=80\n";
  ASSERT_EQ(rewritten({"/etc/app.conf", "FLAG{one}", "FLAG{mine!}"}), "");
  ASSERT_EQ(rewritten({"/etc/app.conf", "FLAG{one}", "FLAG{mine!}"}), "") << "done already";
  EXPECT_EQ(read("upper/etc/app.conf"), "flag=FLAG{mine!} twice FLAG{mine!}\nport=80\n")
      << "what its program added stays";
  const auto after = facts("upper/etc/app.conf");
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(rewritten({"/etc/app.conf", "", "all of it\n"}), "");
  EXPECT_EQ(read("upper/etc/app.conf"), "all of it\n");
}

TEST_F(R5_2_Layer, WhatAMachinePutInItsPlaceIsNotFollowed) {
  write("outside/f", "FLAG{one}");
  write("one/still", "FLAG{one}");
  fs::create_symlink(folder_ / "outside/f", folder_ / "upper/link");
  fs::create_directory_symlink(folder_ / "outside", folder_ / "upper/folder");
  ASSERT_EQ(::mkfifo((folder_ / "upper/pipe").c_str(), 0666), 0);
  write("upper/edited", "something else");
  write("upper/binary", std::string("\0FLAG{one}\0", 11));
  for (const auto* path : {"/link", "/folder/f", "/pipe", "/edited", "/none", "/still"})
    EXPECT_EQ(rewritten({path, "FLAG{one}", "FLAG{two}"}), "file-moved") << path;
  EXPECT_EQ(rewritten({"/binary", "FLAG{one}", "FLAG{longer}"}), "file-moved");
  EXPECT_EQ(rewritten({"/binary", "FLAG{one}", "FLAG{two}"}), "");
  EXPECT_EQ(read("outside/f"), "FLAG{one}");
  EXPECT_EQ(read("one/still"), "FLAG{one}") << "the image is what it was";
}

TEST(R5_2, TheLayersOfAMachineAreFoundInWhatTheEngineSays) {
  const auto layer = layer_of(boost::json::parse(
      R"({"GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/d/1/diff", "LowerDir": "/d/1-init/diff:/d/0/diff"}}})"));
  ASSERT_TRUE(layer);
  EXPECT_EQ(layer->upper, "/d/1/diff");
  EXPECT_EQ(layer->lower, (std::vector<std::string>{"/d/1-init/diff", "/d/0/diff"}));
  EXPECT_FALSE(layer_of(boost::json::parse(R"({"GraphDriver": {"Name": "btrfs", "Data": null}})")));
  EXPECT_FALSE(layer_of(boost::json::parse("{}")));
}

}  // namespace
}  // namespace tiltyard::engine::docker
