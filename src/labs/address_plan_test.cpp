#include "labs/address_plan.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "labs/labs.h"

namespace tiltyard::labs {
namespace {

templates::Template single(bool egress = false) {
  templates::Template tmpl;
  tmpl.egress = egress;
  tmpl.services.resize(1);
  tmpl.services[0].name = "main";
  return tmpl;
}

templates::Template stack(int machines) {
  templates::Template tmpl;
  tmpl.networks.push_back({"inner", true});
  for (int i = 0; i < machines; ++i) {
    templates::Service service;
    service.name = "m" + std::to_string(i);
    service.networks.push_back({"inner", {}});
    tmpl.services.push_back(service);
  }
  return tmpl;
}

TEST(R1_5, SinglesShareABridgeAndNeverAnAddress) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  ASSERT_TRUE(plan);
  std::set<std::string> addresses, networks;
  for (int i = 0; i < 1500; ++i) {
    Plan one;
    ASSERT_TRUE(plan->place(single(), one));
    ASSERT_EQ(one.machines.size(), 1u);
    EXPECT_TRUE(addresses.insert(one.machines[0].attachments[0].address).second);
    networks.insert(one.networks[0]->spec.name);
    EXPECT_TRUE(one.networks[0]->spec.shared);
  }
  EXPECT_EQ(networks.size(), 54u) << "28 on each";
}

TEST(R1_5, EgressHasNetworksOfItsOwn) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  Plan closed, open;
  ASSERT_TRUE(plan->place(single(false), closed));
  ASSERT_TRUE(plan->place(single(true), open));
  EXPECT_NE(closed.networks[0]->spec.subnet, open.networks[0]->spec.subnet);
  EXPECT_TRUE(open.networks[0]->spec.egress);
  EXPECT_FALSE(closed.networks[0]->spec.egress);
}

TEST(R1_5, AnAddressJustGivenBackIsTheLastToBeUsedAgain) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  Plan first, second;
  ASSERT_TRUE(plan->place(single(), first));
  plan->release(first);
  ASSERT_TRUE(plan->place(single(), second));
  EXPECT_NE(first.machines[0].attachments[0].address, second.machines[0].attachments[0].address);
}

TEST(R1_5, StacksGetNetworksThatDoNotOverlapAndAreFoundByName) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  std::set<std::string> subnets;
  for (int i = 0; i < 1000; ++i) {
    Plan one;
    ASSERT_TRUE(plan->place(stack(3), one));
    EXPECT_TRUE(subnets.insert(one.networks[0]->spec.subnet).second);
    EXPECT_EQ(one.machines[2].attachments[0].aliases.back(), "m2");
  }
}

TEST(R1_5, NamesSayNothingAndAreNotToBeGuessed) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    Plan alone, several;
    ASSERT_TRUE(plan->place(single(), alone));
    ASSERT_TRUE(plan->place(stack(3), several));
    names.insert(alone.machines[0].name);
    for (const auto& machine : several.machines) names.insert(machine.name);
    names.insert(several.networks[0]->spec.name);
  }
  EXPECT_EQ(names.size(), 500u);
  for (const auto& name : names) {
    ASSERT_TRUE(name.starts_with("tiltyard-")) << name;
    EXPECT_EQ(name.size(), 9u + 14) << "of 64 letters: 84 bits";
  }
}

TEST(R1_5, TooManyMachinesAreRefusedAndNothingIsKept) {
  auto plan = AddressPlan::make("10.64.0.0/16", "tiltyard", "self");
  for (int i = 0; i < 5000; ++i) {
    Plan one;
    const auto placed = plan->place(stack(40), one);
    ASSERT_FALSE(placed);
    ASSERT_EQ(placed.error().reason, "stack-too-large");
  }
  Plan one;
  EXPECT_TRUE(plan->place(stack(28), one));
}

TEST(R1_5, AUsedUpPoolSaysSo) {
  auto plan = AddressPlan::make("10.64.0.0/16", "tiltyard", "self");
  Result<> placed;
  int given = 0;
  for (; placed && given < 3000; ++given) {
    Plan one;
    placed = plan->place(stack(2), one);
  }
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().reason, "addresses-exhausted");
  EXPECT_GT(given, 1900);
}

