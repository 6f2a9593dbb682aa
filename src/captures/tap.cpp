#include "captures/tap.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/isolation/bridge.h"
#include "labs/labs.h"

namespace tiltyard::captures {
namespace {

using privileged::Descriptor;

constexpr char kOpen[] = "capture.open";
constexpr std::size_t kLongestName = 250;
constexpr std::size_t kPrefix = 3;

std::unexpected<Error> kernel_refused(const char* what) {
  const int why = errno;
  return fail(Code::kUnavailable, "capture-refused",
              "Packets cannot be captured here: the server, or its privileged half, lacks the right to (CAP_NET_RAW).",
              std::string(what) + ": " + std::strerror(why));
}

/// `program`, for one interface: jumps of it are relative, so that it may stand anywhere.
bpf::Program on_interface(unsigned index, const bpf::Program& program) {
  bpf::Program out{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX)),
                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, index, 1, 0), BPF_STMT(BPF_RET | BPF_K, 0)};
  out.insert(out.end(), program.begin(), program.end());
  return out;
}

/// The bridge's number; 0: there is none, or it is something else.
unsigned bridge_of(const Wire& wire) {
  engine::NetworkSpec spec;
  spec.name = wire.network;
  spec.shared = wire.shared;
  spec.egress = wire.egress;
  const auto bridge = engine::isolation::bridge_name(spec);
  std::error_code error;
  if (!std::filesystem::is_directory("/sys/class/net/" + bridge + "/bridge", error)) return 0;
  return ::if_nametoindex(bridge.c_str());
}

Result<bpf::Program> program_in(int file) {
  struct stat status{};
  if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
      status.st_size % static_cast<off_t>(sizeof(sock_filter)) != 0 ||
      status.st_size > static_cast<off_t>((BPF_MAXINSNS - kPrefix) * sizeof(sock_filter)))
    return privileged::refused("the filter is no open file with a program that the kernel takes");
  bpf::Program out(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  if (::pread(file, out.data(), static_cast<std::size_t>(status.st_size), 0) != status.st_size)
    return privileged::refused("the filter cannot be read");
  return out;
}

Result<Descriptor> open_for(const std::string& name_space, const privileged::Arguments& with) {
  if (auto known = with.only({"network", "shared", "egress"}); !known) return fail(std::move(known.error()));
  auto network = with.text("network", kLongestName);
  const auto shared = with.flag("shared"), egress = with.flag("egress");
  if (!network) return fail(network.error());
  if (!shared) return fail(shared.error());
  if (!egress) return fail(egress.error());
  if (!labs::is_network_of(name_space, *network, *shared)) return privileged::refused("network is no name of ours");
  const auto program = program_in(with.file());
  if (!program) return fail(program.error());
  return open_tap({std::move(*network), *shared, *egress}, *program);
}

}  // namespace

Result<Descriptor> open_tap(const Wire& wire, const bpf::Program& program) {
  if (program.size() + kPrefix > BPF_MAXINSNS)
    return fail(Code::kInvalid, "filter-refused", "The filter is too long for the kernel; make it shorter.");
  const unsigned index = bridge_of(wire);
  if (index == 0)
    return fail(Code::kConflict, "network-away",
                "The instance's network is not there yet, or not on this host, where packets could be captured.");
  // Without a protocol it hears nothing until it is bound, and then only what the filter lets pass.
  Descriptor tap(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!tap.open()) return kernel_refused("socket");
  auto whole = on_interface(index, program);
  const sock_fprog filter{static_cast<unsigned short>(whole.size()), whole.data()};
  if (::setsockopt(tap.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
    return privileged::refused("the kernel does not take the filter");
  const int locked = 1;
  if (::setsockopt(tap.get(), SOL_SOCKET, SO_LOCK_FILTER, &locked, sizeof locked) != 0)
    return kernel_refused("SO_LOCK_FILTER");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (::bind(tap.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return kernel_refused("bind");
  // Else the bridge keeps to itself what goes from one of its ports to another.
  packet_mreq everything{};
  everything.mr_ifindex = static_cast<int>(index);
  everything.mr_type = PACKET_MR_PROMISC;
  if (::setsockopt(tap.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &everything, sizeof everything) != 0)
    return kernel_refused("PACKET_ADD_MEMBERSHIP");
  return tap;
}

privileged::Verb tap_verb(std::string name_space) {
  return {.name = kOpen, .run = {}, .open = [name_space = std::move(name_space)](const privileged::Arguments& with) {
            return open_for(name_space, with);
          }};
}

Result<Descriptor> tap_through(const privileged::Caller& caller, const Wire& wire, const bpf::Program& program) {
  const Descriptor memory(::memfd_create("filter", MFD_CLOEXEC));
  const auto size = program.size() * sizeof(sock_filter);
  if (!memory.open() || ::write(memory.get(), program.data(), size) != static_cast<ssize_t>(size))
    return fail(Code::kExhausted, "out-of-memory", "There is no memory for a filter.");
  return caller.open(kOpen, {{"network", wire.network}, {"shared", wire.shared}, {"egress", wire.egress}},
                     memory.get());
}

}  // namespace tiltyard::captures
