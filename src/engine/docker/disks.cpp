// What machines write to disk, and where.
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/docker/freezer.h"

namespace tiltyard::engine {

using namespace std::chrono_literals;
using namespace docker;

namespace {

// Without a look at its layer an engine counts all files of it.
constexpr auto kInspectDeadline = 15s, kCountDeadline = 60s;

std::string groups_of(std::int64_t process) {
  std::ifstream in(fmt::format("/proc/{}/cgroup", process));
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Whether all of it can be looked through from here.
bool can_be_seen(const Footprint& footprint) {
  if (footprint.folders.empty()) return false;
  for (const auto& folder : footprint.folders) {
    if (::access(folder.c_str(), R_OK) != 0) return false;
  }
  return true;
}

}  // namespace

asio::awaitable<void> DockerEngine::know_storage() {
  if (!fingerprinted_) co_await fingerprint();
}

asio::awaitable<Result<Footprint>> DockerEngine::footprint(Handle handle) {
  co_await know_storage();
  const std::string path = "/containers/" + http::percent_encode(handle.data) + "/json";
  auto answer = co_await connection_->call("GET", path, {}, kInspectDeadline);
  if (answer && answer->status == 200 && shares_files_) {
    auto found = parse_json(answer->body);
    if (!found) co_return fail(std::move(found.error()));
    Footprint out = footprint_of(*found, options_.files_folder);
    // Where we may not look, the privileged half does.
    if (can_be_seen(out) || (privileged_ && !out.folders.empty())) {
      const auto groups = groups_of(number_of(member(*found, "State"), "Pid"));
      out.processor = processor_file(freezers_->mounts(), groups, text_of(*found, "Id")).value_or("");
      co_return out;
    }
  }
  if (answer && answer->status == 200)
    answer = co_await connection_->call("GET", with_query(path, {{"size", "1"}}), {}, kCountDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto counted = parse_json(answer->body);
  if (!counted) co_return fail(std::move(counted.error()));
  Footprint out = footprint_of(*counted, {});
  out.folders.clear();
  out.bytes = number_of(*counted, "SizeRw");
  co_return out;
}

}  // namespace tiltyard::engine
