#include "net/page.h"

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include <charconv>

namespace tiltyard::http {

namespace json = boost::json;

json::object page(json::array items, Cursor next) {
  json::object out;
  out["items"] = std::move(items);
  out["next"] = next.text ? json::value(*next.text) : json::value(nullptr);
  return out;
}

Response page_answer(json::array items, Cursor next) {
  return Response::json(200, json::serialize(page(std::move(items), std::move(next))));
}

Result<std::int64_t> query_number(const Request& request, std::string_view name, std::int64_t standard,
                                  std::int64_t least, std::int64_t most) {
  const auto text = request.query_value(name);
  if (text.empty()) return standard;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number >= least && number <= most) return number;
  return fail(Code::kInvalid, "invalid-query",
              fmt::format("'{}' must be a whole number from {} to {}.", name, least, most));
}

}  // namespace tiltyard::http
