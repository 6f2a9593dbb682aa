#include "net/budget.h"

namespace tiltyard::net {

Budget::Budget(BudgetOptions options)
    : addresses_(options.each_address, options.all),
      users_(options.each_user, Shares::kUnlimited),
      strangers_(options.all / 32, options.all / 8) {}

Error Budget::refusal() const {
  // A piece for each of those who come in between: close to the end it is the whole that is short.
  if (addresses_.used() + 64 * Claim::kPiece >= addresses_.all()) {
    return {Code::kUnavailable, "memory-full", "The server has its hands full. Try again in a moment.", {}, {}};
  }
  return {Code::kLimited,
          "too-much-at-once",
          "That is more than this server keeps in memory for one address or user at a time. Wait until what is under "
          "way is done.",
          {},
          {}};
}

struct Claim::Holds {
  Shares::Hold address, of;
};

Claim::Claim(std::shared_ptr<Budget> budget, Holder address) : budget_(std::move(budget)), address_(address) {}
Claim::Claim() = default;
Claim::~Claim() = default;
Claim::Claim(Claim&&) noexcept = default;
Claim& Claim::operator=(Claim&&) noexcept = default;

void Claim::count_for(Of of, Holder user) {
  const std::size_t held = covered_;
  release();
  of_ = of;
  user_ = user;
  cover(held);
}

bool Claim::more(std::size_t bytes) {
  if (!budget_) return true;
  if (!holds_) {
    auto holds = std::make_unique<Holds>();
    holds->address = budget_->addresses_.take(address_, 0);
    if (of_ == Of::kUser) holds->of = budget_->users_.take(user_, 0);
    if (of_ == Of::kStrangers) holds->of = budget_->strangers_.take(address_, 0);
    holds_ = std::move(holds);
  }
  const std::size_t wanted = (bytes - covered_ + kPiece - 1) / kPiece * kPiece;
  const bool granted = holds_->address.grow(wanted) && (!holds_->of || holds_->of.grow(wanted));
  if (granted) {
    covered_ += wanted;
    return true;
  }
  if (holds_->of && holds_->address.amount() > holds_->of.amount()) holds_->address.shrink(wanted);
  if (covered_ == kPiece) holds_.reset();
  return false;
}

void Claim::give_back() {
  holds_.reset();
  covered_ = kPiece;
}

}  // namespace tiltyard::net
