#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/gate.h"
#include "base/result.h"
#include "bus/bus.h"
#include "names/moves.h"
#include "names/rules.h"
#include "names/store.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::names {

namespace asio = boost::asio;

struct Options {
  std::string free_domain;
  bool own_domains = false;
  std::size_t per_owner = 5;
  std::vector<std::string> reserved;
  std::vector<std::string> resolver;   ///< servers as names::Resolver takes them
  std::string target;                  ///< where people's own domains are to lead; empty: the gateway's domain
  std::vector<std::string> addresses;  ///< what it resolves to, if the DNS is not to be asked
  bool records = false;                ///< write a record for each free name
  std::chrono::seconds record_ttl{60};
  std::chrono::seconds rest{7 * 24 * 3600};
  bool certificates = true;
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the names of a server reach outside of their table. On the home loop; what is done may be done twice.
class Outside {
 public:
  virtual ~Outside() = default;

  virtual Target target(const Name& name) const = 0;
  /// Another instance of the same owner and template that is up or coming.
  virtual std::optional<InstanceId> successor(const Name& name) const = 0;
  virtual asio::awaitable<Result<>> route(Name name) = 0;
  virtual asio::awaitable<Result<>> unroute(std::string host) = 0;

  /// Whether records of free names are written at all.
  virtual bool records() const = 0;
  virtual asio::awaitable<Result<>> write_record(std::string host) = 0;
  virtual asio::awaitable<Result<>> drop_record(std::string host) = 0;

  /// Whether this name is to get one of its own.
  virtual bool certificates(const Name& name) const = 0;
  virtual asio::awaitable<Result<>> want_certificate(Name name) = 0;
  virtual asio::awaitable<Result<>> release_certificate(std::string host) = 0;

  /// What the DNS says of an own name.
  struct Seen {
    Check ownership, address;
  };
  virtual asio::awaitable<Seen> look(Name name) = 0;
};

/// What somebody wants of a name.
struct Pointing {
  InstanceId instance;
  TemplateId tmpl;  ///< of that instance
  std::string endpoint;
  bool follow = false;
};

struct Asker {
  std::string owner, user;
  bus::Actor actor;
};

/// Whose name is which, and where it leads. Lives on the home loop. Everything that has to be done for a name is found
/// from its row (moves.h) and done by one coroutine at a time, so that a crash or a failure anywhere is made good by
/// going on.
class Service {
 public:
  struct Parts {
    asio::any_io_executor home;
    store::Store& store;
    bus::Bus& bus;
    const Clock& clock;
    Outside& outside;
  };
  Service(const Options& options, Site site, Parts parts);
  ~Service();

  /// Reads the rows.
  asio::awaitable<Result<>> start();
  /// Goes on with all of them, and heeds what happens to instances.
  void begin();
  asio::awaitable<void> close();

  /// `name-yours`, `name-taken`, `names-full`, and what the rules say (rules.h).
  asio::awaitable<Result<Name>> ask(std::string typed, Pointing pointing, Asker who);
  /// Leads it somewhere else. `name-unknown`, `name-leaving`.
  asio::awaitable<Result<Name>> point(NameId id, Pointing pointing);
  /// Begins to take it back; completes once that is on disk.
  asio::awaitable<Result<>> drop(NameId id, bus::Actor actor);
  /// Looks into the DNS now.
  asio::awaitable<Result<Name>> look(NameId id);
  /// Everything of an owner who is gone.
  asio::awaitable<void> forget(std::string owner);

  /// null: there is none.
  const Name* find(const NameId& id) const;
  /// In the order in which they were asked for.
  std::vector<Name> all() const;
  /// Goes on with whatever is due: looks into the DNS, rests that are over, what had failed.
  void turn();

 private:
  struct Entry;
  using EntryRef = std::shared_ptr<Entry>;

  void poke(const EntryRef& entry);
  asio::awaitable<void> tend(EntryRef entry);
  asio::awaitable<Result<>> make(EntryRef entry, Move move);
  asio::awaitable<Result<>> write_record(EntryRef entry);
  asio::awaitable<Result<>> leave(EntryRef entry, bus::Actor actor);
  asio::awaitable<Result<>> look_at(EntryRef entry);
  asio::awaitable<void> look_alone(EntryRef entry);
  asio::awaitable<Result<>> prove(EntryRef entry);
  asio::awaitable<Result<bool>> gives_way(EntryRef holder);
  asio::awaitable<Result<>> save(EntryRef entry, std::optional<bus::Event> event = {});
  void tell(const bus::Event& event);
  World world_of(const Entry& entry) const;
  Result<> may_have(const Asked& asked, const std::string& owner) const;
  EntryRef holder_of(const std::string& host) const;
  EntryRef entry(const NameId& id) const;
  void heed(const bus::Event& event);

  const Options& options_;
  Site site_;
  Parts parts_;
  NameRows rows_;
  std::map<NameId, EntryRef> entries_;
  bus::Bus::Subscription subscription_;
  bool begun_ = false;
  Gate gate_{"names"};
};

}  // namespace tiltyard::names