TEST(R1_5, WhatOthersUseIsLeftOut) {
  auto plan = AddressPlan::make("10.64.0.0/16", "tiltyard", "self");
  plan->avoid("10.64.0.0/20");  // all that single machines would get, and the first stacks
  plan->avoid("10.64.16.0/27");
  plan->avoid("192.168.0.0/16");  // none of the pool
  for (const bool egress : {false, true}) {
    Plan one;
    ASSERT_TRUE(plan->place(single(egress), one));
    EXPECT_EQ(one.networks[0]->spec.subnet, egress ? "10.64.255.224/27" : "10.64.255.192/27");
  }
  std::set<std::string> subnets;
  Result<> placed;
  for (int i = 0; placed; ++i) {
    Plan stacked;
    placed = plan->place(stack(2), stacked);
    if (placed) subnets.insert(stacked.networks[0]->spec.subnet);
  }
  EXPECT_EQ(subnets.size(), 2048u - 128 - 1 - 2) << "less a /20, a /27 and two networks of single machines";
  EXPECT_TRUE(subnets.contains("10.64.16.32/27") && !subnets.contains("10.64.16.0/27"));
  EXPECT_EQ(placed.error().reason, "addresses-exhausted");
  EXPECT_NE(placed.error().message.find("network.pool"), std::string::npos) << placed.error().message;
}

TEST(R1_5, APoolThatIsAllSomebodyElsesSaysSo) {
  auto plan = AddressPlan::make("10.64.0.0/16", "tiltyard", "self");
  EXPECT_EQ(plan->overlap("10.64.8.0/22"), AddressPlan::Overlap::kPart);
  EXPECT_EQ(plan->overlap("10.0.0.0/8"), AddressPlan::Overlap::kWhole);
  EXPECT_EQ(plan->overlap("10.65.0.0/16"), AddressPlan::Overlap::kNone);
  plan->avoid("10.0.0.0/8");
  Plan one;
  const auto placed = plan->place(single(), one);
  ASSERT_FALSE(placed);
  EXPECT_NE(placed.error().message.find("network.pool (10.64.0.0/16)"), std::string::npos) << placed.error().message;
  EXPECT_FALSE(plan->place(stack(2), one));
}

TEST(R1_5, TwoServersOfOneNamespaceHaveNoNameInCommon) {
  for (const auto& tmpl : {single(), single(true), stack(2)}) {
    Plan mine, theirs;
    ASSERT_TRUE(AddressPlan::make("10.64.0.0/8", "tiltyard", "self")->place(tmpl, mine));
    ASSERT_TRUE(AddressPlan::make("10.64.0.0/8", "tiltyard", "other")->place(tmpl, theirs));
    EXPECT_NE(mine.networks[0]->spec.name, theirs.networks[0]->spec.name);
  }
}

TEST(R1_5, NoMachineHasMoreThanThirtyNeighbours) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self", 1000);
  for (const auto& tmpl : {single(), single(true), stack(2)}) {
    Plan one;
    ASSERT_TRUE(plan->place(tmpl, one));
    EXPECT_TRUE(one.networks[0]->spec.subnet.ends_with("/27")) << one.networks[0]->spec.subnet;
  }
  std::map<std::string, int> on;
  for (int i = 0; i < 100; ++i) {
    Plan one;
    ASSERT_TRUE(plan->place(single(), one));
    EXPECT_LE(++on[one.networks[0]->spec.name], 28);
  }
}

TEST(R1_5, WhoCouldForgeIsAlone) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  auto raw = single(), devices = single(), privileged = single(), usual = single();
  raw.services[0].container.capabilities = {"CHOWN", "NET_RAW"};
  devices.services[0].container.devices = {"/dev/net/tun"};
  privileged.services[0].container.privileged_by_operator = true;
  usual.services[0].container.capabilities = {"CHOWN", "SYS_CHROOT"};
  std::set<std::string> networks;
  for (const auto& tmpl : {raw, raw, devices, privileged}) {
    Plan one;
    ASSERT_TRUE(plan->place(tmpl, one));
    EXPECT_FALSE(one.networks[0]->spec.shared);
    EXPECT_EQ(one.machines[0].attachments[0].network, one.networks[0]->spec.name);
    EXPECT_TRUE(networks.insert(one.networks[0]->spec.subnet).second);
  }
  Plan one;
  ASSERT_TRUE(plan->place(usual, one));
  EXPECT_TRUE(one.networks[0]->spec.shared);
}

