#include "identity/registration.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "bus/event_log.h"
#include "identity/sealed.h"
#include "identity/state.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

constexpr std::string_view kMark = "new-", kPurpose = "tiltyard new account 1";
constexpr Duration kConfirmFor = std::chrono::hours{1};

std::unexpected<Error> invitation_wrong() {
  return fail(Code::kForbidden, "invitation-wrong",
              "This invitation's code is mistyped, used up or too old. Ask for a new one.");
}

std::unexpected<Error> too_many(int most) {
  return fail(Error{
      Code::kLimited,
      "limit-reached",
      "As many accounts have been made from your address as may be. Ask the staff for one, or for an invitation.",
      {},
      {}}.with("limit", std::to_string(most)));
}

}  // namespace

Result<sql::User> make_account(soci::session& sql, const NewAccount& wanted, int most, const bus::Actor& from,
                               TimePoint now) {
  sql::User user;
  user.id = new_ulid();
  user.name = wanted.name;
  user.password_hash = wanted.password_hash;
  user.created_at = now;
  std::string invitation;
  if (!wanted.code_hash.empty()) {
    const auto invited = sql::use_invitation(sql, "account", wanted.code_hash, now);
    if (!invited) return invitation_wrong();
    user.role = invited->role;
    user.team_id = invited->team_id;
    invitation = invited->id;
  }
  // An address that somebody has already is left out without a word: the answer must not tell who is here.
  if (!wanted.email.empty() && sql::email_free(sql, wanted.email, "")) user.email = wanted.email;
  if (auto made = sql::insert_user(sql, user); !made) return fail(std::move(made.error()));
  if (wanted.code_hash.empty() && sql::note_origin(sql, user.id, wanted.origin) > most) return too_many(most);
  auto event = event_of(events::kUserRegistered, bus::Actor(user.name, user.id, from.address), user.id,
                        {{"role", to_string(user.role)}, {"invitation", invitation}});
  if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
  auto fresh = sql::user_by_id(sql, user.id);
  return fresh ? Result<sql::User>(*fresh) : fail(Code::kInternal, "user-lost", "The account could not be read back.");
}

std::string seal_account(const NewAccount& account, const Secret& master, TimePoint now) {
  const json::object out{{"n", account.name},
                         {"m", account.email},
                         {"h", account.password_hash},
                         {"o", account.origin},
                         {"e", to_micros(now + kConfirmFor)}};
  return std::string(kMark) + seal(json::serialize(out), master, kPurpose);
}

bool looks_like_account(std::string_view token) { return token.starts_with(kMark); }

std::optional<NewAccount> unseal_account(std::string_view token, const Secret& master, TimePoint now) {
  if (!looks_like_account(token)) return std::nullopt;
  const auto text = unseal(token.substr(kMark.size()), master, kPurpose);
  boost::system::error_code error;
  const auto value = text ? json::parse(*text, error) : json::value();
  if (error || !value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  const auto* ends = object.if_contains("e");
  if (ends == nullptr || !ends->is_int64() || now >= from_micros(ends->get_int64())) return std::nullopt;
  return NewAccount{text_of(object, "n"), text_of(object, "m"), text_of(object, "h"), {}, text_of(object, "o")};
}

}  // namespace tiltyard::identity
