#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "net/http.h"

namespace tiltyard::http {

/// Where the next page begins, for the client to give back as it is; none: this is the last.
struct Cursor {
  std::optional<std::string> text;

  Cursor() = default;
  Cursor(std::string at) : text(std::move(at)) {}
  template <class T>
  Cursor(const std::optional<T>& at) {
    if constexpr (std::is_integral_v<T>) {
      if (at) text = std::to_string(*at);
    } else {
      text = at;
    }
  }
};

/// What every list is: {"items": [...], "next": "..."}, where further members may be added.
boost::json::object page(boost::json::array items, Cursor next = {});
Response page_answer(boost::json::array items, Cursor next = {});

/// A whole number of the query; `standard` when it is missing, `invalid-query` when it is none from `least` to `most`.
Result<std::int64_t> query_number(const Request& request, std::string_view name, std::int64_t standard,
                                  std::int64_t least, std::int64_t most);

}  // namespace tiltyard::http
