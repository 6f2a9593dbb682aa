#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/process.h"
#include "base/result.h"
#include "cli/api.h"

namespace tiltyard::app {

struct Settings;

/// A server of its own for one template, for `tiltyard try`: with a temporary folder, free ports, and a namespace that
/// no other has. It must run nothing any more when this ends; what one that was killed has left in the engine, the next
/// under its namespace takes away. Lives as long as one command, on its thread.
class Trial {
 public:
  /// Begins one that has the template of `folder` (absolute) and goes by what `settings` say of the engine, of limits
  /// and of allowances. `pull`: images may come from a registry. Blocks until the server answers. `trial-unstartable`,
  /// with the end of what it said, when it does not; also when `given_up` says so meanwhile.
  static Result<std::unique_ptr<Trial>> begin(const Settings& settings, const std::string& folder, bool pull,
                                              const std::function<bool()>& given_up);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  cli::Api& api() { return *api_; }
  /// The end of what its server has said.
  std::string last_words() const;
  /// What its server listens on.
  const std::string& url() const { return url_; }

 private:
  Trial() = default;
  Result<> take_number(int from);
  Result<> make_folder(const Settings& settings, const std::string& template_folder, bool pull);
  Result<> start_server();
  Result<> wait_until_ready(const std::function<bool()>& given_up);
  std::string log() const;

  int number_ = -1;       ///< of the trials that run at once on this host
  int number_held_ = -1;  ///< a socket whose name is that number's; the kernel lets go of it with us
  std::string folder_, url_;
  Process server_;
  std::unique_ptr<cli::Api> api_;
};

/// What of the site's configuration a trial goes by, as TOML.
std::string config_of_trial(const Settings& settings, const std::string& folder, int number, bool pull);

}  // namespace tiltyard::app
