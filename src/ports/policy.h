#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/endpoint_kind.h"
#include "base/result.h"
#include "templates/model.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::ports {

/// What the operator allows: the most that a template can.
struct Options {
  std::vector<std::string> open{"http", "tcp", "udp"};  ///< words of EndpointKind
  int max = 4;                                          ///< of one instance at once
  int max_per_owner = 12;                               ///< of all instances of one owner at once
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What may be opened of one instance.
struct Policy {
  std::vector<EndpointKind> kinds;
  int max = 0;
  std::vector<templates::PortRange> ranges;  ///< empty: all
  std::vector<std::string> machines;         ///< empty: all
  std::string why;                           ///< why nothing is, if so

  /// Who may open nothing of it is not told of its ports either.
  bool shows(const std::string& machine) const;
  bool has(std::uint16_t port) const;
  /// `ports-off`, `machine-closed`, `port-not-allowed`, `kind-not-allowed`.
  Result<> allows(const std::string& machine, std::uint16_t port, EndpointKind kind) const;
};

/// The less of both; `tmpl` is null when the template has changed since the instance began, and then nothing is
/// allowed.
Policy policy_of(const Options& options, const templates::Template* tmpl);

}  // namespace tiltyard::ports
