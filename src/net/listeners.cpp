#include "net/listeners.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace tiltyard::net {
namespace {

/// TCP_LISTEN and TCP_CLOSE of the kernel's include/net/tcp_states.h.
constexpr int kListening = 10, kUnconnected = 7;
constexpr std::size_t kMost = 4096, kMostRead = 64 * 1024;
/// Of the host, and of one of its processes, among which the names of programs are looked for.
constexpr std::size_t kMostProcesses = 32'768, kMostFiles = 1024;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// A socket belongs to the namespace that its maker is in; this thread is there for that one call.
int diagnosing_socket(std::int64_t process) {
  static const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const Fd there(::open(fmt::format("/proc/{}/ns/net", process).c_str(), O_RDONLY | O_CLOEXEC));
  if (home < 0 || there.get() < 0 || ::setns(there.get(), CLONE_NEWNET) != 0) return -1;
  const int made = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  // Nothing that this thread does from here on would be right.
  if (::setns(home, CLONE_NEWNET) != 0) std::abort();
  return made;
}

bool ask(int fd, unsigned char family, unsigned char protocol) {
  struct {
    nlmsghdr head;
    inet_diag_req_v2 body;
  } question{};
  question.head.nlmsg_len = sizeof(question);
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.body.sdiag_family = family;
  question.body.sdiag_protocol = protocol;
  // Of UDP the unconnected ones are those that TCP would call closed.
  question.body.idiag_states = 1u << (protocol == IPPROTO_UDP ? kUnconnected : kListening);
  return ::send(fd, &question, sizeof(question), 0) == static_cast<ssize_t>(sizeof(question));
}

/// One may be bound to an IPv4 address by a socket of the other family.
std::string without_map(std::string address) {
  constexpr std::string_view kMapped = "::ffff:";
  if (address.starts_with(kMapped) && address.contains('.')) address.erase(0, kMapped.size());
  return address;
}

Waiting waiting_at(const nlmsghdr* head, bool udp) {
  const auto* found = static_cast<const inet_diag_msg*>(NLMSG_DATA(head));
  Waiting all{{}, udp, found->idiag_inode, {}};
  Listener& out = all.at;
  out.port = ntohs(found->id.idiag_sport);
  out.waiting = found->idiag_rqueue;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(found->idiag_family, found->id.idiag_src, text.data(), text.size());
  out.address = without_map(text.data());
  int left = static_cast<int>(head->nlmsg_len - NLMSG_LENGTH(sizeof(*found)));
  for (const auto* at = reinterpret_cast<const rtattr*>(found + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == INET_DIAG_SKV6ONLY) out.only_v6 = *static_cast<const unsigned char*>(RTA_DATA(at)) != 0;
  }
  return all;
}

/// All that is told of one family. The kernel answers at once; a machine can make no more of it than there are ports.
bool listen_to(int fd, bool udp, std::vector<Waiting>& out) {
  alignas(nlmsghdr) std::array<char, 32 * 1024> buffer;
  while (true) {
    const auto got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return false;
    auto left = static_cast<unsigned>(got);
    for (const auto* head = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(head, left);
         head = NLMSG_NEXT(head, left)) {
      if (head->nlmsg_type == NLMSG_DONE) return true;
      if (head->nlmsg_type == NLMSG_ERROR) return false;
      if (out.size() < kMost && head->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg)))
        out.push_back(waiting_at(head, udp));
    }
  }
}

