#include <fmt/format.h>
#include <gmock/gmock.h>
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

Template toml_with_capture(const TestFolder& folder, std::string_view toml) {
  folder.write("t/instance.toml", toml);
  return read_folder(folder.at("t"), test_options());
}

TEST(R2_7, ATemplateAsksForACaptureOfEveryInstance) {
  TestFolder folder;
  EXPECT_FALSE(toml_with_capture(folder, "image = \"x\"\nports = [80]\n").capture);
  const auto plain = toml_with_capture(folder, "image = \"x\"\nports = [80]\n[capture]\n");
  ASSERT_TRUE(plain.capture);
  EXPECT_EQ(plain.capture->filter, "");
  EXPECT_EQ(plain.capture->bytes, 0);
  const auto said = toml_with_capture(
      folder, "image = \"x\"\nports = [80]\n[capture]\nfilter = \"tcp\"\nkeep = \"64m\"\nfor = \"10m\"\n");
  EXPECT_FALSE(said.broken());
  ASSERT_TRUE(said.capture);
  EXPECT_EQ(said.capture->filter, "tcp");
  EXPECT_EQ(said.capture->bytes, 64 << 20);
  EXPECT_EQ(said.capture->lasts, std::chrono::minutes{10});
  const auto refused = [&folder](std::string_view filter) {
    return problem_with(
        toml_with_capture(folder, fmt::format("image = \"x\"\nports = [80]\n[capture]\nfilter = \"{}\"\n", filter)),
        "capture.filter");
  };
  EXPECT_EQ(refused("tcp prot 80").line, 4);
  EXPECT_TRUE(refused("tcp prot 80").message.contains("syntax error")) << refused("tcp prot 80").message;
  EXPECT_TRUE(refused("host db.example").message.contains("write its address"));
  EXPECT_EQ(
      problem_with(toml_with_capture(folder, "image = \"x\"\nports = [80]\n[capture]\nkeep = \"1k\"\n"), "capture.keep")
          .line,
      4);
}

}  // namespace
}  // namespace tiltyard::templates
