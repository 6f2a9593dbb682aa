#include "guacamole/codec.h"

#include <gtest/gtest.h>

namespace tiltyard::guacamole {
namespace {

TEST(R3_2, GuacamoleLengthsAreCodePoints) {
  const Instruction said{"clipboard", "ü€😀", "", ";,.1"};
  const auto wire = write(said);
  EXPECT_EQ(wire, "9.clipboard,3.ü€😀,0.,4.;,.1;");
  EXPECT_EQ(parse(wire).value(), said);
}

TEST(R3_2, GuacamoleInstructionsAreWholeOnlyAtTheirEnd) {
  const auto wire = write({"", "ping", "😀"});
  for (std::size_t cut = 0; cut < wire.size(); ++cut) EXPECT_EQ(measure(wire.substr(0, cut)).value(), 0u) << cut;
  EXPECT_EQ(measure(wire + "4.sync,1.1;").value(), wire.size());
  EXPECT_FALSE(parse(wire + "4.sync,1.1;").has_value());
}

TEST(R3_2, GuacamoleGarbageIsRefused) {
  for (const std::string bytes : {"x", ";", ".a;", "-1.a;", "+1.a;", " 1.a;", "1a;", "1.ab;", "0.a;", "000001.a;",
                                  "1.a,;", "2.\xC3;;", "1.\xFF;", "1.\xED\xA0\x80;", "1.\xC0\x80;", "1.a\x80;"}) {
    const auto size = measure(bytes);
    ASSERT_FALSE(size.has_value()) << bytes;
    EXPECT_EQ(size.error().reason, "guacamole-malformed") << bytes;
  }
}

TEST(R3_2, GuacamoleInstructionsAreBounded) {
  const auto longest = write({std::string(kLongestInstruction - 6, 'x')});
  ASSERT_EQ(longest.size(), kLongestInstruction);
  EXPECT_EQ(measure(longest).value(), kLongestInstruction);
  const auto longer = measure(write({std::string(kLongestInstruction - 5, 'x')}));
  ASSERT_FALSE(longer.has_value());
  EXPECT_EQ(longer.error().reason, "guacamole-too-long");
  EXPECT_TRUE(measure(write(Instruction(kMostElements, "a"))).has_value());
  EXPECT_FALSE(measure(write(Instruction(kMostElements + 1, "a"))).has_value());
}

}  // namespace
}  // namespace tiltyard::guacamole
