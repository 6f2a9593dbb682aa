#include "engine/docker/build_context.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include <map>

#include "base/test_folder.h"

namespace tiltyard::engine::docker {
namespace {

using testing::ElementsAre;
using testing::Pair;

/// What the stream holds: a folder's name ends in a slash, a link's text begins with "-> ".
std::map<std::string, std::string> sent(const BuildSpec& spec) {
  auto context = BuildContext::open(spec);
  EXPECT_TRUE(context) << context.error().message;
  std::string tar;
  while (context) {
    auto piece = (*context)->next();
    EXPECT_TRUE(piece) << piece.error().message;
    if (!piece || piece->empty()) break;
    tar += *piece;
  }
  std::map<std::string, std::string> out;
  archive* reader = archive_read_new();
  archive_read_support_format_tar(reader);
  EXPECT_EQ(archive_read_open_memory(reader, tar.data(), tar.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::string& text = out[archive_entry_pathname(entry)];
    if (const char* target = archive_entry_symlink(entry)) text = std::string("-> ") + target;
    text.resize(text.size() + static_cast<std::size_t>(archive_entry_symlink(entry) ? 0 : archive_entry_size(entry)));
    if (!archive_entry_symlink(entry)) archive_read_data(reader, text.data(), text.size());
  }
  archive_read_free(reader);
  return out;
}

TEST(R1_3, ContextsWithNamesOfTheirOwnLieBesideTheContext) {
  TestFolder folder;
  folder.write("app/main", "m");
  folder.write("lib/a/one", "1");
  folder.write("lib/secret", "s");
  folder.write("lib/.dockerignore", "secret\n");
  folder.link("lib/out", "/etc/passwd");
  folder.write("empty/x", "");
  folder.remove("empty/x");
  BuildSpec spec;
  spec.context = folder.at("app");
  spec.dockerfile_text = "FROM scratch\n";
  spec.below = "context";
  spec.texts = {{"secrets/token", "t", 0400}};
  spec.contexts = {{"lib", folder.at("lib")}, {"base", "debian:12"}, {"none", folder.at("empty")}};
  EXPECT_THAT(sent(spec),
              ElementsAre(Pair("Dockerfile", "FROM scratch\n"), Pair("context/", ""), Pair("context/main", "m"),
                          Pair("named/lib/", ""), Pair("named/lib/.dockerignore", "secret\n"), Pair("named/lib/a/", ""),
                          Pair("named/lib/a/one", "1"), Pair("named/lib/out", "-> /etc/passwd"),
                          Pair("named/none/", ""), Pair("secrets/token", "t")));
  spec.contexts = {{"gone", folder.at("gone")}};
  const auto refused = BuildContext::open(spec);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("no folder"));
}

}  // namespace
}  // namespace tiltyard::engine::docker
