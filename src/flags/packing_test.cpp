// The archive that carries an instance's flag files to an engine that does not see our files.
#include "flags/packing.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

namespace tiltyard::flags {
namespace {

TEST(R5_2_Pack, OwnerModeTimeCapabilityAndHardLinksAreKept) {
  Plan plan;
  plan.placeholder = "FLAG{box}";
  Patch patch;
  patch.service = "main";
  patch.target = "/srv/a flag";
  patch.facts = {1234, 99, 04640, 981173106, 5, std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)};
  patch.content = "it is FLAG{box}\n";
  plan.patches.push_back(patch);
  patch.target = "/srv/link";
  plan.patches.push_back(patch);
  patch.service = "other";
  plan.patches.push_back(patch);
  const auto packed = pack_files(plan, {"FLAG{mine}", ""});
  ASSERT_TRUE(packed);
  ASSERT_EQ(packed->size(), 2u);
  const auto& tar = packed->at("main");
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(reader.get());
  ASSERT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  ASSERT_EQ(archive_read_next_header(reader.get(), &entry), ARCHIVE_OK);
  EXPECT_STREQ(archive_entry_pathname(entry), "srv/a flag");
  EXPECT_EQ(archive_entry_uid(entry), 1234);
  EXPECT_EQ(archive_entry_gid(entry), 99);
  EXPECT_EQ(archive_entry_perm(entry), 04640u);
  EXPECT_EQ(archive_entry_mtime(entry), 981173106);
  ASSERT_GE(archive_entry_xattr_reset(entry), 1);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_next(entry, &name, &value, &size);
  EXPECT_STREQ(name, "security.capability");
  EXPECT_EQ(std::string(static_cast<const char*>(value), size), patch.facts.capability);
  std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
  archive_read_data(reader.get(), content.data(), content.size());
  EXPECT_EQ(content, "it is FLAG{mine}\n");
  ASSERT_EQ(archive_read_next_header(reader.get(), &entry), ARCHIVE_OK);
  EXPECT_STREQ(archive_entry_pathname(entry), "srv/link");
  EXPECT_STREQ(archive_entry_hardlink(entry), "srv/a flag");
  EXPECT_EQ(archive_read_next_header(reader.get(), &entry), ARCHIVE_EOF);
}

}  // namespace
}  // namespace tiltyard::flags
