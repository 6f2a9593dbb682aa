#pragma once

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "bus/kinds.h"
#include "gateway/door.h"
#include "store/store.h"

namespace tiltyard::doors {

namespace asio = boost::asio;

std::vector<store::Migration> migrations();

/// A link that lets others in, as its row has it. Its secret is known to those who have the link; the row keeps a hash.
struct Share {
  std::string id, instance, owner, hash;
  bool one = false;  ///< for the first who opens it, and for nobody else
  std::string by, by_name;
  TimePoint made_at{}, ends_at{};
  std::vector<std::string> guests{};  ///< names of who came by it, the first fifty
};

/// How often keys are made anew, how long they check what they made, and how long a new one waits until all servers
/// know it.
inline constexpr std::chrono::hours kKeyTurn{24}, kKeyLife{3 * 24};
inline constexpr std::chrono::minutes kKeyWait{5};

/// The SQL of doors. `sql::` functions work within the caller's transaction.
namespace sql {

/// Makes a key where the newest is old, forgets those that are over; the one that makes passes comes first.
std::vector<gateway::DoorKey> keys(soci::session& sql, TimePoint now);
/// The same by reading alone; empty: it is time to make one, or to forget one.
std::vector<gateway::DoorKey> keys_as_they_are(soci::session& sql, TimePoint now);

/// Who may have lost a right since then: the subjects of the events, each once, and when that was last; and until where
/// the log was read.
struct Lost {
  std::vector<std::pair<std::string, TimePoint>> parties;
  long long until = 0;
};
Lost lost_since(soci::session& sql, const bus::Kinds& kinds, TimePoint since);
Lost lost_after(soci::session& sql, const bus::Kinds& kinds, long long after);

void add(soci::session& sql, const Share& share);
/// Those of an instance that have not ended, the newest first.
std::vector<Share> shares_of(soci::session& sql, const std::string& instance, TimePoint now);
std::optional<Share> share_by_hash(soci::session& sql, const std::string& hash, TimePoint now);
/// By which the user has come before and may come again.
std::optional<Share> share_of_guest(soci::session& sql, const std::string& instance, const std::string& user,
                                    TimePoint now);
/// All by which the user has come before and may come again, of any instance: the latest to end first, at most twenty.
std::vector<Share> shares_of_guest(soci::session& sql, const std::string& user, TimePoint now);
/// False: the share is for one, and that is another.
bool let_in(soci::session& sql, const Share& share, const std::string& user, const std::string& name, TimePoint now);
bool has_guest(soci::session& sql, const std::string& share, const std::string& user);
/// What it was; nullopt: the instance has no such share.
std::optional<Share> remove(soci::session& sql, const std::string& instance, const std::string& share);
bool has_ended(soci::session& sql, TimePoint now);
/// Those that have ended; they are gone afterwards.
std::vector<Share> take_ended(soci::session& sql, TimePoint now);

}  // namespace sql
}  // namespace tiltyard::doors
