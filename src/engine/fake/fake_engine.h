#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/snapshots.h"

namespace tiltyard {
class Signal;
}

namespace tiltyard::engine {

namespace fake {
class Responder;
struct Log;
}  // namespace fake

struct FakeOptions {
  std::string name = "fake";
  bool local = true;  ///< as its fingerprint says
  std::string name_space = "tiltyard";
  std::string server = "self";
  std::set<std::string> images;                                ///< references that are there from the start
  std::set<std::string> missing_programs{"/no/such/program"};  ///< commands with which a machine does not start
};

/// An engine in memory that keeps the whole contract of engine.h, for tests and for trying the server out without
/// Docker. Its machines answer: where a machine's address lies in 127.0.0.0/8, it listens there on each exposed port
/// and answers every HTTP request with its name, labels and the path, as JSON. Commands that it knows (echo, cat, true,
/// false, exit through `sh -c`) do what they say; every other program runs until it is stopped. Belongs to one loop.
class FakeEngine final : public Engine, public Images, public Shell, public Archives, public Freezer, public Snapshots {
 public:
  explicit FakeEngine(asio::any_io_executor executor, FakeOptions options = {});
  ~FakeEngine() override;

  // What tests turn. A verb is called as its function ("create", "start", "create_network", …).
  void add_image(std::string reference, ImageInfo info = {});
  /// What `export_image` gives for it; without, an image of one empty layer.
  void set_image_tar(std::string reference, std::string tar);
  /// Which Dockerfiles it builds; 0: as an engine without BuildKit.
  void know_syntax(int syntax) { dockerfile_syntax_ = syntax; }
  /// What is made from now on is this server's, as if another one worked on the same engine; empty: one that does not
  /// say who it is.
  void act_as(std::string server) { options_.server = std::move(server); }
  /// Something on the host uses these addresses.
  void use_range(UsedRange range) { ranges_.push_back(std::move(range)); }
  /// A machine, network or volume that is not ours has this name.
  void add_stranger(std::string name);
  void set_latency(std::string verb, std::chrono::milliseconds latency);
  /// The next `times` calls of `verb` fail with `error` and do nothing.
  void fail_next(std::string verb, Error error, int times = 1);
  /// The next `times` calls of `verb` do their work and then fail with `engine-lost`.
  void lose_answer(std::string verb, int times = 1);
  /// Calls of `verb` wait until it is released.
  void hold(std::string verb);
  void release(std::string verb);
  /// From now on every verb is `engine-away`, and what is on its way is `engine-lost`.
  void go_away();
  void come_back();
  /// The next machine gets this address on its first network, whatever was planned.
  void place_next(std::string address) { next_address_ = std::move(address); }
  /// What `create` returns for a machine of this name.
  static Handle handle_of(const std::string& name);
  /// From now on it has no such facet ("images", "shell", "archives", "freezer").
  void lack(std::string facet) { lacking_.insert(std::move(facet)); }
  void set_isolation(bool in_force) { isolated_ = in_force; }
  /// Behind the server's back: the machine's program ends, its health changes, or it is removed.
  void end_machine(std::string name, int exit_code, bool out_of_memory = false);
  /// Tells an event late or once more.
  void tell_again(const std::string& name, Happening what);
  void set_health(std::string name, Health health);
  void lose_machine(std::string name);
  void write_log(std::string name, std::string text);
  /// Whether its program stands still: paused and not thawed.
  bool is_frozen(const std::string& name) const;
  /// How often `verb` was called.
  int calls(const std::string& verb) const;
  std::size_t machine_count() const { return machines_.size(); }
  std::size_t network_count() const { return networks_.size(); }
  std::size_t volume_count() const { return volumes_.size(); }
  /// A file that was put into a machine; nullopt: there is none.
  std::optional<std::string> file(const std::string& machine, const std::string& path) const;
  /// What a machine was made of; null: there is none.
  const MachineSpec* machine_spec(const std::string& name) const;

  const std::string& name() const override { return options_.name; }
  asio::awaitable<Result<Fingerprint>> fingerprint() override;
  std::optional<Error> away() const override { return away_; }
  Images* images() override { return lacking_.contains("images") ? nullptr : this; }
  Shell* shell() override { return lacking_.contains("shell") ? nullptr : this; }
  Archives* archives() override { return lacking_.contains("archives") ? nullptr : this; }
  Freezer* freezer() override { return lacking_.contains("freezer") ? nullptr : this; }
  Disks* disks() override { return nullptr; }
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
  Subscription on_event(Subscribers::OnEvent subscriber) override { return subscribers_.add(std::move(subscriber)); }
  void run() override {}
  asio::awaitable<void> close() override;

 private:
  struct Machine;
  struct Network {
    NetworkSpec spec;
    bool stranger = false;
    TimePoint created_at{};
  };
  struct Volume {
    Labels labels;
    bool stranger = false;
    TimePoint created_at{};
  };
  struct Trouble {
    int left = 0;
    Error error;
  };

  asio::awaitable<Result<>> enter(std::string verb);
  template <class T>
  asio::awaitable<Result<T>> act(std::string verb, std::function<Result<T>()> deed);

  Result<Machine*> find(const Handle& handle);
  Labels ours(Labels labels) const;
  bool is_ours(const Labels& labels) const;
  Result<Created> make_machine(const MachineSpec& spec);
  static Created made_of(const Machine& machine);
  Result<> start_machine(const Handle& handle);
  Result<> resume_machine(Machine& machine);
  Result<> listen_for(Machine& machine);
  void end(Machine& machine, int exit_code);
  void remove(const std::string& name);
  Result<> make_network(const NetworkSpec& spec);
  Result<ImageInfo> run_build(const BuildSpec& spec, const OnProgress& progress);
  std::vector<Resource> everything() const;
  void tell(const Machine& machine, Happening what);
  void post(EngineEvent event);

  asio::any_io_executor executor_;
  FakeOptions options_;
  std::map<std::string, ImageInfo> images_;
  int dockerfile_syntax_ = 119;
  std::map<std::string, std::string> image_tars_;
  std::map<std::string, std::map<std::string, std::string>> image_files_;  ///< of snapshots, by their ids
  std::map<std::string, std::unique_ptr<Machine>> machines_;
  std::map<std::string, Network> networks_;
  std::map<std::string, Volume> volumes_;
  std::vector<UsedRange> ranges_;
  std::map<std::string, std::chrono::milliseconds> latency_;
  std::map<std::string, Trouble> failing_;
  std::map<std::string, int> losing_, calls_;
  std::map<std::string, std::shared_ptr<Signal>> held_;
  std::set<std::string> lacking_;
  std::string next_address_;
  Subscribers subscribers_;
  std::optional<Error> away_;
  int absences_ = 0;  ///< how often it went away: tells a call whether it did in mid-call
  bool isolated_ = true;
  SystemClock clock_;
  /// What is posted to the loop must not outlive the engine.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tiltyard::engine
