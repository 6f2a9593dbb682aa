#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tiltyard::http {

/// Reads the JSON object that a request carries, one member after the other, and refuses whatever is wrong with it:
/// something that is no JSON object or is nested deeper than kBodyDepth, members that are missing, of another kind or
/// out of bounds, and members that nobody asked for. Errors are `invalid-body`. What is wrong first is kept, and every
/// read after it gives a value of no meaning, so that a handler looks once, at the end:
///
///     Body body(request.body);
///     const auto name = body.text("name", 1, 64);
///     const auto count = body.maybe_number("count", 1, 100);
///     if (auto read = body.done(); !read) return fail(std::move(read.error()));
///
/// To `maybe_…` null is as good as missing. Lengths are in bytes.
class Body {
 public:
  explicit Body(std::string_view bytes);
  /// An empty body is an empty object.
  static Body or_empty(std::string_view bytes);
  Body(Body&&) = default;
  Body& operator=(Body&&) = default;

  std::string text(std::string_view name, std::size_t least, std::size_t most);
  std::int64_t number(std::string_view name, std::int64_t least, std::int64_t most);
  bool flag(std::string_view name);
  std::vector<std::string> texts(std::string_view name, std::size_t fewest, std::size_t most, std::size_t longest);

  std::optional<std::string> maybe_text(std::string_view name, std::size_t least, std::size_t most);
  std::optional<std::int64_t> maybe_number(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<double> maybe_real(std::string_view name, double least, double most);
  std::optional<bool> maybe_flag(std::string_view name);
  std::optional<std::vector<std::string>> maybe_texts(std::string_view name, std::size_t most, std::size_t longest);
  /// An object inside; wrong members in it are named "name.member", and `done` of the whole looks at them too.
  std::optional<Body> maybe_inside(std::string_view name);

  /// Whether the member is there; null is there.
  bool has(std::string_view name) const;
  bool is_null(std::string_view name) const;
  /// All of it, as it came; an empty object if it was none.
  const boost::json::object& object() const;
  /// The member as it is, for those whose form needs a reader of its own; null when it is missing.
  const boost::json::value* any(std::string_view name);

  /// Says what is wrong with what was read, unless something was before.
  void refuse(std::string why);
  /// Whether all was as it should be, and nothing is left over.
  Result<> done();

 private:
  struct Whole;
  struct Part;
  explicit Body(std::shared_ptr<Whole> whole);
  const boost::json::value* find(std::string_view name, bool required);
  std::string named(std::string_view name) const;

  std::shared_ptr<Whole> whole_;
  Part* part_ = nullptr;  ///< of `whole_`: this object
};

inline constexpr std::size_t kBodyDepth = 8;

/// The object itself, for those who read a form of their own; `invalid-body` like Body's.
Result<boost::json::object> json_object(std::string_view bytes);

}  // namespace tiltyard::http
