#include "identity/hasher.h"

#include <sodium.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tiltyard::identity {
namespace {

/// On Linux a thread has a priority of its own. A storm of sign-ins takes what the loops leave, not what they need.
void step_back() {
  thread_local const bool done = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 15) == 0;
  static_cast<void>(done);
}

/// Empty when there was no memory for it.
std::string argon2id(const std::string& password, unsigned passes, std::size_t memory) {
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str(out, password.data(), password.size(), passes, memory) != 0) return {};
  return out;
}

Error full() {
  return {Code::kUnavailable,
          "queue-full",
          "Many people are signing in at this moment. Try again in a few seconds.",
          {},
          {}};
}

Error no_memory() {
  return {Code::kUnavailable,
          "queue-full",
          "The server has no memory left to check a password. Try again in a few seconds.",
          "crypto_pwhash_str: out of memory",
          {}};
}

}  // namespace

/// Counts one hash for as long as it is waited for.
class Hasher::Place {
 public:
  explicit Place(int& waiting) : waiting_(waiting) { ++waiting_; }
  ~Place() { --waiting_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  int& waiting_;
};

asio::awaitable<Result<std::string>> Hasher::hash(Secret password) {
  if (waiting_ >= most_waiting_) co_return fail(full());
  const Place place(waiting_);
  auto work = [password = std::move(password), passes = passes_, memory = memory_] {
    step_back();
    return argon2id(password.reveal(), passes, memory);
  };
  auto out = co_await offload(pool_, std::move(work));
  if (out.empty()) co_return fail(no_memory());
  co_return out;
}

asio::awaitable<Result<Hasher::Verdict>> Hasher::verify(std::string kept, Secret password) {
  if (waiting_ >= most_waiting_) co_return fail(full());
  const Place place(waiting_);
  auto work = [kept = std::move(kept), password = std::move(password), passes = passes_,
               memory = memory_]() -> Verdict {
    step_back();
    const auto& text = password.reveal();
    if (kept.empty()) {
      // The same work as a comparison, so that the time does not tell who has an account.
      argon2id(text, passes, memory);
      return {};
    }
    if (crypto_pwhash_str_verify(kept.c_str(), text.data(), text.size()) != 0) return {};
    const bool outdated = crypto_pwhash_str_needs_rehash(kept.c_str(), passes, memory) != 0;
    return {true, outdated ? argon2id(text, passes, memory) : std::string()};
  };
  auto verdict = co_await offload(pool_, std::move(work));
  co_return verdict;
}

}  // namespace tiltyard::identity
