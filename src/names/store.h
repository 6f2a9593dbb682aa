#pragma once

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <vector>

#include "bus/bus.h"
#include "names/model.h"
#include "store/store.h"

namespace tiltyard::names {

namespace asio = boost::asio;

std::vector<store::Migration> migrations();

/// The table of names. Every write is atomic with the event that tells of it.
class NameRows {
 public:
  explicit NameRows(store::Store& store) : store_(store) {}

  asio::awaitable<Result<std::vector<Name>>> all();
  /// `name-taken` when somebody else holds that host.
  asio::awaitable<Result<>> put(Name name, std::optional<bus::Event> event = {});
  asio::awaitable<Result<>> remove(NameId id);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::names
