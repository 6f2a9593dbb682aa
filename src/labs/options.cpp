// What the configuration says of instances and their networks.
#include "config/keys.h"
#include "labs/parts.h"

namespace tiltyard::labs {
void declare_keys(config::Keys& keys, Options& options) {
  using namespace std::chrono_literals;
  keys.section("network", "The machines' addresses.")
      .text("pool", options.network_pool, config::form::kPool,
            "The private range that instances' networks are cut from, /8 to /16. What others use of it on this host is "
            "left out.")
      .number("shared_size", options.machines_per_bridge, 1, 1000,
              "Instances of a single machine on one shared network, at most 28; what is more counts as 28.");
  keys.section("labs", "Starting, limiting and clearing up instances.")
      .number("spawns_at_once", options.spawns_at_once, 1, 64,
              "Instances that are started side by side at most; how many go best is learned, the others queue.")
      .number("queue_limit", options.queue_limit, 0, 100'000, "Spawns that may queue; further ones are refused.")
      .number("instances_per_owner", options.instances_per_owner, 1, 10'000,
              "Live instances that one player or team may have.")
      .number("instances_total", options.instances_total, 1, 100'000, "Live instances of everybody together.")
      .number("commands_per_user", options.commands_per_user, 1, 64,
              "Commands (exec) that one user may have under way at once; the admin token ten times as many.")
      .number("shells_per_user", options.shells_per_user, 1, 64,
              "Terminals that one user may have open at once; the admin token ten times as many.")
      .number("followed_logs_per_user", options.followed_logs_per_user, 1, 64,
              "Logs that one user may follow at once; the admin token ten times as many.")
      .flag("trial", options.trial,
            "As `tiltyard try` has it: no pool is filled, and a template's solver tries every start.")
      .number("fills_at_once", options.fills_at_once, 1, 16,
              "Instances that are made for warm pools side by side, while nobody queues.")
      .time("sweep_interval", options.sweep_interval, 1s, 24h, "How often the engine is compared with the database.")
      .time("sweep_window", options.sweep_window, 0s, 24h,
            "What the engine has and the database does not is removed when it is older than this.")
      .time("expiry_interval", options.expiry_interval, 1s, 1h,
            "How often instances past their lease are looked for, beside the job that each of them has.")
      .time(
          "spawn_limit", options.spawn_limit, 1s, 24h,
          "How long a start may take until the instance runs, waiting in the queue not counted. Then all that was made "
          "is taken away again, and its owner is told.")
      .time("stop_grace", options.stop_grace, 0s, 5min, "How long a machine may take to stop before it is killed.");
}

}  // namespace tiltyard::labs
