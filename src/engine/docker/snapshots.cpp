// Machines' own layers as images. What flows out of them: streams.cpp.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/docker/freezer.h"
#include "engine/isolation/firewall.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;
namespace json = boost::json;

constexpr auto kListDeadline = 15s, kNameDeadline = 120s;
// The engine packs the whole layer while it waits for nothing else; the same as for a template's image.
constexpr auto kCommitDeadline = 15min;

std::string repository_of(const std::string& reference) { return reference.substr(0, reference.rfind(':')); }
std::string tag_of(const std::string& reference) { return reference.substr(reference.rfind(':') + 1); }

}  // namespace

asio::awaitable<Result<std::int64_t>> DockerEngine::own_bytes(Handle handle) {
  const auto path = with_query("/containers/" + http::percent_encode(handle.data) + "/json", {{"size", "1"}});
  auto answer = co_await connection_->call("GET", path, {}, kNameDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto counted = parse_json(answer->body);
  if (!counted) co_return fail(std::move(counted.error()));
  co_return number_of(*counted, "SizeRw");
}

asio::awaitable<Result<>> DockerEngine::take_snapshot(Handle handle, std::string reference, std::string snapshot) {
  // The daemon holds nothing still that it takes for paused already.
  if (freezers_->is_thawed(handle.data)) {
    auto settled = co_await resume(handle);
    if (!settled) co_return settled;
  }
  const auto path = with_query(
      "/commit",
      {{"container", handle.data}, {"repo", repository_of(reference)}, {"tag", tag_of(reference)}, {"pause", "1"}});
  const json::object body{{"Labels", json::object{{kLabelSnapshot, snapshot}}}};
  auto answer = co_await connection_->call("POST", path, json::serialize(body), kCommitDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 201) co_return fail(refusal(About::kMachine, *answer));
  co_return Result<>{};
}

asio::awaitable<Result<>> DockerEngine::name_snapshot(std::string reference, std::string also) {
  const auto path = with_query("/images/" + http::percent_encode(reference) + "/tag",
                               {{"repo", repository_of(also)}, {"tag", tag_of(also)}});
  auto answer = co_await connection_->call("POST", path, {}, kNameDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 201) co_return fail(refusal(About::kImage, *answer));
  co_return Result<>{};
}

asio::awaitable<Result<>> DockerEngine::drop_snapshot(std::string reference) {
  co_return co_await remove_image(std::move(reference));
}

asio::awaitable<Result<std::vector<ImageEntry>>> DockerEngine::list_snapshots() {
  auto answer =
      co_await connection_->call("GET", with_query("/images/json", {{"filters", our_filter()}}), {}, kListDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kImage, *answer));
  auto listed = parse_json(answer->body);
  if (!listed) co_return fail(std::move(listed.error()));
  std::vector<ImageEntry> out;
  const auto* entries = listed->if_array();
  for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
    auto entry = image_entry((*entries)[i]);
    if (entry.labels.contains(kLabelSnapshot) && is_ours(entry.labels)) out.push_back(std::move(entry));
  }
  co_return out;
}

}  // namespace tiltyard::engine
