// An access token of the CTFd that the players come from. The account and its team are made at the first sign-in.
#include "identity/ctfd.h"
#include "identity/strategy.h"
#include "limits/limits.h"

namespace tiltyard::identity {
namespace {

class CtfdStrategy final : public Strategy {
 public:
  CtfdStrategy(Ctfd& ctfd, Attempts& attempts) : ctfd_(ctfd), attempts_(attempts) {}

  std::string_view name() const override { return "ctfd"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto typed = text_field(request.body, "token");
    if (!typed) co_return fail(std::move(typed.error()));
    // In a hall behind one address a neighbour's wrong tokens are not those of a browser that has been here before.
    const auto key = request.device    ? "ctfd device|" + request.device->name
                     : request.address ? "ctfd|" + limits::address_share(*request.address)
                                       : std::string("ctfd|");
    if (auto free = attempts_.begin(key, request.now); !free) co_return fail(std::move(free.error()));
    auto who = co_await ctfd_.who(std::move(*typed));
    if (who) attempts_.succeeded(key);
    else if (who.error().code != Code::kUnauthenticated) attempts_.withdraw(key);
    if (!who) co_return fail(std::move(who.error()));
    Admission admission;
    admission.admit = [who = *who, now = request.now](soci::session& session) {
      return sql::admit_outside(session, who, now);
    };
    co_return admission;
  }

 private:
  Ctfd& ctfd_;
  Attempts& attempts_;
};

}  // namespace

std::unique_ptr<Strategy> ctfd_strategy(Ctfd& ctfd, Attempts& attempts) {
  return std::make_unique<CtfdStrategy>(ctfd, attempts);
}

}  // namespace tiltyard::identity
