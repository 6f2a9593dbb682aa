#include "gateway/contacts.h"

#include <gtest/gtest.h>
#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "gateway/doors.h"
#include "gateway/sockets.h"
#include "gateway/testing.h"

namespace tiltyard::gateway {
namespace {

SocketAddress visitor_at(int number) {
  return *socket_address("10." + std::to_string(number / 65536) + "." + std::to_string(number / 256 % 256) + "." +
                             std::to_string(number % 256),
                         4000);
}

TEST(R5_4_Contacts, TheFirstOfEachIsKeptAndTheRestByLot) {
  ContactBook book;
  EXPECT_FALSE(book.note(InstanceId("one"), "web", visitor_at(1), 0)) << "nobody asks for it";
  book.begin(3);
  EXPECT_TRUE(book.note(InstanceId("one"), "web", visitor_at(1), 0)) << "now there is something to take";
  EXPECT_FALSE(book.note(InstanceId("one"), "web", visitor_at(2), 0));
  book.note(InstanceId("one"), "ssh", visitor_at(1), 0);
  book.note(InstanceId("two"), "web", visitor_at(1), 0);
  book.note(InstanceId("one"), "web", visitor_at(1), 7);
  auto taken = book.take();
  ASSERT_EQ(taken.size(), 5u);
  for (const auto& one : taken) EXPECT_TRUE(one.first);
  EXPECT_EQ(taken[0].address, "10.0.0.1");
  EXPECT_EQ(taken[2].endpoint, "ssh");
  EXPECT_EQ(taken[4].visitor, 7u);
  for (int i = 0; i < 9; ++i) book.note(InstanceId("one"), "web", visitor_at(1), 0);
  taken = book.take();
  ASSERT_EQ(taken.size(), 3u) << "one of three";
  EXPECT_FALSE(taken[0].first);
}

TEST(R5_4_Contacts, NothingIsDrawnWhereTheSampleIsNone) {
  ContactBook book;
  book.begin(0);
  for (int i = 0; i < 100; ++i) book.note(InstanceId("one"), "web", visitor_at(1), 0);
  EXPECT_EQ(book.take().size(), 1u);
}

TEST(R5_4_Contacts, WhatIsKeptIsBoundedAndWhatIsLostIsCounted) {
  ContactBook book;
  book.begin(0);
  for (int i = 0; i < 100'000; ++i) book.note(InstanceId("one"), "web", visitor_at(i), 0);
  EXPECT_EQ(book.take().size(), ContactBook::kMostKept);
  EXPECT_EQ(book.take_lost(), 100'000 - ContactBook::kMostKept);
  EXPECT_EQ(book.take_lost(), 0u);
  ASSERT_TRUE(book.note(InstanceId("one"), "web", visitor_at(99'999), 0)) << "who was lost is still the first";
  EXPECT_TRUE(book.take()[0].first);
  EXPECT_TRUE(book.note(InstanceId("two"), "web", visitor_at(1), 0)) << "and goes on";
}

using R5_4_Visitors = testing::GatewayTest;
using testing::Machine;
using testing::Peer;

TEST_F(R5_4_Visitors, EachEndpointThatAConnectionGoesToIsNotedOnce) {
  Machine page(testing::always("hello")), shell([](Peer& peer) { peer.send("$ "); });
  std::atomic<int> told{0};
  run(gateway_->note_contacts(0, [&] { ++told; }));
  publish_http("one", page.port());
  const auto port = publish_tcp("two", shell.port());
  auto browser = client(5);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(browser.send(testing::get("one.t.test")));
    ASSERT_EQ(browser.read_answer().status, 200);
  }
  EXPECT_EQ(Peer::connect(port, 6).read_exactly(2), "$ ");
  auto taken = run(gateway_->take_contacts());
  ASSERT_EQ(taken.contacts.size(), 2u);
  std::ranges::sort(taken.contacts, {}, &Contact::endpoint);
  EXPECT_EQ(taken.contacts[0].endpoint, "pwn");
  EXPECT_EQ(taken.contacts[0].instance, InstanceId("two"));
  EXPECT_EQ(taken.contacts[0].address, "127.0.0.6");
  EXPECT_EQ(taken.contacts[1].endpoint, "web");
  EXPECT_EQ(taken.contacts[1].address, "127.0.0.5");
  EXPECT_EQ(taken.lost, 0u);
  EXPECT_TRUE(eventually([&] { return told > 0; }));
}

TEST_F(R5_4_Visitors, AUserIsKnownByTheAddressThatTheyUseThePageFrom) {
  Machine shell([](Peer& peer) { peer.send("$ "); });
  run(gateway_->note_contacts(0, [] {}));
  const auto port = publish_tcp("one", shell.port(), "red");
  const auto now = millis_now();
  run(gateway_->doors().know("red", asio::ip::make_address("127.0.0.7"), {party_of("ada"), 0, now, now + 3'600'000}));
  EXPECT_EQ(Peer::connect(port, 7).read_exactly(2), "$ ");
  EXPECT_EQ(Peer::connect(port, 8).read_exactly(2), "$ ");
  auto taken = run(gateway_->take_contacts());
  ASSERT_EQ(taken.contacts.size(), 2u);
  std::ranges::sort(taken.contacts, {}, &Contact::address);
  EXPECT_EQ(taken.contacts[0].visitor, party_of("ada"));
  EXPECT_EQ(taken.contacts[1].visitor, 0u) << "a stranger";
}

}  // namespace
}  // namespace tiltyard::gateway
