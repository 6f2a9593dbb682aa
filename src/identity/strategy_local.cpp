// Name and password. The answer and the time it takes are the same for a wrong password, an unknown name, and an
// account without a password.
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class LocalStrategy final : public Strategy {
 public:
  LocalStrategy(store::Store& store, Hasher& hasher, Attempts& attempts)
      : store_(store), hasher_(hasher), attempts_(attempts) {}

  std::string_view name() const override { return "local"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto name = text_field(request.body, "name");
    if (!name) co_return fail(std::move(name.error()));
    auto typed = text_field(request.body, "password");
    if (!typed) co_return fail(std::move(typed.error()));
    Secret password(std::move(*typed));

    const auto key = sql::name_key("user", *name) + "|" + (request.address ? request.address->to_string() : "");
    if (auto free = attempts_.begin(key, request.now); !free) co_return fail(std::move(free.error()));

    auto find = [name = *name](soci::session& session) -> Result<std::optional<sql::User>> {
      return sql::user_by_name(session, name);
    };
    auto user = co_await store_.read(std::move(find));
    if (!user) co_return fail(std::move(user.error()));
    const auto kept = *user ? (*user)->password_hash : std::string();

    auto verdict = co_await hasher_.verify(kept, std::move(password));
    if (!verdict) {
      attempts_.withdraw(key);
      co_return fail(std::move(verdict.error()));
    }
    if (!verdict->right) co_return credentials_wrong(*user ? "wrong password" : "unknown name");
    attempts_.succeeded(key);
    co_return admit((*user)->id, kept, verdict->fresh_hash);
  }

 private:
  static Admission admit(std::string id, std::string kept, std::string fresh) {
    Admission admission;
    admission.admit = [id = std::move(id), kept = std::move(kept),
                       fresh = std::move(fresh)](soci::session& session) -> Result<sql::User> {
      auto user = sql::user_by_id(session, id);
      // The password may have been changed while we compared.
      if (!user || user->password_hash != kept) return credentials_wrong("password changed meanwhile");
      if (!fresh.empty()) sql::replace_password(session, id, kept, fresh);
      return *user;
    };
    return admission;
  }

  store::Store& store_;
  Hasher& hasher_;
  Attempts& attempts_;
};

}  // namespace

std::unique_ptr<Strategy> local_strategy(store::Store& store, Hasher& hasher, Attempts& attempts) {
  return std::make_unique<LocalStrategy>(store, hasher, attempts);
}

}  // namespace tiltyard::identity