TEST(R1_9, TheNextNetworkIsWantedBeforeThisOneIsFull) {
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  std::vector<Plan> live;
  std::vector<std::string> wanted;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(plan->place(single(), live.emplace_back()));
    if (const auto next = plan->soon_wanted(false)) {
      wanted.push_back(next->name);
      EXPECT_NE(live.back().networks[0]->spec.name, next->name) << "before it is needed";
    }
  }
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_EQ(live[28].networks[0]->spec.name, wanted[0]);
  EXPECT_EQ(live[56].networks[0]->spec.name, wanted[1]);
}

/// They were larger, and for a while had names that did not say which server's they were.
TEST(R1_13, ASharedNetworkOfBeforeStaysAndNothingIsPutBesideIt) {
  Plan before;
  before.networks.emplace_back(PlannedNetwork{"", {"tiltyard-shared-0", "10.64.0.0/22", "10.64.0.1", true, false, {}}});
  before.machines.push_back({"main", "tiltyard-a-main", {{"tiltyard-shared-0", "10.64.0.2", {}}}});
  auto plan = AddressPlan::make("10.64.0.0/12", "tiltyard", "self");
  plan->restore(before);
  EXPECT_TRUE(plan->names("tiltyard-shared-0"));
  EXPECT_FALSE(AddressPlan::cuts("10.64.0.0/22"));
  for (const bool egress : {false, true}) {
    Plan next;
    ASSERT_TRUE(plan->place(single(egress), next));
    EXPECT_EQ(next.networks[0]->spec.subnet, egress ? "10.64.4.32/27" : "10.64.4.0/27");
    EXPECT_TRUE(AddressPlan::cuts(next.networks[0]->spec.subnet));
  }
  plan->release(before);
}

/// Whatever is placed, given back and restored in whatever order: no two live plans share an address.
TEST(R1_13, RandomUseAndRestartsNeverGiveAnAddressTwice) {
  std::mt19937 random(20260101);
  std::map<int, Plan> live;
  auto plan = AddressPlan::make("10.64.0.0/14", "tiltyard", "self");
  const auto check = [&] {
    std::set<std::string> seen;
    for (const auto& [id, one] : live) {
      for (const auto& machine : one.machines) {
        for (const auto& attachment : machine.attachments) ASSERT_TRUE(seen.insert(attachment.address).second);
      }
    }
  };
  for (int round = 0; round < 3000; ++round) {
    const int dice = static_cast<int>(random() % 100);
    if (dice < 55 || live.empty()) {
      Plan one;
      const auto tmpl = random() % 2 ? single(random() % 2) : stack(1 + static_cast<int>(random() % 5) + 1);
      if (plan->place(tmpl, one)) live[round] = one;
    } else if (dice < 98) {
      auto victim = live.begin();
      std::advance(victim, static_cast<long>(random() % live.size()));
      plan->release(victim->second);
      live.erase(victim);
    } else {
      plan = AddressPlan::make("10.64.0.0/14", "tiltyard", "self");
      for (auto& [id, one] : live) plan->restore(one);
    }
    if (round % 100 == 0) check();
  }
  check();
}

TEST(R1_5, PoolsThatMakeNoSenseAreRefused) {
  for (const auto* pool : {"", "10.0.0.0", "10.0.0.0/24", "10.0.0.0/4", "300.0.0.0/12", "fd00::/12"}) {
    EXPECT_FALSE(AddressPlan::make(pool, "t", "self")) << pool;
  }
}

TEST(R2_7, OfTwoServersWhosePrefixesBeginAlikeEachKnowsItsOwnNetworks) {
  for (const auto& [mine, theirs] : {std::pair{"ty", "ty-b"}, std::pair{"ty-b", "ty"}}) {
    auto plan = AddressPlan::make("10.64.0.0/12", mine, "self");
    for (const bool egress : {false, true}) {
      for (const auto& tmpl : {single(egress), stack(3)}) {
        Plan made;
        ASSERT_TRUE(plan->place(tmpl, made));
        ASSERT_FALSE(made.networks.empty());
        for (const auto& network : made.networks) {
          const auto& spec = network->spec;
          EXPECT_TRUE(is_network_of(mine, spec.name, spec.shared)) << spec.name;
          EXPECT_FALSE(is_network_of(theirs, spec.name, spec.shared)) << spec.name;
        }
      }
    }
  }
  for (const char* name : {"ty", "ty-", "tyabcdefghijklmn", "ty-abcdefghijklm/", "ty-abcde-", "ty-abcde-0-0"}) {
    EXPECT_FALSE(is_network_of("ty", name, false)) << name;
    EXPECT_FALSE(is_network_of("ty", name, true)) << name;
  }
}

}  // namespace
}  // namespace tiltyard::labs
