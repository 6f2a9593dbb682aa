#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <vector>

#include "base/offload.h"
#include "engine/docker/layer_files.h"
#include "engine/engine.h"
#include "engine/isolation/limits.h"
#include "engine/snapshots.h"

namespace tiltyard::privileged {
class Caller;
}

namespace tiltyard::engine {

struct DockerOptions {
  std::string name = "docker";                           ///< how operators and errors call this engine
  std::string endpoint = "unix:///var/run/docker.sock";  ///< or tcp://host:port, https://host:port
  std::string ca_file, certificate_file, key_file;       ///< TLS, for https:// endpoints
  std::string name_space = "tiltyard";                   ///< value of the label tiltyard.namespace on all we make
  std::string server;                                    ///< value of the label tiltyard.server, but on images
  std::string log_driver = "json-file";                  ///< json-file or local: both can be read back
  /// The operator says that a remote engine's host has our firewall table in force (see docs/operations.md).
  bool trust_remote_isolation = false;
  std::string nft = "nft";                  ///< the program that loads the firewall table
  std::string firewall_table = "tiltyard";  ///< one per host, whatever the number of servers on it
  std::string files_folder;                 ///< absolute: where our own files are, which machines may get
  /// Whether a command that must end is killed from the host where that can be had; otherwise by its own machine's
  /// `kill`.
  bool signals_from_host = true;
  isolation::MachineLimits machines;            ///< what one machine may take of the host's network
  std::chrono::milliseconds ping_every{5'000};  ///< how soon a dead daemon is noticed on a quiet day
};

namespace isolation {
class Firewall;
class NoNames;
class Weights;
}  // namespace isolation
namespace docker {
class Connection;
class Freezers;
class Restarts;
class Watcher;
}  // namespace docker

/// The Docker Engine over its own API: no command line, no library of theirs. Belongs to the loop of `executor`;
/// blocking work (reading build contexts, running nft) happens on a worker thread of its own. Lives until `close()`
/// completed.
class DockerEngine final : public Engine,
                           public Images,
                           public Shell,
                           public Archives,
                           public Freezer,
                           public Disks,
                           public Snapshots {
 public:
  /// `invalid-address` where the endpoint cannot be read. Does not touch the engine yet.
  static Result<std::unique_ptr<DockerEngine>> make(asio::any_io_executor executor, DockerOptions options);
  ~DockerEngine() override;

  /// Somebody else keeps the firewall table in force, who has the rights to: it is asked, and we do nothing to it.
  /// Before `run`.
  void isolated_by(privileged::Caller privileged);

  const std::string& name() const override { return options_.name; }
  asio::awaitable<Result<Fingerprint>> fingerprint() override;
  std::optional<Error> away() const override;
  Images* images() override { return this; }
  Shell* shell() override { return this; }
  Archives* archives() override { return this; }
  Freezer* freezer() override { return this; }
  Disks* disks() override { return this; }

  asio::awaitable<Result<std::optional<ImageInfo>>> find_image(std::string reference) override;
  asio::awaitable<Result<ImageInfo>> build(BuildSpec spec, OnProgress progress) override;
  int dockerfile_syntax() const override { return dockerfile_syntax_; }
  asio::awaitable<Result<std::vector<ImageEntry>>> list_images() override;
  asio::awaitable<Result<>> remove_image(std::string reference) override;
  asio::awaitable<Result<ImageInfo>> pull(std::string reference, OnProgress progress) override;
  asio::awaitable<Result<std::unique_ptr<ByteStream>>> export_image(std::string reference) override;

  asio::awaitable<Result<>> ensure_isolation() override;
  asio::awaitable<Result<>> create_network(NetworkSpec spec) override;
  asio::awaitable<Result<>> destroy_network(std::string name) override;
  asio::awaitable<Result<std::vector<UsedRange>>> used_ranges() override;
  asio::awaitable<Result<>> create_volume(std::string name, Labels labels) override;
  asio::awaitable<Result<>> destroy_volume(std::string name) override;

  asio::awaitable<Result<Created>> create(MachineSpec spec) override;
  asio::awaitable<Result<>> start(Handle handle) override;
  asio::awaitable<Result<Footprint>> footprint(Handle handle) override;
  std::string storage() const override { return storage_; }
  asio::awaitable<Result<>> pause(Handle handle) override;
  asio::awaitable<Result<>> resume(Handle handle) override;
  asio::awaitable<Result<>> thaw(Handle handle) override;
  asio::awaitable<Result<>> stop(Handle handle, std::chrono::milliseconds grace) override;
  asio::awaitable<Result<>> destroy(Handle handle) override;
  asio::awaitable<Result<MachineStatus>> inspect(Handle handle) override;
  asio::awaitable<Result<std::optional<Handle>>> recover(std::string machine_name) override;
  asio::awaitable<Result<std::vector<Resource>>> list() override;
  asio::awaitable<Result<Stats>> stats(Handle handle) override;
  asio::awaitable<Result<std::unique_ptr<ByteStream>>> logs(Handle handle, LogOptions options) override;
  asio::awaitable<Result<std::unique_ptr<ExecSession>>> exec(Handle handle, ExecSpec spec) override;
  asio::awaitable<Result<>> put_archive(Handle handle, std::string path, std::string tar) override;
  asio::awaitable<Result<bool>> rewrite(Handle handle, std::vector<Rewrite> texts) override;

  asio::awaitable<Result<std::int64_t>> own_bytes(Handle handle) override;
  asio::awaitable<Result<>> take_snapshot(Handle handle, std::string reference, std::string snapshot) override;
  asio::awaitable<Result<>> name_snapshot(std::string reference, std::string also) override;
  asio::awaitable<Result<>> drop_snapshot(std::string reference) override;
  asio::awaitable<Result<std::vector<ImageEntry>>> list_snapshots() override;
  asio::awaitable<Result<std::unique_ptr<ByteStream>>> export_files(Handle handle) override;

  Subscription on_event(Subscribers::OnEvent subscriber) override;
  void run() override;
  asio::awaitable<void> close() override;

 private:
  DockerEngine(asio::any_io_executor executor, DockerOptions options, std::string unix_path,
               std::shared_ptr<docker::Connection> connection);

  /// The group of all machines, from now on: weighed where that is ours to do.
  asio::awaitable<void> put_into_group(std::string driver, bool unified, std::int64_t memory);

  /// The labels of all with our namespace, on top of `labels`; of what is this server's alone, with `mine`.
  Labels ours(Labels labels) const;
  Labels mine(Labels labels) const;
  /// What a server of a version before made says no server; it is ours as well.
  bool is_ours(const Labels& labels) const;
  /// The filter `{"label": [ours…]}` of listings, as JSON.
  std::string our_filter() const;

  enum class NameHolder { kNobody, kAdopted, kOutdated };
  asio::awaitable<Result<NameHolder>> who_holds(std::string name, std::string instance, std::string spec_hash);
  asio::awaitable<Result<>> connect_others(MachineSpec spec);
  asio::awaitable<Result<>> wait_until_gone(std::string name);

  enum class NetworkHolder { kNobody, kSame, kOurs, kStranger };
  struct FoundNetwork {
    NetworkHolder holder;
    std::string bridge;
  };
  asio::awaitable<std::optional<std::string>> appears(NetworkSpec spec);
  asio::awaitable<Result<>> destroy_namesakes(std::string name);
  asio::awaitable<Result<FoundNetwork>> look_at_network(NetworkSpec spec);
  asio::awaitable<Result<>> disconnect_leftovers(std::string network);
  asio::awaitable<Result<>> bridge_is_here(std::string network, std::string bridge);

  /// The start itself, whoever asked for it.
  asio::awaitable<Result<>> start_now(Handle handle);
  /// The machine as the daemon sees it, and where its freezer is (remembered by `freezer_`).
  asio::awaitable<Result<MachineState>> look_for_freezer(std::string name);
  asio::awaitable<Result<>> ask_to_resume(std::string name);
  asio::awaitable<Result<>> bring_view_up_to_date(std::string name);

  asio::awaitable<Result<std::vector<Resource>>> list_machines();
  asio::awaitable<Result<std::vector<Resource>>> list_networks();
  asio::awaitable<Result<std::vector<Resource>>> list_volumes();

  asio::any_io_executor executor_;
  DockerOptions options_;
  std::string unix_path_;  ///< empty: over TCP
  bool local_;
  /// A machine's own layer, if it can be written to from here, and whether the machine has run.
  struct OwnLayer {
    docker::Layer layer;
    bool has_run = false;
  };
  asio::awaitable<Result<std::optional<OwnLayer>>> layer_at_hand(Handle handle);

  asio::awaitable<Result<bool>> unpack_from_host(Handle handle, std::string tar);
  asio::awaitable<Result<bool>> rewrite_from_host(Handle handle, std::vector<Rewrite> texts);

  /// Asks for a fingerprint where none has been given: the engine may have been away when the server started.
  asio::awaitable<void> know_storage();

  // As the engine's last fingerprint says:
  bool fingerprinted_ = false;
  int dockerfile_syntax_ = 0;
  bool limits_disk_ = false;
  bool shares_files_ = false;
  bool own_ids_ = false;       ///< machines' users have the numbers that they have on this host
  std::string storage_;        ///< the engine's folder, where its files are ours to see
  std::string cgroup_parent_;  ///< as its first one
  std::shared_ptr<docker::Connection> connection_;
  std::shared_ptr<WorkerPool> worker_;  ///< reads build contexts
  WorkerPool writer_;                   ///< into machines' layers, which nobody who builds holds up
  std::unique_ptr<isolation::Firewall> firewall_;
  std::shared_ptr<privileged::Caller> privileged_;  ///< null: the firewall table is ours to keep
  std::unique_ptr<isolation::NoNames> no_names_;
  std::unique_ptr<isolation::Weights> weights_;
  std::unique_ptr<docker::Freezers> freezers_;
  std::unique_ptr<docker::Restarts> restarts_;
  Subscribers subscribers_;
  std::chrono::steady_clock::time_point last_death_{};  ///< of any machine of ours
  std::unique_ptr<docker::Watcher> watcher_;
};

}  // namespace tiltyard::engine
