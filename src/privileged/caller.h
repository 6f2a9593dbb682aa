#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

#include "base/result.h"
#include "privileged/wire.h"

namespace tiltyard::privileged {

/// The server's side: asks the privileged half to do one thing. A connection for each call, so that there is nothing to
/// keep, and a privileged half that is started anew is simply there again. Thread-safe; blocking, 30 s at most.
class Caller {
 public:
  explicit Caller(std::string socket) : socket_(std::move(socket)) {}

  /// What the verb answers, or its error. `file` goes along, and stays the caller's. `privileged-away`: nobody listens.
  Result<boost::json::object> call(std::string_view verb, boost::json::object arguments = {}, int file = -1) const;
  /// The open file that the verb hands out.
  Result<Descriptor> open(std::string_view verb, boost::json::object arguments, int file = -1) const;

 private:
  struct Answer {
    boost::json::object result;
    Descriptor file;
  };
  Result<Answer> ask(std::string_view verb, boost::json::object arguments, int file) const;

  std::string socket_;
};

}  // namespace tiltyard::privileged
