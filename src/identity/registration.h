#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "identity/store.h"

namespace tiltyard::identity {

/// An account that somebody makes for themselves.
struct NewAccount {
  std::string name, email, password_hash;
  std::string code_hash;  ///< of an invitation; empty: none
  std::string origin;     ///< the share of the address that it is made from (limits::address_share)
};

/// The account, in the transaction that opens its first session. Without an invitation at most `most` from one origin
/// are there at once. `invitation-wrong`, `user-exists`, `limit-reached`.
Result<sql::User> make_account(soci::session& sql, const NewAccount& wanted, int most, const bus::Actor& from,
                               TimePoint now);

/// What the link of a letter carries until somebody opens it: all of the account, so that nothing has to be kept, for
/// an hour.
std::string seal_account(const NewAccount& account, const Secret& master, TimePoint now);
/// Whether a link's token is one of these.
bool looks_like_account(std::string_view token);
/// nullopt: not ours, or too old.
std::optional<NewAccount> unseal_account(std::string_view token, const Secret& master, TimePoint now);

}  // namespace tiltyard::identity
