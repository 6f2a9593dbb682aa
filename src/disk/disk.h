#pragma once

#include <cstdint>

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::disk {

/// How much must stay free, on each file system that machines or the server write to.
struct Options {
  std::int64_t floor = std::int64_t{2} << 30;     ///< bytes; below, nothing new starts
  std::int64_t floor_inodes = 100'000;            ///< the same, where a file system has a fixed number of them
  std::int64_t reserve = std::int64_t{64} << 20;  ///< bytes that the database gets on a full disk; 0: none
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

}  // namespace tiltyard::disk
