// What the configuration says of SSH.
#include "ssh/options.h"

#include "config/keys.h"

namespace tiltyard::ssh {
namespace {

constexpr config::Form kPlace{.takes = "a list of URLs that end with a slash, such as \"https://github.com/\"",
                              .fits = [](std::string_view text) {
                                return config::is_web_url(text) && text.ends_with('/') &&
                                       text.find('/', 8) != text.npos;
                              }};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("ssh", "Machines over SSH, for everybody at one port.")
      .texts(
          "keys_from", options.keys_from, kPlace,
          "Below which URLs public keys of accounts may be fetched, such as https://github.com/NAME.keys. The server "
          "asks there once, when its user says so, and follows no redirect. Empty: nowhere.");
}

}  // namespace tiltyard::ssh
