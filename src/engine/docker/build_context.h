#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/spec.h"

namespace tiltyard::engine::docker {

/// The tar stream of a build's context, made piece by piece so that no context has to fit into memory: regular files,
/// folders and symbolic links below `spec.context`, without what the ignore file excludes, owned by 0:0, times kept. A
/// link is sent as a link, wherever it leads: nothing on this host follows it. Blocking: belongs on a worker thread,
/// one call at a time.
class BuildContext {
 public:
  /// `build-failed` where the folder or the Dockerfile is missing, the Dockerfile is a link out of the context, or
  /// there is something that is no file (a device, a socket).
  static Result<std::unique_ptr<BuildContext>> open(const BuildSpec& spec);
  ~BuildContext();

  /// The Dockerfile's name within the stream.
  const std::string& dockerfile() const;
  /// The next piece (some hundred KiB at most); an empty text at the end.
  Result<std::string> next();

 private:
  struct State;
  explicit BuildContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tiltyard::engine::docker
