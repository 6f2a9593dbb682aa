#pragma once

#include <map>
#include <string>
#include <vector>

#include "templates/model.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::templates {

/// What the operator allows beyond the defaults, per template id ("*": all); from the server's configuration only.
struct Allowances {
  std::vector<std::string> keys;  ///< "privileged", "setuid", "egress", "devices", "cap:SYS_PTRACE",
                                  ///< "sysctl:net.ipv4.ip_forward", "bind:/srv/data"
};

/// The limits that a template gets where it names none, and may not exceed.
struct Bounds {
  engine::Resources defaults;  ///< 256 pids, 256 MiB, no swap, 0.5 CPU, nofile 1024:4096
  engine::Resources ceiling;
};

/// Row 1.5's numbers: 256 pids, 256 MiB without swap, half a processor and 1024:4096 open files where nothing is said;
/// at most 2 processors, 2 GiB, 2048 pids, 65536 open files, 1 GiB of shared memory.
Bounds standard_bounds();

/// Whether a machine has more than a template may ask for by itself, such as raw sockets: it may send in others' names.
bool may_forge(const Service& service);

struct Options {
  std::string path;  ///< the folder of template folders
  std::map<std::string, Allowances> allow;
  Bounds bounds;
  bool watch = true;  ///< reload on change (inotify)
  int builds_at_once = 1;
  bool allow_pull = false;
  bool setuid = true;  ///< whether set-user-ID programs count in templates that say nothing, or ask for it
  std::chrono::seconds keep_unneeded{std::chrono::hours{24}};  ///< builds that nobody needs; 0: for ever
};

/// What a site has where its configuration says nothing: twice the ceiling of `standard_bounds`.
Options site_options();
/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// Reads one folder: instance.toml and/or compose file or Dockerfile. Never fails: what is wrong is in `problems`.
/// Pure: only reads files below `folder`.
Template read_folder(const std::string& folder, const Options& options);

/// Whether a folder is a challenge of the contest with nothing to start: a challenge.toml (docs/challenge.md), and
/// nothing that a template is made of. It is no template, and no broken one either.
bool starts_nothing(const std::string& folder);

/// The id of what lies in a folder of this name and says no other.
std::string id_of_folder(std::string_view name);

/// The problems as lines "file:line: error: message", for the command line; empty: none.
std::string format_problems(const Template& tmpl);

}  // namespace tiltyard::templates
