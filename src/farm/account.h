#pragma once

#include <string>

#include "base/process.h"
#include "base/result.h"

namespace tiltyard::farm {

/// Whom senders run as, who is nobody else: the account called `user`, or, where that is empty, a number of
/// systemd's range for such (61184 to 65519) that no account has and no process runs as; `seed` decides where in it the
/// search begins, so that one server takes the same number again. `senders-account-missing` when there is no such
/// account, when it is root's or our own, or when we may not change to another one and end what runs as it (CAP_SETUID,
/// CAP_SETGID, CAP_KILL). Reads /proc.
Result<Program::Account> sender_account(const std::string& user, const std::string& seed);

}  // namespace tiltyard::farm
