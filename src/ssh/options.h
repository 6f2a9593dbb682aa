#pragma once

#include <string>
#include <vector>

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::ssh {

struct Options {
  /// Beginnings of URLs below which keys of accounts are fetched.
  std::vector<std::string> keys_from = {"https://github.com/", "https://gitlab.com/", "https://codeberg.org/"};
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

}  // namespace tiltyard::ssh
