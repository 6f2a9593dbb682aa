// What the configuration says of certificates in files.
#include <fmt/format.h>

#include <algorithm>

#include "config/keys.h"
#include "tls/files.h"

namespace tiltyard::tls {
namespace {

namespace form = config::form;

constexpr char kTables[] = "certificates";
constexpr config::Form kNames{.takes = "a list of host names", .fits = [](std::string_view name) {
                                return config::is_host(name.starts_with("*.") ? name.substr(2) : name);
                              }};

void declare_one(config::Section& keys, FilePair& one) {
  keys.text("chain", one.chain, form::kPath,
            "PEM file with the certificate, and behind it the chain that leads to its authority.")
      .text("key", one.key, form::kPath, "PEM file with the certificate's private key, without a passphrase.")
      .texts("names", one.names, kNames,
             "The names that it must be for; another certificate is shown as a problem. Empty: whatever it says.")
      .flag("default", one.fallback,
            "Show it to who asks for no name, or for one that no certificate is for. Without a default they are told "
            "that the name is unknown.");
}

}  // namespace

void declare_keys(config::Keys& keys, std::map<std::string, FilePair>& files) {
  keys.section(kTables, "Certificates in files, for the gateway, the page and the API.")
      .tables<FilePair>(
          "", files, declare_one,
          [](const std::string& name, FilePair& one, config::Problems& problems) {
            problems.expect(!one.chain.empty() && !one.key.empty(),
                            fmt::format("{0}.{1}.chain and {0}.{1}.key belong together: give both.", kTables, name));
          },
          "A certificate. Which one is shown is decided by the name that is asked for. Files that change are taken up "
          "within some seconds, and no connection is cut.");
  keys.afterwards([&files](config::Problems& problems) {
    const auto count = std::ranges::count_if(files, [](const auto& each) { return each.second.fallback; });
    problems.expect(count <= 1, "More than one of [certificates.NAME] is the default: choose one.");
  });
}

}  // namespace tiltyard::tls
