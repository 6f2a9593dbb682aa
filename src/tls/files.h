#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tls/certificates.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::tls {

/// A certificate in files, as the configuration names it.
struct FilePair {
  std::string chain, key;          ///< PEM
  std::vector<std::string> names;  ///< that it must be for; empty: whatever it says
  bool fallback = false;           ///< for who names nobody
};

/// Declares [certificates.NAME].
void declare_keys(config::Keys& keys, std::map<std::string, FilePair>& files);

/// Keeps the shelf as the files are. Not for several threads at a time.
class Files {
 public:
  /// `all`: by the source that the shelf knows each as.
  Files(Certificates& shelf, std::map<std::string, FilePair> all);

  /// Takes up what has changed since the last time, and logs it: what is new, and what is wrong. What was there serves
  /// until the files are good: a key that is written after its certificate is only waited for.
  void look();

 private:
  /// By which a file that was written anew is known.
  using Stamp = std::array<std::int64_t, 4>;
  struct Watched {
    FilePair files;
    std::array<Stamp, 2> seen{};
    std::string said;  ///< the last problem
  };
  static Stamp stamp_of(const std::string& path);
  std::string take_up(const std::string& source, const FilePair& files);
  void say(const std::string& source, Watched& watched, std::string problem);

  Certificates& shelf_;
  std::map<std::string, Watched> all_;
};

}  // namespace tiltyard::tls
