#pragma once

#include "house/routes.h"
#include "labs/capability.h"
#include "transfers/service.h"

namespace tiltyard::transfers {

inline constexpr std::size_t kMostPiece = 4 << 20;  ///< bytes of a file in one request
inline constexpr std::size_t kMostListed = 2000;    ///< names of a folder in one answer

/// …/instances/{id}/files: looking, fetching, sending, moving, taking away. All outlive the routes.
void add_routes(house::Routes& routes, Service& service, labs::Capability& labs);

/// A range of `size` bytes as RFC 9110 (14.1.2) writes one; nullopt: all of it is sent, as for several
/// ranges and for one that begins behind the end, which a server may pass over.
struct Range {
  std::uint64_t from = 0, size = 0;
};
std::optional<Range> range_of(std::string_view field, std::uint64_t size);
/// "/a//b/../c" as it is, but for a last slash; `file-path` when it is no absolute path.
Result<std::string> path_in(const std::string& said);
/// The path of what is sent in pieces until it is whole: beside the file, so that the last step is a rename.
std::string part_of(std::string_view path, std::string_view key);
/// The value of Content-Disposition for a file that a machine has named (RFC 6266).
std::string disposition(std::string_view name);

}  // namespace tiltyard::transfers
