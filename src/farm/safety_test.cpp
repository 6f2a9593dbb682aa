// What staff cannot do to the server's host by the farm's configuration.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "farm/account.h"
#include "farm/config.h"
#include "farm/fence.h"

namespace tiltyard::farm {
namespace {

const std::string kGame = R"(flag_format = 'A'
[jury]
protocol = "forcad_http"
host = "10.10.10.10"
token = "of the jury"
nested = { api_password = "hidden", port = 80 }
batch = 10
[attack_data]
format = "forcad"
url = "http://10.10.10.10/a"
token = "of the data"
)";

std::string with(const std::string& from, const std::string& to) {
  auto text = blank_secrets(kGame);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(R6_2, ASecretDoesNotFollowItsTargetSomewhereElse) {
  EXPECT_TRUE(check_targets(blank_secrets(kGame), kGame));
  EXPECT_TRUE(check_targets(with("batch = 10", "batch = 20"), kGame));
  EXPECT_TRUE(check_targets(with("10/a\"", "10/other\""), kGame)) << "the same place";
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"host = \"10.10.10.10\"", "host = \"10.10.10.11\""},
           {"host = \"10.10.10.10\"", "url = \"http://10.10.10.11/\""},
           {"host = \"10.10.10.10\"", "host = \"10.10.10.10\"\nport = 81"},
           {"forcad_http", "forcad_tcp"},
           {"port = 80", "port = 81"},
           {"10/a\"", "10:81/a\""},
           {"\"http://10.10.10.10/a\"", "\"http://10.10.10.10@evil/a\""},
           {"format = \"forcad\"", "format = \"forcad\"\nteams_url = \"http://evil/\""}}) {
    const auto refused = check_targets(with(from, to), kGame);
    ASSERT_FALSE(refused) << to;
    EXPECT_EQ(refused.error().reason, "farm-config-invalid");
    EXPECT_NE(refused.error().message.find("once more"), std::string::npos);
  }
  // Given once more, it may go anywhere.
  auto text = with("10.10.10.10", "10.10.10.11");
  for (auto at = text.find("\"***\""); at != std::string::npos; at = text.find("\"***\""))
    text.replace(at, 5, "\"new\"");
  EXPECT_TRUE(check_targets(text, kGame));
}

TEST(R6_4, TheFenceHasTheFarmTheJuryAndNothingOfTheHost) {
  FenceRules rules{61200, "127.0.0.1", 8000, {"10.1.0.0/16"}, {"127.0.0.53", "fd00::53"}, {"10.10.10.10"}};
  const auto text = fence_text(rules);
  const std::vector<std::string> order = {"meta skuid 61200 jump senders",
                                          "ip daddr 127.0.0.1 tcp dport 8000 accept",
                                          "ip daddr 127.0.0.53 meta l4proto { tcp, udp } th dport 53 accept",
                                          "ip6 daddr fd00::53 meta l4proto { tcp, udp } th dport 53 accept",
                                          "ip daddr 10.1.0.0/16 accept",
                                          "ip daddr 127.0.0.0/8 reject",
                                          "ip daddr 169.254.0.0/16 reject",
                                          "fib daddr type local reject",
                                          "oifname \"ty*\" reject",
                                          "ip daddr 10.10.10.10 accept",
                                          "\t\treject\n"};
  std::size_t at = 0;
  for (const auto& line : order) {
    const auto found = text.find(line, at);
    ASSERT_NE(found, std::string::npos) << line << "\n" << text;
    at = found;
  }
  rules.jury.clear();
  EXPECT_EQ(fence_text(rules).find("\t\treject\n"), std::string::npos)
      << "a jury known by its name may be anywhere else";
}

TEST(R6_4, TheJurySAddressIsReadAsSendersReadIt) {
  using Addresses = std::vector<std::string>;
  EXPECT_EQ(jury_addresses(R"({"host": "10.0.0.1", "port": 80})"), Addresses{"10.0.0.1"});
  EXPECT_EQ(jury_addresses(R"({"host": "10.0.0.1", "url": "https://[fd00::1]:81/x"})"), Addresses{"fd00::1"});
  EXPECT_EQ(jury_addresses(R"({"host": "jury.example"})"), Addresses{});
  EXPECT_EQ(jury_addresses(R"({"server": 1})"), Addresses{});
  EXPECT_EQ(
      nameservers_of("# x\nsearch a\nnameserver 127.0.0.53\nnameserver  fe80::1%eth0 \noptions edns0\nnameserver x"),
      (Addresses{"127.0.0.53", "fe80::1"}));
}

TEST(R6_4, SendersHaveAnAccountThatIsNobodyElses) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may change to another account here";
  const auto account = sender_account("", "here");
  ASSERT_TRUE(account) << account.error().message;
  EXPECT_GE(account->user, 61184U);
  EXPECT_LE(account->user, 65519U);
  EXPECT_EQ(account->group, account->user);
  EXPECT_EQ(sender_account("", "here")->user, account->user);
  for (const auto* wrong : {"root", "no-such-account-here"}) {
    const auto refused = sender_account(wrong, "here");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "senders-account-missing");
  }
}

}  // namespace
}  // namespace tiltyard::farm
