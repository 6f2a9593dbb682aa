#include "certificates/dns.h"

#include <fmt/format.h>

#include "certificates/program.h"

namespace tiltyard::certificates {
namespace {

constexpr int kTtl = 60;  ///< seconds
constexpr std::chrono::seconds kUpdateDeadline{30}, kHookDeadline{120};

class ByPowerDns final : public Dns {
 public:
  explicit ByPowerDns(net::PowerDns& server) : server_(server) {}
  asio::awaitable<Result<>> put(std::string name, std::vector<std::string> all, std::vector<std::string>,
                                std::vector<std::string>) override {
    auto zone = co_await server_.zone_of(name);
    if (!zone) co_return fail(std::move(zone.error()));
    std::vector<net::RecordSet> sets{{std::move(name), "TXT", kTtl, std::move(all)}};
    co_return co_await server_.put(std::move(*zone), std::move(sets));
  }

 private:
  net::PowerDns& server_;
};

class ByUpdate final : public Dns {
 public:
  explicit ByUpdate(const Options& options) : options_(options) {}
  asio::awaitable<Result<>> put(std::string name, std::vector<std::string> all, std::vector<std::string>,
                                std::vector<std::string>) override {
    std::vector<std::string> command{"nsupdate", "-t", "20", "/dev/fd/3"};
    auto ran = co_await run_program(pool_, std::move(command), update_script(options_, name, all), kUpdateDeadline);
    if (!ran)
      co_return fail(Code::kUnavailable, "dns-refused",
                     fmt::format("The DNS server {} did not take the record {}: {}", options_.dns_server, name,
                                 ran.error().message),
                     ran.error().cause);
    co_return Result<>{};
  }

 private:
  const Options& options_;
  WorkerPool pool_{"dns", 1};
};

class ByHook final : public Dns {
 public:
  explicit ByHook(const Options& options) : options_(options) {}
  asio::awaitable<Result<>> put(std::string name, std::vector<std::string>, std::vector<std::string> added,
                                std::vector<std::string> taken) override {
    for (const auto& text : added) {
      if (auto ran = co_await call("present", name, text); !ran) co_return ran;
    }
    for (const auto& text : taken) {
      if (auto ran = co_await call("cleanup", name, text); !ran) co_return ran;
    }
    co_return Result<>{};
  }

 private:
  asio::awaitable<Result<>> call(std::string verb, std::string name, std::string text) {
    std::vector<std::string> command{options_.dns_hook, std::move(verb), name + ".", std::move(text)};
    auto ran = co_await run_program(pool_, std::move(command), {}, kHookDeadline);
    if (!ran)
      co_return fail(Code::kUnavailable, "dns-hook",
                     fmt::format("The hook for DNS records failed: {}", ran.error().message), ran.error().cause);
    co_return Result<>{};
  }

  const Options& options_;
  WorkerPool pool_{"dns", 1};
};

}  // namespace

std::string update_script(const Options& options, const std::string& name, const std::vector<std::string>& texts) {
  std::string out;
  const auto colon = options.dns_server.rfind(':');
  auto host = options.dns_server.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  out += fmt::format("server {} {}\n", host, options.dns_server.substr(colon + 1));
  if (!options.tsig_name.empty())
    out += fmt::format("key {}:{} {}\n", options.tsig_algorithm, options.tsig_name, options.tsig_key.reveal());
  out += fmt::format("update delete {}. TXT\n", name);
  for (const auto& text : texts) out += fmt::format("update add {}. {} TXT \"{}\"\n", name, kTtl, text);
  return out + "send\n";
}

std::unique_ptr<Dns> make_dns(const Options& options, net::PowerDns* powerdns) {
  switch (options.dns) {
    case DnsBy::kNobody:
      return nullptr;
    case DnsBy::kPowerDns:
      return powerdns == nullptr ? nullptr : std::make_unique<ByPowerDns>(*powerdns);
    case DnsBy::kUpdate:
      return std::make_unique<ByUpdate>(options);
    case DnsBy::kHook:
      return std::make_unique<ByHook>(options);
  }
  return nullptr;
}

}  // namespace tiltyard::certificates
