#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/door.h"
#include "base/endpoint_kind.h"
#include "base/id.h"
#include "base/result.h"
#include "gateway/limits.h"
#include "net/loops.h"

namespace boost::asio::ip {
class address;
}
namespace tiltyard::config {
class Keys;
}
namespace tiltyard::tls {
class Context;
}

namespace tiltyard::gateway {

struct Contacts;  ///< contacts.h

namespace asio = boost::asio;

/// How the gateway gets to one endpoint. HTTP and TLS routes are found by host label ("{instance}" for the first HTTP
/// endpoint,
/// "{endpoint}--{instance}" for all) and by what `Gateway::name` has led to them, those that own a port by that.
struct Route {
  EndpointKind kind = EndpointKind::kHttp;
  std::string endpoint;
  std::vector<std::string> hosts;  ///< labels before the gateway's domain (HTTP, TLS)
  std::uint16_t port = 0;          ///< of the gateway (TCP, UDP)
  std::string address;             ///< of the machine
  std::uint16_t machine_port = 0;
  std::string called =
      {};  ///< the Host that the machine is asked by (HTTP); empty: by the one that the player asks for
  Door door = Door::kUnsaid;
  Handover handover = {};
};

/// Live counts of one instance, for the idle clock and the usage report.
struct Traffic {
  std::uint64_t connections = 0, open = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t waiting = 0;  ///< requests whose answer has not begun, and what is held until the instance is awake
  std::chrono::steady_clock::time_point last_activity{};  ///< the last new connection or byte, whoever sent it
};

/// How players' browsers reach the gateway: as `public_port` suggests (443 is https), or as is said.
enum class PublicScheme { kAuto, kHttp, kHttps };

struct Options {
  std::string listen = "127.0.0.1:8080";
  std::string domain = "localhost";
  /// The region of address-style names, "10-1-2-3.reverse-proxy-REGION.DOMAIN"; empty: there are none.
  std::string address_names;
  /// Where TLS comes in, for pages and for endpoints of kind tls; empty: nowhere.
  std::string tls_listen;
  std::shared_ptr<const tls::Context> tls;  ///< what is spoken there
  bool redirect_to_https = true;            ///< who comes without TLS to a name that has a certificate
  std::chrono::seconds hsts{0};             ///< what browsers are told to remember of it; 0: nothing
  bool kernel_tls = false;                  ///< see tls::Context
  /// Names of the server's own page, in small letters. Who asks for one of them in TLS is handed to it, on the loop of
  /// that number, with what has been read of the hello.
  std::vector<std::string> page_hosts;
  std::function<void(std::size_t loop, int socket, const boost::asio::ip::address& from, std::string read)> to_page;
  /// Where raw TCP ports are opened; empty: nowhere. Not where the page is: cookies know hosts and no ports.
  std::string tcp_address = "127.0.0.2";
  std::uint16_t first_port = 20000, last_port = 29999;
  std::string public_host;        ///< what players are told of raw TCP; empty: `tcp_host` chooses
  std::uint16_t public_port = 0;  ///< in URLs; 0: the port that `listen` has
  PublicScheme public_scheme = PublicScheme::kAuto;
  bool public_tls = false;  ///< players say https: to `tls_listen`, or else to a proxy in front that takes TLS off
  std::chrono::milliseconds head_timeout{10'000}, idle_timeout{300'000}, connect_timeout{3'000},
      answer_timeout{120'000};
  std::chrono::milliseconds tcp_idle_timeout{3'600'000};  ///< of raw TCP connections
  /// Of what is relayed while neither side takes its bytes, and while one of them does not.
  std::chrono::milliseconds stuck_timeout{60'000}, half_stuck_timeout{900'000};
  std::size_t head_limit = 32 * 1024;  ///< bytes, at most 64 KiB
  std::size_t max_connections = 20'000;
  std::size_t max_connections_per_address = 2'000;  ///< an IPv4 address, or the /64 of an IPv6 one
  std::size_t max_connections_per_owner = 1'500;    ///< to all instances of one owner
  std::size_t max_connections_per_instance = 1'000;
  std::size_t max_connections_per_address_and_instance = 250;
  std::chrono::milliseconds quiet{5'000};   ///< who has been silent for so long may be dropped where there is no room
  std::size_t connects_per_instance = 100;  ///< to its machines each second; ten seconds' worth may come at once
  /// Who speaks for many people and is counted in the whole alone; unset: nobody.
  std::function<bool(const boost::asio::ip::address&)> is_proxy;
  /// Who hands on the connections of others, each behind a header of the PROXY protocol; unset: nobody.
  std::function<bool(const boost::asio::ip::address&)> hands_on;
  std::vector<std::string> proxy_protocol_from;    ///< the same as the configuration has it
  std::chrono::milliseconds wake_timeout{10'000};  ///< how long a connection to a sleeping instance is held
  std::size_t max_held_per_instance = 1'000;
  bool owner_only = false;                             ///< of endpoints that say nothing of it
  std::chrono::seconds owner_address_ttl{4 * 3600};    ///< how long an address is its owner's after the last request
  Limits endpoint_limits, owner_limits;                ///< of each; connections of an owner: max_connections_per_owner
  std::chrono::milliseconds udp_idle_timeout{60'000};  ///< of a client of a UDP endpoint
  std::size_t max_udp_flows = 10'000;                  ///< clients of UDP endpoints, an address and port each
  std::size_t max_udp_flows_per_address = 500;
  std::size_t max_udp_flows_per_instance = 1'000;
};

/// The host of raw TCP endpoints as players are told it: what is said, else the domain; where ports are opened on the
/// loopback alone, that address, because the domain's name may lead to another one.
std::string tcp_host(const Options& options);

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

class Doors;

/// Sends players' bytes to machines. `publish` and `withdraw` are called on the home loop; the data plane runs on the
/// net loops and never asks anybody for a route that is in the table. When `publish` has completed, every loop serves
/// the routes; when `withdraw` has completed, no new connection is made and the open ones are cut.
class Gateway {
 public:
  Gateway(net::Loops& loops, Options options);
  ~Gateway();
  Result<> start();
  std::uint16_t port() const;
  std::uint16_t tls_port() const;  ///< 0: there is none
  /// In the URLs of pages, and where endpoints of kind tls are reached.
  std::uint16_t public_port() const;
  std::uint16_t public_tls_port() const;
  const Options& options() const;
  /// "http" or "https": how players' browsers come in.
  std::string_view scheme() const;
  /// Whether a port could be opened now: the probe for `PortLanes`. Ports that the gateway itself has open are
  /// not free.
  bool port_free(std::uint16_t port, Transport transport = Transport::kTcp) const;
  /// Replaces all routes of the instance. `port-busy` (Conflict) if a port cannot be opened: choose another one.
  /// `owner`: with whose other instances it shares connections; empty: with nobody's.
  asio::awaitable<Result<>> publish(InstanceId instance, std::vector<Route> routes, std::string owner = {});
  asio::awaitable<void> withdraw(InstanceId instance);
  std::vector<std::string> published() const;  ///< instance ids
  /// What the gateway answers itself, whatever the host: texts by path, such as those that prove a name to a
  /// certificate authority. In place of those of before; every loop has them when this has completed.
  asio::awaitable<void> answer_itself(std::map<std::string, std::string, std::less<>> texts);

  /// Leads a whole host name ("www.example.org") to an endpoint, before any label below the domain is looked at; where
  /// it led before is forgotten. It answers as long as the instance is published with an endpoint of that name, now or
  /// later. When this has completed, every loop knows it.
  asio::awaitable<void> name(std::string host, InstanceId instance, std::string endpoint);
  asio::awaitable<void> unname(std::string host);

  /// From when `set_asleep(…, true)` has completed, nothing more is sent to the instance's machines: new connections
  /// and requests are held, and so is what comes on open ones. The first of them has the instance woken. `set_asleep(…,
  /// false)` lets all of them go on. `instance-unknown` when it is not published.
  asio::awaitable<Result<>> set_asleep(InstanceId instance, bool asleep);
  /// How a sleeping instance is woken; called on the home loop, once for all who wait. Its success ends the sleep, its
  /// failure (or 10 s without an answer) ends those who wait: HTTP with a 503, TCP with a reset. Set before anything
  /// sleeps.
  using Wake = std::function<asio::awaitable<Result<>>(InstanceId)>;
  void on_wake(Wake wake);

  /// From now on it is noted who comes to which endpoint: each user and address once (as far as is remembered), and one
  /// of `sample` further times; 0: none. `come` is called on the home loop when there is something to take.
  asio::awaitable<void> note_contacts(std::size_t sample, std::function<void()> come);
  /// What has been noted since.
  asio::awaitable<Contacts> take_contacts();

  std::optional<Traffic> traffic(const InstanceId& instance) const;
  /// Who is let in where an endpoint is its owner's alone.
  Doors& doors();
  asio::awaitable<void> stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::gateway
