#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "templates/inside.h"
#include "templates/interpolate.h"
#include "templates/model.h"
#include "templates/problems.h"
#include "templates/reader.h"
#include "templates/settings.h"
#include "templates/yaml_tree.h"

namespace tiltyard::templates {

/// A port that a service publishes, with what its long form says of it.
struct PublishedPort {
  std::uint16_t port = 0;
  std::string name;
  std::optional<EndpointKind> kind;
  Place place;
};

/// What carries a service's port, by labels.
using PortKinds = std::map<std::pair<std::string, std::uint16_t>, EndpointKind>;
void take_port_labels(const std::map<std::string, std::string>& labels, const std::string& service, PortKinds& out);

/// A file that several services may mount: a top-level config or secret.
struct SharedFile {
  std::string path;                    ///< inside the folder
  std::optional<std::string> content;  ///< or its text
};

/// A top-level volume.
struct DeclaredVolume {
  std::string external;                ///< with the operator's allowance, its name on the engine
  std::optional<std::string> device;   ///< of `driver_opts`: a folder that is bound
  std::optional<std::string> options;  ///< of `driver_opts`: it lies in memory, with these
  Place place;                         ///< of `driver_opts`
};

/// What the services of a file are read against.
struct ReadContext {
  const Inside& inside;
  const Options& options;
  const Settings& settings;
  const Variables& variables;
  Problems& problems;
  std::string id;  ///< the template's
  bool egress = false;
  std::set<std::string> services;        ///< all names
  std::map<std::string, bool> networks;  ///< declared, and whether internal
  std::map<std::string, DeclaredVolume> volumes;
  std::map<std::string, SharedFile> configs, secrets;
  std::map<std::string, std::string> files;     ///< what was read, for the content hash
  std::map<std::string, std::string> pinned{};  ///< addresses that the file pins, and whose they are
  std::set<std::string> in_memory{};            ///< volumes in memory that a service mounts
  PortKinds kinds_by_label{};                   ///< what images say that are built here

  /// Whether the operator allows this template a key that is otherwise refused.
  bool allows(std::string_view key) const;
};

/// A service as read: the model's, and what the template is put together from.
struct ReadService {
  Service service;
  std::vector<PublishedPort> published;
  std::vector<std::string> profiles;
  std::map<std::string, Place> dependency_places;
  bool isolated = false;                                  ///< network_mode: none
  std::string container_name;                             ///< as far as it is known before spawn
  std::vector<std::string> built_names;                   ///< what the project's other services call what it builds
  std::vector<std::pair<std::string, bool>> mounts_of{};  ///< `volumes_from`: whose, and whether only to be read
  Place place;
};

ReadService read_service(const Member& member, ReadContext& context);

/// Limits of a machine: what the service says, else instance.toml, else the server's defaults; never over the ceiling.
/// `service` may be null (a template without compose file).
void read_limits(const Node* service, ReadContext& context, engine::Resources& resources);

// The parts of read_service, by subject.
void read_build(const Member& service, ReadContext& context, ReadService& out);
void read_environment(const Node& service, ReadContext& context, engine::Container& container);
void read_labels(const Node& service, ReadContext& context, engine::MachineBase& machine);
void read_health(const Node& service, ReadContext& context, engine::Container& container);
void read_restart(const Node& service, ReadContext& context, engine::Container& container);
void read_privileges(const Node& service, ReadContext& context, engine::Container& container);
/// Said by `security_opt`, else by instance.toml, else by the operator. `service` may be null.
SetUserId set_user_id(const Node* service, ReadContext& context);
void read_mounts(const Node& service, ReadContext& context, ReadService& out);
/// `volumes_from`: what others of them mount.
void share_mounts(std::vector<ReadService>& services, ReadContext& context);
/// What one service may write to, another one that has it too sees change: both have what the instance has of it.
void share_binds(std::vector<Service>& services, const std::string& folder);
void read_files(const Node& service, std::string_view key, ReadContext& context, ReadService& out);
void read_network_use(const Node& service, ReadContext& context, ReadService& out);
/// After read_network_use: the name goes onto the service's networks.
void read_container_name(const Node& service, ReadContext& context, ReadService& out);
void read_ports(const Node& service, ReadContext& context, ReadService& out);
void read_depends_on(const Node& service, ReadContext& context, ReadService& out);
void read_extra_hosts(const Node& service, ReadContext& context, ReadService& out);

// What can be said of dependencies once all services are known (service_depends_on.cpp).
/// None may lead back to where it started.
void check_circles(const std::vector<ReadService>& services, ReadContext& context);
/// Takes out those on services that are not active; an error where they are not by choice.
/// `profiles`: a profile of each service that is not active.
void drop_dependencies(std::vector<ReadService>& services, const std::set<std::string>& active,
                       const std::map<std::string, std::string>& profiles, ReadContext& context);
/// Waiting for the health of a machine that is never asked would never end.
void check_health_waits(const std::vector<ReadService>& services, ReadContext& context);

/// Warns wherever the file or the folder has an address written down that the file pins (static_addresses.cpp).
void warn_of_addresses(const Node& root, ReadContext& context);
/// Which service each pinned address is of.
std::map<std::string, std::string> pinned_addresses(const Node& services);

/// What the services call what others of them build (service_images.cpp): `image` and `tags` beside `build`.
using BuiltNames = std::map<std::string, std::string>;
BuiltNames built_names(const std::vector<ReadService>& services);
/// A service with such an image alone runs it.
void use_built_images(std::vector<ReadService>& services);
/// "service:NAME" of `additional_contexts`.
inline constexpr std::string_view kServiceContext = "service:";
/// A build may start from what another service builds: that is a part of what it is made of, and is built first.
/// `all`: also of the services that are not active.
void chain_builds(std::vector<ReadService>& services, const BuiltNames& all, ReadContext& context);

/// The build of a folder's Dockerfile, with tag and base images; false: an error was reported.
bool finish_build(engine::BuildSpec& build, const std::string& service, const std::string& context_path,
                  const Place& place, ReadContext& context, Service& out);

/// The capabilities that a machine keeps where nothing is said.
const std::set<std::string>& kept_capabilities();

// Typed looks at a node. Each reports what is wrong and gives nullopt then; a null node is nullopt in silence. `what`
// names the key in messages.
std::optional<std::string> as_text(const Node& node, std::string_view what, ReadContext& context,
                                   std::size_t most = 4096);
std::optional<bool> as_bool(const Node& node, std::string_view what, ReadContext& context);
std::optional<std::int64_t> as_integer(const Node& node, std::string_view what, ReadContext& context,
                                       std::int64_t least, std::int64_t most);
std::optional<std::int64_t> as_bytes(const Node& node, std::string_view what, ReadContext& context);
std::optional<double> as_decimal(const Node& node, std::string_view what, ReadContext& context);
std::optional<std::chrono::milliseconds> as_duration(const Node& node, std::string_view what, ReadContext& context);
/// A text or a list of texts.
std::vector<const Node*> as_list(const Node& node, std::string_view what, ReadContext& context);
/// The same, looked up in a map; nullopt where the key is not there.
std::optional<std::string> text_at(const Node& map, std::string_view key, ReadContext& context,
                                   std::size_t most = 4096);
std::optional<bool> bool_at(const Node& map, std::string_view key, ReadContext& context);
/// Whether the node is a map (reported otherwise).
bool want_map(const Node& node, std::string_view what, ReadContext& context);

}  // namespace tiltyard::templates
