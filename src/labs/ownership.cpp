#include "labs/ownership.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/parallel.h"
#include "engine/reasons.h"
#include "labs/reasons.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

constexpr char kLabelClaim[] = "tiltyard.claim", kLabelHome[] = "tiltyard.home", kLabelData[] = "tiltyard.data",
               kLabelHost[] = "tiltyard.host";

std::string value_of(const engine::Labels& labels, const char* label) {
  const auto found = labels.find(label);
  return found == labels.end() ? "" : found->second;
}

/// Whether a living server holds the lock of this data folder.
bool lives(const std::string& data) {
  const int file = ::open((data + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  const bool held = ::flock(file, LOCK_EX | LOCK_NB) != 0;
  ::close(file);
  return held;
}

asio::awaitable<Result<>> remove(engine::Engine* engine, engine::Resource resource) {
  switch (resource.kind) {
    case engine::ResourceKind::kMachine:
      co_return co_await engine->destroy(resource.handle);
    case engine::ResourceKind::kNetwork:
      co_return co_await engine->destroy_network(resource.name);
    case engine::ResourceKind::kVolume:
      co_return co_await engine->destroy_volume(resource.name);
  }
  co_return Result<>{};
}

}  // namespace

asio::awaitable<std::size_t> remove_all(engine::Engine& engine, std::vector<engine::Resource> resources) {
  std::size_t removed = 0;
  for (const bool machines : {true, false}) {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& resource : resources) {
      if ((resource.kind == engine::ResourceKind::kMachine) == machines) works.push_back(remove(&engine, resource));
    }
    const auto results = co_await all_of(std::move(works));
    for (const auto& result : results) removed += result ? 1 : 0;
  }
  co_return removed;
}

asio::awaitable<Result<>> Ownership::claim() {
  auto all = co_await engine_.list();
  if (!all) co_return fail(std::move(all.error()));
  std::vector<engine::Resource> strangers;
  engine::Labels claim;
  bool adopts = false, labelled = false;
  for (const auto& resource : *all) {
    if (resource.labels.contains(kLabelClaim)) claim = resource.labels;
    auto found = co_await whose(resource);
    if (!found) co_return fail(std::move(found.error()));
    const bool says_server = resource.labels.contains(engine::kLabelServer);
    adopts |= *found == Whose::kOurs && !says_server;
    if (*found != Whose::kAnothers) continue;
    strangers.push_back(resource);
    labelled |= says_server;
  }
  if (!claim.empty() && value_of(claim, engine::kLabelServer) == self_.server) co_return co_await check_copy(claim);
  if (strangers.empty()) co_return co_await make_claim();
  // The first start of a version with labels: what is ours without one says that the rest without one was ours, too.
  if (!labelled && adopts) co_return co_await succeed(std::move(strangers), "of no instance that the database knows");
  if (!claim.empty() && value_of(claim, kLabelHost) == self_.host && value_of(claim, kLabelHome) == self_.home) {
    co_return co_await succeed(std::move(strangers), "of the server whose database was at this place before");
  }
  auto who = std::string("another server, or one of a version before this");
  if (!claim.empty()) {
    const bool alive = value_of(claim, kLabelHost) == self_.host && lives(value_of(claim, kLabelData));
    who = fmt::format("the server {} ({}{})", value_of(claim, engine::kLabelServer), value_of(claim, kLabelHome),
                      alive ? ", which runs" : "");
  }
  co_return refuse(who, fmt::format("If that server is gone for good, remove all that has the label {}={} from the "
                                    "engine (docs/operations.md, Clean-up), and start again.",
                                    engine::kLabelNamespace, name_space_));
}

/// Removes what a server left that is surely gone, and claims the namespace. A claim of its own is among it and goes
/// last, as volumes do: cut off in between, the next start goes on with it.
asio::awaitable<Result<>> Ownership::succeed(std::vector<engine::Resource> left, std::string why) {
  log::warn("labs", "what an earlier server left on the engine is removed",
            {{"resources", left.size()}, {"which", why}});
  const auto removed = co_await remove_all(engine_, left);
  if (removed == left.size()) co_return co_await make_claim();
  co_return fail(Code::kUnavailable, reason::kNamespaceClaimed,
                 "The engine does not remove all that an earlier server of this database left; start again.");
}

asio::awaitable<Result<>> Ownership::make_claim() {
  engine::Labels labels{
      {kLabelClaim, "true"}, {kLabelHome, self_.home}, {kLabelData, self_.data}, {kLabelHost, self_.host}};
  auto made = co_await engine_.create_volume(claim_name(), std::move(labels));
  if (!made && made.error().reason == engine::reason::kNameTaken) {
    co_return refuse("another server, which has just started", "Then start again.");
  }
  held_ = made.has_value();
  co_return made;
}

/// Our own claim, as it seems: made here, or where a copy of this database is, or where it was before it was moved.
asio::awaitable<Result<>> Ownership::check_copy(engine::Labels claim) {
  const auto home = value_of(claim, kLabelHome), data = value_of(claim, kLabelData);
  held_ = home == self_.home && data == self_.data;
  if (held_) co_return Result<>{};
  const bool here = value_of(claim, kLabelHost) == self_.host;
  if (!here || lives(data)) {
    co_return refuse(
        fmt::format("a server with the same database at {}{}", home, here ? ", which runs" : ""),
        fmt::format("A copy of a server needs another engine or a namespace of its own, and begins without "
                    "the instances of the first. If this database was moved and nothing runs at the old "
                    "place, remove the volume {} from the engine and start again.",
                    claim_name()));
  }
  auto removed = co_await engine_.destroy_volume(claim_name());
  if (!removed) co_return removed;
  co_return co_await make_claim();
}

Result<> Ownership::refuse(const std::string& who, const std::string& what_to_do) const {
  return fail(
      Code::kConflict, reason::kNamespaceClaimed,
      fmt::format("The namespace \"{}\" on the engine {} belongs to {}. Set engine.namespace (of several engines, "
                  "that of [engines.{}]) to a name that no other server uses. {}",
                  name_space_, engine_.name(), who, engine_.name(), what_to_do));
}

asio::awaitable<Result<Ownership::Whose>> Ownership::whose(engine::Resource resource) {
  const auto server = resource.labels.find(engine::kLabelServer);
  if (server != resource.labels.end()) co_return server->second == self_.server ? Whose::kOurs : Whose::kAnothers;
  const auto instance = resource.labels.find(engine::kLabelInstance);
  // A shared network of a version before: only the instances that use it could say whose it is.
  if (instance == resource.labels.end()) co_return Whose::kNobodysYet;
  auto row = co_await rows_.find(InstanceId(instance->second));
  if (!row) co_return fail(std::move(row.error()));
  co_return *row ? Whose::kOurs : Whose::kAnothers;
}

asio::awaitable<Result<std::vector<engine::Resource>>> Ownership::ours() {
  auto all = co_await engine_.list();
  if (!all) co_return fail(std::move(all.error()));
  std::vector<engine::Resource> mine;
  for (auto& resource : *all) {
    if (resource.labels.contains(kLabelClaim)) continue;
    auto found = co_await whose(resource);
    if (!found) co_return fail(std::move(found.error()));
    if (*found == Whose::kOurs) mine.push_back(std::move(resource));
  }
  co_return mine;
}

asio::awaitable<Result<>> Ownership::release() {
  held_ = false;
  co_return co_await engine_.destroy_volume(claim_name());
}

}  // namespace tiltyard::labs
