#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard::privileged {

/// What a verb was called with, read strictly: a member that is missing, of another kind, too long or not in its range
/// makes the whole call `argument-refused`, as does one that the verb does not know.
class Arguments {
 public:
  Arguments(const boost::json::object& members, int file) : members_(members), file_(file) {}

  Result<> only(std::initializer_list<std::string_view> names) const;
  Result<std::string> text(std::string_view name, std::size_t longest) const;
  Result<std::int64_t> number(std::string_view name, std::int64_t least, std::int64_t most) const;
  Result<bool> flag(std::string_view name) const;
  /// The open file that came along; below zero: none did.
  int file() const { return file_; }

 private:
  const boost::json::object& members_;
  int file_;
};

/// `argument-refused`, with what is wrong.
std::unexpected<Error> refused(std::string why);

}  // namespace tiltyard::privileged
