#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/offload.h"
#include "bus/bus.h"
#include "captures/model.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}
namespace tiltyard::labs {
class Service;
}
namespace tiltyard::privileged {
class Caller;
}

/// Packets of instances, captured for staff and for evidence (row 2.7). docs/captures.md says what people see of it.
namespace tiltyard::captures {

namespace asio = boost::asio;

struct Options {
  std::size_t at_once = 16;               ///< 0: nothing is ever captured
  std::uint64_t buffer = 16 << 20;        ///< bytes that the kernel holds for each network of a capture
  std::uint64_t each = 256 << 20;         ///< bytes that are kept of one, where nobody says otherwise
  std::uint64_t total = 10ULL << 30;      ///< bytes of all that is kept
  std::chrono::seconds keep{7 * 86'400};  ///< after its end
  bool tell_owner = false;
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

std::vector<store::Migration> migrations();

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  jobs::Service& jobs;
  labs::Service& labs;
  WorkerPool& files;
  std::string folder;                               ///< where captures lie
  std::shared_ptr<const privileged::Caller> apart;  ///< who opens sockets for us; null: we do
  std::string version;
};

/// What is to be captured, and why.
struct Ask {
  InstanceId instance;
  std::string filter;
  std::uint64_t bytes = 0;        ///< 0: the configuration's
  std::chrono::seconds age{0};    ///< of the oldest packet that is kept; 0: whatever its age
  std::chrono::seconds lasts{0};  ///< 0: until it is ended, or its instance is
  bool attended = false;          ///< ends with the last who looks on
  Cause cause = Cause::kEvidence;
  bus::Actor actor;  ///< empty: nobody
};

/// Captures. Lives on the home loop; every call belongs there. What runs is a thread that reads from the kernel into
/// files (receiver.h, ring.h); nothing of it passes a loop.
class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  /// Begins a capture. `instance-unknown`, `instance-not-running`, `filter-refused`, `captures-full`,
  /// `captures-no-room`, `captures-off`, `capture-refused`, `network-away`.
  asio::awaitable<Result<Capture>> begin(Ask ask);
  /// Ends one; one that has ended: success. `capture-unknown`.
  asio::awaitable<Result<Capture>> end(std::string id, std::string reason, bus::Actor actor);
  /// Ends it and removes what is kept of it.
  asio::awaitable<Result<>> remove(std::string id, bus::Actor actor);
  /// Newest first; of one instance, or (empty) of all.
  asio::awaitable<Result<std::vector<Capture>>> list(InstanceId instance);
  asio::awaitable<Result<Capture>> find(std::string id);
  /// Whether it runs in this process.
  bool runs(const std::string& id) const;
  /// Those that run of this owner's instances, if owners are to know.
  std::vector<Capture> of_owner(const std::string& owner) const;

  /// What `download` and `watch` give, piece by piece: first the head of a file. It may outlive the service.
  using Pieces = std::function<asio::awaitable<Result<std::string>>()>;
  /// What is kept by now, as one file. An empty piece is the end.
  asio::awaitable<Result<Pieces>> download(std::string id, bus::Actor actor);
  /// What comes from now on, until the capture ends. Who is slow loses packets, and the stream says how many.
  asio::awaitable<Result<Pieces>> watch(std::string id, bus::Actor actor);

  /// Takes up what an earlier process was capturing of an instance that runs. `wanted`: what its template asks for,
  /// begun if it never was.
  asio::awaitable<void> take_up(InstanceId instance, std::optional<Ask> wanted);
  /// Ends all of an instance that ends.
  asio::awaitable<void> let_go(InstanceId instance);

  /// Reads the rows, removes folders that are nobody's.
  asio::awaitable<Result<>> start();
  /// Stops reading; the rows say that it goes on with the next process.
  asio::awaitable<void> close();

  struct State;  ///< known only inside captures/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::captures
