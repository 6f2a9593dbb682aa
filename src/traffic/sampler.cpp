#include <algorithm>
#include <chrono>
#include <utility>

#include "traffic/traffic.h"

namespace tiltyard::traffic {
namespace {

/// Of an instance that was published anew the count begins anew.
std::uint64_t since(std::uint64_t before, std::uint64_t now) { return now >= before ? now - before : now; }

void keep(std::deque<Sample>& samples, const Sample& sample, std::size_t most) {
  samples.push_back(sample);
  if (samples.size() > most) samples.pop_front();
}

}  // namespace

void Sampler::take(TimePoint now, const std::map<std::string, gateway::Traffic>& counts) {
  const double seconds = std::chrono::duration<double>(now - taken_).count();
  const bool first = taken_ == TimePoint{};
  taken_ = now;
  const auto rate = [seconds](std::uint64_t number) {
    return seconds > 0 ? static_cast<float>(static_cast<double>(number) / seconds) : 0.0F;
  };
  std::map<std::string, Count> last;
  Sample whole;
  Count together;
  whole.at = now;
  for (const auto& [id, traffic] : counts) {
    const auto before = last_.find(id);
    const Count known = before == last_.end() ? Count{} : before->second;
    const Count grown{since(known.connections, traffic.connections), since(known.bytes_in, traffic.bytes_in),
                      since(known.bytes_out, traffic.bytes_out)};
    last[id] = {traffic.connections, traffic.bytes_in, traffic.bytes_out};
    const Sample sample{now, static_cast<std::uint32_t>(traffic.open), rate(grown.connections), rate(grown.bytes_in),
                        rate(grown.bytes_out)};
    whole.open += sample.open;
    together.connections += grown.connections;
    together.bytes_in += grown.bytes_in;
    together.bytes_out += grown.bytes_out;
    const auto kept = instances_.find(id);
    if (first) continue;  // what was before us has no time
    if (kept != instances_.end()) keep(kept->second, sample, kOfOne);
    else if (!sample.quiet() && instances_.size() < kInstances) instances_[id].push_back(sample);
  }
  std::erase_if(instances_, [&](const auto& one) {
    return !counts.contains(one.first) || std::ranges::all_of(one.second, &Sample::quiet);
  });
  last_ = std::move(last);
  if (first) return;
  whole.connections = rate(together.connections);
  whole.bytes_in = rate(together.bytes_in);
  whole.bytes_out = rate(together.bytes_out);
  keep(whole_, whole, kWhole);
}

std::vector<Sample> Sampler::samples(const std::string& instance) const {
  if (instance.empty()) return {whole_.begin(), whole_.end()};
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

}  // namespace tiltyard::traffic
