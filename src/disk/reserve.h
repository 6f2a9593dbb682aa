#pragma once

#include <cstdint>
#include <string>

namespace tiltyard::disk {

/// A file that keeps room on the database's file system. Blocking; belongs to one thread.
class Reserve {
 public:
  /// `bytes` 0: there is none.
  Reserve(std::string file, std::int64_t bytes) : file_(std::move(file)), bytes_(bytes) {}

  /// Makes the file, if it is not there. Whether it is there now.
  bool hold();
  /// Gives its room to whoever is quickest. Whether there was one.
  bool give();

 private:
  std::string file_;
  std::int64_t bytes_;
};

}  // namespace tiltyard::disk
