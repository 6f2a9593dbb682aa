#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace tiltyard {

/// A text that must not leave by accident: it has no conversion to string, prints as "***" and is wiped at its end.
/// Whoever really needs it says `reveal()`, which is easy to search for.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other) {
    Secret copy(other);
    return *this = std::move(copy);
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    value_ = std::move(other.value_);
    other.wipe();
    return *this;
  }
  ~Secret() { wipe(); }

  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  /// Constant-time comparison: its duration tells nothing of the content (only of the length).
  bool equals(std::string_view other) const;

 private:
  void wipe();
  std::string value_;
};

inline std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "***"; }

}  // namespace tiltyard
