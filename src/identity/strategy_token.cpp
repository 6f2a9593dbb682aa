// An API token, or the admin token, in exchange for a session. The session ends with the token.
#include "identity/secrets.h"
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class TokenStrategy final : public Strategy {
 public:
  TokenStrategy(store::Store& store, const Secret& admin_token) : store_(store), admin_token_(admin_token) {}

  std::string_view name() const override { return "token"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto typed = text_field(request.body, "token");
    if (!typed) co_return fail(std::move(typed.error()));
    const Secret secret(std::move(*typed));
    if (!admin_token_.empty() && admin_token_.equals(secret.reveal())) co_return admit_service();
    if (!looks_like_token(secret.reveal())) co_return credentials_wrong("not a token");

    auto find = [hash = fingerprint(secret.reveal()),
                 now = request.now](soci::session& session) -> Result<std::optional<sql::Token>> {
      return sql::live_token(session, hash, now);
    };
    auto token = co_await store_.read(std::move(find));
    if (!token) co_return fail(std::move(token.error()));
    if (!*token) co_return credentials_wrong("unknown token");
    co_return admit(**token, request.now);
  }

 private:
  Admission admit_service() const {
    Admission admission;
    admission.token_id = admin_token_id(admin_token_);
    admission.admit = [](soci::session& session) -> Result<sql::User> {
      sql::ensure_user(session, service_user());
      return service_user();
    };
    return admission;
  }

  static Admission admit(const sql::Token& token, TimePoint now) {
    Admission admission;
    admission.token_id = token.id;
    admission.scopes = token.scopes;
    if (token.expires_at != sql::kNever) admission.ends = token.expires_at;
    admission.admit = [token, now](soci::session& session) -> Result<sql::User> {
      // It may have been revoked since it was read.
      if (!sql::live_token(session, token.hash, now)) return credentials_wrong("token revoked meanwhile");
      auto user = sql::user_by_id(session, token.user_id);
      if (!user) return credentials_wrong("token of a deleted user");
      return *user;
    };
    return admission;
  }

  store::Store& store_;
  const Secret& admin_token_;
};

}  // namespace

sql::User service_user() {
  sql::User user;
  user.id = kServiceId;
  user.name = "admin token";
  user.kind = "service";
  user.role = Role::kAdmin;
  return user;
}

std::string admin_token_id(const Secret& admin_token) {
  return std::string(kServiceId) + ":" + fingerprint(admin_token.reveal()).substr(0, 32);
}

std::unique_ptr<Strategy> token_strategy(store::Store& store, const Secret& admin_token) {
  return std::make_unique<TokenStrategy>(store, admin_token);
}

}  // namespace tiltyard::identity
