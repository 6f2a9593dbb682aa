#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace tiltyard::engine {

/// On an image: which snapshot it is part of.
inline constexpr char kLabelSnapshot[] = "tiltyard.snapshot";
/// Names of such images begin so: no build of a template and no base is called like that.
inline constexpr char kSnapshotPrefix[] = "tiltyard/s-";

/// What machines have in their own file systems, kept as images. An engine may be able to; see `snapshots_of`. Errors
/// and repetition are as engine.h has them.
class Snapshots {
 public:
  virtual ~Snapshots() = default;
  /// Bytes in the machine's own layer, which is what a snapshot of it takes on disk.
  virtual asio::awaitable<Result<std::int64_t>> own_bytes(Handle handle) = 0;
  /// Keeps the machine's file system as it is now under `reference` (kSnapshotPrefix…), marked with `snapshot`. What
  /// runs stands still meanwhile, and what sleeps goes on sleeping. Volumes, binds and memory file systems are not in
  /// it. An image that had the name loses it.
  virtual asio::awaitable<Result<>> take_snapshot(Handle handle, std::string reference, std::string snapshot) = 0;
  /// One more name for it; each holds it by itself. `image-missing`.
  virtual asio::awaitable<Result<>> name_snapshot(std::string reference, std::string also) = 0;
  /// Takes the name away, and what no other name holds. Gone already: success. `image-in-use` (Conflict): it is the
  /// last name of what a machine is made of.
  virtual asio::awaitable<Result<>> drop_snapshot(std::string reference) = 0;
  /// All of our namespace, with every name that they have.
  virtual asio::awaitable<Result<std::vector<ImageEntry>>> list_snapshots() = 0;
  /// All files of the machine as one tar stream. Of one that has never run it is the same, byte for byte, each time.
  virtual asio::awaitable<Result<std::unique_ptr<ByteStream>>> export_files(Handle handle) = 0;
};

/// Null: the engine keeps no snapshots.
inline Snapshots* snapshots_of(Engine& engine) { return dynamic_cast<Snapshots*>(&engine); }

}  // namespace tiltyard::engine
