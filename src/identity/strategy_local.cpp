// Name and password. The answer and the time it takes are the same for a wrong password, an unknown name, and an
// account without a password.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "identity/strategy.h"
#include "limits/limits.h"

namespace tiltyard::identity {
namespace {

class LocalStrategy final : public Strategy {
 public:
  LocalStrategy(store::Store& store, Hasher& hasher, Attempts& attempts, Attempts& name_failures,
                const Devices& devices)
      : store_(store), hasher_(hasher), attempts_(attempts), name_failures_(name_failures), devices_(devices) {}

  std::string_view name() const override { return "local"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    auto name = text_field(request.body, "name");
    if (!name) co_return fail(std::move(name.error()));
    auto typed = text_field(request.body, "password");
    if (!typed) co_return fail(std::move(typed.error()));
    Secret password(std::move(*typed));

    const auto name_key = sql::name_key("user", *name);
    const bool known = request.device && request.device->name == devices_.name_tag(name_key);
    const auto key = bucket_of(name_key, request, known);
    if (auto free = attempts_.begin(key, request.now); !free) co_return fail(std::move(free.error()));
    if (!known) co_await wait_for(delay_after(name_failures_.count(name_key, request.now)));

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
    if (!verdict->right) {
      if (!known) static_cast<void>(name_failures_.begin(name_key, request.now));
      co_return credentials_wrong(*user ? "wrong password" : "unknown name");
    }
    attempts_.succeeded(key);
    co_return admit((*user)->id, kept, verdict->fresh_hash);
  }

 private:
  /// What others try counts elsewhere than what the owner's own browser does: nobody is locked out by somebody else's
  /// guesses, except a browser that is new where those come from.
  static std::string bucket_of(const std::string& name_key, const SignInRequest& request, bool known) {
    if (known) return "device|" + request.device->id;
    return name_key + "|" + (request.address ? limits::address_share(*request.address) : std::string());
  }

  static asio::awaitable<void> wait_for(std::chrono::milliseconds time) {
    if (time.count() == 0) co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    [[maybe_unused]] const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }

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
  Attempts& name_failures_;
  const Devices& devices_;
};

}  // namespace

std::unique_ptr<Strategy> local_strategy(store::Store& store, Hasher& hasher, Attempts& attempts,
                                         Attempts& name_failures, const Devices& devices) {
  return std::make_unique<LocalStrategy>(store, hasher, attempts, name_failures, devices);
}

}  // namespace tiltyard::identity
