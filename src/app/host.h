#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tiltyard::app {

/// What `doctor` says of one thing.
struct Check {
  enum class Verdict { kOk, kWarn, kFail } verdict = Verdict::kOk;
  std::string name, detail, todo;
};

/// A number of the kernel's that is there once for the host, and what it should be at least.
struct Sysctl {
  const char* name;    ///< "net.ipv4.neigh.default.gc_thresh3"
  std::int64_t least;  ///< 0 stands above all numbers where `zero_is_endless`
  bool zero_is_endless;
  const char* lost;  ///< what happens when it is smaller
};

/// Those of this host that are too small. `root` stands for "/".
struct SmallSysctl {
  const Sysctl* wanted;
  std::int64_t now;
};
std::vector<SmallSysctl> small_sysctls(const std::filesystem::path& root);
/// Sets them, and for each boot in etc/sysctl.d; what went wrong, or nothing.
std::vector<std::string> mend_sysctls(const std::filesystem::path& root, const std::vector<SmallSysctl>& small);

/// What of this host, and of the engine as its /info and /version tell, takes something from the isolation of machines.
std::vector<Check> host_checks(const std::filesystem::path& root, const boost::json::value& info,
                               const boost::json::value& version);

}  // namespace tiltyard::app
