#include "net/http.h"

#include <gtest/gtest.h>

#include "net/answer.h"
#include "net/parse.h"
#include "net/text.h"
#include "net/trace.h"

namespace tiltyard::http {
namespace {

TEST(R11_5, FieldNamesCompareWithoutCase) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("accept", "b");
  headers.add("Other", "c");
  EXPECT_EQ(headers.get("ACCEPT"), "a");
  headers.set("aCCept", "z");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("accept"), "z");
  headers.remove("ACCEPT");
  EXPECT_FALSE(headers.has("Accept"));
  EXPECT_EQ(headers.get("Accept"), "");
}

TEST(R10_6, PathsNeverPointAboveTheRoot) {
  EXPECT_EQ(clean_path("/a/b").value(), "/a/b");
  EXPECT_EQ(clean_path("/").value(), "/");
  EXPECT_EQ(clean_path("/a//b/").value(), "/a/b/");
  EXPECT_EQ(clean_path("/a/./b/../c").value(), "/a/c");
  EXPECT_EQ(clean_path("/a/%2e%2e/b").value(), "/b");
  EXPECT_EQ(clean_path("/a/..").value(), "/");
  EXPECT_EQ(clean_path("/caf%C3%A9").value(), "/caf\xc3\xa9");
  for (const char* bad :
       {"", "a", "*", "/..", "/../etc", "/a/../../b", "/%2e%2e/x", "/..%2fx", "/a%00b", "/a%0d%0ab", "host:443"}) {
    EXPECT_FALSE(clean_path(bad).has_value()) << bad;
  }
}

TEST(R10_6, NoHandlerCanForgeALineWhereverTheBreakStands) {
  for (std::size_t size = 1; size < 20; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      for (const char bad : {'\n', '\r', '\0', '\x1f', '\x7f'}) {
        std::string value(size, '\xC3');
        value[place] = bad;
        Response response = Response::empty(204);
        response.headers.add("X-Value", value);
        value[place] = ' ';
        EXPECT_NE(write_head(response, "/", Framing::kNone, true, false).find("X-Value: " + value + "\r\n"),
                  std::string::npos)
            << size << " " << place;
      }
    }
  }
  Response response = Response::empty(204);
  response.headers.add("X-Value", "a\ttab \xC3\xA9 ~");
  EXPECT_NE(write_head(response, "/", Framing::kNone, true, false).find("X-Value: a\ttab \xC3\xA9 ~\r\n"),
            std::string::npos)
      << "and nothing else changes";
}

TEST(R11_5, QueriesAndCookiesAreDecoded) {
  Request request;
  request.query = "a=1&name=J%C3%BCrgen+K&empty=&flag&a=2&b%20c=d";
  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("name"), "J\xc3\xbcrgen K");
  EXPECT_EQ(request.query_value("empty"), "");
  EXPECT_EQ(request.query_value("flag"), "");
  EXPECT_EQ(request.query_value("b c"), "d");
  EXPECT_EQ(request.query_value("none"), "");
  request.headers.add("Cookie", "x=1; session=abc=def; y=2");
  EXPECT_EQ(request.cookie("session"), "abc=def");
  EXPECT_EQ(request.cookie("y"), "2");
  EXPECT_EQ(request.cookie("sess"), "");
  EXPECT_EQ(percent_decode("%41%zz%"), "A%zz%");
  EXPECT_EQ(percent_decode(percent_encode("a b/\xff+%")), "a b/\xff+%");
}

TEST(R11_5, AProblemIsRfc9457AndKeepsTheCauseInside) {
  Error error{Code::kLimited, "limit-reached", "You have 3 of 3.", "secret cause", {}};
  error.with("limit", "3").with("current", "3").with("name", "12");
  const Response response = problem(error);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
  EXPECT_FALSE(response.headers.get("Retry-After").empty());
  EXPECT_EQ(response.body, R"({"type":"urn:tiltyard:error:limit-reached","title":"Too Many Requests","status":429,)"
                           R"("detail":"You have 3 of 3.","limit":3,"current":3,"name":"12"})");
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_TRUE(problem({Code::kUnavailable, "x", "", "", {}}).headers.has("Retry-After"));
  EXPECT_FALSE(problem({Code::kNotFound, "x", "", "", {}}).headers.has("Retry-After"));
}

