#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/events.h"
#include "engine/reasons.h"
#include "engine/spec.h"

namespace tiltyard::engine {

namespace asio = boost::asio;

/// What an engine is and can do, asked at start and shown to operators.
struct Fingerprint {
  std::string kind;         ///< "docker", "fake", …
  std::string version;      ///< of the engine
  std::string api_version;  ///< as negotiated
  std::string os, arch, runtime;
  int cpus = 0;
  std::int64_t memory = 0;   ///< bytes
  bool shares_files = true;  ///< bind mounts of our files work: it is on this host and in the same root
};

enum class MachineState { kAbsent, kCreated, kRunning, kPaused, kExited, kRestarting, kDead };
enum class Health { kNone, kStarting, kHealthy, kUnhealthy };

struct MachineStatus {
  MachineState state = MachineState::kAbsent;
  Health health = Health::kNone;
  std::string check_said;  ///< the last health check's output, of one that is unhealthy; as the machine wrote it
  int exit_code = 0;
  bool out_of_memory = false;
  std::string engine_id;
  std::map<std::string, std::string> addresses;  ///< network name → address
  std::string error;                             ///< the engine's own words on why it did not start
  std::int64_t process = 0;                      ///< its first one, as this host counts; 0: not to be seen from here
};

enum class ResourceKind { kMachine, kNetwork, kVolume };

/// A machine that has just been made, or was found made.
struct Created {
  Handle handle;
  std::map<std::string, std::string> addresses;  ///< network name → address; those that are settled by now
  bool found = false;                            ///< it was there: an earlier call made it, and may have started it
};

/// Something that carries our labels, as a listing finds it.
struct Resource {
  ResourceKind kind = ResourceKind::kMachine;
  std::string name;
  std::map<std::string, std::string> labels;
  TimePoint created_at{};
  MachineState state = MachineState::kAbsent;  ///< machines only
  Handle handle;                               ///< machines only
};

/// Addresses of the engine's host that something uses: one of its networks, or a route of the host itself.
struct UsedRange {
  std::string subnet;                              ///< "10.64.3.0/28"
  std::string holder;                              ///< for people: the network's name, or the interface of the route
  bool route = false;                              ///< of the host, and of none of the engine's networks
  std::map<std::string, std::string> labels = {};  ///< of the network
};

struct Stats {
  std::int64_t cpu_nanos = 0;  ///< since the machine's start
  std::int64_t memory = 0;     ///< bytes, without the page cache
  std::int64_t memory_limit = 0;
  std::int64_t rx_bytes = 0, tx_bytes = 0, read_bytes = 0, write_bytes = 0;
  std::int64_t pids = 0;
};

/// Where a machine writes, and how much it may.
struct Footprint {
  std::int64_t most_bytes = 0, most_inodes = 0;  ///< as its spec said; 0: it was made by a version that did not say
  /// Folders on this host: its own layer, its volumes, what of our files it may write to. Empty: not to be seen here.
  std::vector<std::string> folders;
  /// A file on this host whose first number grows with the time that the machine's programs have run; empty: unknown.
  std::string processor;
  std::int64_t bytes = 0;  ///< without `folders`: written to its own layer, as the engine counts
};

/// A stream of bytes out of a machine.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Some bytes; an empty text at the end.
  virtual asio::awaitable<Result<std::string>> read() = 0;
  virtual void close() = 0;
};

/// A command that runs in a machine. Without a terminal, `read` tells standard output and error apart.
class ExecSession {
 public:
  struct Chunk {
    bool error_stream = false;
    std::string data;  ///< empty: the command has ended
  };
  virtual ~ExecSession() = default;
  virtual asio::awaitable<Result<Chunk>> read() = 0;
  virtual asio::awaitable<Result<>> write(std::string bytes) = 0;
  virtual void close_input() = 0;
  virtual asio::awaitable<Result<>> resize(int columns, int rows) = 0;
  /// Once `read` has said the end.
  virtual asio::awaitable<Result<int>> exit_code() = 0;
  /// Kills the command in the machine, with what it has started and what has not left it on purpose; success: it does
  /// not run any more. `command-runs` (Timeout) when it could not be ended: it stands still once nobody reads what it
  /// says. May cut the stream.
  virtual asio::awaitable<Result<>> stop() = 0;
  /// Lets go of the stream; the command itself goes on.
  virtual void close() = 0;
};

struct ExecSpec {
  std::vector<std::string> command;
  std::vector<std::string> environment;
  std::string user, working_dir;
  bool terminal = false;
  int columns = 80, rows = 24;
};

