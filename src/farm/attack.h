#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "farm/config.h"
#include "jobs/model.h"
#include "net/reach.h"

namespace tiltyard::farm {

namespace asio = boost::asio;

/// What the jury tells of the flags' places, in one shape for all juries: {service: {team: [flag id, …]}}. Teams are
/// named as the jury names them (address or number); a flag id that is no text is written as JSON. Formats are those of
/// docs/farm.md. `attack-data-invalid` when the text is not what the format says.
Result<boost::json::object> normalise(std::string_view format, std::string_view text);

/// What was fetched from the jury, for everybody to read. One fetcher, however many exploits ask. Lives on the home
/// loop.
class AttackCache {
 public:
  struct Part {
    std::string text;  ///< as the jury sent it
    std::optional<TimePoint> fetched_at;
    std::string trouble;  ///< why the last attempt failed; empty: it did not
  };

  /// `allowed`: where the jury may be although net::Reach refuses it.
  explicit AttackCache(const std::vector<std::string>& allowed) : reach_(net::Reach::make(allowed)) {}

  /// Fetches what the configuration names; says when to come again.
  asio::awaitable<Result<jobs::Next>> fetch_all(const Clock& clock);
  void configure(std::shared_ptr<const Config> config);

  const Part& flag_ids() const { return flag_ids_; }
  const Part& teams() const { return teams_; }
  const Part& credentials() const { return credentials_; }
  const boost::json::object& services() const { return services_; }
  /// Whether a part is older than the configuration allows, or was never there.
  bool stale(const Part& part, TimePoint now) const;

 private:
  asio::awaitable<void> round(const Clock& clock);

  const Result<net::Reach> reach_;
  std::shared_ptr<const Config> config_ = std::make_shared<const Config>();
  Part flag_ids_, teams_, credentials_;
  boost::json::object services_;
};

}  // namespace tiltyard::farm
