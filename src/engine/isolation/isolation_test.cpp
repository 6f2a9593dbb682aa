// The firewall's pure parts: its text, the names of bridges it goes by, the kernel's messages.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "engine/isolation/bridge.h"
#include "engine/isolation/firewall.h"
#include "engine/isolation/nft.h"
#include "engine/isolation/no_names.h"
#include "engine/isolation/slice.h"
#include "engine/isolation/weights.h"

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

/// "a.example" of type A, class IN.
std::string name_query() {
  using namespace std::string_literals;
  return "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"s + "\x01\x61\x07" + "example" + "\0\0\x01\0\x01"s +
         "\0\0\x29\x04\xd0\0\0\0\0\0\0"s;  // and EDNS, RFC 6891
}

TEST(R1_5, AQuestionForANameIsAnsweredWithThereIsNone) {
  const std::string query = name_query();
  const std::string answer = no_such_name(query);
  ASSERT_EQ(answer.size(), 12u + 11 + 4) << "the question, and nothing of EDNS";
  EXPECT_EQ(answer.substr(0, 2), query.substr(0, 2));
  EXPECT_EQ(static_cast<unsigned char>(answer[2]), 0x81) << "an answer; recursion was desired";
  EXPECT_EQ(static_cast<unsigned char>(answer[3]), 0x83) << "NXDOMAIN: musl waits on after any other refusal";
  EXPECT_EQ(answer.substr(4, 8), std::string("\0\1\0\0\0\0\0\0", 8));
  EXPECT_EQ(answer.substr(12), query.substr(12, 15));
}

TEST(R1_5, WhatIsNoQuestionForANameIsNotAnswered) {
  const std::string query = name_query();
  for (std::size_t cut = 0; cut < 12 + 11 + 4; ++cut) EXPECT_EQ(no_such_name(query.substr(0, cut)), "") << cut;
  const auto with = [&](std::size_t at, char value) {
    std::string changed = query;
    changed[at] = value;
    return changed;
  };
  EXPECT_EQ(no_such_name(with(2, '\x81')), "") << "an answer: two of us would go on for ever";
  EXPECT_EQ(no_such_name(with(2, '\x29')), "") << "another opcode";
  EXPECT_EQ(no_such_name(with(5, '\x02')), "") << "two questions";
  EXPECT_EQ(no_such_name(with(12, '\xc0')), "") << "a compressed name";
  EXPECT_EQ(no_such_name(query + std::string(600, 'x')), "");
}

TEST(R1_5, RulesNameTheTableAndBeginAtomically) {
  const std::string rules = firewall_rules("mine", {.packets = 11, .connections = 22, .openings = 33});
  EXPECT_TRUE(rules.starts_with("add table inet mine\ndelete table inet mine\ntable inet mine {"));
  EXPECT_EQ(rules.find("NAME"), std::string::npos);
  EXPECT_EQ(rules.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), std::string::npos) << "nothing is left to be put in";
  for (const char* said : {"udp dport set 15353", "over 11/second burst 11 ", "ct count over 22 ", "over 33/second",
                           "meta l4proto tcp add @to_machines", "meta l4proto != tcp add @to_machines"})
    EXPECT_NE(rules.find(said), std::string::npos) << said;
}

TEST(R1_5, ListingsThatDifferInLimitsAloneAreTheSame) {
  const std::string one = firewall_rules("mine", {1, 2, 3}), other = firewall_rules("mine", {1000, 20, 30000});
  EXPECT_NE(one, other);
  EXPECT_EQ(without_numbers(one), without_numbers(other));
  EXPECT_NE(without_numbers(one), without_numbers(one + "accept"));
  EXPECT_EQ(without_numbers("limit rate over 5/second burst 7 packets } drop 9"),
            "limit rate over /second burst  packets } drop 9");
  EXPECT_EQ(without_numbers("a burst "), "a burst ");
}

TEST(R1_5, MachinesTogetherLeaveRoomForTheServer) {
  constexpr std::int64_t kGiB = 1 << 30;
  EXPECT_EQ(memory_for_machines(4 * kGiB), 4 * kGiB - kGiB / 2);
  EXPECT_EQ(memory_for_machines(16 * kGiB), 14 * kGiB);
  EXPECT_EQ(memory_for_machines(256 * kGiB), 252 * kGiB);
  EXPECT_EQ(memory_for_machines(kGiB / 2), kGiB / 4);
}

