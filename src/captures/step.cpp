#include "captures/step.h"

namespace tiltyard::captures {
namespace {

class CaptureStep final : public labs::Step {
 public:
  explicit CaptureStep(std::function<Service&()> service) : service_(std::move(service)) {}

  std::string name() const override { return "capture"; }
  std::vector<std::string> after() const override { return {"network"}; }
  /// Nobody's packets are nobody's business.
  bool in_pool() const override { return false; }
  bool lives_in_process() const override { return true; }

  asio::awaitable<Result<>> make(labs::SpawnRef spawn) override {
    std::optional<Ask> wanted;
    if (const auto& tmpl = spawn->origin(); tmpl && tmpl->capture) {
      wanted.emplace();
      wanted->instance = spawn->facts().id;
      wanted->filter = tmpl->capture->filter;
      wanted->bytes = static_cast<std::uint64_t>(tmpl->capture->bytes);
      wanted->lasts = tmpl->capture->lasts;
      wanted->cause = Cause::kTemplate;
    }
    co_await service_().take_up(spawn->facts().id, std::move(wanted));
    co_return Result<>{};
  }

  asio::awaitable<Result<>> undo(labs::SpawnRef spawn) override {
    co_await service_().let_go(spawn->facts().id);
    co_return Result<>{};
  }

 private:
  std::function<Service&()> service_;
};

}  // namespace

std::unique_ptr<labs::Step> capture_step(std::function<Service&()> service) {
  return std::make_unique<CaptureStep>(std::move(service));
}

}  // namespace tiltyard::captures
