#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace tiltyard::identity {

/// A text of what somebody else has sent; empty when it is not there or no text.
std::string text_of(const boost::json::object& object, std::string_view name);

}  // namespace tiltyard::identity
