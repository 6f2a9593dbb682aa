#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiltyard {

/// What kind of failure it is. One table maps these to HTTP statuses (net/problem.cpp), one to exit codes.
enum class Code {
  kInvalid,          ///< the caller's input is wrong (400)
  kUnauthenticated,  ///< nobody is signed in (401)
  kForbidden,        ///< signed in, but not allowed (403)
  kNotFound,         ///< no such thing, or not visible to the caller (404)
  kConflict,         ///< the state of the thing does not allow it (409)
  kTooLarge,         ///< over a size limit (413)
  kLimited,          ///< over a quota or rate limit (429)
  kUnavailable,      ///< a part we need is away; try again later (503)
  kTimeout,          ///< a deadline passed (504)
  kExhausted,        ///< no room: disk, addresses, ports (507)
  kCancelled,        ///< given up because we shut down or the caller left
  kInternal,         ///< a bug, or something nobody foresaw (500)
};

std::string_view to_string(Code code);

/// A failure that the outside can cause. `message` is safe to show to the person who asked and says what to do;
/// `cause` is for the log only. `reason` is stable and kebab-case: clients switch on it.
struct Error {
  Code code = Code::kInternal;
  std::string reason;
  std::string message;
  std::string cause;
  std::vector<std::pair<std::string, std::string>> fields;

  Error& with(std::string key, std::string value) & {
    fields.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  Error&& with(std::string key, std::string value) && {
    fields.emplace_back(std::move(key), std::move(value));
    return std::move(*this);
  }
  Error&& because(std::string why) && {
    cause = std::move(why);
    return std::move(*this);
  }
};

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Code::kNotFound, "template-unknown", "There is no template …");`
inline std::unexpected<Error> fail(Code code, std::string reason, std::string message, std::string cause = {}) {
  return std::unexpected<Error>(Error{code, std::move(reason), std::move(message), std::move(cause), {}});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace tiltyard
