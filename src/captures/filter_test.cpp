#include "captures/filter.h"

#include <gtest/gtest.h>

namespace tiltyard::captures {
namespace {

TEST(R2_7, AFilterIsCompiledWithoutRights) {
  const auto all = compile("");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().code, BPF_RET | BPF_K);
  EXPECT_GT(all->front().k, 0u);
  const auto web = compile("tcp port 80 and host 10.0.0.2");
  ASSERT_TRUE(web) << web.error().message;
  EXPECT_GT(web->size(), 5u);
}

TEST(R2_7, AFilterThatIsNoneIsRefusedInWords) {
  for (const auto* wrong : {"tcp prot 80", "tcp) or (udp", "port", "ip and", "host 300.1.1.1"}) {
    const auto compiled = compile(wrong);
    ASSERT_FALSE(compiled) << wrong;
    EXPECT_EQ(compiled.error().reason, "filter-refused");
    EXPECT_TRUE(compiled.error().message.starts_with("The filter is refused: ")) << compiled.error().message;
  }
  EXPECT_EQ(compile(std::string(kLongestFilter + 1, 'a')).error().reason, "filter-refused");
  EXPECT_EQ(compile("tcp\n").error().reason, "filter-refused");
}

TEST(R2_7, OnASharedNetworkOnlyTheInstancesOwnAddressesAreHeard) {
  EXPECT_EQ(only_of({"10.0.0.2"}, ""), "(host 10.0.0.2)");
  EXPECT_EQ(only_of({"10.0.0.2", "10.0.0.3"}, "tcp or udp"), "(host 10.0.0.2 or host 10.0.0.3) and (tcp or udp)");
  EXPECT_TRUE(compile(only_of({"10.0.0.2", "10.0.0.3"}, "tcp or udp")));
}

}  // namespace
}  // namespace tiltyard::captures
