#pragma once

#include <boost/json/value.hpp>

#include <iosfwd>
#include <set>

#include "engine/engine.h"

namespace tiltyard::engine::docker {

// What the Engine API's answers say, in our types. Pure.

Labels labels_of(const boost::json::value& object);
MachineStatus machine_status(const boost::json::value& inspected);
Resource listed_machine(const boost::json::value& item);
Resource listed_network(const boost::json::value& item);
Resource listed_volume(const boost::json::value& item);
/// Whether the storage of an engine with this /info can limit what a machine writes. overlay2 can on xfs with project
/// quotas, which `mounts` (a text like /proc/self/mounts, of the engine's host) tells.
/// https://docs.docker.com/reference/cli/docker/container/create/#storage-opt
bool limits_disk(const boost::json::value& info, std::istream& mounts);
/// Whether machines' users have the numbers that they have on the engine's host: not with userns-remap, nor rootless.
bool has_own_ids(const boost::json::value& info);
/// Where a machine writes, of folders as the engine names them: its layer, its volumes, and what it may write to below
/// `files_folder` (absolute; empty: nothing). Of what is laid over a folder, what was written.
Footprint footprint_of(const boost::json::value& inspected, const std::string& files_folder);
/// The IPv4 ranges of a listed network, and the host's interface for it.
std::vector<UsedRange> ranges_of(const boost::json::value& network);
std::string bridge_of(const boost::json::value& network);
/// The routes of a text like /proc/net/route, but the default one and those over one of `but_over`. Lines of
/// "Iface Destination Gateway Flags RefCnt Use Metric Mask …" (net/ipv4/fib_trie.c, fib_route_seq_show), the addresses
/// in hexadecimal as they lie in memory.
std::vector<UsedRange> host_routes(std::istream& text, const std::set<std::string>& but_over);
Stats machine_stats(const boost::json::value& stats);
ImageInfo image_info(const boost::json::value& inspected);
/// An event of GET /events; nullopt where it is none of a container, or none that we know.
std::optional<EngineEvent> engine_event(const boost::json::value& event);
/// RFC 3339 with nanoseconds and any offset, or "0001-01-01T00:00:00Z" for never.
TimePoint time_of(const boost::json::value& value);

/// The Dockerfile syntax of the BuildKit within Docker of a version ("20.10.24+dfsg1" → 102), as `Images` has it; 0:
/// none.
int syntax_of(std::string_view version);
/// An image as a listing has it.
ImageEntry image_entry(const boost::json::value& listed);

}  // namespace tiltyard::engine::docker