TEST(R10_5, ATraceIdIsTakenOnlyFromAValidParent) {
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
  const auto from = [](std::string parent) {
    Headers headers;
    headers.add("traceparent", std::move(parent));
    return trace_id_of(headers);
  };
  EXPECT_EQ(from("00-" + id + "-00f067aa0ba902b7-01"), id);
  EXPECT_EQ(from("01-" + id + "-00f067aa0ba902b7-01-more"), id);
  for (const std::string& bad : {"00-" + id + "-00f067aa0ba902b7-01x", "ff-" + id + "-00f067aa0ba902b7-01",
                                 "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01",
                                 "00-" + id + "-0000000000000000-01", std::string("00-4BF92F"), std::string()}) {
    const std::string made = from(bad);
    EXPECT_NE(made, id) << bad;
    EXPECT_EQ(made.size(), 32u);
  }
}

/// Feeds a request in pieces of `step` bytes, the way a connection does.
RequestReader read_in_steps(std::string_view text, std::size_t step, std::size_t head_limit = 16 * 1024) {
  RequestReader reader(head_limit);
  reader.limit_body(64 * 1024);
  std::string waiting;
  for (std::size_t at = 0; at < text.size(); at += step) {
    waiting += text.substr(at, step);
    std::size_t used = 1;
    while (used > 0 && !waiting.empty()) {
      used = reader.feed(waiting);
      waiting.erase(0, used);
    }
  }
  return reader;
}

TEST(R10_6, ARequestReadsTheSameInPiecesOfAnySize) {
  const std::string text =
      "POST /a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n"
      "4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nAuthorization: forged\r\n\r\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    RequestReader reader = read_in_steps(text, step);
    ASSERT_EQ(reader.stage(), Stage::kDone) << step << ": " << reader.why();
    EXPECT_EQ(reader.request().method, "POST");
    EXPECT_EQ(reader.request().target, "/a?b=c");
    EXPECT_EQ(reader.request().body, "Wikipedia");
    EXPECT_EQ(reader.request().headers.size(), 3u) << "a trailer must not pass as a field";
  }
}

TEST(R10_6, WhatTwoReadersCouldFrameDifferentlyIsRefused) {
  struct Case {
    const char* text;
    int status;
  };
  const std::string nul = std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b") + '\0' + "c\r\n\r\n";
  const Case cases[] = {
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tfolded\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 505},
      {"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\nabc\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\nabc", 413},
  };
  for (const Case& one : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
      const RequestReader reader = read_in_steps(one.text, step);
      EXPECT_EQ(reader.stage(), Stage::kBad) << one.text;
      EXPECT_EQ(reader.failure(), one.status) << one.text << " / " << step << " / " << reader.why();
    }
  }
  EXPECT_EQ(read_in_steps(nul, 4096).failure(), 400);
}

TEST(R10_6, AHeadOverTheLimitIsRefusedBeforeItIsGathered) {
  const std::string fields(20'000, 'a');
  for (const std::size_t step : {std::size_t{100}, std::size_t{50'000}}) {
    EXPECT_EQ(read_in_steps("GET / HTTP/1.1\r\nHost: x\r\nA: " + fields + "\r\n\r\n", step).failure(), 431);
    EXPECT_EQ(read_in_steps("GET /" + fields + " HTTP/1.1\r\nHost: x\r\n\r\n", step).failure(), 414);
  }
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 3000; ++i) many += "A: b\r\n";
  EXPECT_EQ(read_in_steps(many, 1000).failure(), 431) << "even when each field is small and the head never ends";
  std::string cookies = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 98; ++i) cookies += "Cookie: a=b\r\n";
  EXPECT_EQ(read_in_steps(cookies + "A: b\r\n\r\n", 4096).failure(), 0);
  EXPECT_EQ(read_in_steps(cookies + "A: b\r\nB: c\r\n\r\n", 4096).failure(), 431)
      << "a hundred fields and no more, however small";
  EXPECT_EQ(read_in_steps("GET /" + std::string(7'999, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 4096).failure(), 0);
  EXPECT_EQ(read_in_steps("GET /" + std::string(8'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 4096).failure(), 414);
  const std::string line =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;" + std::string(40'000, 'e');
  EXPECT_EQ(read_in_steps(line, 1000).failure(), 400) << "a chunk's extension is no place to send for ever";
}

}  // namespace
}  // namespace tiltyard::http
