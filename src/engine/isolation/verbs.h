#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "base/result.h"
#include "privileged/caller.h"
#include "privileged/server.h"

namespace tiltyard::engine::isolation {

class Firewall;

/// "firewall.ensure": our table is in force when it answers. It takes nothing: what the table says is up to who keeps
/// it. The firewall belongs to the loop of `executor`.
privileged::Verb firewall_verb(Firewall& firewall, boost::asio::any_io_executor executor);

/// The other side of it. Blocking.
Result<> ensure_through(const privileged::Caller& caller);

}  // namespace tiltyard::engine::isolation
