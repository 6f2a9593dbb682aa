// A one-time link. It is used up in the transaction that opens the session, by a conditional update: of two who come at
// the same time one gets in.
#include "identity/registration.h"
#include "identity/secrets.h"
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class LinkStrategy final : public Strategy {
 public:
  LinkStrategy(const Secret& admin_token, const Options& options) : admin_token_(admin_token), options_(options) {}

  std::string_view name() const override { return "link"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto typed = text_field(request.body, "token");
    if (!typed) co_return fail(std::move(typed.error()));
    const Secret secret(std::move(*typed));
    if (looks_like_account(secret.reveal())) co_return new_account(secret.reveal(), request);
    if (!looks_like_random_value(secret.reveal())) co_return credentials_wrong("not a link");

    Admission admission;
    admission.admit = [hash = fingerprint(secret.reveal()),
                       now = request.now](soci::session& session) -> Result<sql::User> {
      const auto id = sql::use_link(session, hash, now);
      if (!id) return credentials_wrong("link unknown, used or expired");
      auto user = sql::user_by_id(session, *id);
      if (!user) return credentials_wrong("link of a deleted user");
      return *user;
    };
    co_return admission;
  }

 private:
  /// The link of a letter to whom makes an account: it is made now. A second time its name is taken.
  Result<Admission> new_account(std::string_view token, const SignInRequest& request) const {
    auto account = unseal_account(token, admin_token_, request.now);
    if (!account || options_.registration != Registration::kOpen) return credentials_wrong("link of no new account");
    Admission admission;
    admission.admit = [account = std::move(*account), most = options_.accounts_per_address,
                       address = request.address ? request.address->to_string() : std::string(),
                       now = request.now](soci::session& session) {
      return make_account(session, account, most, bus::Actor(account.name, "", address), now);
    };
    return admission;
  }

  const Secret& admin_token_;
  const Options& options_;
};

}  // namespace

std::unique_ptr<Strategy> link_strategy(const Secret& admin_token, const Options& options) {
  return std::make_unique<LinkStrategy>(admin_token, options);
}

}  // namespace tiltyard::identity
