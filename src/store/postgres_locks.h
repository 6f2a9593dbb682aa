#pragma once

namespace tiltyard::store {

/// The advisory locks that we take in a database: two 32-bit numbers each, the first "tilt" in ASCII, so that nobody
/// else's are in the way.
inline constexpr int kLockClass = 0x74696c74;
inline constexpr int kWriteLockClass =
    0x74696c77;                        ///< "tilw"; the second is a random number of the transaction, held until it ends
inline constexpr int kStrictLock = 1;  ///< held by a strict write until its commit
inline constexpr int kMigrationLock = 2;  ///< held by who changes the schema
inline constexpr int kClaimLock = 3;      ///< held by the server that has claimed the database

}  // namespace tiltyard::store
