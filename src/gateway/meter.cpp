#include "gateway/meter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/shard.h"

namespace tiltyard::gateway {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
/// So much of a second's bytes may come at once.
constexpr std::int64_t kByteBurst = kSecond / 4;
constexpr auto kRelaxed = std::memory_order_relaxed;

std::int64_t in_nanoseconds(Instant instant) { return instant.time_since_epoch().count(); }

}  // namespace

/// Openings by the generic cell rate algorithm (ITU-T I.371).
bool Meter::enter(Instant now) {
  if (open_.fetch_add(1, kRelaxed) >= limits_.connections && limits_.connections != 0) {
    leave();
    return false;
  }
  if (limits_.openings == 0) return true;
  const auto present = in_nanoseconds(now), apart = kSecond / static_cast<std::int64_t>(limits_.openings);
  auto next = next_opening_.load(kRelaxed);
  while (std::max(next, present) + apart - kSecond <= present) {
    if (next_opening_.compare_exchange_weak(next, std::max(next, present) + apart, kRelaxed)) return true;
  }
  leave();
  return false;
}

/// What has been moved has been moved: a debt is waited out.
void Meter::spend(std::uint64_t bytes, Instant now) {
  if (limits_.bandwidth == 0) return;
  const auto cost =
      static_cast<std::int64_t>(static_cast<double>(bytes) * kSecond / static_cast<double>(limits_.bandwidth));
  const auto present = in_nanoseconds(now);
  auto next = next_byte_.load(kRelaxed);
  while (!next_byte_.compare_exchange_weak(next, std::max(next, present) + cost, kRelaxed)) {}
}

Instant Meter::free_at() const {
  return Instant(Clock::duration(limits_.bandwidth == 0 ? 0 : next_byte_.load(kRelaxed) - kByteBurst));
}

/// Waits for the time when its session may move bytes again.
class Session::Pause final : public Timed {
 public:
  explicit Pause(Session& session) : session_(session) {}
  bool waits = false;

 private:
  void on_deadline() override {
    waits = false;
    session_.on_turn();
  }
  Session& session_;
};

bool Session::enter_meters(const Target& target) {
  const std::array<Meter*, 2> wanted{target.endpoint->meter().get(), target.instance->publication->meter.get()};
  if (!meters_ && !wanted[0] && !wanted[1]) return true;
  if (meters_ && meters_->endpoint.get() == wanted[0] && meters_->owner.get() == wanted[1]) return true;
  leave_meters();
  const auto now = shard_.loop().now();
  if (wanted[0] && !wanted[0]->enter(now)) return false;
  if (wanted[1] && !wanted[1]->enter(now)) {
    if (wanted[0]) wanted[0]->leave();
    return false;
  }
  meters_.reset(new Meters{target.endpoint->meter(), target.instance->publication->meter, nullptr});
  return true;
}

void Session::leave_meters() {
  if (!meters_) return;
  if (meters_->endpoint) meters_->endpoint->leave();
  if (meters_->owner) meters_->owner->leave();
  meters_.reset();
}

void Session::spend(std::uint64_t bytes) {
  const auto now = shard_.loop().now();
  if (meters_->endpoint) meters_->endpoint->spend(bytes, now);
  if (meters_->owner) meters_->owner->spend(bytes, now);
}

bool Session::must_pause() {
  auto free = meters_->endpoint ? meters_->endpoint->free_at() : Instant{};
  if (meters_->owner) free = std::max(free, meters_->owner->free_at());
  auto& loop = shard_.loop();
  if (free <= loop.now()) return false;
  if (!meters_->pause) meters_->pause = std::make_unique<Pause>(*this);
  if (!std::exchange(meters_->pause->waits, true)) loop.set_deadline(*meters_->pause, free);
  return true;
}

Session::Meters::~Meters() = default;

}  // namespace tiltyard::gateway
