#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/result.h"
#include "net/shares.h"

namespace tiltyard::net {

/// How many bytes may wait in the process' own memory: of requests that are coming in, of answers on their way out, of
/// WebSockets in both directions.
struct BudgetOptions {
  std::size_t all = 256UL << 20;
  std::size_t each_address = 64UL << 20;
  std::size_t each_user = 64UL << 20;
};

/// The one budget of these bytes; connections cover what they hold with Claims on it. Thread-safe.
class Budget {
 public:
  explicit Budget(BudgetOptions options = {});

  double load() const { return addresses_.load(); }
  std::size_t used() const { return addresses_.used(); }
  /// Why a claim was not covered, as it is told: 503 where nothing is left, 429 where others still have room.
  Error refusal() const;

 private:
  friend class Claim;
  Shares addresses_, users_;
  Shares strangers_;  ///< the bodies of those whom nobody knows yet, all together: an eighth, a quarter of that each
};

/// What one connection holds of the budget, in pieces: most never hold more than the first, which every connection has
/// and which costs nothing to count. Belongs to one loop.
class Claim {
 public:
  static constexpr std::size_t kPiece = 16 * 1024;
  /// Whom the bytes count for beside the address.
  enum class Of { kNobody, kStrangers, kUser };

  /// Counts nothing and refuses nothing.
  Claim();
  Claim(std::shared_ptr<Budget> budget, Holder address);
  ~Claim();
  Claim(Claim&&) noexcept;
  Claim& operator=(Claim&&) noexcept;

  /// From here on. What is covered already is counted anew, and let go if it does not fit.
  void count_for(Of of, Holder user = 0);
  /// So many bytes are held in all; false: that is too much, and nothing has changed.
  bool cover(std::size_t bytes) { return bytes <= covered_ || more(bytes); }
  /// Nothing is held but what the first piece has room for.
  void release() {
    if (covered_ > kPiece) give_back();
  }
  bool holds() const { return covered_ > kPiece; }
  const std::shared_ptr<Budget>& budget() const { return budget_; }

 private:
  struct Holds;
  bool more(std::size_t bytes);
  void give_back();

  std::shared_ptr<Budget> budget_;
  std::unique_ptr<Holds> holds_;
  Holder address_ = 0, user_ = 0;
  std::size_t covered_ = kPiece;
  Of of_ = Of::kNobody;
};

}  // namespace tiltyard::net
