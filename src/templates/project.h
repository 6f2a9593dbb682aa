#pragma once

#include <vector>

#include "templates/service.h"

namespace tiltyard::templates {

/// A compose file as the instance will have it.
struct Project {
  std::vector<ReadService> services;  ///< the active ones, in file order
  std::vector<Network> networks;
  std::vector<std::string> volumes;
};

/// Judges a merged compose file: every key by the table, every name by what is declared.
Project read_project(const Node& root, ReadContext& context);

}  // namespace tiltyard::templates
