// Which names a server answers to.
#include "net/hosts.h"

#include <gtest/gtest.h>

#include "net/testing.h"

namespace tiltyard::http {
namespace {

bool ours(const Hosts& hosts, std::vector<std::string> fields, bool http_1_0 = false) {
  Headers headers;
  for (auto& field : fields) headers.add("hOST", std::move(field));
  return hosts.ours(headers, http_1_0, [] { return std::string("10.0.0.5"); });
}

TEST(R7_2, AServerAnswersToItsOwnNamesOnly) {
  const Hosts hosts({"ctf.example", "192.0.2.7", "fd00::7"}, true);
  for (const auto* good : {"ctf.example", "CTF.example:8443", "ctf.example.", "localhost", "localhost:8000",
                           "127.0.0.1:8000", "127.9.9.9", "[::1]:80", "192.0.2.7", "[fd00::7]:443", "10.0.0.5:8000"})
    EXPECT_TRUE(ours(hosts, {good})) << good;
  for (const auto* bad : {"", "evil.example", "ctf.example.evil", "xctf.example", "ctf.example@evil",
                          "ctf.example:80@evil", "10.0.0.6", "127.0.0.1.evil.example", "localhost.evil", "0x7f000001",
                          "[::2]", "[::1]x", "[::1]:80@evil", "[", "]:", ":80", "ctf.example, evil"})
    EXPECT_FALSE(ours(hosts, {bad})) << bad;
  EXPECT_FALSE(ours(hosts, {"ctf.example", "evil"}));
  EXPECT_FALSE(ours(hosts, {}));
  EXPECT_TRUE(ours(hosts, {}, true)) << "HTTP/1.0 has no such field";
  EXPECT_FALSE(ours(Hosts({}, false), {"10.0.0.5"})) << "listening on one address means that one";
  EXPECT_TRUE(ours(Hosts(), {"anything"}));
}

TEST(R7_2, ARequestToAnotherNameIsMisdirected) {
  testing::Site site;
  site.add("GET", "/x", [](Request) -> asio::awaitable<Result<Response>> { co_return Response::text(200, "in"); });
  ServerOptions options;
  options.hosts = Hosts({"ctf.example"}, false);
  site.start(std::move(options));
  const auto ask = [&](const std::string& line, const std::string& host) {
    testing::Wire wire(site.port());
    wire.send(line + "\r\nHost: " + host + "\r\n\r\n");
    return wire.answer();
  };
  EXPECT_EQ(ask("GET /x HTTP/1.1", "ctf.example").status, 200);
  const auto refused = ask("GET /x HTTP/1.1", "evil.example");
  EXPECT_EQ(refused.status, 421);
  EXPECT_NE(refused.body.find("server.hosts"), std::string::npos) << refused.body;
  EXPECT_EQ(ask("GET http://ctf.example/x HTTP/1.1", "evil.example").status, 421);
}

}  // namespace
}  // namespace tiltyard::http
