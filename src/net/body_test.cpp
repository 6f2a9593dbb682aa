#include "net/body.h"

#include <gtest/gtest.h>

#include "net/page.h"

namespace tiltyard::http {
namespace {

std::string why(Result<> result) { return result ? "" : result.error().reason + ": " + result.error().message; }

TEST(R11_5, ABodyIsReadMemberByMember) {
  Body body(R"({"name":"a","count":7,"on":true,"words":["x","y"],"none":null,"pool":{"min":1}})");
  EXPECT_EQ(body.text("name", 1, 64), "a");
  EXPECT_EQ(body.number("count", 1, 10), 7);
  EXPECT_TRUE(body.flag("on"));
  EXPECT_EQ(body.texts("words", 1, 2, 10), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(body.maybe_text("none", 1, 5), std::nullopt);
  EXPECT_TRUE(body.is_null("none"));
  EXPECT_EQ(body.maybe_number("missing", 0, 1), std::nullopt);
  auto pool = body.maybe_inside("pool");
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->maybe_number("min", 0, 9), 1);
  EXPECT_EQ(why(body.done()), "");
}

TEST(R11_5, WhatIsWrongWithABodyIsSaidInOneWording) {
  const auto read = [](std::string_view bytes) {
    Body body(bytes);
    body.text("name", 1, 5);
    body.maybe_number("count", 1, 10);
    body.maybe_flag("on");
    body.maybe_real("cpus", 0.5, 4);
    body.maybe_texts("words", 2, 3);
    if (auto pool = body.maybe_inside("pool")) pool->maybe_number("min", 0, 9);
    return why(body.done());
  };
  EXPECT_EQ(read(R"({"name":"a","cpus":1,"words":[],"on":false,"count":10,"pool":{}})"), "");
  EXPECT_EQ(read(R"({})"), "invalid-body: 'name' is missing.");
  EXPECT_EQ(read(R"({"name":null})"), "invalid-body: 'name' must be a text of 1 to 5 bytes.");
  EXPECT_EQ(read(R"({"name":"abcdef"})"), "invalid-body: 'name' must be a text of 1 to 5 bytes.");
  EXPECT_EQ(read(R"({"name":"a","count":1.5})"), "invalid-body: 'count' must be a whole number from 1 to 10.");
  EXPECT_EQ(read(R"({"name":"a","count":11})"), "invalid-body: 'count' must be a whole number from 1 to 10.");
  EXPECT_EQ(read(R"({"name":"a","on":1})"), "invalid-body: 'on' must be true or false.");
  EXPECT_EQ(read(R"({"name":"a","cpus":9})"), "invalid-body: 'cpus' must be a number from 0.5 to 4.");
  EXPECT_EQ(read(R"({"name":"a","words":["abcd"]})"),
            "invalid-body: 'words' must be a list of 0 to 2 texts of at most 3 bytes each.");
  EXPECT_EQ(read(R"({"name":"a","pool":3})"), "invalid-body: 'pool' must be an object.");
  EXPECT_EQ(read(R"({"name":"a","pool":{"min":-1}})"), "invalid-body: 'pool.min' must be a whole number from 0 to 9.");
  EXPECT_EQ(read(R"({"name":"a","pool":{"mni":1}})"), "invalid-body: Unknown member 'pool.mni'; known are min.");
  EXPECT_EQ(read(R"({"name":"a","nmae":"b"})"),
            "invalid-body: Unknown member 'nmae'; known are name, count, on, cpus, words, pool.");
  EXPECT_EQ(read(R"({"naem":"b"})"), "invalid-body: 'name' is missing.") << "what is wrong first";
  EXPECT_EQ(read("[]"), "invalid-body: The body must be a JSON object.");
  EXPECT_TRUE(read("{").starts_with("invalid-body: The body is not JSON: "));
  EXPECT_TRUE(read("").starts_with("invalid-body: The body is not JSON: "));
}

TEST(R10_6, ABodyIsNoDeeperThanNeeded) {
  const auto nested = [](std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(json_object(nested(kBodyDepth - 1)));
  EXPECT_FALSE(json_object(nested(kBodyDepth)));
  EXPECT_FALSE(json_object(nested(100'000)));
}

TEST(R10_6, ALongNameIsNotRepeated) {
  Body body(R"({")" + std::string(100'000, 'x') + R"(":1})");
  EXPECT_LT(why(body.done()).size(), 200u);
}

TEST(R11_5, AnEmptyBodyIsAnObjectWhereThatIsAllowed) {
  EXPECT_EQ(why(Body::or_empty("").done()), "");
  EXPECT_NE(why(Body("").done()), "");
}

TEST(R11_5, AListIsAPageWithACursor) {
  EXPECT_EQ(page_answer({1, 2}).body, R"({"items":[1,2],"next":null})");
  EXPECT_EQ(page_answer({}, std::string("7")).body, R"({"items":[],"next":"7"})");
  EXPECT_EQ(page_answer({}, std::optional<std::int64_t>(7)).body, R"({"items":[],"next":"7"})");
  EXPECT_EQ(page_answer({}, std::optional<std::string>()).body, R"({"items":[],"next":null})");
}

TEST(R11_5, NumbersOfAQueryHaveBounds) {
  Request request;
  EXPECT_EQ(query_number(request, "limit", 100, 1, 500).value(), 100);
  request.query = "limit=500";
  EXPECT_EQ(query_number(request, "limit", 100, 1, 500).value(), 500);
  for (const char* bad : {"limit=0", "limit=501", "limit=-1", "limit=1x", "limit=x", "limit=99999999999999999999"}) {
    request.query = bad;
    const auto read = query_number(request, "limit", 100, 1, 500);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().reason, "invalid-query");
    EXPECT_EQ(read.error().message, "'limit' must be a whole number from 1 to 500.");
  }
}

}  // namespace
}  // namespace tiltyard::http
