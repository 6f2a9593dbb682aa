// What the configuration says of names.
#include "config/keys.h"
#include "names/dns.h"
#include "names/names.h"

namespace tiltyard::names {

namespace form = config::form;

void declare_keys(config::Keys& keys, Options& options) {
  using namespace std::chrono_literals;
  static constexpr config::Form kResolver{.takes = "a list of addresses, each with or without a port",
                                          .fits = is_resolver};
  static constexpr config::Form kAddresses{.takes = "a list of addresses", .fits = config::is_ip};
  keys.section("names", "Names that people give their instances (docs/names.md).")
      .text(
          "free_domain", options.free_domain, form::kHost,
          "The domain below which everybody may have names, NAME.{free_domain}; empty: none are given. It must not be "
          "the gateway's domain, nor the page's host or above it.")
      .flag(
          "own_domains", options.own_domains,
          "Whether people may lead domains of their own to their instances, once they have proved by a TXT record that "
          "they are theirs.")
      .number("per_owner", options.per_owner, 1, 1000, "Names that one player or team may have.")
      .texts("reserved", options.reserved, form::kWords,
             "Free names that nobody gets, nor what looks like them, beside those that are built in.")
      .texts("resolver", options.resolver, kResolver,
             "The DNS servers that are asked about people's own domains; empty: those of /etc/resolv.conf.")
      .text("target", options.target, form::kHost,
            "Where own domains and free names are to lead (CNAME); empty: the gateway's domain.")
      .texts(
          "addresses", options.addresses, kAddresses,
          "The addresses of the gateway as people reach it: free names get them as A and AAAA records, and own domains "
          "may lead to them. Empty: free names are CNAMEs of the target, and the DNS is asked what that leads to.")
      .flag(
          "records", options.records,
          "Whether a record is written for each free name, over [powerdns]; not needed where a wildcard record serves "
          "all of them.")
      .time("record_ttl", options.record_ttl, 1s, 24h, "How long others may remember these records.")
      .time("rest", options.rest, 0s, 365 * 24h,
            "How long a free name that was dropped is kept from everybody but who had it.")
      .flag("certificates", options.certificates,
            "Whether a certificate is fetched for a name that none of those that are there covers, over [acme].");
}

}  // namespace tiltyard::names
