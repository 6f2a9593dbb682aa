#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "farm/books.h"

namespace tiltyard::farm {

namespace asio = boost::asio;

/// What a list is narrowed to. Empty texts and nullopt narrow nothing.
struct Filter {
  std::optional<std::string> sploit, team, service;  ///< exact
  unsigned statuses = 0;                             ///< one bit a Status; 0: all
  std::string flag, response;                        ///< substrings, whatever the case of A to Z
  std::optional<TimePoint> since, until;
};

/// Up to `most` flags below `before`, the newest first. On the home loop, which it gives back every couple of
/// milliseconds; `books` must outlive it.
asio::awaitable<std::vector<std::uint32_t>> search(const Books* books, Filter filter, std::uint32_t before,
                                                   std::size_t most);

/// Whether `part`, which is in lower case, stands in the text, whatever the case of A to Z there.
bool contains(std::string_view text, std::string_view part);

}  // namespace tiltyard::farm
