// A hall without accounts: the seat is the address. Whoever sits there gets what was started there.
#include "identity/secrets.h"
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class AddressStrategy final : public Strategy {
 public:
  explicit AddressStrategy(const Networks& hall) : hall_(hall) {}

  std::string_view name() const override { return "address"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    if (!request.address || !hall_.contains(*request.address)) {
      co_return fail(Code::kForbidden, "forbidden",
                     "Signing in without an account is possible only from inside the hall.",
                     request.address ? request.address->to_string() : "no address");
    }
    Admission admission;
    admission.admit = [address = *request.address, now = request.now](soci::session& session) -> Result<sql::User> {
      sql::User seat;
      seat.id = seat_id(address);
      seat.name = address.to_string();
      seat.kind = "address";
      seat.created_at = now;
      sql::ensure_user(session, seat);
      auto user = sql::user_by_id(session, seat.id);
      if (!user) return fail(Code::kForbidden, "forbidden", "This seat was removed by an administrator.");
      return *user;
    };
    co_return admission;
  }

 private:
  const Networks& hall_;
};

}  // namespace

std::string seat_id(const asio::ip::address& address) {
  return "seat-" + fingerprint(address.to_string()).substr(0, 20);
}

std::unique_ptr<Strategy> address_strategy(const Networks& hall) { return std::make_unique<AddressStrategy>(hall); }

}  // namespace tiltyard::identity
