#include <fmt/format.h>
#include <gmock/gmock.h>

#include "templates/desktop.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

Template toml_with_desktop(const TestFolder& folder, std::string_view toml) {
  folder.write("t/instance.toml", fmt::format("image = \"x\"\nports = [80]\n{}", toml));
  return read_folder(folder.at("t"), test_options());
}

TEST(R3_2, ATemplateSaysWhichScreenItHas) {
  TestFolder folder;
  EXPECT_FALSE(desktop_of(toml_with_desktop(folder, "")));
  const auto plain = toml_with_desktop(folder, "[desktop]\nkind = \"vnc\"\n");
  EXPECT_FALSE(plain.broken());
  EXPECT_EQ(desktop_of(plain), (Desktop{.machine = "main"}));
  const auto said =
      toml_with_desktop(folder, "[desktop]\nkind = \"vnc\"\nmachine = \"main\"\nport = 5901\npassword = \"secret\"\n");
  EXPECT_FALSE(said.broken());
  EXPECT_EQ(desktop_of(said), (Desktop{.machine = "main", .port = 5901, .password = "secret"}));
}

TEST(R3_2, AnOwnersPasswordIsTheScreensToo) {
  TestFolder folder;
  const std::string owners = "[credentials]\nuser = \"player\"\nper_owner = true\nfile = \"/run/password\"\n";
  const auto own = desktop_of(toml_with_desktop(folder, owners + "[desktop]\nkind = \"vnc\"\n"));
  ASSERT_TRUE(own);
  EXPECT_TRUE(own->per_owner);
  const auto other = desktop_of(toml_with_desktop(folder, owners + "[desktop]\nkind = \"vnc\"\npassword = \"x\"\n"));
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->per_owner);
  EXPECT_EQ(other->password, "x");
}

TEST(R3_2, WhatIsWrongOfAScreenIsSaidWithItsLine) {
  TestFolder folder;
  const auto line_of = [&](std::string_view lines, const std::string& about) {
    return problem_with(toml_with_desktop(folder, fmt::format("[desktop]\n{}", lines)), about).line;
  };
  EXPECT_EQ(line_of("port = 5900\n", "desktop needs its kind"), 3);
  EXPECT_EQ(line_of("kind = \"vcn\"\n", "is not known; there is vnc"), 4);
  EXPECT_EQ(line_of("kind = \"vnc\"\nport = 0\n", "desktop.port takes"), 5);
  EXPECT_EQ(line_of("kind = \"vnc\"\npassword = \"\"\n", "desktop.password is empty"), 5);
  EXPECT_EQ(line_of("kind = \"vnc\"\npassword = \"longer-than-8\"\n", "first 8 characters"), 5);
  EXPECT_EQ(line_of("kind = \"vnc\"\nmachine = \"other\"\n", "there is no service"), 5);
  folder.write("s/instance.toml",
               "[credentials]\nuser = \"a\"\nper_owner = true\nfile = \"/p\"\n[desktop]\nkind = \"vnc\"\nmachine = "
               "\"other\"\n");
  folder.write("s/compose.yaml", "services:\n  main: {image: x}\n  other: {image: x}\n");
  EXPECT_EQ(problem_with(read_folder(folder.at("s"), test_options()), "say desktop.password").line, 5);
}

}  // namespace
}  // namespace tiltyard::templates
