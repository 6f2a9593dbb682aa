#include "bpf/filter.h"

#include <gtest/gtest.h>

namespace tiltyard::bpf {
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

TEST(R2_7, AFilterThatWouldAskTheDnsIsKnown) {
  for (const auto* named : {"host example.org", "tcp and (src example.org)", "dst intranet", "not host intranet",
                            "ip proto 6 and gateway gw", "host db or port 80"})
    EXPECT_TRUE(names_a_host(named)) << named;
  for (const auto* plain :
       {"", "tcp", "host 10.0.0.2", "src host 10.0.0.2 and dst port http", "net 10.0.0.0/8",
        "ether host 02:42:ac:11:00:02", "ip6 host fe80::1", "src net 10.1 and not (dst portrange 1-9)",
        "tcp[tcpflags] & tcp-syn != 0", "vlan 3 and icmp"})
    EXPECT_FALSE(names_a_host(plain)) << plain;
}

TEST(R2_7, OnASharedNetworkOnlyTheInstancesOwnAddressesAreHeard) {
  EXPECT_EQ(only_of({"10.0.0.2"}, ""), "(host 10.0.0.2)");
  EXPECT_EQ(only_of({"10.0.0.2", "10.0.0.3"}, "tcp or udp"), "(host 10.0.0.2 or host 10.0.0.3) and (tcp or udp)");
  EXPECT_TRUE(compile(only_of({"10.0.0.2", "10.0.0.3"}, "tcp or udp")));
}

}  // namespace
}  // namespace tiltyard::bpf
