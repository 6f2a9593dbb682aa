// Which names a server answers to.
#include "net/hosts.h"

#include <gtest/gtest.h>

#include "net/testing.h"

namespace tiltyard::http {
namespace {

bool ours(const Hosts& hosts, std::vector<std::string> fields, bool http_1_0 = false) {
  Headers headers;
  for (auto& field : fields) headers.add("hOST", std::move(field));
  return hosts.ours(headers, {.http_1_0 = http_1_0}, [] { return std::string("10.0.0.5"); });
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

struct Sent {
  std::string_view host, origin;
  std::vector<std::pair<std::string, std::string>> others = {};
};

/// Whether a request with these is taken for one of a page of ours; 421 as well is a no.
bool is_own_page(const Hosts& hosts, const Sent& sent, bool by_proxy, bool secure = true) {
  Headers headers;
  headers.add("Host", std::string(sent.host));
  headers.add("Origin", std::string(sent.origin));
  for (const auto& [name, value] : sent.others) headers.add(name, value);
  const Came came{.by_proxy = by_proxy};
  if (!hosts.ours(headers, came, [] { return std::string("10.0.0.5"); })) return false;
  hosts.restore(headers, came);
  return same_origin(headers, secure);
}

TEST(R7_2, APageIsOursByItsOriginWhateverAProxyMakesOfTheHost) {
  const Hosts plain({"ctf.example"}, false, "https://ctf.example"),
      high({"ctf.example"}, false, "https://CTF.example:8443/play/");
  for (const auto& [host, origin] : {std::pair{"ctf.example", "https://ctf.example"},
                                     {"ctf.example:443", "https://ctf.example"},
                                     {"ctf.example", "https://ctf.example:443"},
                                     {"CTF.example", "https://ctf.EXAMPLE"},
                                     {"127.0.0.1:8000", "https://ctf.example"},
                                     {"localhost", "https://localhost"},
                                     {"[::1]:8000", "https://[::1]:8000"}})
    EXPECT_TRUE(is_own_page(plain, {host, origin}, false)) << host << " " << origin;
  for (const auto* host : {"ctf.example", "ctf.example:8443", "127.0.0.1:8000", "localhost:80"})
    EXPECT_TRUE(is_own_page(high, {host, "https://ctf.example:8443"}, false)) << host;
  // The upstream's name, of a proxy that is trusted.
  for (const auto* host : {"tiltyard:8000", "backend", "upstream.internal:80"}) {
    EXPECT_TRUE(is_own_page(high, {host, "https://ctf.example:8443"}, true)) << host;
    EXPECT_FALSE(is_own_page(high, {host, "https://ctf.example:8443"}, false)) << host;
  }
}

TEST(R7_2, APageOfSomebodyElseIsForeignHoweverItCame) {
  const Hosts hosts({"ctf.example"}, false, "https://ctf.example:8443");
  for (bool by_proxy : {false, true}) {
    for (const auto* origin :
         {"https://evil.example", "null", "", "http://ctf.example:8443", "https://ctf.example:8444",
          "https://ctf.example", "https://ctf.example:8443.evil.example", "https://ctf.example:8443/",
          "ctf.example:8443", "https://me@ctf.example:8443", "https://ctf.example:8443, https://evil.example",
          "ftp://ctf.example:8443", "https://ctf.example:", "https://[ctf.example", "https://ctf.example:99999"})
      EXPECT_FALSE(is_own_page(hosts, {"ctf.example:8443", origin}, by_proxy)) << origin;
    // Its name leads to our address: it agrees with Host, and both are not ours.
    EXPECT_FALSE(
        is_own_page(hosts, {"evil.example", "https://evil.example", {{"Sec-Fetch-Site", "same-origin"}}}, by_proxy));
    EXPECT_FALSE(
        is_own_page(hosts, {"127.0.0.1:8000", "https://evil.example", {{"Sec-Fetch-Site", "same-origin"}}}, by_proxy));
    EXPECT_FALSE(
        is_own_page(hosts, {"tiltyard", "https://evil.example", {{"Sec-Fetch-Site", "same-origin"}}}, by_proxy));
    EXPECT_FALSE(is_own_page(
        hosts, {"ctf.example:8443", "https://ctf.example:8443", {{"Origin", "https://evil.example"}}}, by_proxy));
  }
}

TEST(R7_2, WithoutAPublicUrlTheBrowserSaysWhetherItIsTheSame) {
  const Hosts hosts({"ctf.example"}, false);
  const auto says = [](std::string site) {
    return std::vector{std::pair{std::string("Sec-Fetch-Site"), std::move(site)}};
  };
  EXPECT_TRUE(is_own_page(hosts, {"ctf.example", "https://ctf.example:8443", says("same-origin")}, false));
  EXPECT_FALSE(is_own_page(hosts, {"ctf.example", "https://ctf.example:8443", says("same-site")}, false));
  EXPECT_FALSE(is_own_page(hosts, {"ctf.example", "https://ctf.example:8443"}, false));
  EXPECT_FALSE(is_own_page(hosts, {"ctf.example", "https://x.ctf.example:8443", says("same-origin")}, false));
  // Plain HTTP is another origin's for who speaks TLS.
  EXPECT_TRUE(is_own_page(hosts, {"ctf.example", "http://ctf.example"}, false, false));
  EXPECT_FALSE(is_own_page(hosts, {"ctf.example", "http://ctf.example"}, false, true));
  EXPECT_FALSE(is_own_page(hosts, {"ctf.example:80", "https://ctf.example"}, false));
}

TEST(R7_2, AProxySaysBesideItsUpstreamsNameWhatWasAskedFor) {
  const Hosts hosts({"ctf.example"}, false);
  const auto asked = [](std::string host) {
    return std::vector{std::pair{std::string("X-Forwarded-Host"), std::move(host)}};
  };
  EXPECT_TRUE(is_own_page(hosts, {"tiltyard:8000", "https://ctf.example", asked("ctf.example")}, true));
  EXPECT_FALSE(is_own_page(hosts, {"tiltyard:8000", "https://ctf.example", asked("ctf.example")}, false));
  EXPECT_FALSE(is_own_page(hosts, {"tiltyard:8000", "https://evil.example", asked("evil.example")}, true));
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
