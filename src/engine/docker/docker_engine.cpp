#include "engine/docker/docker_engine.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fstream>

#include "base/offload.h"
#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/facts.h"
#include "engine/docker/freezer.h"
#include "engine/docker/restarts.h"
#include "engine/docker/same_files.h"
#include "engine/docker/watcher.h"
#include "engine/isolation/firewall.h"
#include "engine/isolation/no_names.h"
#include "engine/isolation/slice.h"
#include "engine/isolation/verbs.h"
#include "engine/isolation/weights.h"
#include "engine/reasons.h"
#include "observe/log.h"
#include "privileged/caller.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;
namespace json = boost::json;

json::array our_labels(const std::string& name_space) {
  return {std::string(kLabelManaged) + "=true", std::string(kLabelNamespace) + "=" + name_space};
}

/// Events of our machines that say something; of the many that a command in a machine makes we want none.
std::string event_filter(const std::string& name_space) {
  const json::object filter{
      {"type", json::array{"container"}},
      {"label", our_labels(name_space)},
      {"event", json::array{"start", "die", "oom", "pause", "unpause", "destroy", "health_status"}}};
  return json::serialize(filter);
}

}  // namespace

Result<std::unique_ptr<DockerEngine>> DockerEngine::make(asio::any_io_executor executor, DockerOptions options) {
  auto target = http::Target::parse(options.endpoint);
  if (!target) return fail(std::move(target.error()));
  target->ca_file = options.ca_file;
  target->certificate_file = options.certificate_file;
  target->key_file = options.key_file;
  // The usual spelling of a TLS endpoint is tcp:// with certificates beside it.
  if (!options.ca_file.empty() && target->unix_path.empty()) target->tls = true;
  const std::string unix_path = target->unix_path;
  auto connection = std::make_shared<Connection>(options.name, std::move(*target));
  return std::unique_ptr<DockerEngine>(
      new DockerEngine(executor, std::move(options), unix_path, std::move(connection)));
}

DockerEngine::DockerEngine(asio::any_io_executor executor, DockerOptions options, std::string unix_path,
                           std::shared_ptr<Connection> connection)
    : executor_(executor),
      options_(std::move(options)),
      unix_path_(std::move(unix_path)),
      local_(!unix_path_.empty()),
      connection_(std::move(connection)),
      worker_(std::make_shared<WorkerPool>("engine files", 1)),
      writer_("machine files", 1) {
  isolation::FirewallOptions firewall;
  firewall.nft = options_.nft;
  firewall.table = options_.firewall_table;
  firewall.limits = options_.machines;
  firewall_ = std::make_unique<isolation::Firewall>(executor_, std::move(firewall));
  no_names_ = std::make_unique<isolation::NoNames>(executor_);
  weights_ = std::make_unique<isolation::Weights>(executor_);
  freezers_ = std::make_unique<Freezers>(executor_, local_);
  restarts_ = std::make_unique<Restarts>(executor_, [this](Handle handle) { return start_now(std::move(handle)); });
  watcher_ = std::make_unique<Watcher>(executor_, connection_, event_filter(options_.name_space), options_.ping_every,
                                       [this](const EngineEvent& event) {
                                         if (event.what == Happening::kDied)
                                           last_death_ = std::chrono::steady_clock::now();
                                         restarts_->heard(event);
                                         subscribers_.tell(event);
                                       });
}

DockerEngine::~DockerEngine() = default;

void DockerEngine::isolated_by(privileged::Caller privileged) {
  privileged_ = std::make_shared<privileged::Caller>(std::move(privileged));
}

std::optional<Error> DockerEngine::away() const { return connection_->away(); }

