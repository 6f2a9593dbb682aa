#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "imports/draft.h"

namespace tiltyard::imports {

/// A template's id made of any text: its letters without their marks, in lower case, everything else a "-". Where
/// letters or digits are lost, or it would be longer than 40, six digits of a hash of the text follow; where nothing is
/// left the id is "c-" and ten of them. The same text gives the same id for ever.
std::string id_of(std::string_view text);

/// An id for each draft, in order; empty where it is refused, with a note at the place of each. `before`: the ids of
/// what was imported earlier, by draft key; whoever had one keeps it. Ids that are said are never changed: two of the
/// same are refused. Of those made of names each that is not alone gets its folder's or, at last, a hash of its key.
std::vector<std::string> give_ids(std::vector<Draft>& drafts, const std::map<std::string, std::string>& before);

/// Six to sixty-four hexadecimal digits of BLAKE2b.
std::string digest(std::string_view text, std::size_t digits = 64);

}  // namespace tiltyard::imports
