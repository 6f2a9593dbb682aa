// Images: find, build, pull. Export: streams.cpp.
#include <boost/asio/redirect_error.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <deque>

#include "base/offload.h"
#include "engine/docker/answers.h"
#include "engine/docker/build_context.h"
#include "engine/docker/build_trace.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/isolation/firewall.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;
namespace json = boost::json;

constexpr auto kAskDeadline = 15s, kChangeDeadline = 120s;
constexpr auto kPullDeadline = 30min;
constexpr std::size_t kTailLines = 20;

/// Reads the daemon's stream of JSON messages about a build or a pull: one object per line. What the programs of a
/// build say is made plain: no colours, nothing that a terminal would obey.
class Messages {
 public:
  explicit Messages(OnProgress progress) : progress_(std::move(progress)) {}

  void take(std::string_view bytes) {
    pending_ += bytes;
    for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      message(std::string_view(pending_).substr(0, end));
      pending_.erase(0, end + 1);
    }
  }
  void finish() {
    if (!pending_.empty()) message(std::exchange(pending_, {}));
    if (!line_.empty()) say(std::exchange(line_, {}));
    for (auto& line : trace_.rest()) say(std::move(line));
  }
  const std::string& error() const { return error_; }
  std::string tail() const {
    std::string out;
    for (const auto& line : tail_) out += line + "\n";
    return out;
  }

 private:
  void message(std::string_view text_line) {
    boost::system::error_code failed;
    const json::value value = json::parse(json::string_view(text_line.data(), text_line.size()), failed);
    if (failed) return;
    if (std::string words = text_of(value, "error"); !words.empty()) error_ = plain_lines(words);
    if (text_of(value, "id") == kTrace) {
      for (auto& line : trace_.take(text_of(value, "aux"))) say(std::move(line));
      return;
    }
    // A build's output comes in pieces that need not be whole lines.
    line_ += text_of(value, "stream");
    for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n')) {
      say(line_.substr(0, end));
      line_.erase(0, end + 1);
    }
    if (std::string status = text_of(value, "status"); !status.empty()) {
      const std::string id = text_of(value, "id");
      say(id.empty() ? status : id + ": " + status);
    }
  }

  void say(std::string line) {
    line = plain(line);
    if (line.empty()) return;
    read_step(line);
    tail_.push_back(line);
    if (tail_.size() > kTailLines) tail_.pop_front();
    if (progress_) progress_(BuildProgress{step_, steps_, std::move(line)});
  }

  /// "Step 3/9 : RUN make", or BuildKit's "[build 3/9] RUN make", whose numbers are those of one stage.
  void read_step(std::string_view line) {
    const auto slash = line.find('/');
    if (slash == std::string_view::npos) return;
    std::size_t number = 5;
    if (line.starts_with('[')) number = line.find_last_of(" [", slash) + 1;
    else if (!line.starts_with("Step ")) return;
    std::from_chars(line.data() + number, line.data() + slash, step_);
    std::from_chars(line.data() + slash + 1, line.data() + line.size(), steps_);
  }

  OnProgress progress_;
  std::string pending_, line_, error_;
  BuildTrace trace_;
  std::deque<std::string> tail_;
  int step_ = 0, steps_ = 0;
};

std::string json_of(const std::map<std::string, std::string>& values) {
  if (values.empty()) return {};
  json::object out;
  for (const auto& [key, value] : values) out.emplace(key, value);
  return json::serialize(out);
}

std::string build_path(const BuildSpec& spec, const std::string& dockerfile, const Labels& labels) {
  std::string hosts;
  for (const auto& host : spec.extra_hosts) hosts += (hosts.empty() ? "" : ",") + host;
  return with_query("/build", {{"t", spec.tag},
                               {"dockerfile", dockerfile},
                               {"target", spec.target},
                               {"buildargs", json_of(spec.args)},
                               {"labels", json_of(labels)},
                               {"networkmode", spec.network ? "" : "none"},
                               {"extrahosts", hosts},
                               {"memory", spec.memory > 0 ? std::to_string(spec.memory) : ""},
                               {"rm", "1"},
                               {"forcerm", "1"},
                               {"version", spec.buildkit ? "2" : ""}});
}

/// Reads such a stream to its end. The deadline is for all of it.
asio::awaitable<Result<>> read_messages(http::BodyReader* stream, std::shared_ptr<Messages> messages,
                                        std::string engine, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) co_return fail(Code::kTimeout, "timeout", "The engine took too long.");
    auto bytes = co_await stream->read(left);
    if (!bytes) co_return fail(transport_error(engine, bytes.error()));
    if (bytes->empty()) break;
    messages->take(*bytes);
  }
  messages->finish();
  co_return Result<>{};
}

asio::awaitable<std::string> read_rest(http::BodyReader* stream) {
  std::string out;
  while (out.size() < 64 * 1024) {
    auto bytes = co_await stream->read(5s);
    if (!bytes || bytes->empty()) break;
    out += *bytes;
  }
  co_return out;
}

asio::awaitable<Result<std::string>> next_piece(std::shared_ptr<WorkerPool> worker,
                                                std::shared_ptr<BuildContext> context,
                                                std::shared_ptr<std::optional<Error>> trouble) {
  auto next = [context] { return context->next(); };
  auto piece = co_await offload(*worker, next);
  if (!piece) *trouble = piece.error();
  co_return std::move(piece);
}

