#include "labs/row_json.h"

#include <gtest/gtest.h>

namespace tiltyard::labs {
namespace {

TEST(R2_1, AnEndpointsKindIsAWordOnDisk) {
  Plan plan;
  plan.endpoints.push_back({"web", "app", "10.64.0.2", 80, EndpointKind::kHttp, false, 0});
  plan.endpoints.push_back({"pwn", "app", "10.64.0.2", 1337, EndpointKind::kTcp, false, 20001});
  const auto text = to_json(plan);
  EXPECT_NE(text.find(R"("kind":"http")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("kind":"tcp")"), std::string::npos) << text;
  const auto read = parse_plan(text, PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->endpoints.size(), 2u);
  EXPECT_EQ(read->endpoints[0].kind, EndpointKind::kHttp);
  EXPECT_EQ(read->endpoints[1].kind, EndpointKind::kTcp);
  EXPECT_EQ(read->endpoints[1].port, 20001);
}

TEST(R2_1, WhatAMachineIsCalledIsKept) {
  Plan plan;
  plan.endpoints.push_back({"web", "app", "10.64.0.2", 80, EndpointKind::kHttp});
  plan.endpoints.push_back({"dev", "app", "10.64.0.2", 5173, EndpointKind::kHttp});
  plan.endpoints[1].called = std::string("localhost");
  const auto read = parse_plan(to_json(plan), PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_FALSE(read->endpoints[0].called);
  ASSERT_TRUE(read->endpoints[1].called);
  EXPECT_EQ(*read->endpoints[1].called, "localhost");
}

TEST(R2_4, WhoseDoorItIsIsKeptAndAWordThatIsNotKnownClosesIt) {
  Plan plan;
  for (const auto door : {Door::kUnsaid, Door::kOpen, Door::kOwner, Door::kAddress, Door::kPrompt}) {
    plan.endpoints.push_back({"pwn", "app", "10.64.0.2", 1337, EndpointKind::kTcp});
    plan.endpoints.back().door = door;
  }
  auto text = to_json(plan);
  const auto read = parse_plan(text, PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  for (std::size_t i = 0; i < plan.endpoints.size(); ++i) EXPECT_EQ(read->endpoints[i].door, plan.endpoints[i].door);
  text.replace(text.find(R"("door":"open")"), 13, R"("door":"ajar")");
  const auto newer = parse_plan(text, PlanForm::kNow);
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->endpoints[1].door, Door::kOwner);
}

TEST(R2_8, WhatWasOpenedLaterIsKeptAsThat) {
  Plan plan;
  plan.endpoints.push_back({"web", "app", "10.64.0.2", 80, EndpointKind::kHttp});
  plan.endpoints.push_back({"dev", "app", "10.64.0.2", 5173, EndpointKind::kHttp});
  plan.endpoints[1].opened = true;
  const auto read = parse_plan(to_json(plan), PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_FALSE(read->endpoints[0].opened);
  EXPECT_TRUE(read->endpoints[1].opened);
}

TEST(R2_2, HowBytesAreHandedOverIsKept) {
  Plan plan;
  plan.endpoints.push_back({"vpn", "app", "10.64.0.2", 8443, EndpointKind::kTls, false, 0, {1}});
  plan.endpoints.push_back({"web", "app", "10.64.0.2", 80, EndpointKind::kHttp, false, 0, {2}});
  plan.endpoints[0].handover = {TlsEnd::kGateway, 2, false};
  plan.endpoints[1].handover.client_claims = true;
  const auto text = to_json(plan);
  EXPECT_NE(text.find(R"("kind":"tls")"), std::string::npos) << text;
  const auto read = parse_plan(text, PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->endpoints[0].kind, EndpointKind::kTls);
  EXPECT_EQ(read->endpoints[0].handover, plan.endpoints[0].handover);
  EXPECT_EQ(read->endpoints[1].handover, plan.endpoints[1].handover);
  EXPECT_EQ(hosts_of({}, read->endpoints[0]).size(), 1u) << "it is found by a name";
}

TEST(R1_13, APlanOfBeforeThereWereWordsIsRead) {
  const auto read = parse_plan(
      R"({"networks":[],"machines":[],"volumes":[],"endpoints":[)"
      R"({"name":"web","machine":"app","address":"10.64.0.2","machine_port":80,"http":true,"port":0},)"
      R"({"name":"pwn","machine":"app","address":"10.64.0.2","machine_port":1337,"http":false,"port":20001}]})",
      PlanForm::kOfBefore);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->endpoints.size(), 2u);
  EXPECT_EQ(read->endpoints[0].kind, EndpointKind::kHttp);
  EXPECT_EQ(read->endpoints[1].kind, EndpointKind::kTcp);
}

TEST(R2_1, ALabelIsWhatWasDrawnAndOfBeforeWhatItWas) {
  Instance instance;
  instance.id = InstanceId("web-4mzq2x0k-0a1b2c3d");
  instance.plan.endpoints.push_back({"web", "app", "10.64.0.2", 80, EndpointKind::kHttp, true, 0, {0x8d, 0x1f, 11}});
  instance.plan.endpoints.push_back({"pwn", "app", "10.64.0.2", 1337, EndpointKind::kTcp, false, 20001});
  const auto read = parse_plan(to_json(instance.plan), PlanForm::kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(hosts_of(instance, read->endpoints[0]), std::vector<std::string>{"8d1f0b000000000000000000"});
  EXPECT_TRUE(hosts_of(instance, read->endpoints[1]).empty());
  instance.plan.endpoints[0].host = {};
  EXPECT_EQ(hosts_of(instance, instance.plan.endpoints[0]),
            (std::vector<std::string>{"web-4mzq2x0k-0a1b2c3d", "web--web-4mzq2x0k-0a1b2c3d"}));
}

TEST(R14_2, APlanOfBeforeThereWereHandlesNamesItsMachines) {
  const auto read =
      parse_plan(R"({"machines":[{"service":"app","name":"tiltyard-x-app","at":[]}]})", PlanForm::kOfBefore);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read->engine, "default");
  EXPECT_EQ(read->machines[0].handle, (engine::Handle{1, "tiltyard-x-app"}));
}

TEST(R14_2, APlanOfBeforeTheyHadColumnsSaysEngineAndHandles) {
  constexpr std::string_view kText = R"({"engine":"second","machines":[)"
                                     R"({"service":"app","name":"x-app","at":[],"handle":[7,"any \"at\" all"]},)"
                                     R"({"service":"db","name":"x-db","at":[],"handle":null}]})";
  const auto read = parse_plan(kText, PlanForm::kOfBefore);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read->engine, "second");
  EXPECT_EQ(read->machines[0].handle, (engine::Handle{7, "any \"at\" all"}));
  EXPECT_TRUE(read->machines[1].handle.empty()) << "it is not made yet";
  const auto again = parse_plan(to_json(*read), PlanForm::kNow);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->engine->empty() && again->machines[0].handle.empty()) << "they are not in the text any more";
}

TEST(R2_1, APlanWithAKindOfALaterVersionIsNotTakenForAnother) {
  for (const char* word : {"sctp", "quic"}) {
    const auto read =
        parse_plan(std::string(R"({"endpoints":[{"name":"vpn","kind":")") + word + R"("}]})", PlanForm::kNow);
    ASSERT_FALSE(read) << word;
    EXPECT_TRUE(read.error().reason.starts_with("kind-")) << read.error().reason;
  }
}

}  // namespace
}  // namespace tiltyard::labs
