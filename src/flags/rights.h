#pragma once

#include <set>
#include <string>
#include <vector>

#include "flags/image_scan.h"
#include "flags/model.h"

/// Programs of an image that run with more rights than whoever starts them (row 1.5).
namespace tiltyard::flags {

/// Whether a file with these facts is such a program: set-user-ID or set-group-ID and executable, or with a file
/// capability.
bool gives_rights(const FileFacts& facts);

/// What its file capability demands and `kept` has not, as NET_RAW. Linux refuses to start such a program at all
/// (capabilities(7), "Safety checking for capability-dumb binaries"); empty where it asks for nothing by itself.
std::vector<std::string> out_of_reach(const std::string& capability, const std::vector<std::string>& kept);

/// The file capability without the demand: the program starts, with what of it the machine has.
std::string without_demand(std::string capability);

/// Decides for each service whether its set-user-ID programs count, and says so among the problems. `images` are the
/// services' own, in their order.
void settle_rights(const std::vector<templates::Service>& services, const std::vector<ImageFacts>& images, Plan& plan);

}  // namespace tiltyard::flags