asio::awaitable<Result<Fingerprint>> DockerEngine::fingerprint() {
  auto version = co_await connection_->negotiate();
  if (!version) co_return fail(std::move(version.error()));
  auto answer = co_await connection_->call("GET", "/info", {}, 15s);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kEngine, *answer));
  auto info = parse_json(answer->body);
  if (!info) co_return fail(std::move(info.error()));
  Fingerprint out;
  out.kind = "docker";
  out.version = text_of(*info, "ServerVersion");
  out.api_version = connection_->api_version();
  out.os = text_of(*info, "OSType");
  out.arch = text_of(*info, "Architecture");
  out.runtime = text_of(*info, "DefaultRuntime");
  std::ifstream mounts(local_ ? "/proc/self/mounts" : "/dev/null");
  limits_disk_ = limits_disk(*info, mounts);
  out.cpus = static_cast<int>(number_of(*info, "NCPU"));
  out.memory = number_of(*info, "MemTotal");
  out.shares_files = local_ && (options_.files_folder.empty() || sees_our_files(unix_path_, options_.files_folder));
  fingerprinted_ = true;
  dockerfile_syntax_ = docker::syntax_of(out.version);
  shares_files_ = out.shares_files;
  own_ids_ = has_own_ids(*info);
  storage_ = shares_files_ ? text_of(*info, "DockerRootDir") : "";
  co_await put_into_group(text_of(*info, "CgroupDriver"), text_of(*info, "CgroupVersion") == "2", out.memory);
  co_return out;
}

asio::awaitable<void> DockerEngine::put_into_group(std::string driver, bool unified, std::int64_t memory) {
  // "none": an engine that may make no groups.
  if ((driver != "systemd" && driver != "cgroupfs") || !cgroup_parent_.empty()) co_return;
  const isolation::GroupDriver groups{driver == "systemd", unified};
  cgroup_parent_ = isolation::slice_parent(groups);
  // Who has no rights leaves the weights to who gave it none (deploy/tiltyard_machines.slice).
  if (!local_ || privileged_) co_return;
  const auto most = options_.machines.memory > 0 ? options_.machines.memory : isolation::memory_for_machines(memory);
  auto work = [groups, most] { return isolation::weigh_slice("/sys/fs/cgroup", groups, most); };
  auto weighed = co_await offload(*worker_, std::move(work));
  if (!weighed)
    log::warn("engine", weighed.error().message, {{"group", cgroup_parent_}, {"cause", weighed.error().cause}});
}

asio::awaitable<Result<>> DockerEngine::ensure_isolation() {
  if (local_ && privileged_) {
    auto ask = [caller = privileged_] { return isolation::ensure_through(*caller); };
    co_return co_await offload(*worker_, ask);
  }
  if (local_) co_return co_await firewall_->ensure();
  if (options_.trust_remote_isolation) co_return Result<>{};
  co_return fail(
      Code::kUnavailable, reason::kIsolationMissing,
      "The engine " + options_.name + " runs on another host, where our firewall table cannot be loaded from here.");
}

Labels DockerEngine::ours(Labels labels) const {
  labels[kLabelManaged] = "true";
  labels[kLabelNamespace] = options_.name_space;
  return labels;
}

Labels DockerEngine::mine(Labels labels) const {
  labels = ours(std::move(labels));
  labels[kLabelServer] = options_.server;
  return labels;
}

bool DockerEngine::is_ours(const Labels& labels) const {
  const auto managed = labels.find(kLabelManaged), space = labels.find(kLabelNamespace);
  const auto server = labels.find(kLabelServer);
  return managed != labels.end() && managed->second == "true" && space != labels.end() &&
         space->second == options_.name_space && (server == labels.end() || server->second == options_.server);
}

std::string DockerEngine::our_filter() const {
  return json::serialize(json::object{{"label", our_labels(options_.name_space)}});
}

Subscription DockerEngine::on_event(Subscribers::OnEvent subscriber) { return subscribers_.add(std::move(subscriber)); }

void DockerEngine::run() {
  watcher_->run();
  if (!local_) return;
  if (!privileged_) {
    firewall_->run();
    weights_->run();
  }
  no_names_->run();
}

asio::awaitable<void> DockerEngine::close() {
  co_await restarts_->close();
  co_await watcher_->close();
  co_await no_names_->close();
  co_await weights_->close();
  co_await firewall_->close();
}

}  // namespace tiltyard::engine