struct LogOptions {
  int tail = 200;  ///< lines from the end; -1: all
  bool follow = false;
  bool timestamps = false;
};

/// Called with each line of a build as it comes, and the step it is at.
struct BuildProgress {
  int step = 0, steps = 0;
  std::string text;
};
using OnProgress = std::function<void(BuildProgress)>;

struct ImageInfo {
  std::string id;
  std::int64_t size = 0;  ///< bytes
  TimePoint created_at{};
  std::map<std::string, std::string> labels;
  std::vector<std::uint16_t> exposed_ports;
  std::vector<std::string> volumes;  ///< paths the image declares as anonymous volumes
  std::vector<std::string> entrypoint, command;
  std::vector<std::string> environment;  ///< "KEY=value"
  std::string user;
  bool triggers = false;  ///< it has ONBUILD instructions
};

/// An image as a listing finds it.
struct ImageEntry {
  std::string id;
  std::vector<std::string> references;  ///< "name:tag"; empty: nothing calls it by a name
  std::int64_t size = 0;                ///< bytes, with what it shares with others
  TimePoint created_at{};
  std::map<std::string, std::string> labels;
};

// What an engine may be able to do besides running machines. An engine says null where it is not, and its callers say
// so (`cannot`): nobody pays for a verb that its maker cannot keep. A kind of machine that an engine does not run, it
// refuses in the same words.

/// Images by reference: made at load, never at spawn.
class Images {
 public:
  virtual ~Images() = default;
  virtual asio::awaitable<Result<std::optional<ImageInfo>>> find_image(std::string reference) = 0;
  virtual asio::awaitable<Result<ImageInfo>> build(BuildSpec spec, OnProgress progress) = 0;
  /// The newest Dockerfile syntax that its own BuildKit reads, times a hundred: 102 is that of docker/dockerfile:1.2.
  /// 0: it has the classic builder alone. As of the last fingerprint.
  virtual int dockerfile_syntax() const = 0;
  /// What was built in our namespace (label tiltyard.namespace), and what templates start from (tiltyard.base).
  virtual asio::awaitable<Result<std::vector<ImageEntry>>> list_images() = 0;
  /// Takes the name away, and what no other name holds. `image-in-use` (Conflict): a machine, whosever it is, is made
  /// of it.
  virtual asio::awaitable<Result<>> remove_image(std::string reference) = 0;
  /// Fetches from a registry; `image-missing` when there is none.
  virtual asio::awaitable<Result<ImageInfo>> pull(std::string reference, OnProgress progress) = 0;
  /// The image as one tar stream: its layers as tar files, and a manifest.json that names them from the lowest up.
  /// https://github.com/moby/moby/blob/master/image/spec/v1.2.md (combined image JSON and file system change sets)
  virtual asio::awaitable<Result<std::unique_ptr<ByteStream>>> export_image(std::string reference) = 0;
};

/// Commands inside machines that run, with a terminal or without.
class Shell {
 public:
  virtual ~Shell() = default;
  virtual asio::awaitable<Result<std::unique_ptr<ExecSession>>> exec(Handle handle, ExecSpec spec) = 0;
};

/// A text of a file in a machine's own layer, and what takes its place.
struct Rewrite {
  std::string path;     ///< absolute in the machine; links on the way are followed inside it
  std::string was;      ///< empty: the whole file
  std::string becomes;  ///< the same as `was`: only looked for
};

/// Files into machines, whether they run or not.
class Archives {
 public:
  virtual ~Archives() = default;
  /// A tar stream that is unpacked at `path`.
  virtual asio::awaitable<Result<>> put_archive(Handle handle, std::string path, std::string tar) = 0;
  /// Rewrites files that an archive has put there, in place: what has them open sees it, whatever else was done to
  /// them since stays. Done already: success. False: the layer is not at hand on this host, nothing was done.
  /// `file-moved` (Conflict): a file, or its text, is not there any more.
  virtual asio::awaitable<Result<bool>> rewrite(Handle handle, std::vector<Rewrite> texts) = 0;
};

/// Machines that stand still with all they have in memory, and go on in milliseconds.
class Freezer {
 public:
  virtual ~Freezer() = default;
  virtual asio::awaitable<Result<>> pause(Handle handle) = 0;
  virtual asio::awaitable<Result<>> resume(Handle handle) = 0;
  /// Lets a paused machine run at once; the engine's own view may say "paused" until a `resume` follows, and every verb
  /// works meanwhile. Where there is no shorter way it is `resume`. A machine that runs: success.
  virtual asio::awaitable<Result<>> thaw(Handle handle) = 0;
};

