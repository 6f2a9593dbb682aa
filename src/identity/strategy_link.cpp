// A one-time link. It is used up in the transaction that opens the session, by a conditional update: of two who come at
// the same time one gets in.
#include "identity/secrets.h"
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class LinkStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "link"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto typed = text_field(request.body, "token");
    if (!typed) co_return fail(std::move(typed.error()));
    const Secret secret(std::move(*typed));
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
};

}  // namespace

std::unique_ptr<Strategy> link_strategy() { return std::make_unique<LinkStrategy>(); }

}  // namespace tiltyard::identity
