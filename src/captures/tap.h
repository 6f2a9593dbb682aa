#pragma once

#include <string>

#include "base/result.h"
#include "bpf/filter.h"
#include "privileged/caller.h"
#include "privileged/server.h"
#include "privileged/wire.h"

/// The socket that hears a network of ours. Opening one takes CAP_NET_RAW, reading from it nothing.
namespace tiltyard::captures {

/// A network as its name and kind say it; its bridge follows from them (engine/isolation/bridge.h).
struct Wire {
  std::string network;
  bool shared = false, egress = false;
};

/// Hears all that passes the network's bridge, machine to machine as well, if `program` lets it pass. The filter holds
/// for this bridge alone and cannot be changed any more, so that who gets the socket hears nothing else with it.
/// `network-away`: the bridge is not on this host. `capture-refused`: the kernel says no.
Result<privileged::Descriptor> open_tap(const Wire& wire, const bpf::Program& program);

/// "capture.open", for networks of this namespace.
privileged::Verb tap_verb(std::string name_space);
/// The other side of it. Blocking.
Result<privileged::Descriptor> tap_through(const privileged::Caller& caller, const Wire& wire,
                                           const bpf::Program& program);

}  // namespace tiltyard::captures
