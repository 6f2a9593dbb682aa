#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "names/model.h"

/// Which names can be had at all. All are pure functions.
namespace tiltyard::names {

/// What the rules must know of the site.
struct Site {
  std::string free_domain;            ///< empty: no names are given
  bool own_domains = false;           ///< people may bring their own
  std::vector<std::string> ours;      ///< hosts of the page and the gateway: nothing at, below or above them
  std::vector<std::string> reserved;  ///< labels that nobody gets, beside those that are built in
};

struct Asked {
  Kind kind = Kind::kFree;
  std::string host;      ///< as Name has it
  std::string skeleton;  ///< as Name has it
};

/// What somebody has typed: a label ("my-app") or a whole name below the free domain asks for a free name, everything
/// else for one of a domain of their own, in Unicode or ASCII form (RFC 5891, UTS 46 without transitional mapping).
/// `name-invalid`, `name-reserved`, `names-off`.
Result<Asked> check_asked(std::string_view typed, const Site& site);

/// The same for all names that a reader may take for each other: 0 and o, 1 and l, rn and m, letters of other scripts,
/// with and without accents and hyphens. Label by label; of a host in ASCII form.
std::string skeleton_of(std::string_view host);

/// Whether `host` is `domain` or below it.
bool at_or_below(std::string_view host, std::string_view domain);

}  // namespace tiltyard::names
