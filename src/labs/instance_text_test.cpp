// How an instance reads on the command line: row 11.4.
#include "labs/instance_text.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include <clocale>

namespace tiltyard::labs {
namespace {

namespace json = boost::json;

const auto kNow = parse_rfc3339("2026-03-01T12:00:00.000Z").value();

struct Locale {
  Locale() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
} const locale;

json::value instance(const char* more) {
  auto value = json::parse(
      R"({"id":"i1","template":"web","state":"running","reason":null,"owner":{"id":"u","name":"Zoë","team":null},
    "created_at":"2026-03-01T11:00:00.000Z","started_at":"2026-03-01T11:00:00.000Z","ended_at":null,
    "expires_at":"2026-03-01T12:40:00.000Z","extendable_at":"2026-03-01T12:10:00.000Z","extend_s":1800,"queue":null,"progress":null,
    "endpoints":[{"name":"web","kind":"http","url":"http://i1.localhost:8080/"},{"name":"ssh","kind":"tcp","host":"127.0.0.1","port":20001},{"name":"dns","kind":"udp","host":"127.0.0.1","port":20002}],
    "machines":[{"name":"box","state":"running","health":null}],"credentials":{"user":"root","password":"x"},"timings_ms":{"total":612.4}})");
  for (const auto& [key, member] : json::parse(more).as_object()) value.as_object()[key] = member;
  return value;
}

TEST(R11_4, AnInstanceOnOnePage) {
  EXPECT_EQ(instance_page(instance("{}"), kNow, false),
            "id           i1\n"
            "template     web\n"
            "state        running\n"
            "web          http://i1.localhost:8080/\n"
            "ssh          tcp 127.0.0.1:20001\n"
            "dns          udp 127.0.0.1:20002\n"
            "             nc -u 127.0.0.1 20002\n"
            "user         root\n"
            "password     x\n"
            "owner        Zoë\n"
            "started      1 h ago\n"
            "ends         in 40 min\n"
            "extend       by 30 min, in 10 min\n"
            "machine      box running\n"
            "timings      total 612 ms\n");
}

TEST(R2_2, WhatIsReachedByTlsIsShownWithTheCommandsThatDo) {
  const auto page = instance_page(
      instance(R"({"endpoints":[{"name":"vpn","kind":"tls","host":"ab12.range.example","port":443,"tls":"through"}]})"),
      kNow, false);
  EXPECT_NE(page.find("vpn          tls ab12.range.example:443\n"
                      "             ncat --ssl ab12.range.example 443\n"
                      "             openssl s_client -quiet -connect ab12.range.example:443 -servername "
                      "ab12.range.example\n"),
            std::string::npos)
      << page;
}

TEST(R11_4, WhatIsLeftDependsOnTheState) {
  EXPECT_EQ(left_text(instance("{}"), kNow), "40 min");
  EXPECT_EQ(left_text(instance(R"({"state":"queued","expires_at":null,"queue":{"position":3,"eta_ms":20000}})"), kNow),
            "place 3");
  EXPECT_EQ(
      left_text(instance(R"({"state":"failed","reason":{"code":"image-missing","text":"There is no such image."}})"),
                kNow),
      "There is no such image.");
  EXPECT_EQ(left_text(instance(R"({"state":"preparing","expires_at":null})"), kNow), "");
}

TEST(R11_4, ProgressSaysWhereAndHowLong) {
  EXPECT_EQ(progress_text(instance(R"({"state":"queued","queue":{"position":3,"eta_ms":20000}})")),
            "queued, place 3, about 20 s");
  EXPECT_EQ(progress_text(instance(R"({"state":"queued","queue":{"position":1,"eta_ms":null}})")), "queued, place 1");
  EXPECT_EQ(
      progress_text(instance(
          R"({"state":"starting","progress":{"step":"machines","done":1,"total":4,"elapsed_ms":2100,"expected_ms":5000}})")),
      "starting: machines 1 of 4, 2.1 s of about 5.0 s");
}

TEST(R11_4, ForeignAnswersDoNotBreakAnything) {
  for (const auto* body :
       {"null", "[]", "7", "{}", R"({"state":7,"endpoints":{},"queue":[],"machines":[1,null],"timings_ms":[]})"}) {
    const auto value = json::parse(body);
    instance_page(value, kNow, false);
    left_text(value, kNow);
    progress_text(value);
  }
}

}  // namespace
}  // namespace tiltyard::labs
