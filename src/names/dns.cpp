#include "names/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "config/forms.h"

namespace tiltyard::names {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kThreads = 4;
constexpr auto kLimit = std::chrono::seconds{4};
constexpr int kTryMs = 1'200, kTries = 3;
// What a name may answer with; more of it is nobody's proof.
constexpr std::size_t kMostTexts = 64, kMostAddresses = 64;

std::unexpected<Error> failed(std::string_view name, int status) {
  return fail(Code::kUnavailable, "dns-failed",
              fmt::format("The DNS gives no answer for {} ({}).", name, ares_strerror(status)));
}

/// No record of that name or type: an answer, too.
bool nothing_there(int status) { return status == ARES_ENODATA || status == ARES_ENOTFOUND; }

/// One question. Lives on one thread.
class Channel {
 public:
  explicit Channel(const std::string& servers) {
    static std::once_flag once;
    std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
    ares_options options{};
    std::string lookups = "b";
    options.lookups = lookups.data();
    options.timeout = kTryMs;
    options.tries = kTries;
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    status_ =
        ares_init_options(&channel_, &options, ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS);
    made_ = status_ == ARES_SUCCESS;
    if (made_ && !servers.empty()) status_ = ares_set_servers_ports_csv(channel_, servers.c_str());
  }
  ~Channel() {
    if (made_) ares_destroy(channel_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int status() const { return status_; }
  ares_channel get() const { return channel_; }

  /// Until everything that was asked is answered, or the time is over: then the rest ends as cancelled.
  void run() {
    const auto until = Steady::now() + kLimit;
    for (;;) {
      std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets;
      const int wanted = ares_getsock(channel_, sockets.data(), static_cast<int>(sockets.size()));
      std::array<pollfd, ARES_GETSOCK_MAXNUM> polled{};
      nfds_t count = 0;
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        short events = 0;
        if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
        if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
        if (events != 0) polled[count++] = {sockets[i], events, 0};
      }
      if (count == 0) return;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now());
      if (left.count() <= 0) return ares_cancel(channel_);
      timeval most{left.count() / 1000, (left.count() % 1000) * 1000}, chosen{};
      const auto* wait = ares_timeout(channel_, &most, &chosen);
      ::poll(polled.data(), count, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
      bool any = false;
      for (nfds_t i = 0; i < count; ++i) {
        const auto fd = polled[i].fd;
        const bool in = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0,
                   out = (polled[i].revents & POLLOUT) != 0;
        if (in || out) ares_process_fd(channel_, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
        any |= in || out;
      }
      if (!any) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
  }

 private:
  ares_channel channel_ = nullptr;
  int status_ = ARES_SUCCESS;
  bool made_ = false;
};

struct Texts {
  int status = ARES_ECANCELLED;
  std::vector<std::string> texts;
};

void take_texts(void* into, int status, int, unsigned char* answer, int size) {
  auto& out = *static_cast<Texts*>(into);
  out.status = status;
  if (status != ARES_SUCCESS) return;
  ares_txt_ext* list = nullptr;
  out.status = ares_parse_txt_reply_ext(answer, size, &list);
  for (auto* one = list; one != nullptr; one = one->next) {
    if (one->record_start && out.texts.size() == kMostTexts) break;
    if (one->record_start || out.texts.empty()) out.texts.emplace_back();
    out.texts.back().append(reinterpret_cast<const char*>(one->txt), one->length);
  }
  if (list != nullptr) ares_free_data(list);
}

Result<std::vector<std::string>> ask_texts(const std::string& servers, const std::string& name) {
  Channel channel(servers);
  if (channel.status() != ARES_SUCCESS) return failed(name, channel.status());
  Texts answer;
  ares_query(channel.get(), name.c_str(), ns_c_in, ns_t_txt, take_texts, &answer);
  channel.run();
  if (nothing_there(answer.status)) return std::vector<std::string>{};
  if (answer.status != ARES_SUCCESS) return failed(name, answer.status);
  return std::move(answer.texts);
}

struct Addresses {
  int status = ARES_ECANCELLED;
  Found found;
};

void take_addresses(void* into, int status, int, ares_addrinfo* answer) {
  auto& out = *static_cast<Addresses*>(into);
  out.status = status;
  if (answer == nullptr) return;
  for (auto* node = answer->nodes; node != nullptr && out.found.addresses.size() < kMostAddresses;
       node = node->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = node->ai_family == AF_INET
                              ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(node->ai_addr)->sin_addr)
                              : &reinterpret_cast<sockaddr_in6*>(node->ai_addr)->sin6_addr;
    if (::inet_ntop(node->ai_family, address, text.data(), text.size())) out.found.addresses.emplace_back(text.data());
  }
  for (auto* one = answer->cnames; one != nullptr; one = one->next) {
    if (one->name != nullptr) out.found.canonical = one->name;
  }
  ares_freeaddrinfo(answer);
}

Result<Found> ask_addresses(const std::string& servers, const std::string& name) {
  Channel channel(servers);
  if (channel.status() != ARES_SUCCESS) return failed(name, channel.status());
  Addresses answer;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel.get(), name.c_str(), nullptr, &hints, take_addresses, &answer);
  channel.run();
  if (nothing_there(answer.status)) return Found{};
  if (answer.status != ARES_SUCCESS) return failed(name, answer.status);
  std::ranges::sort(answer.found.addresses);
  const auto twice = std::ranges::unique(answer.found.addresses);
  answer.found.addresses.erase(twice.begin(), twice.end());
  return std::move(answer.found);
}

}  // namespace

bool is_resolver(std::string_view text) { return config::is_ip(text) || config::parse_address(text).has_value(); }

Resolver::Resolver(std::vector<std::string> servers)
    : servers_(fmt::format("{}", fmt::join(servers, ","))), threads_("dns", kThreads) {}

asio::awaitable<Result<std::vector<std::string>>> Resolver::texts(std::string name) {
  auto ask = [servers = servers_, name = std::move(name)] { return ask_texts(servers, name); };
  co_return co_await offload(threads_, std::move(ask));
}

asio::awaitable<Result<Found>> Resolver::addresses(std::string name) {
  auto ask = [servers = servers_, name = std::move(name)] { return ask_addresses(servers, name); };
  co_return co_await offload(threads_, std::move(ask));
}

}  // namespace tiltyard::names