/// Folders stand for the groups' file systems.
TEST(R1_5, TheGroupOfAllMachinesCountsLittle) {
  namespace fs = std::filesystem;
  char name[] = "/tmp/slice-test-XXXXXX";
  const fs::path root = ::mkdtemp(name);
  const auto file = [&root](const std::string& path) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << "";
  };
  const auto text = [&root](const std::string& path) {
    std::ifstream in(root / path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto missing = weigh_slice(root, {false, false}, 1000);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "slice-unweighed");
  file("cpu/tiltyard_machines/cpu.shares");
  file("memory/tiltyard_machines/memory.limit_in_bytes");
  EXPECT_TRUE(weigh_slice(root, {false, false}, 1000));
  EXPECT_EQ(text("cpu/tiltyard_machines/cpu.shares"), "512");
  EXPECT_EQ(text("memory/tiltyard_machines/memory.limit_in_bytes"), "1000");
  for (const bool systemd : {false, true}) {
    const GroupDriver driver{systemd, true};
    const std::string group = systemd ? slice_parent(driver) : slice_parent(driver).substr(1);
    EXPECT_FALSE(weigh_slice(root, driver, 2000));
    for (const char* each : {"/cpu.weight", "/io.weight", "/memory.max"}) file(group + each);
    EXPECT_TRUE(weigh_slice(root, driver, 2000));
    EXPECT_EQ(text(group + "/cpu.weight"), "50");
    EXPECT_EQ(text(group + "/io.weight"), "default 50");
    EXPECT_EQ(text(group + "/memory.max"), "2000");
  }
  fs::remove_all(root);
}

/// Whoever has run all the time counts little, whoever has not in full; and in full again after a rest.
TEST(R1_5, WhoRunsAllTheTimeCountsLittleAmongMachines) {
  namespace fs = std::filesystem;
  using namespace std::chrono_literals;
  char name[] = "/tmp/weights-test-XXXXXX";
  const fs::path root = ::mkdtemp(name);
  const auto write = [&root](const std::string& path, const std::string& text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  };
  const auto number = [&root](const std::string& path) {
    int value = 0;
    std::ifstream(root / path) >> value;
    return value;
  };
  // Version 1, and version 2 with systemd; a host has one of them.
  for (const std::string version : {"", "2"}) {
    const bool unified = !version.empty();
    const std::string counted = unified ? "tiltyard_machines.slice/" : "cpuacct/tiltyard_machines/";
    const std::string weighed = unified ? counted : "cpu/tiltyard_machines/";
    const std::string weight = unified ? "/cpu.weight" : "/cpu.shares";
    const int usual = unified ? 100 : 1024;
    for (const char* each : {"hog", "calm"}) write(weighed + each + weight, std::to_string(usual));
    Weigher weigher(root);
    const auto start = Weigher::Time{} + 100s;
    std::uint64_t hog = 5'000'000, calm = 5'000'000;  // microseconds
    const auto look = [&](int second) {
      for (const auto& [who, ran] : {std::pair{"hog", hog}, {"calm", calm}})
        write(counted + who + (unified ? "/cpu.stat" : "/cpuacct.usage"),
              unified ? "usage_usec " + std::to_string(ran) + "\nuser_usec 1\n" : std::to_string(ran * 1000) + "\n");
      weigher.round(start + std::chrono::seconds(second));
    };
    int second = 0;
    for (; second < 20; second += 2, hog += 600'000, calm += 2'000) look(second);
    EXPECT_LE(number(weighed + "hog" + weight), usual / 40) << version;
    EXPECT_GE(number(weighed + "hog" + weight), 1);
    EXPECT_EQ(number(weighed + "calm" + weight), usual);
    for (const int rested = second + 30; second < rested; second += 2, calm += 2'000) look(second);
    EXPECT_EQ(number(weighed + "hog" + weight), usual) << version;
    for (const char* each : {"cpu", "cpuacct", "tiltyard_machines.slice"}) fs::remove_all(root / each);
    weigher.round(start + std::chrono::seconds(second));
  }
  fs::remove_all(root);
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

/// 200 in a tenth of a second, whoever asks and however fast; who asks slowly is never kept waiting.
TEST(R1_5, QuestionsInVainAreReadAtABoundedRate) {
  using std::chrono::milliseconds;
  const Intake::Time begin{};
  Intake flooded(begin);
  for (int i = 1; i < Intake::kMostAtOnce; ++i) ASSERT_EQ(flooded.read_one(begin + milliseconds{10}).count(), 0) << i;
  const auto pause = flooded.read_one(begin + milliseconds{10});
  EXPECT_EQ(pause, milliseconds{90});
  flooded.rested(begin + milliseconds{10} + pause);
  for (int i = 1; i < Intake::kMostAtOnce; ++i) ASSERT_EQ(flooded.read_one(begin + milliseconds{101}).count(), 0) << i;
  EXPECT_GT(flooded.read_one(begin + milliseconds{101}).count(), 0);

  Intake slow(begin);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(slow.read_one(begin + milliseconds{i}).count(), 0) << i;
}

}  // namespace
}  // namespace tiltyard::engine::isolation
