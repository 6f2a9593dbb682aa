#pragma once

#include <string>

#include "base/result.h"
#include "imports/import.h"
#include "imports/manifest.h"

namespace tiltyard::imports {

/// Lays what was changed by hand in `target` over what was made in `fresh`, and notes it; writes the manifest of what
/// was made into `fresh`. Says what putting it in place would be; kRefused with a note where it must not.
Result<Item::State> lay_over(const std::string& fresh, const std::string& target, Manifest manifest, bool replace,
                             std::vector<Note>& notes);

/// Puts the one folder in the place of the other, in one step where there is one.
Result<> put_in_place(const std::string& fresh, const std::string& target);

/// A folder of its own that goes with this.
class Aside {
 public:
  /// Below `folder`; the error says why there is none.
  static Result<Aside> make(const std::string& folder);
  Aside(Aside&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Aside& operator=(Aside&&) = delete;
  ~Aside();
  const std::string& path() const { return path_; }

 private:
  explicit Aside(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace tiltyard::imports
