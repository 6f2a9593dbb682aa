// What the configuration says of certificates that are fetched.
#include <algorithm>

#include "certificates/certificates.h"
#include "certificates/state.h"
#include "config/keys.h"

namespace tiltyard::certificates {
namespace {

namespace form = config::form;

constexpr config::Form kDirectory{.takes = "an https URL, or nothing", .fits = [](std::string_view text) {
                                    return text.empty() || (text.starts_with("https://") && config::is_web_url(text));
                                  }};
constexpr config::Form kNames{.takes = "a list of host names, such as \"ctf.example\" or \"*.play.ctf.example\"",
                              .fits = is_certificate_name};
constexpr config::Form kServer{.takes = "ADDRESS:PORT, or nothing", .fits = [](std::string_view text) {
                                 return text.empty() || config::parse_address(text).has_value();
                               }};

bool has_wildcard(const Options& options) {
  return std::ranges::any_of(options.names, [](const auto& name) { return name.starts_with("*."); });
}

void check(const Options& options, config::Problems& problems) {
  problems.expect(options.names.size() <= kMostNames, "acme.names has more than 100 names, which no CA takes.");
  problems.expect(options.names.empty() || !options.directory.empty(),
                  "acme.names is set, but no CA to ask: set acme.directory.");
  problems.expect(options.eab_kid.empty() == options.eab_key.empty(), "acme.eab_kid and acme.eab_key go together.");
  problems.expect(!has_wildcard(options) || options.dns != DnsBy::kNobody,
                  "acme.names has a wildcard, which is proved by DNS alone: set acme.dns.");
  problems.expect(options.proving != Proving::kDns || options.dns != DnsBy::kNobody,
                  "acme.challenge is dns-01, but nobody writes records: set acme.dns.");
  problems.expect(options.dns != DnsBy::kPowerDns || !options.powerdns.url.empty(),
                  "acme.dns is powerdns: set powerdns.url and powerdns.key.");
  problems.expect(options.dns != DnsBy::kUpdate || !options.dns_server.empty(),
                  "acme.dns is rfc2136: set acme.dns_server.");
  problems.expect(options.dns != DnsBy::kHook || !options.dns_hook.empty(), "acme.dns is hook: set acme.dns_hook.");
  problems.expect(options.tsig_name.empty() == options.tsig_key.empty(),
                  "acme.tsig_name and acme.tsig_key go together.");
}

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("acme", "Certificates that the server fetches itself (docs/certificates.md).")
      .text(
          "directory", options.directory, kDirectory,
          "The CA's ACME directory, such as https://acme-v02.api.letsencrypt.org/directory, whose terms of service are "
          "agreed to by setting it. Empty: no certificate is ordered.")
      .text("email", options.email, form::kAny, "An address that the CA may write to; empty: it is told none.")
      .text("ca_file", options.ca_file, form::kPath,
            "PEM file with the authority that the directory's own certificate must come from; empty: the system's.")
      .texts("names", options.names, kNames,
             "The names of the site's certificate: the page's, the gateway's domain, and its wildcard, which all "
             "instances share.")
      .choice("challenge", options.proving,
              {{"http-01", Proving::kHttp}, {"tls-alpn-01", Proving::kTlsAlpn}, {"dns-01", Proving::kDns}},
              "How names are proved to the CA: by an answer on port 80, on port 443, or by a DNS record. Wildcards are "
              "proved by DNS whatever is set here.")
      .text("profile", options.profile, form::kAny,
            "The kind of certificate, of those that the CA offers; empty: its usual one.")
      .text("eab_kid", options.eab_kid, form::kAny, "The key id that the CA has given out for binding the account.")
      .secret("eab_key", options.eab_key, 8, "The key that goes with it, in base64url.")
      .choice("dns", options.dns,
              {{"none", DnsBy::kNobody},
               {"powerdns", DnsBy::kPowerDns},
               {"rfc2136", DnsBy::kUpdate},
               {"hook", DnsBy::kHook}},
              "Who writes the records of dns-01: nobody, PowerDNS through its API (see powerdns.url), a server that "
              "takes dynamic updates, or a program.")
      .text("dns_server", options.dns_server, kServer, "Where dynamic updates go.")
      .text("tsig_name", options.tsig_name, form::kAny, "The name of the key that updates are signed with.")
      .text("tsig_algorithm", options.tsig_algorithm, form::kAny, "Its algorithm, as nsupdate(1) has it.")
      .secret("tsig_key", options.tsig_key, 8, "The key itself, in base64.")
      .text("dns_hook", options.dns_hook, form::kPath,
            "The program that writes records, called with present or cleanup, the record's name and its text.")
      .time("dns_wait", options.dns_wait, std::chrono::seconds{0}, std::chrono::minutes{10},
            "How long records are given to reach all of the zone's servers before the CA is told to look.");
  keys.section("powerdns", "The DNS server that the range writes records to.")
      .text("url", options.powerdns.url, form::kUrl,
            "The address of PowerDNS' API, such as http://127.0.0.1:8081; empty: there is none.")
      .secret("key", options.powerdns.key, 1, "Its api-key.");
  keys.afterwards([&options](config::Problems& problems) { check(options, problems); });
}

}  // namespace tiltyard::certificates
