#include "disk/capability.h"

#include <filesystem>

#include "disk/guard.h"
#include "house/ground.h"

namespace tiltyard::disk {
namespace {

/// The folder of a database that is a file; empty: it is none.
std::string folder_of(const std::string& url) {
  constexpr std::string_view kFile = "sqlite:";
  if (!url.starts_with(kFile)) return {};
  const std::filesystem::path file(url.substr(kFile.size(), url.find('?') - kFile.size()));
  return std::filesystem::absolute(file).lexically_normal().parent_path().string();
}

}  // namespace

Capability::Capability(apart::Capability& apart, labs::Capability& labs, templates::Capability& templates)
    : apart_(apart), labs_(labs), templates_(templates) {}

Capability::~Capability() = default;

Result<> Capability::make(house::Ground& ground) {
  const auto& usual = templates_.options().bounds.defaults;
  std::shared_ptr<const privileged::Caller> apart;
  if (apart_.options().apart())
    apart = std::make_shared<privileged::Caller>(privileged::whole(apart_.options().socket));
  guard_ = std::make_unique<Guard>(
      options_, Parts{ground.home, ground.store, ground.bus, ground.clock, ground.engines, labs_.service(),
                      Most{usual.disk, usual.inodes}, ground.data, folder_of(ground.database.url), std::move(apart)});
  guard_->look_at_space();
  return {};
}

asio::awaitable<Result<>> Capability::open() {
  guard_->begin();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (guard_) co_await guard_->close();
}

Result<> Capability::may_start() const { return guard_ ? guard_->may_start() : Result<>{}; }

}  // namespace tiltyard::disk
