// Host names beside the drawn labels: somebody's own, and those of machines' addresses.
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

using R2_6_OwnNames = GatewayTest;
using R2_1_Names = GatewayTest;

class R2_1_AddressNames : public GatewayTest {
 protected:
  R2_1_AddressNames() : GatewayTest(with_region()) {}
  static Options with_region() {
    auto options = small_options();
    options.address_names = "eu";
    return options;
  }
};

int status_of(Peer& peer, std::string_view host) {
  EXPECT_TRUE(peer.send(get(host)));
  return peer.read_answer().status;
}

std::string body_of(Peer& peer, std::string_view host) {
  EXPECT_TRUE(peer.send(get(host)));
  return peer.read_answer().body;
}

TEST_F(R2_6_OwnNames, ANameLeadsToItsEndpointAsLongAsTheInstanceIsPublished) {
  Machine web(always("web")), admin(always("admin"));
  auto peer = client();
  run(gateway_->name("WWW.Example.org", InstanceId("one"), "admin"));
  EXPECT_EQ(status_of(peer, "www.example.org"), 404) << "nothing of it is there yet";
  Route first{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", web.port()};
  Route second{EndpointKind::kHttp, "admin", {"two"}, 0, "127.0.0.1", admin.port()};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {first, second})));
  for (int i = 0; i < 4; ++i) {
    auto other = client();  // on whichever loop
    EXPECT_EQ(body_of(other, "www.example.org"), "admin");
    EXPECT_EQ(body_of(other, "WWW.example.ORG.:8080"), "admin");
    EXPECT_EQ(body_of(other, "one.t.test"), "web");
    EXPECT_EQ(status_of(other, "example.org"), 404);
    EXPECT_EQ(status_of(other, "a.www.example.org"), 404);
  }
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {first})));
  auto later = client();
  EXPECT_EQ(status_of(later, "www.example.org"), 404) << "the endpoint is gone";
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {first, second})));
  EXPECT_EQ(body_of(later, "www.example.org"), "admin");
  withdraw("one");
  auto last = client();
  EXPECT_EQ(status_of(last, "www.example.org"), 404);
}

TEST_F(R2_6_OwnNames, ANameLeadsToOneInstanceAndIsFoundBeforeLabels) {
  Machine one(always("one")), two(always("two"));
  publish_http("one", one.port());
  publish_http("two", two.port());
  auto peer = client();
  run(gateway_->name("my.t.test", InstanceId("one"), "web"));
  EXPECT_EQ(body_of(peer, "my.t.test"), "one");
  run(gateway_->name("my.t.test", InstanceId("two"), "web"));
  EXPECT_EQ(body_of(peer, "my.t.test"), "two");
  withdraw("one");
  auto other = client();
  EXPECT_EQ(body_of(other, "my.t.test"), "two");
  run(gateway_->unname("my.t.test"));
  EXPECT_EQ(status_of(other, "my.t.test"), 404);
  EXPECT_EQ(body_of(other, "two.t.test"), "two");
  run(gateway_->unname("my.t.test"));  // once more does no harm
}

TEST_F(R2_6_OwnNames, ANameThatIsTakenBackCutsWhatWasOpenedByIt) {
  Machine machine([](Peer& peer) {
    if (peer.read_head().empty()) return;
    peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nopen");
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) peer.send(bytes);
  });
  publish_http("one", machine.port());
  run(gateway_->name("my.example", InstanceId("one"), "web"));
  const auto open = [this](std::string_view host) {
    auto peer = client();
    EXPECT_TRUE(peer.send(get(host, "/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n")));
    EXPECT_TRUE(peer.read_head().starts_with("HTTP/1.1 101 ")) << host;
    EXPECT_EQ(peer.read_exactly(4), "open");
    return peer;
  };
  auto by_name = open("My.Example."), by_label = open("one.t.test");
  run(gateway_->name("my.example", InstanceId("one"), "web"));  // where it led already
  ASSERT_TRUE(by_name.send("still here"));
  EXPECT_EQ(by_name.read_exactly(10), "still here");
  run(gateway_->unname("my.example"));
  EXPECT_TRUE(by_name.closed_within(20s) && by_name.was_reset());
  ASSERT_TRUE(by_label.send("still here"));
  EXPECT_EQ(by_label.read_exactly(10), "still here") << "that is another name";
}

TEST_F(R2_6_OwnNames, APortHasNoName) {
  Machine machine(always("x"));
  publish_tcp("one", machine.port());
  run(gateway_->name("my.example", InstanceId("one"), "pwn"));
  auto peer = client();
  EXPECT_EQ(status_of(peer, "my.example"), 404);
}

TEST_F(R2_1_AddressNames, APublishedMachineIsFoundByItsAddress) {
  Machine web(always("web")), admin(always("admin"));
  const auto below = ".reverse-proxy-eu.t.test";
  auto peer = client();
  EXPECT_EQ(status_of(peer, std::string("127-0-0-1") + below), 404);
  Route first{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", web.port()};
  Route second{EndpointKind::kHttp, "admin", {"two"}, 0, "127.0.0.1", admin.port()};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {first, second})));
  EXPECT_EQ(body_of(peer, std::string("127-0-0-1") + below), "web");
  EXPECT_EQ(body_of(peer, "127-0-0-1-" + std::to_string(admin.port()) + below), "admin");
  EXPECT_EQ(status_of(peer, std::string("127-0-0-2") + below), 404);
  EXPECT_EQ(status_of(peer, "127-0-0-1.reverse-proxy-us.t.test"), 404);
  withdraw("one");
  auto last = client();
  EXPECT_EQ(status_of(last, std::string("127-0-0-1") + below), 404);
}

TEST_F(R2_1_Names, WithoutARegionAddressesAreNoNames) {
  Machine web(always("web"));
  publish_http("one", web.port());
  auto peer = client();
  EXPECT_EQ(status_of(peer, "127-0-0-1.reverse-proxy-eu.t.test"), 404);
  EXPECT_EQ(status_of(peer, "127-0-0-1.reverse-proxy-.t.test"), 404);
}

}  // namespace
}  // namespace tiltyard::gateway::testing
