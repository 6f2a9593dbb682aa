#pragma once

#include <compare>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

namespace tiltyard {

/// A string that names one kind of thing: an InstanceId is not a TemplateId, and the compiler says so.
template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string value) : value_(std::move(value)) {}

  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const Id&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << id.value_; }

 private:
  std::string value_;
};

using InstanceId = Id<struct InstanceTag>;
using TemplateId = Id<struct TemplateTag>;
using UserId = Id<struct UserTag>;
using TeamId = Id<struct TeamTag>;

/// A new ULID: 48 bits of milliseconds and 80 random ones in Crockford's base 32; sorts by time. Thread-safe.
std::string new_ulid();
/// `bytes` random bytes as lower-case hexadecimal, from the kernel's generator. Thread-safe.
std::string random_hex(std::size_t bytes);

}  // namespace tiltyard

template <class Tag>
struct std::hash<tiltyard::Id<Tag>> {
  std::size_t operator()(const tiltyard::Id<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};
