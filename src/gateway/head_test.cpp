#include "gateway/head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "gateway/body.h"
#include "gateway/rewrite.h"

namespace tiltyard::gateway {
namespace {

struct Malformed {
  const char* name;
  std::string bytes;
  int status;
};

std::string request(std::string_view fields) { return "POST / HTTP/1.1\r\n" + std::string(fields) + "\r\n"; }

// What two parties could read differently, or what is no HTTP at all.
const Malformed kMalformed[] = {
    {"length and chunked", request("Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"chunked and length", request("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400},
    {"two lengths", request("Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"), 400},
    {"two equal lengths", request("Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n"), 400},
    {"a list of lengths", request("Host: a\r\nContent-Length: 3, 3\r\n"), 400},
    {"a signed length", request("Host: a\r\nContent-Length: +3\r\n"), 400},
    {"a negative length", request("Host: a\r\nContent-Length: -3\r\n"), 400},
    {"a hexadecimal length", request("Host: a\r\nContent-Length: 0x3\r\n"), 400},
    {"an empty length", request("Host: a\r\nContent-Length: \r\n"), 400},
    {"a length beyond 64 bits", request("Host: a\r\nContent-Length: 99999999999999999999\r\n"), 400},
    {"a length with a space within", request("Host: a\r\nContent-Length: 1 2\r\n"), 400},
    {"an unknown coding", request("Host: a\r\nTransfer-Encoding: gzip\r\n"), 501},
    {"chunked not last", request("Host: a\r\nTransfer-Encoding: chunked, gzip\r\n"), 501},
    {"chunked twice", request("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"chunked in a list", request("Host: a\r\nTransfer-Encoding: identity, chunked\r\n"), 501},
    {"a coding with a vertical tab", request("Host: a\r\nTransfer-Encoding: \vchunked\r\n"), 400},
    {"a coding of HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"a folded field", request("Host: a\r\nX: 1\r\n 2\r\n"), 400},
    {"a folded first field", request(" Host: a\r\n"), 400},
    {"a bare CR in a value", request("Host: a\r\nX: 1\rY: 2\r\n"), 400},
    {"a bare CR before the end", request("Host: a\r\nX: 1\r\r\n"), 400},
    {"a NUL in a value", request(std::string("Host: a\r\nX: 1\0002\r\n", 16)), 400},
    {"a space before the colon", request("Host: a\r\nContent-Length : 3\r\n"), 400},
    {"a tab before the colon", request("Host: a\r\nContent-Length\t: 3\r\n"), 400},
    {"no colon", request("Host: a\r\nContent-Length 3\r\n"), 400},
    {"an empty name", request("Host: a\r\n: 3\r\n"), 400},
    {"a name with a parenthesis", request("Host: a\r\nX(: 3\r\n"), 400},
    {"a name with a high byte", request("Host: a\r\nX\xc3: 3\r\n"), 400},
    {"no host", request("X: 1\r\n"), 400},
    {"two hosts", request("Host: a\r\nHost: b\r\n"), 400},
    {"two equal hosts", request("Host: a\r\nHost: a\r\n"), 400},
    {"an empty host", request("Host: \r\n"), 400},
    {"a host with a path", request("Host: a/b\r\n"), 400},
    {"a host with user information", request("Host: me@a\r\n"), 400},
    {"a host with a space", request("Host: a b\r\n"), 400},
    {"a host with a comma", request("Host: a,b\r\n"), 400},
    {"a host with a markup sign", request("Host: <a>\r\n"), 400},
    {"a host with a bad port", request("Host: a:99999\r\n"), 400},
    {"a host with a word for a port", request("Host: a:b\r\n"), 400},
    {"an open bracket", request("Host: [::1\r\n"), 400},
    {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a method with a slash", "G/T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a method that never ends", std::string(40, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
    {"no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a relative target", "GET index HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target with a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target with a control character", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target with a space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"an absolute target without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"an absolute target with user information", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"HTTP/0.9", "GET /\r\n\r\n", 400},
    {"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
    {"lower-case http", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"tabs in the first line", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"101 fields",
     request("Host: a\r\n" +
             [] {
               std::string fields;
               for (int i = 0; i < 100; ++i) fields += "X: 1\r\n";
               return fields;
             }()),
     431},
};

Way straight(std::string_view client, bool secure = false) { return {client, client, secure, false}; }

TEST(R2_1, MalformedRequestHeadsAreRefused) {
  for (const auto& bad : kMalformed) {
    RequestHead head;
    auto refusal = parse_request(bad.bytes, head);
    ASSERT_TRUE(refusal) << bad.name;
    EXPECT_EQ(refusal->status, bad.status) << bad.name << ": " << refusal->why;
  }
}

TEST(R2_1, WellFormedRequestHeadsAreUnderstood) {
  RequestHead head;
  ASSERT_FALSE(parse_request("GET /a?b=c HTTP/1.1\r\nhOST: X.Test:80\r\nAccept:\t*/* \r\n\r\n", head));
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/a?b=c");
  EXPECT_EQ(head.host, "X.Test:80");
  EXPECT_EQ(head.host_name, "X.Test");
  EXPECT_EQ(head.accept, "*/*");
  EXPECT_TRUE(head.persistent());
  EXPECT_EQ(head.framing.kind, Framing::Kind::kNone);

  ASSERT_FALSE(parse_request("POST http://other.test:8080/x HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n", head));
  EXPECT_EQ(head.target, "/x");
  EXPECT_EQ(head.host_name, "other.test");
  EXPECT_EQ(head.framing.length, 7u);

  ASSERT_FALSE(parse_request("GET http://other.test?q HTTP/1.1\r\nHost: a\r\n\r\n", head));
  EXPECT_TRUE(head.empty_path);
  std::string out;
  write_request_head(head, straight("192.0.2.1"), out);
  EXPECT_TRUE(out.starts_with("GET /?q HTTP/1.1\r\nHost: other.test\r\n")) << out;

  ASSERT_FALSE(parse_request("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", head));
  EXPECT_EQ(head.host_name, "[::1]");
  EXPECT_FALSE(head.persistent());

  ASSERT_FALSE(parse_request("GET / HTTP/1.0\r\n\r\n", head));
  EXPECT_FALSE(head.persistent());
  EXPECT_TRUE(head.host.empty());

  std::string most = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) most += "X: 1\r\n";
  EXPECT_FALSE(parse_request(most + "\r\n", head));
  EXPECT_EQ(head.count, 100u);
}

TEST(R2_1, HopByHopFieldsEndHereAndForwardingFieldsAreAddedTo) {
  RequestHead head;
  ASSERT_FALSE(
      parse_request("GET / HTTP/1.1\r\nA: 1\r\nConnection: keep-alive, X-Hop, Upgrade\r\nHost: a.test\r\nX-Hop: 1\r\n"
                    "Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers\r\nTrailer: x\r\n"
                    "Upgrade: h2c\r\nB: 2\r\nC: 3\r\n\r\n",
                    head));
  EXPECT_FALSE(head.websocket);
  std::string out;
  write_request_head(head, straight("2001:db8::1", true), out);
  EXPECT_EQ(out,
            "GET / HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nB: 2\r\nC: 3\r\n"
            "X-Forwarded-For: 2001:db8::1\r\nX-Real-IP: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: a.test\r\nForwarded: for=\"[2001:db8::1]\";host=\"a.test\";proto=https\r\n"
            "Via: 1.1 tiltyard\r\n\r\n");
  // What the client claims to be reaches the machine, whose subject it may be, and lists grow; how it has come is known
  // here.
  ASSERT_FALSE(parse_request(
      "GET / HTTP/1.1\r\nX-Forwarded-For: 10.13.37.1\r\nHost: a.test\r\nx-forwarded-for: 10.0.0.2\r\nX-Real-IP: "
      "10.0.0.1\r\n"
      "X-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\nForwarded: for=10.0.0.1\r\nVia: 1.0 front\r\n\r\n",
      head));
  write_request_head(head, straight("192.0.2.1"), out);
  EXPECT_EQ(
      out,
      "GET / HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 10.0.0.1\r\n"
      "X-Forwarded-For: 10.13.37.1, 10.0.0.2, 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\n"
      "Forwarded: for=10.0.0.1, for=192.0.2.1;host=\"a.test\";proto=http\r\nVia: 1.0 front, 1.1 tiltyard\r\n\r\n");
}

TEST(R2_1, AnAbsoluteTargetMayHaveEitherScheme) {
  RequestHead head;
  ASSERT_FALSE(parse_request("GET https://a.test/x HTTP/1.1\r\nHost: other\r\n\r\n", head));
  EXPECT_EQ(head.host, "a.test");
  EXPECT_EQ(head.target, "/x");
  EXPECT_TRUE(parse_request("GET ftp://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", head));
}

/// How an answer is passed on; "" where it is refused.
std::string passed_on(std::string_view bytes, bool to_head = false) {
  HeadEnd end(Reading::kAnswer);
  if (end.find(bytes) != HeadEnd::State::kFound) return "not found";
  ResponseHead head;
  std::string whole(bytes.substr(end.start(), end.end() - end.start()));
  if (end.folded()) unfold(whole);
  if (parse_response(whole, to_head, head)) return "";
  std::string out;
  write_response_head(head, {1, true, false}, out);
  return out;
}

TEST(R2_1, AnswersThatBrowsersReadAreWrittenAsTheyShouldHaveBeen) {
  // CGI scripts say their fields with echo; busybox passes them on between its own lines.
  EXPECT_EQ(passed_on("HTTP/1.0 200 OK\r\nDate: now\r\nContent-Type: text/plain\nX: 1\nContent-Length: 2\r\n\nok"),
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain\r\nX: 1\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\nX: 1\n\n"), "HTTP/1.1 200 OK\r\nX: 1\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nX-Frame-Options \t: DENY\r\nB: 2\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\nB: 2\r\nContent-Length: 3\r\n\r\n");
  // A coding overrules the length, which then does not go on; of a HEAD neither means a body.
  constexpr std::string_view kBoth = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(passed_on(kBoth), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(passed_on(kBoth, true), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 999 Request denied\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 999 Request denied\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 600\r\nContent-Length: 3\r\n\r\n"), "HTTP/1.1 600 \r\nContent-Length: 3\r\n\r\n");
  ResponseHead head;
  ASSERT_FALSE(
      parse_response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", false, head));
  EXPECT_EQ(head.framing.kind, Framing::Kind::kChunked);
  EXPECT_FALSE(head.persistent());
}

TEST(R2_1, WhatIsNoFieldOfAnAnswerIsLeftOut) {
  constexpr std::string_view kClean = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n";
  for (std::string_view odd : {"no colon here\r\n", ": nameless\r\n", "X(y): 1\r\n", "X\r: 1\r\n", "X: a\rY: b\r\n",
                               "X y: 1\r\n", "<b>Warning</b>: in line 3\r\n", "\r\r\n", "Content-Length\x01: 3\r\n"})
    EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nA: 1\r\n" + std::string(odd) + "B: 2\r\n\r\n"), kClean) << odd;
  EXPECT_EQ(passed_on(std::string("HTTP/1.1 200 OK\r\nA: 1\r\nX: \0\r\nB: 2\r\n\r\n", 39)), kClean);
}

TEST(R2_1, AFieldOverSeveralLinesBecomesOne) {
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\t3\r\nB: 2\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nX: 1   2  \t3\r\nB: 2\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\nX: 1\n 2\n\n"), "HTTP/1.1 200 OK\r\nX: 1  2\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n"), "") << "a length of two readings";
}

TEST(R2_1, OddStatusLinesAndCodingsAreReadAsBrowsersDo) {
  EXPECT_EQ(passed_on("http/1.1  404   Nope\r\n\r\n"), "HTTP/1.1 404   Nope\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.9 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(passed_on("HTTP/1.1 200 a\x01z\r\n\r\n"), "HTTP/1.1 200 \r\n\r\n");
  for (std::string_view coding :
       {"Chunked", "chunked, chunked", "identity, chunked", "chunked\r\nTransfer-Encoding: CHUNKED"})
    EXPECT_EQ(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + std::string(coding) + "\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        << coding;
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 256; ++i) many += "X: 1\r\n";
  EXPECT_EQ(passed_on(many + "\r\n"), many + "\r\n");
  EXPECT_EQ(passed_on(many + "X: 1\r\n\r\n"), "");
}

TEST(R2_1, WhatCannotBecomeAnAnswerIsKnownByItsFirstBytes) {
  for (std::string_view yes : {"", "\r", "\r\n", "H", "\r\nHTTP", "http/", "HTTP/1.1 2"})
    EXPECT_TRUE(may_be_answer(yes)) << yes;
  for (std::string_view no : {" ", "S", "HTML", "\n\nHi", "<html>", "HTTP "}) EXPECT_FALSE(may_be_answer(no)) << no;
}

TEST(R2_1, ConnectionCannotTakeTheFramingAway) {
  RequestHead head;
  ASSERT_FALSE(parse_request(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length, Host\r\nContent-Length: 5\r\n\r\n", head));
  std::string out;
  write_request_head(head, straight("192.0.2.1"), out);
  EXPECT_TRUE(out.starts_with("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n")) << out;
}

TEST(R2_1, AmbiguousAnswersAreRefused) {
  ResponseHead head;
  for (std::string bad :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 404: X\r\n\r\n",
        "HTTP/1.1 99 X\r\n\r\n", "HTTP/1.1 2000 X\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1200 OK\r\n\r\n", "HTTP/1.x 200 OK\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n"}) {
    auto refusal = parse_response(bad, false, head);
    ASSERT_TRUE(refusal) << bad;
    EXPECT_EQ(refusal->status, 502) << bad;
  }
  EXPECT_FALSE(parse_response("HTTP/1.1 200\r\n\r\n", false, head));
  EXPECT_EQ(head.framing.kind, Framing::Kind::kUntilClose);
  EXPECT_FALSE(parse_response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, head));
  EXPECT_EQ(head.framing.kind, Framing::Kind::kNone);
  EXPECT_FALSE(parse_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, head));
  EXPECT_EQ(head.framing.kind, Framing::Kind::kNone);
}

TEST(R2_1, TheEndOfAHeadIsFoundHoweverItComes) {
  std::string bytes = "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
  HeadEnd scan;
  for (std::size_t i = 0; i < bytes.size() - 5; ++i) {
    EXPECT_EQ(scan.find(std::string_view(bytes).substr(0, i)), HeadEnd::State::kMore) << i;
  }
  EXPECT_EQ(scan.find(bytes), HeadEnd::State::kFound);
  EXPECT_EQ(bytes.substr(scan.end()), "rest");
  EXPECT_EQ(scan.start(), 4u);
  for (std::string bad : {"GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n\n", "\nGET", "GET / HTTP/1.1\r\n\n"}) {
    HeadEnd other;
    EXPECT_EQ(other.find(bad), HeadEnd::State::kBareLineFeed) << bad;
  }
}

/// Feeds `bytes` in pieces of `piece`; what is passed on, or "invalid".
std::string pass(std::string bytes, std::size_t piece, bool decode, std::string* rest = nullptr,
                 Reading reading = Reading::kRequest) {
  BodyFilter filter;
  filter.begin({Framing::Kind::kChunked, 0}, decode, reading);
  std::string out;
  std::size_t at = 0;
  while (at < bytes.size() && !filter.done()) {
    auto size = std::min(piece, bytes.size() - at);
    auto step = filter.filter(bytes.data() + at, size, bytes.data() + at);
    if (!step.valid) return "invalid";
    out.append(bytes.data() + at, step.produced);
    at += step.consumed;
  }
  if (!filter.done()) return filter.missing_end() ? out + std::string(*filter.missing_end()) : "unfinished";
  if (rest) *rest = bytes.substr(at);
  return out;
}

TEST(R2_1, ChunkedBodiesAreCheckedAndCleaned) {
  const std::string body =
      "5;ext=\"a;b\"\r\nhello\r\n00A ; x\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\nGET /next";
  for (std::size_t piece : {1, 2, 3, 7, 1000}) {
    std::string rest;
    EXPECT_EQ(pass(body, piece, false, &rest), "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n");
    EXPECT_EQ(rest, "GET /next");
    EXPECT_EQ(pass(body, piece, true), "hello0123456789");
  }
  for (std::string bad : {"g\r\n", "\r\n", "5 \r\nhello\r\n", "5\nhello", "5\r\nhelloX\r\n", "5\r\nhello\n", "-1\r\n",
                          "0x5\r\n", "5;a\nb\r\n", "5\r\r\n", "1000000000000000\r\n", " 5\r\n", "0\r\nX: a\nb\r\n\r\n",
                          "0\r\nX: \x01\r\n\r\n", "5;\rhello\r\n", "0\r\n\rX"}) {
    EXPECT_EQ(pass(bad, 1000, false), "invalid") << bad;
    EXPECT_EQ(pass(bad, 1, false), "invalid") << bad;
  }
  EXPECT_EQ(pass("5;" + std::string(20'000, 'x') + "\r\nhello\r\n0\r\n\r\n", 1000, false), "invalid");
}

TEST(R2_1, ChunksOfAnAnswerMayBePaddedAndEndWithTheConnection) {
  const auto of_answer = [](std::string bytes, bool decode = false) {
    return pass(std::move(bytes), 1, decode, nullptr, Reading::kAnswer);
  };
  EXPECT_EQ(of_answer("5   \r\nhello\r\n0 \r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(of_answer("00000000000000000005\r\nhello\r\n0\r\n\r\n", true), "hello");
  for (std::string end : {"0\r\n", "0\r\n\r", "0\r\nX: y\r\n", "0\r\nX: y\r", "0\r\nX"})
    EXPECT_EQ(of_answer("5\r\nhello\r\n" + end), "5\r\nhello\r\n0\r\n\r\n") << end;
  for (std::string cut : {"5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0"})
    EXPECT_EQ(of_answer(cut), "unfinished") << cut;
  EXPECT_EQ(of_answer("1000000000000000\r\n"), "invalid");
  EXPECT_EQ(of_answer(std::string(20'000, '0') + "5\r\n"), "invalid");
  EXPECT_EQ(pass("5\r\nhello\r\n0\r\n", 1, false), "unfinished") << "a request is whole";
}

}  // namespace
}  // namespace tiltyard::gateway
