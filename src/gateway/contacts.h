#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/id.h"
#include "gateway/door.h"
#include "gateway/upstream.h"

namespace tiltyard::gateway {

/// Somebody came to an endpoint: over a connection of their own, or with the first datagram of a while.
struct Contact {
  InstanceId instance;
  std::string endpoint;
  std::string address;  ///< numeric; of UDP it may be forged
  Party visitor = 0;  ///< the user, where the gateway knows it: by pass, or by the address that they use the page from
  std::chrono::system_clock::time_point at;
  bool first = false;  ///< as far as this loop remembers; else one that was drawn by lot
};

struct Contacts {
  std::vector<Contact> contacts;
  std::uint64_t lost = 0;  ///< more than could be kept, since they were taken last
};

/// Who has come to which endpoint, on one loop, until somebody takes it. What is remembered of those who have come is a
/// table of a fixed size: who is forgotten counts as new once more, which whoever keeps the contacts finds out.
class ContactBook {
 public:
  /// So many are kept until they are taken; what is more is counted as lost.
  static constexpr std::size_t kMostKept = 4096;

  /// One of `sample` of those who are known is noted again; 0: none. Until this is called nobody is.
  void begin(std::size_t sample);
  bool wanted() const { return !seen_.empty(); }
  /// True: it is the first since the last `take`.
  bool note(const InstanceId& instance, std::string_view endpoint, const SocketAddress& from, Party visitor);
  std::vector<Contact> take();
  /// How many were not kept since this was asked last.
  std::uint64_t take_lost() { return std::exchange(lost_, 0); }

 private:
  static constexpr std::size_t kWays = 4, kSets = 4096;

  bool is_known(std::uint64_t who);

  std::vector<std::uint64_t> seen_;  ///< sets of four, the latest first
  std::vector<Contact> kept_;
  std::size_t sample_ = 0, until_sample_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace tiltyard::gateway
