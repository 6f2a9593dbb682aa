#include "bpf/filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

namespace tiltyard::bpf {
namespace {

std::unexpected<Error> refused(const std::string& why) {
  return fail(Code::kInvalid, "filter-refused",
              "The filter is refused: " + why + ". Write it as for tcpdump: tcp port 80 and host 10.0.0.2.");
}

}  // namespace

bool names_a_host(std::string_view text) {
  constexpr auto letter = [](unsigned char c) { return std::isalpha(c) != 0; };
  constexpr std::array<std::string_view, 12> kWords{"host", "net",   "port",  "portrange", "and", "or",
                                                    "not",  "proto", "ether", "ip",        "ip6", "gateway"};
  std::string_view before;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(" ()!"), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const bool address = word.contains(':') || !std::ranges::any_of(word, letter);
    const bool after_host = before == "host" || before == "gateway";
    const bool after_way = (before == "src" || before == "dst") && std::ranges::find(kWords, word) == kWords.end();
    if (!address && (word.contains('.') || after_host || after_way)) return true;
    before = word;
  }
  return false;
}

Result<Program> compile(const std::string& text) {
  if (text.size() > kLongestFilter) return refused(fmt::format("it has more than {} characters", kLongestFilter));
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c > '~'; }))
    return refused("it has characters that no filter has");
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> handle(::pcap_open_dead(DLT_EN10MB, kSnapLength), &::pcap_close);
  if (!handle) return fail(Code::kExhausted, "out-of-memory", "There is no memory for a filter.");
  bpf_program compiled{};
  if (::pcap_compile(handle.get(), &compiled, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
    return refused(::pcap_geterr(handle.get()));
  Program out;
  for (u_int i = 0; i < compiled.bf_len; ++i) {
    const auto& one = compiled.bf_insns[i];
    out.push_back({one.code, one.jt, one.jf, one.k});
  }
  ::pcap_freecode(&compiled);
  return out;
}

std::string only_of(const std::vector<std::string>& addresses, const std::string& filter) {
  const auto own = fmt::format("(host {})", fmt::join(addresses, " or host "));
  return filter.empty() ? own : fmt::format("{} and ({})", own, filter);
}

}  // namespace tiltyard::bpf
