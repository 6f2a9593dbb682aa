#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Reading of JSON that somebody else wrote (a row, a daemon, another node) and that may say more, less or other than
/// we know: whatever is missing or of another kind is as good as empty. What comes from clients is read strictly
/// instead (net/body.h).
namespace tiltyard {

/// The member; null where the value is no object or has none of this name.
const boost::json::value& member(const boost::json::value& value, std::string_view name);
const boost::json::value& member(const boost::json::object& object, std::string_view name);

std::string text_of(const boost::json::value& value);
/// A number with a point loses what is behind it; one beyond 64 bits is cut.
std::int64_t number_of(const boost::json::value& value);
double real_of(const boost::json::value& value);
bool flag_of(const boost::json::value& value);
/// The texts of a list; what else is in it is left out.
std::vector<std::string> texts_of(const boost::json::value& value);

template <class From>
std::string text_of(const From& from, std::string_view name) {
  return text_of(member(from, name));
}
template <class From>
std::int64_t number_of(const From& from, std::string_view name) {
  return number_of(member(from, name));
}
template <class From>
double real_of(const From& from, std::string_view name) {
  return real_of(member(from, name));
}
template <class From>
bool flag_of(const From& from, std::string_view name) {
  return flag_of(member(from, name));
}
template <class From>
std::vector<std::string> texts_of(const From& from, std::string_view name) {
  return texts_of(member(from, name));
}

}  // namespace tiltyard