std::optional<std::string> read_start(const std::string& file) {
  std::ifstream in(file);
  if (!in) return std::nullopt;
  std::string text(kMostRead, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

/// "0100007F:1F90" as the kernel writes it: each 32 bits of the address as a number of this processor.
std::optional<Listener> listener_at(std::string_view local) {
  const auto colon = local.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < colon / 8; ++i)
    std::from_chars(local.data() + 8 * i, local.data() + 8 * i + 8, words[i], 16);
  Listener out;
  std::from_chars(local.data() + colon + 1, local.data() + local.size(), out.port, 16);
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(colon == 8 ? AF_INET : AF_INET6, words.data(), text.data(), text.size());
  out.address = without_map(text.data());
  return out;
}

/// TCP's listeners come first in the table, and what is behind them is not looked for.
void read_table(const std::string& table, bool udp, std::vector<Waiting>& out) {
  std::istringstream lines(table);
  std::string line;
  std::getline(lines, line);
  while (out.size() < kMost && std::getline(lines, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retries, user, probes;
    std::uint64_t inode = 0;
    words >> number >> local >> remote >> state >> queues >> timer >> retries >> user >> probes >> inode;
    if (state != (udp ? "07" : "0A")) {
      if (!udp) return;
      continue;
    }
    auto found = listener_at(local);
    // The last line may be cut.
    if (!found || !words) continue;
    if (const auto colon = queues.find(':'); colon != queues.npos)
      std::from_chars(queues.data() + colon + 1, queues.data() + queues.size(), found->waiting, 16);
    out.push_back({std::move(*found), udp, inode, {}});
  }
}

bool read_tables(std::int64_t process, bool udp, std::vector<Waiting>& out) {
  const auto* name = udp ? "udp" : "tcp";
  const auto four = read_start(fmt::format("/proc/{}/net/{}", process, name));
  if (!four) return false;
  read_table(*four, udp, out);
  if (const auto six = read_start(fmt::format("/proc/{}/net/{}6", process, name))) read_table(*six, udp, out);
  return true;
}

/// nullopt: this process may not enter, or the kernel does not answer (a module of it may be missing).
std::optional<std::vector<Waiting>> diagnosed(std::int64_t process, bool udp) {
  const Fd fd(diagnosing_socket(process));
  if (fd.get() < 0) return std::nullopt;
  std::vector<Waiting> out;
  for (const unsigned char family : {AF_INET, AF_INET6}) {
    if (!ask(fd.get(), family, udp ? IPPROTO_UDP : IPPROTO_TCP) || !listen_to(fd.get(), udp, out)) return std::nullopt;
  }
  return out;
}

std::optional<std::vector<Waiting>> sockets_of(std::int64_t process, bool udp) {
  if (auto found = diagnosed(process, udp)) return found;
  std::vector<Waiting> out;
  if (!read_tables(process, udp, out)) return std::nullopt;
  return out;
}

std::optional<std::vector<Listener>> only_where(std::int64_t process, bool udp) {
  if (process <= 0) return std::nullopt;
  auto found = sockets_of(process, udp);
  if (!found) return std::nullopt;
  std::vector<Listener> out;
  for (auto& one : *found) out.push_back(std::move(one.at));
  return out;
}

std::string link_of(const std::string& path) {
  std::array<char, 256> text{};
  const auto size = ::readlink(path.c_str(), text.data(), text.size());
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

/// "socket:[1234]"
std::uint64_t socket_inode(const std::string& link) {
  constexpr std::string_view kSocket = "socket:[";
  std::uint64_t inode = 0;
  if (link.starts_with(kSocket)) std::from_chars(link.data() + kSocket.size(), link.data() + link.size(), inode);
  return inode;
}

/// What names in a folder of /proc are numbers.
std::vector<std::string> numbers_in(const std::string& folder, std::size_t most) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end && out.size() < most;
       at.increment(error)) {
    auto name = at->path().filename().string();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) out.push_back(std::move(name));
  }
  return out;
}

/// Those who have a socket open are in its namespace. A parent and its children share it: the first that is met says
/// the name.
void name_programs(std::int64_t process, std::vector<Waiting>& sockets) {
  const auto there = link_of(fmt::format("/proc/{}/ns/net", process));
  if (there.empty()) return;
  std::unordered_map<std::uint64_t, std::string> names;
  for (const auto& one : sockets) names.emplace(one.inode, std::string());
  std::size_t left = names.size();
  for (const auto& number : numbers_in("/proc", kMostProcesses)) {
    if (left == 0) break;
    if (link_of(fmt::format("/proc/{}/ns/net", number)) != there) continue;
    auto name = read_start(fmt::format("/proc/{}/comm", number)).value_or("");
    if (name.ends_with('\n')) name.pop_back();
    for (const auto& fd : numbers_in(fmt::format("/proc/{}/fd", number), kMostFiles)) {
      const auto found = names.find(socket_inode(link_of(fmt::format("/proc/{}/fd/{}", number, fd))));
      if (found == names.end() || !found->second.empty()) continue;
      found->second = name;
      --left;
    }
  }
  for (auto& one : sockets) one.program = names[one.inode];
}

}  // namespace

std::optional<int> tcp_sockets_of(std::int64_t process) {
  std::optional<int> count;
  for (const auto& [file, key] : {std::pair("sockstat", "TCP: inuse "), std::pair("sockstat6", "TCP6: inuse ")}) {
    const auto text = read_start(fmt::format("/proc/{}/net/{}", process, file));
    const auto at = text ? text->find(key) : std::string::npos;
    if (at == std::string::npos) continue;
    int some = 0;
    std::from_chars(text->data() + at + std::strlen(key), text->data() + text->size(), some);
    count = count.value_or(0) + some;
  }
  return count;
}

std::optional<std::vector<Listener>> listeners_of(std::int64_t process) { return only_where(process, false); }

std::optional<std::vector<Listener>> datagram_listeners_of(std::int64_t process) { return only_where(process, true); }

std::optional<std::vector<Waiting>> waiting_in(std::int64_t process) {
  if (process <= 0) return std::nullopt;
  auto out = sockets_of(process, false);
  const auto more = out ? sockets_of(process, true) : std::nullopt;
  if (!more) return std::nullopt;
  out->insert(out->end(), more->begin(), more->end());
  std::erase_if(*out, [](const Waiting& one) { return one.at.port == 0; });
  name_programs(process, *out);
  std::ranges::sort(*out, {}, [](const Waiting& one) { return std::tuple(one.at.port, one.udp, one.at.address); });
  return out;
}

bool hears(const Listener& listener, std::string_view address, std::uint16_t port) {
  if (listener.port != port) return false;
  return listener.address == "0.0.0.0" || listener.address == address ||
         (listener.address == "::" && !listener.only_v6);
}

}  // namespace tiltyard::net
