// The firewall's pure parts: its text, the names of bridges it goes by, the kernel's messages.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>
#include <set>

#include "engine/isolation/bridge.h"
#include "engine/isolation/firewall.h"
#include "engine/isolation/nft.h"

namespace tiltyard::engine::isolation {
namespace {

/// A message as the kernel sends it: header, nfgenmsg, one attribute of type 1.
std::string nf_message(int kind, unsigned char family, const std::string& table) {
  nlattr attribute{static_cast<unsigned short>(sizeof(nlattr) + table.size() + 1), NFTA_TABLE_NAME};
  const std::size_t body = sizeof(nfgenmsg) + NLA_ALIGN(attribute.nla_len);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<unsigned>(sizeof header + body);
  header.nlmsg_type = static_cast<unsigned short>(NFNL_SUBSYS_NFTABLES << 8 | kind);
  nfgenmsg general{family, 0, 0};
  std::string out(header.nlmsg_len, '\0');
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, &general, sizeof general);
  std::memcpy(out.data() + sizeof header + sizeof general, &attribute, sizeof attribute);
  std::memcpy(out.data() + sizeof header + sizeof general + sizeof attribute, table.c_str(), table.size());
  return out;
}

TEST(R1_5, KernelsMessagesAreReadForOurTableOnly) {
  EXPECT_TRUE(speaks_of_table(nf_message(NFT_MSG_DELTABLE, 1, "tiltyard"), "tiltyard"));
  EXPECT_FALSE(speaks_of_table(nf_message(NFT_MSG_DELTABLE, 2, "tiltyard"), "tiltyard")) << "another family";
  EXPECT_FALSE(speaks_of_table(nf_message(NFT_MSG_NEWRULE, 1, "filter"), "tiltyard"));
  EXPECT_TRUE(speaks_of_table(nf_message(NFT_MSG_NEWRULE, 2, "filter") + nf_message(NFT_MSG_DELRULE, 1, "tiltyard"),
                              "tiltyard"));
  const std::string whole = nf_message(NFT_MSG_DELTABLE, 1, "tiltyard");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(speaks_of_table(whole.substr(0, cut), "tiltyard"));
}

TEST(R1_5, RulesNameTheTableAndBeginAtomically) {
  const std::string rules = firewall_rules("mine");
  EXPECT_TRUE(rules.starts_with("add table inet mine\ndelete table inet mine\ntable inet mine {"));
  EXPECT_EQ(rules.find("NAME"), std::string::npos);
}

TEST(R1_5, BridgesAreCalledByWhatTheTableGoesBy) {
  std::set<std::string> names;
  for (const bool shared : {false, true}) {
    for (const bool egress : {false, true}) {
      for (int i = 0; i < 1000; ++i) {
        NetworkSpec spec;
        spec.name = "tiltyard-some-instance-" + std::to_string(i);
        spec.shared = shared;
        spec.egress = egress;
        const std::string name = bridge_name(spec);
        EXPECT_LE(name.size(), 15u);
        EXPECT_EQ(name, bridge_name(spec));
        EXPECT_EQ(guard_of(name), (Guard{shared, egress})) << name;
        names.insert(name);
      }
    }
  }
  EXPECT_EQ(names.size(), 4000u);
  EXPECT_EQ(guard_of("docker0"), std::nullopt);
  EXPECT_EQ(guard_of("ty"), std::nullopt);
}

}  // namespace
}  // namespace tiltyard::engine::isolation
