#include "contest/answers.h"

#include <re2/re2.h>
#include <sodium.h>

#include "base/text.h"

namespace tiltyard::contest {
namespace {

constexpr std::int64_t kPatternMemory = 1 << 20;

std::array<unsigned char, 32> hash_of(std::string_view text) {
  std::array<unsigned char, 32> out;
  crypto_hash_sha256(out.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return out;
}

}  // namespace

Answers::Answers(const std::vector<imports::Flag>& flags) {
  for (const auto& flag : flags) {
    One one;
    one.ignore_case = flag.ignore_case;
    if (flag.regex) {
      RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(kPatternMemory);
      options.set_case_sensitive(!flag.ignore_case);
      one.pattern = std::make_unique<RE2>(flag.content, options);
    } else {
      one.hash = hash_of(flag.ignore_case ? lower(flag.content) : flag.content);
    }
    flags_.push_back(std::move(one));
  }
}

Answers::~Answers() = default;
Answers::Answers(Answers&&) noexcept = default;

std::optional<std::size_t> Answers::match(std::string_view text) const {
  const auto as_is = hash_of(text), folded = hash_of(lower(text));
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    const auto& flag = flags_[i];
    const auto& hash = flag.ignore_case ? folded : as_is;
    const bool same = flag.pattern ? flag.pattern->ok() && RE2::FullMatch(text, *flag.pattern)
                                   : sodium_memcmp(hash.data(), flag.hash.data(), hash.size()) == 0;
    if (same && !found) found = i;
  }
  return found;
}

}  // namespace tiltyard::contest
