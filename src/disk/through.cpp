#include "disk/through.h"

#include <boost/json/object.hpp>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "base/json.h"
#include "observe/log.h"

namespace tiltyard::disk {
namespace {

namespace json = boost::json;

constexpr char kUsage[] = "disk.usage";
constexpr std::size_t kLongestName = 250, kMostKnown = 20'000;
constexpr auto kMost = std::numeric_limits<std::int64_t>::max();

/// Where machines write does not change while they are there, and asking the engine costs more than most looks. One
/// that was made anew under its name writes elsewhere, and what the one before had is gone.
class Places {
 public:
  using FoldersOf = std::function<Result<std::vector<std::string>>(const std::string& machine)>;
  static bool is_there(const std::string& folder) {
    std::error_code failed;
    return std::filesystem::exists(folder, failed);
  }

  explicit Places(FoldersOf ask) : ask_(std::move(ask)) {}

  Result<std::vector<std::string>> of(const std::string& machine) {
    {
      const std::lock_guard lock(mutex_);
      const auto known = known_.find(machine);
      if (known != known_.end() && std::ranges::all_of(known->second, is_there)) return known->second;
    }
    auto folders = ask_(machine);
    if (!folders || folders->empty()) return folders;
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMostKnown) known_.clear();
    known_.insert_or_assign(machine, *folders);
    return folders;
  }

 private:
  FoldersOf ask_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> known_;
};

}  // namespace

privileged::Verb usage_verb(std::function<Result<std::vector<std::string>>(const std::string& machine)> folders_of) {
  auto places = std::make_shared<Places>(std::move(folders_of));
  auto run = [places](const privileged::Arguments& with) -> Result<json::object> {
    if (auto known = with.only({"machine", "bytes", "inodes"}); !known) return fail(std::move(known.error()));
    const auto machine = with.text("machine", kLongestName);
    const auto bytes = with.number("bytes", 0, kMost), inodes = with.number("inodes", 0, kMost);
    for (const auto* each : {&bytes, &inodes}) {
      if (!*each) return fail(each->error());
    }
    if (!machine) return fail(machine.error());
    const auto folders = places->of(*machine);
    if (!folders) return fail(folders.error());
    const auto usage = usage_of(*folders, {*bytes, *inodes});
    return json::object{{"bytes", usage.bytes}, {"inodes", usage.inodes}, {"too_deep", usage.too_deep}};
  };
  return {kUsage, std::move(run)};
}

Usage usage_through(const privileged::Caller& caller, const std::string& machine, const Most& most) {
  const auto answer = caller.call(kUsage, {{"machine", machine}, {"bytes", most.bytes}, {"inodes", most.inodes}});
  if (!answer) {
    if (answer.error().code != Code::kNotFound)
      log::warn("disk", "what a machine writes could not be counted",
                {{"machine", machine},
                 {"cause", answer.error().cause.empty() ? answer.error().message : answer.error().cause}});
    return {};
  }
  return {number_of(*answer, "bytes"), number_of(*answer, "inodes"), flag_of(*answer, "too_deep")};
}

}  // namespace tiltyard::disk
