// The fake engine's snapshots: what files a machine has, under a name.
#include <algorithm>

#include "base/id.h"
#include "engine/fake/fake_machine.h"
#include "engine/reasons.h"

namespace tiltyard::engine {

asio::awaitable<Result<std::int64_t>> FakeEngine::own_bytes(Handle handle) {
  auto entered = co_await enter("own_bytes");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  std::int64_t bytes = 0;
  for (const auto& [name, content] : (*machine)->files) bytes += static_cast<std::int64_t>(content.size());
  co_return bytes;
}

asio::awaitable<Result<>> FakeEngine::take_snapshot(Handle handle, std::string reference, std::string snapshot) {
  std::function<Result<>()> deed = [this, handle, reference, snapshot]() -> Result<> {
    auto machine = find(handle);
    if (!machine) return fail(std::move(machine.error()));
    ImageInfo info;
    info.id = "sha256:" + random_hex(32);
    info.labels = (*machine)->labels;
    info.labels[kLabelSnapshot] = snapshot;
    info.created_at = clock_.now();
    for (const auto& [name, content] : (*machine)->files) info.size += static_cast<std::int64_t>(content.size());
    image_files_[info.id] = (*machine)->files;
    images_[reference] = std::move(info);
    return {};
  };
  co_return co_await act<void>("take_snapshot", deed);
}

asio::awaitable<Result<>> FakeEngine::name_snapshot(std::string reference, std::string also) {
  std::function<Result<>()> deed = [this, reference, also]() -> Result<> {
    const auto found = images_.find(reference);
    if (found == images_.end())
      return fail(Code::kNotFound, reason::kImageMissing, "There is no image " + reference + ".");
    const auto info = found->second;
    images_[also] = info;
    return {};
  };
  co_return co_await act<void>("name_snapshot", deed);
}

asio::awaitable<Result<>> FakeEngine::drop_snapshot(std::string reference) {
  std::function<Result<>()> deed = [this, reference]() -> Result<> {
    const auto found = images_.find(reference);
    if (found == images_.end()) return {};
    const auto id = found->second.id;
    const auto names = std::ranges::count_if(images_, [&](const auto& one) { return one.second.id == id; });
    const bool used = std::ranges::any_of(machines_, [&](const auto& one) {
      const auto of = images_.find(one.second->spec.image);
      return one.second->spec.image == id || (of != images_.end() && of->second.id == id);
    });
    if (names == 1 && used)
      return fail(Code::kConflict, "image-in-use", "A machine is made of the image " + reference + ".");
    images_.erase(found);
    if (names == 1) image_files_.erase(id);
    return {};
  };
  co_return co_await act<void>("drop_snapshot", deed);
}

asio::awaitable<Result<std::vector<ImageEntry>>> FakeEngine::list_snapshots() {
  auto entered = co_await enter("list_snapshots");
  if (!entered) co_return fail(std::move(entered.error()));
  std::vector<ImageEntry> out;
  for (const auto& [name, info] : images_) {
    if (!info.labels.contains(kLabelSnapshot) || !is_ours(info.labels)) continue;
    const auto same = std::ranges::find(out, info.id, &ImageEntry::id);
    if (same != out.end()) same->references.push_back(name);
    else out.push_back({info.id, {name}, info.size, info.created_at, info.labels});
  }
  co_return out;
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> FakeEngine::export_files(Handle handle) {
  auto entered = co_await enter("export_files");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  co_return fake::read_text(fake::pack_files((*machine)->files));
}

}  // namespace tiltyard::engine
