#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/settings.h"
#include "base/gate.h"
#include "base/offload.h"
#include "tls/context.h"
#include "tls/files.h"

namespace tiltyard::app {

/// The server's TLS: the certificates in files, looked after from `run` to `close`, and how it is spoken. On the home
/// loop.
class Secure {
 public:
  Secure(const Settings& settings, tls::Certificates& shelf, WorkerPool& files);

  /// Puts what there is on the shelf. `tls-invalid`: server.listen would speak TLS and has nothing to show; of all
  /// others what is wrong is said, and they wait for better files.
  Result<> prepare();
  void run(asio::any_io_executor home);
  asio::awaitable<void> close();

  /// Null: TLS is spoken nowhere.
  std::shared_ptr<const tls::Context> context() const { return context_; }
  void add_to(gateway::Options& options) const;

 private:
  static asio::awaitable<void> watch(Secure* self);
  void say_what_is_missing();

  const Settings& settings_;
  tls::Certificates& shelf_;
  WorkerPool& pool_;
  tls::Files files_;
  std::shared_ptr<const tls::Context> context_;
  std::set<std::string> missing_;  ///< names that people use and no certificate is for
  Gate gate_{"certificates"};
};

/// All certificates that the configuration names, by the source that they are known as.
std::map<std::string, tls::FilePair> certificate_files(const Settings& settings);
/// By which names people come to the page through the gateway's port of TLS, in small letters.
std::vector<std::string> page_hosts(const Settings& settings);
/// Those of the names that people come by through that port which no certificate is for now: the page's, and
/// "*.DOMAIN".
std::set<std::string> names_without(const Settings& settings, const tls::Certificates& shelf);

}  // namespace tiltyard::app
