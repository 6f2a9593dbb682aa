#include "gateway/port_lanes.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tiltyard::gateway {
namespace {

bool always_free(std::uint16_t, Transport) { return true; }

TEST(R2_3, LanesAreDeterministic) {
  PortLanes one(20000, 29999, always_free), two(20000, 29999, always_free);
  std::set<std::size_t> seen;
  for (int i = 0; i < 500; ++i) {
    auto owner = "user" + std::to_string(i);
    auto lane = one.lane_of(owner, "pwn", 1337);
    EXPECT_EQ(lane, two.lane_of(owner, "pwn", 1337));
    EXPECT_LT(lane, 32u);
    seen.insert(lane);
    auto port = one.allocate(owner, "pwn", 1337, {});
    ASSERT_TRUE(port);
    EXPECT_EQ(*port, *two.allocate(owner, "pwn", 1337, {}));
    // The lane's own range.
    EXPECT_GE(*port, 20000 + 10000 * lane / 32);
    EXPECT_LT(*port, 20000 + 10000 * (lane + 1) / 32);
  }
  EXPECT_EQ(seen.size(), 32u) << "500 owners should use every lane";
}

// b2sum -l 64 of "alice:pwn:1337", as a little-endian number, modulo 32.
TEST(R2_3, TheLaneIsBlake2b) {
  PortLanes lanes(20000, 29999, always_free);
  EXPECT_EQ(lanes.lane_of("alice", "pwn", 1337), 31u);
}

TEST(R2_3, NoPortHasTwoOwners) {
  std::mt19937 random(7);
  for (auto [first, last] : {std::pair{20000, 20099}, {20000, 20004}, {65500, 65535}, {30000, 30000}, {20000, 20032}}) {
    std::set<std::uint16_t> blocked;
    for (int port = first; port <= last; ++port) {
      if (random() % 7 == 0) blocked.insert(static_cast<std::uint16_t>(port));
    }
    PortLanes lanes(static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last),
                    [&](std::uint16_t port, Transport) { return !blocked.contains(port); });
    std::map<std::uint16_t, std::string> owners;
    std::size_t usable = static_cast<std::size_t>(last - first + 1) - blocked.size();
    for (int i = 0; i < 3000; ++i) {
      if (!owners.empty() && random() % 3 == 0) {
        auto gone = std::next(owners.begin(), static_cast<std::ptrdiff_t>(random() % owners.size()));
        lanes.release(gone->first);
        owners.erase(gone);
      }
      auto owner = std::to_string(random() % 200);
      auto port = lanes.allocate(owner, "t", 22, {});
      if (owners.size() == usable) {
        ASSERT_FALSE(port);
        EXPECT_EQ(port.error().reason, "ports-exhausted");
        continue;
      }
      ASSERT_TRUE(port) << "there are free ports: every lane falls back to the others";
      EXPECT_GE(*port, first);
      EXPECT_LE(*port, last);
      EXPECT_FALSE(blocked.contains(*port));
      EXPECT_TRUE(owners.emplace(*port, owner).second) << "port " << *port << " was given out twice";
      EXPECT_EQ(lanes.in_use(), owners.size());
    }
  }
}

TEST(R2_3, TheSameOwnerGetsTheSamePortAgain) {
  PortLanes lanes(20000, 20099, always_free);
  auto port = *lanes.allocate("a", "t", 22, {});
  lanes.release(port);
  EXPECT_NE(*lanes.allocate("a", "t", 22, {}), port) << "the cursor walks on: a port is not handed to the next at once";
  EXPECT_EQ(*lanes.allocate("a", "t", 22, port), port);
  EXPECT_NE(*lanes.allocate("b", "t", 22, port), port) << "taken meanwhile";
  EXPECT_NE(*lanes.allocate("c", "t", 22, 19999), 19999) << "no longer in the range";
}

TEST(R2_3, TcpAndUdpHaveLanesOfTheirOwn) {
  std::set<std::uint16_t> asked;
  PortLanes lanes(20000, 20000, [&](std::uint16_t, Transport transport) {
    asked.insert(static_cast<std::uint16_t>(transport));
    return true;
  });
  EXPECT_EQ(*lanes.allocate("a", "t", 53, {}), 20000);
  EXPECT_EQ(*lanes.allocate("a", "t", 53, 20000, Transport::kUdp), 20000);
  EXPECT_EQ(asked.size(), 2u) << "each is looked for with its own probe";
  EXPECT_EQ(lanes.in_use(), 2u);
  EXPECT_FALSE(lanes.allocate("b", "t", 53, {}, Transport::kUdp));
  lanes.release(20000);
  EXPECT_FALSE(lanes.allocate("b", "t", 53, {}, Transport::kUdp));
  lanes.release(20000, Transport::kUdp);
  EXPECT_TRUE(lanes.allocate("b", "t", 53, {}, Transport::kUdp));
}

TEST(R2_3, RestoredPortsAreTaken) {
  PortLanes lanes(20000, 20003, always_free);
  lanes.restore(20001);
  lanes.restore(20002);
  std::set<std::uint16_t> got{*lanes.allocate("a", "t", 1, {}), *lanes.allocate("b", "t", 1, 20001)};
  EXPECT_EQ(got, (std::set<std::uint16_t>{20000, 20003}));
  EXPECT_FALSE(lanes.allocate("c", "t", 1, {}));
  PortLanes none(20000, 19999, always_free);
  EXPECT_FALSE(none.allocate("c", "t", 1, {}));
}

}  // namespace
}  // namespace tiltyard::gateway
