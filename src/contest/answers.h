#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "imports/model.h"

namespace re2 {
class RE2;
}

namespace tiltyard::contest {

/// The flags that a challenge's file names, ready to be compared with. How long that takes tells nothing of them:
/// texts are compared by their SHA-256, all of them each time. Letters of other scripts than ASCII have no case.
class Answers {
 public:
  explicit Answers(const std::vector<imports::Flag>& flags);
  ~Answers();
  Answers(Answers&&) noexcept;

  /// Which of the flags it is, by its place in the file.
  std::optional<std::size_t> match(std::string_view text) const;
  std::size_t size() const { return flags_.size(); }

 private:
  struct One {
    std::array<unsigned char, 32> hash{};
    bool ignore_case = false;
    std::unique_ptr<re2::RE2> pattern;  ///< null: the text itself
  };
  std::vector<One> flags_;
};

}  // namespace tiltyard::contest
