#include "base/json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tiltyard {

namespace json = boost::json;

namespace {

const json::value& nothing() {
  static const json::value null;
  return null;
}

}  // namespace

const json::value& member(const json::value& value, std::string_view name) {
  return value.is_object() ? member(value.get_object(), name) : nothing();
}

const json::value& member(const json::object& object, std::string_view name) {
  const auto* found = object.if_contains(name);
  return found ? *found : nothing();
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : std::string();
}

std::int64_t number_of(const json::value& value) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return static_cast<std::int64_t>(std::min<std::uint64_t>(value.get_uint64(), Limits::max()));
  if (!value.is_double() || std::isnan(value.get_double())) return 0;
  const double real = value.get_double();
  if (real >= 9223372036854775808.0) return Limits::max();
  if (real < -9223372036854775808.0) return Limits::min();
  return static_cast<std::int64_t>(real);
}

double real_of(const json::value& value) { return value.is_number() ? value.to_number<double>() : 0; }

bool flag_of(const json::value& value) { return value.is_bool() && value.get_bool(); }

std::vector<std::string> texts_of(const json::value& value) {
  std::vector<std::string> out;
  if (!value.is_array()) return out;
  for (const auto& item : value.get_array()) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

}  // namespace tiltyard
