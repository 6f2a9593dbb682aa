#include "engine/isolation/nft.h"

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <sstream>

#include "base/process.h"
#include "engine/reasons.h"

extern char** environ;

namespace tiltyard::engine::isolation {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kDeadline = std::chrono::seconds{5};

std::unexpected<Error> missing(std::string cause) {
  return fail(Code::kUnavailable, reason::kIsolationMissing,
              "The firewall table that keeps machines apart is not in force; no machine starts without it.",
              std::move(cause));
}

/// nft lives in /usr/sbin, which is not on everybody's PATH.
std::string find_program(const std::string& program) {
  if (program.contains('/')) return program;
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/local/sbin/"}) {
    const std::string path = folder + program;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return program;
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

/// Reads until the other side closes; false when the deadline passes first.
bool read_all(int fd, std::string& into) {
  const auto deadline = Clock::now() + kDeadline;
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) continue;
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    into.append(buffer, static_cast<std::size_t>(got));
  }
}

/// What the program is to read, as a file without a name; -1 and errno when that cannot be had.
int memory_file(const std::string& content) {
  const int fd = ::memfd_create("nft-input", MFD_CLOEXEC);
  if (fd < 0) return -1;
  std::size_t done = 0;
  while (done < content.size()) {
    const auto wrote = ::write(fd, content.data() + done, content.size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  return fd;
}

/// The value of the first attribute of type 1 behind the nfgenmsg header: for every message of nf_tables that is about
/// something in a table, the table's name.
std::string_view table_of(const char* attributes, std::size_t size) {
  std::size_t at = 0;
  while (at + sizeof(nlattr) <= size) {
    nlattr attribute;
    std::memcpy(&attribute, attributes + at, sizeof attribute);
    if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > size) return {};
    if ((attribute.nla_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME) {
      const std::string_view value(attributes + at + sizeof attribute, attribute.nla_len - sizeof attribute);
      return value.substr(0, value.find('\0'));
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return {};
}

}  // namespace

Result<std::string> run_nft(const std::string& program, const std::string& arguments, const std::string& input) {
  Program nft;
  nft.command = {find_program(program)};
  std::istringstream stream(arguments);
  for (std::string word; stream >> word;) nft.command.push_back(word == "-" ? "/dev/fd/3" : word);
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) nft.environment.emplace_back(*entry);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return missing(std::strerror(errno));
  Descriptor output(ends[0]), output_in(ends[1]), input_file(memory_file(input));
  if (input_file.get() < 0) return missing(std::strerror(errno));
  nft.output = output_in.get();
  nft.file = input_file.get();
  auto started = start_process(nft);
  if (!started) return missing(std::move(started.error().message));
  const Descriptor handle(started->handle);
  output_in.reset();
  std::string printed;
  const bool ended = read_all(output.get(), printed);
  if (!ended) ::kill(started->pid, SIGKILL);
  const int code = reap_process(started->pid);
  if (!ended) return missing(nft.command.front() + " took too long");
  if (code != 0) return missing(nft.command.front() + " " + arguments + ": " + printed);
  return printed;
}

bool speaks_of_table(std::string_view bytes, std::string_view name) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return false;
    constexpr std::size_t kBefore = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
    const int kind = header.nlmsg_type & 0xff;
    if (header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && kind != NFT_MSG_NEWGEN && header.nlmsg_len >= kBefore) {
      nfgenmsg general;
      std::memcpy(&general, bytes.data() + NLMSG_HDRLEN, sizeof general);
      constexpr int kInet = 1;  // NFPROTO_INET, whose header clashes with the C library's
      if (general.nfgen_family == kInet && table_of(bytes.data() + kBefore, header.nlmsg_len - kBefore) == name)
        return true;
    }
    bytes.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
  return false;
}

int open_nft_events() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  if (fd < 0) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace tiltyard::engine::isolation
