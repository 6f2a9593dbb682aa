#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tiltyard::farm {

/// Texts that come again and again (sploits, teams, answers) as small numbers. Bounded: what comes when it is full is
/// "(others)", so that a client that makes up names costs no memory. 0 is the empty text.
class Names {
 public:
  using Number = std::uint16_t;
  static constexpr Number kOthers = 1;

  explicit Names(std::size_t limit) : limit_(limit) {
    add("");
    add("(others)");
  }

  Number number(std::string_view text) {
    if (const auto found = numbers_.find(text); found != numbers_.end()) return found->second;
    if (texts_.size() >= limit_) return kOthers;
    return add(text);
  }
  /// Without taking a new one in; false: nobody has used it (or it is among the others).
  bool find(std::string_view text, Number& number) const {
    const auto found = numbers_.find(text);
    if (found == numbers_.end()) return false;
    number = found->second;
    return true;
  }
  const std::string& text(Number number) const { return texts_[number]; }
  std::size_t size() const { return texts_.size(); }

 private:
  Number add(std::string_view text) {
    const auto number = static_cast<Number>(texts_.size());
    // A deque never moves what it holds, so the keys may be views of it.
    numbers_.emplace(texts_.emplace_back(text), number);
    return number;
  }

  std::size_t limit_;
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, Number> numbers_;
};

}  // namespace tiltyard::farm
