#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tiltyard::farm {

/// The number of a flag: dense, in the order in which flags came in, never used twice.
using FlagId = std::uint64_t;

/// Where a flag stands. The last three are final.
enum class Status : std::uint8_t { kQueued, kLeased, kAccepted, kRejected, kSkipped };
inline constexpr std::size_t kStatuses = 5;
constexpr bool is_final(Status status) { return status >= Status::kAccepted; }
std::string_view to_string(Status status);
std::optional<Status> parse_status(std::string_view text);

/// What a jury said of a flag. `kRetry` (or nothing at all) puts it back; everything else is final.
enum class Verdict : std::uint8_t { kAccepted, kDuplicate, kOwn, kOld, kInvalid, kNop, kRejected, kRetry };
std::string_view to_string(Verdict verdict);
std::optional<Verdict> parse_verdict(std::string_view text);

/// A flag as an exploit reports it. `service` and `team` may be empty.
struct NewFlag {
  std::string_view flag, sploit, team, service;
};

inline constexpr std::size_t kMostFlagsInPost = 10'000;
inline constexpr std::size_t kMostPostBytes = 8 * 1024 * 1024;

struct InvalidFlag {
  std::size_t index = 0;
  std::string flag;    ///< its first 100 bytes
  std::string reason;  ///< for people
};

/// The answer to a post, once everything in it is on disk.
struct PostReceipt {
  std::size_t received = 0, fresh = 0, duplicate = 0, invalid_count = 0;
  std::vector<InvalidFlag> invalid;  ///< the first 20
};

struct LeasedFlag {
  FlagId id = 0;
  std::string flag, sploit, team;
  std::uint32_t attempt = 1;  ///< from 1
  TimePoint expires_at{};     ///< not to be sent after it
};

/// Flags that belong to one sender until `expires_at`, and what it needs to hand them in.
struct Lease {
  std::string id;  ///< a ULID
  TimePoint expires_at{};
  std::string protocol;
  std::string settings;  ///< a JSON object, with the jury's token
  std::uint64_t settings_version = 0;
  std::vector<LeasedFlag> flags;
};

struct FlagVerdict {
  std::string flag;
  Verdict verdict = Verdict::kRetry;
  std::string message;
  double points = 0;
  bool resent = false;  ///< the sender has sent it more than once by itself: a duplicate may be our own
};

struct VerdictReport {
  std::string lease;
  std::vector<FlagVerdict> verdicts;
  bool limited = false;     ///< the jury said: too many requests
  Duration retry_after{0};  ///< as it said; zero: it did not say
  bool done = false;        ///< what is not answered goes back
};

/// `late`: the lease had ended; noted as attempts, otherwise ignored. `unknown`: flags that the lease never had.
struct VerdictReceipt {
  std::size_t recorded = 0, late = 0, unknown = 0;
};

/// Counts of flags by status.
struct Tally {
  std::uint64_t by_status[kStatuses] = {};
  std::uint64_t at(Status status) const { return by_status[static_cast<std::size_t>(status)]; }
  std::uint64_t& at(Status status) { return by_status[static_cast<std::size_t>(status)]; }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto count : by_status) sum += count;
    return sum;
  }
};

struct NamedTally {
  std::string name;
  Tally tally;
};

struct Team {
  std::string name, address;
};

}  // namespace tiltyard::farm
