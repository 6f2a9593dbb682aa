#include "app/secure.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "base/text.h"
#include "net/hosts.h"
#include "observe/log.h"

namespace tiltyard::app {
namespace {

// A file that has changed is noticed within this.
constexpr std::chrono::seconds kRereadEvery{2};
constexpr char kOwn[] = "server.tls_certificate";

std::string host_of_url(std::string_view url) {
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  return lower(http::host_of_field(url.substr(0, url.find('/'))));
}

}  // namespace

std::map<std::string, tls::FilePair> certificate_files(const Settings& settings) {
  std::map<std::string, tls::FilePair> all;
  bool has_default = false;
  for (const auto& [name, files] : settings.certificates) {
    all["certificates." + name] = files;
    has_default = has_default || files.fallback;
  }
  const auto& site = settings.site;
  // The page's own port has always shown it to everybody.
  if (!site.tls_certificate.empty()) all[kOwn] = {site.tls_certificate, site.tls_key, {}, !has_default};
  return all;
}

std::vector<std::string> page_hosts(const Settings& settings) {
  std::vector<std::string> names;
  const auto& site = settings.site;
  if (settings.gateway.tls_listen.empty() || !site.public_url.starts_with("https://")) return names;
  names.push_back(host_of_url(site.public_url));
  for (const auto& host : site.hosts) names.push_back(lower(host));
  std::erase_if(names, [](const auto& name) { return config::is_ip(name); });
  return names;
}

std::set<std::string> names_without(const Settings& settings, const tls::Certificates& shelf) {
  std::set<std::string> missing;
  if (settings.gateway.tls_listen.empty()) return missing;
  for (auto& name : page_hosts(settings)) {
    if (!shelf.covers(name)) missing.insert(std::move(name));
  }
  const auto domain = lower(settings.gateway.domain);
  if (!shelf.covers("any." + domain)) missing.insert("*." + domain);
  return missing;
}

Secure::Secure(const Settings& settings, tls::Certificates& shelf, WorkerPool& files)
    : settings_(settings), shelf_(shelf), pool_(files), files_(shelf, certificate_files(settings)) {}

Result<> Secure::prepare() {
  files_.look();
  if (!settings_.site.tls_certificate.empty() && !shelf_.find({})) {
    for (const auto& each : shelf_.list()) {
      if (each.source == kOwn)
        return fail(Code::kInvalid, "tls-invalid", "server.tls_certificate and server.tls_key: " + each.problem);
    }
  }
  if (settings_.gateway.tls_listen.empty() && settings_.site.tls_certificate.empty()) return {};
  auto made = tls::Context::make(shelf_, settings_.gateway.kernel_tls);
  if (!made) return fail(std::move(made.error()));
  context_ = std::move(*made);
  return {};
}

void Secure::run(asio::any_io_executor home) { gate_.spawn(std::move(home), "look", watch(this)); }

asio::awaitable<void> Secure::close() { co_await gate_.close(); }

asio::awaitable<void> Secure::watch(Secure* self) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (true) {
    pause.expires_after(kRereadEvery);
    co_await pause.async_wait(asio::use_awaitable);
    auto look = offload(self->pool_, [self] {
      self->files_.look();
      return true;
    });
    co_await std::move(look);
    self->say_what_is_missing();
  }
}

/// Once for each, when it begins to be so.
void Secure::say_what_is_missing() {
  auto now = names_without(settings_, shelf_);
  for (const auto& name : now) {
    if (!missing_.contains(name))
      log::warn("tls", "no valid certificate is for a name of this server", {{"name", name}});
  }
  missing_ = std::move(now);
}

void Secure::add_to(gateway::Options& options) const {
  if (options.tls_listen.empty()) return;
  options.tls = context_;
  options.page_hosts = page_hosts(settings_);
}

}  // namespace tiltyard::app