/// "host:5000/name:tag" → name and tag; a digest stays with the name.
std::pair<std::string, std::string> split_reference(const std::string& reference) {
  const auto colon = reference.rfind(':');
  const auto slash = reference.rfind('/');
  if (reference.contains('@')) return {reference, ""};
  if (colon == std::string::npos || (slash != std::string::npos && colon < slash)) return {reference, "latest"};
  return {reference.substr(0, colon), reference.substr(colon + 1)};
}

}  // namespace

asio::awaitable<Result<std::optional<ImageInfo>>> DockerEngine::find_image(std::string reference) {
  auto answer =
      co_await connection_->call("GET", "/images/" + http::percent_encode(reference) + "/json", {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 404) co_return std::nullopt;
  if (answer->status != 200) co_return fail(refusal(About::kImage, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  co_return image_info(*found);
}

asio::awaitable<Result<ImageInfo>> DockerEngine::build(BuildSpec spec, OnProgress progress) {
  const auto deadline = std::chrono::steady_clock::now() + spec.deadline;
  auto open_context = [spec] { return BuildContext::open(spec); };
  auto opened = co_await offload(*worker_, open_context);
  if (!opened) co_return fail(std::move(opened.error()));
  const std::shared_ptr<BuildContext> context = std::move(*opened);
  auto trouble = std::make_shared<std::optional<Error>>();
  http::BodySource source = [worker = worker_, context, trouble] { return next_piece(worker, context, trouble); };
  const std::string path = build_path(spec, context->dockerfile(), ours(spec.labels));
  auto stream = co_await connection_->open("POST", path, {}, source, spec.deadline);
  if (*trouble) co_return fail(**trouble);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) {
    const int status = (*stream)->head().status;
    const std::string body = co_await read_rest(stream->get());
    Error refused = refusal(About::kBuild, status, body);
    if (refused.reason == reason::kRefused) co_return fail(build_failed(words_of(body), {}));
    co_return fail(std::move(refused));
  }
  auto messages = std::make_shared<Messages>(std::move(progress));
  auto read = co_await read_messages(stream->get(), messages, options_.name, deadline);
  if (!read) co_return fail(std::move(read.error()));
  if (!messages->error().empty()) {
    Error refused = refusal(About::kBuild, 500, messages->error());
    if (refused.reason == reason::kRefused) co_return fail(build_failed(messages->error(), messages->tail()));
    co_return fail(std::move(refused));
  }
  auto built = co_await find_image(spec.tag);
  if (!built) co_return fail(std::move(built.error()));
  if (!*built) co_return fail(build_failed("The build ended without an image.", messages->tail()));
  co_return std::move(**built);
}

asio::awaitable<Result<std::vector<ImageEntry>>> DockerEngine::list_images() {
  std::vector<ImageEntry> out;
  const std::string bases = json::serialize(json::object{{"label", json::array{std::string(kLabelBase) + "=1"}}});
  for (const auto& filter : {our_filter(), bases}) {
    auto answer =
        co_await connection_->call("GET", with_query("/images/json", {{"filters", filter}}), {}, kAskDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status != 200) co_return fail(refusal(About::kImage, *answer));
    auto listed = parse_json(answer->body);
    if (!listed) co_return fail(std::move(listed.error()));
    if (!listed->is_array()) continue;
    for (const auto& one : listed->get_array()) {
      ImageEntry entry = image_entry(one);
      // What is built on a base has its label too, whosever it is.
      const auto space = entry.labels.find(kLabelNamespace);
      if (space != entry.labels.end() && space->second != options_.name_space) continue;
      if (entry.labels.contains(kLabelSnapshot)) continue;  // a machine's, and no template's
      if (std::ranges::find(out, entry.id, &ImageEntry::id) == out.end()) out.push_back(std::move(entry));
    }
  }
  co_return out;
}

asio::awaitable<Result<>> DockerEngine::remove_image(std::string reference) {
  auto answer = co_await connection_->call("DELETE", "/images/" + http::percent_encode(reference), {}, kChangeDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status == 200 || answer->status == 404) co_return Result<>{};
  if (answer->status == 409)
    co_return fail(Code::kConflict, "image-in-use", "A machine is made of the image " + reference + ".",
                   words_of(answer->body));
  co_return fail(refusal(About::kImage, *answer));
}

asio::awaitable<Result<ImageInfo>> DockerEngine::pull(std::string reference, OnProgress progress) {
  const auto deadline = std::chrono::steady_clock::now() + kPullDeadline;
  const auto [name, tag] = split_reference(reference);
  const std::string path = with_query("/images/create", {{"fromImage", name}, {"tag", tag}});
  auto stream = co_await connection_->open("POST", path, {}, {}, kChangeDeadline);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) {
    const int status = (*stream)->head().status;
    const std::string body = co_await read_rest(stream->get());
    co_return fail(refusal(About::kImage, status, body));
  }
  auto messages = std::make_shared<Messages>(std::move(progress));
  auto read = co_await read_messages(stream->get(), messages, options_.name, deadline);
  if (!read) co_return fail(std::move(read.error()));
  if (!messages->error().empty()) co_return fail(refusal(About::kImage, 500, messages->error()));
  auto found = co_await find_image(reference);
  if (!found) co_return fail(std::move(found.error()));
  if (!*found) co_return fail(Code::kNotFound, reason::kImageMissing, "The engine does not have the image.", reference);
  co_return std::move(**found);
}

}  // namespace tiltyard::engine