/// What machines write to disk.
class Disks {
 public:
  virtual ~Disks() = default;
  virtual asio::awaitable<Result<Footprint>> footprint(Handle handle) = 0;
  /// The folder on this host that holds what machines write; empty: not to be seen here. As of the last fingerprint.
  virtual std::string storage() const = 0;
};

/// What runs machines. All calls belong to the home loop and carry a deadline inside. Every verb can be repeated: what
/// is there already, or gone already, is success. Every error is one of:
///   image-missing (NotFound), machine-missing (NotFound), name-taken (Conflict: somebody else's resource has the
///   name), address-taken (Conflict), engine-out-of-disk (Exhausted), engine-out-of-memory (Exhausted), engine-busy
///   (Exhausted: try elsewhere or later), build-failed (Invalid, the message has the last lines), engine-away
///   (Unavailable: nothing was done), engine-lost (Unavailable: cut in mid-call, the outcome is unknown; call again),
///   engine-refused (Invalid: it said no, see the message), machine-did-not-start (Invalid: e.g. the command does not
///   exist), isolation-missing (Unavailable: our firewall table is not in force), engine-cannot (Conflict: no engine of
///   this kind does that), timeout.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual const std::string& name() const = 0;
  virtual asio::awaitable<Result<Fingerprint>> fingerprint() = 0;
  /// nullopt while it answers; otherwise since when and why it does not. Kept up to date by the engine itself, which
  /// reconnects.
  virtual std::optional<Error> away() const = 0;

  // Isolation, networks, volumes.
  /// Puts our firewall table in force, or finds it in force. Without it no machine starts.
  virtual asio::awaitable<Result<>> ensure_isolation() = 0;
  virtual asio::awaitable<Result<>> create_network(NetworkSpec spec) = 0;
  virtual asio::awaitable<Result<>> destroy_network(std::string name) = 0;
  /// All IPv4 ranges that are in use beside the engine's machines, whosever they are.
  virtual asio::awaitable<Result<std::vector<UsedRange>>> used_ranges() = 0;
  virtual asio::awaitable<Result<>> create_volume(std::string name, std::map<std::string, std::string> labels) = 0;
  virtual asio::awaitable<Result<>> destroy_volume(std::string name) = 0;

  // Machines.
  virtual asio::awaitable<Result<Created>> create(MachineSpec spec) = 0;
  virtual asio::awaitable<Result<>> start(Handle handle) = 0;
  /// Asks nicely for `grace`, then kills. A paused machine is thawed first, so that it hears the question.
  virtual asio::awaitable<Result<>> stop(Handle handle, std::chrono::milliseconds grace) = 0;
  /// Kills and removes, with its anonymous volumes.
  virtual asio::awaitable<Result<>> destroy(Handle handle) = 0;
  virtual asio::awaitable<Result<MachineStatus>> inspect(Handle handle) = 0;
  /// The handle of a machine whose create was not answered, or that an earlier process made; nullopt: there is none.
  virtual asio::awaitable<Result<std::optional<Handle>>> recover(std::string machine_name) = 0;
  /// Everything with our namespace (label tiltyard.managed=true and this namespace), of all kinds; another server's
  /// label says that it is not ours.
  virtual asio::awaitable<Result<std::vector<Resource>>> list() = 0;
  virtual asio::awaitable<Result<Stats>> stats(Handle handle) = 0;
  virtual asio::awaitable<Result<std::unique_ptr<ByteStream>>> logs(Handle handle, LogOptions options) = 0;

  // What it may be able to do; null: it is not.
  virtual Images* images() = 0;
  virtual Shell* shell() = 0;
  virtual Archives* archives() = 0;
  virtual Freezer* freezer() = 0;
  virtual Disks* disks() = 0;

  /// Called on the home loop for each event, as long as what is returned is kept.
  [[nodiscard]] virtual Subscription on_event(Subscribers::OnEvent subscriber) = 0;
  /// Starts what runs in the background (event stream, reconnection).
  virtual void run() = 0;
  virtual asio::awaitable<void> close() = 0;
};

/// What is said where a facet is missing: `what` it would take, as "run commands in machines".
inline std::unexpected<Error> cannot(const Engine& engine, const std::string& what) {
  return fail(Code::kConflict, reason::kCannot, "The engine " + engine.name() + " cannot " + what + ".");
}

/// For engines whose machines are containers: refuses every other kind, before anything is done.
inline Result<> only_containers(const Engine& engine, const MachineSpec& spec) {
  if (std::holds_alternative<Container>(spec.kind)) return {};
  return cannot(engine, "run virtual machines");
}

}  // namespace tiltyard::engine
