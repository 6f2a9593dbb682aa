#include "engine/docker/layer_verbs.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/json.h"
#include "engine/docker/answers.h"
#include "engine/reasons.h"
#include "net/client.h"

namespace tiltyard::engine::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using privileged::Descriptor;

constexpr char kUnpack[] = "layer.unpack", kRewrite[] = "layer.rewrite";
constexpr std::chrono::seconds kDeadline{15}, kLongestLook{20};
constexpr std::size_t kLongestName = 250;
constexpr off_t kLargestContent = off_t{128} << 20;

/// What the engine says of a machine. One for each look: verbs are called on several threads.
asio::awaitable<Result<json::value>> inspect(std::string socket, std::string machine) {
  http::Target target;
  target.unix_path = std::move(socket);
  http::Client client(target);
  http::Request question;
  question.target = "/containers/" + http::percent_encode(machine) + "/json";
  auto answer = co_await client.send(std::move(question), kDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(Code::kNotFound, reason::kMachineMissing, "There is no such machine.");
  co_return parse_json(answer->body);
}

bool is_name(const std::string& text) {
  const auto usual = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !text.empty() && text.front() != '.' && std::ranges::all_of(text, usual);
}

Result<std::string> content_of(int file) {
  struct stat status{};
  if (file < 0 || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kLargestContent)
    return privileged::refused("the content is no open file, or a huge one");
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t done = 0; done < out.size();) {
    const auto got = ::pread(file, out.data() + done, out.size() - done, static_cast<off_t>(done));
    if (got <= 0) return privileged::refused("the content cannot be read");
    done += static_cast<std::size_t>(got);
  }
  return out;
}

Result<std::vector<Rewrite>> texts_of(const std::string& content) {
  boost::system::error_code failed;
  const auto read = json::parse(content, failed);
  const auto* items = read.if_array();
  if (failed || items == nullptr) return privileged::refused("the content is no list");
  std::vector<Rewrite> out;
  for (const auto& item : *items)
    out.push_back({text_of(item, "path"), text_of(item, "was"), text_of(item, "becomes")});
  return out;
}

/// Looks a machine up, and does something to its layer.
class Work {
 public:
  Work(std::string socket, std::function<bool(const json::value&)> ours, asio::any_io_executor executor)
      : socket_(std::move(socket)), ours_(std::move(ours)), executor_(std::move(executor)) {}

  template <class Do>
  Result<json::object> run(const privileged::Arguments& with, Do work) const {
    if (auto known = with.only({"machine"}); !known) return fail(std::move(known.error()));
    const auto machine = with.text("machine", kLongestName);
    if (!machine) return fail(machine.error());
    auto content = content_of(with.file());
    if (!content) return fail(std::move(content.error()));
    const auto found = look_up(socket_, ours_, executor_, *machine);
    if (!found) return fail(found.error());
    const auto layer = layer_of(*found);
    if (!layer) return json::object{{"done", false}};
    auto done = work(*layer, *content, text_of(member(*found, "State"), "Status") != "created");
    if (!done) return fail(std::move(done.error()));
    return json::object{{"done", *done}};
  }

 private:
  std::string socket_;
  std::function<bool(const json::value&)> ours_;
  asio::any_io_executor executor_;
};

Result<bool> unpack_new(const Layer& layer, const std::string& tar, bool has_run) {
  if (has_run) return false;
  if (auto done = unpack(layer, tar); !done) return fail(std::move(done.error()));
  return true;
}

Result<bool> rewrite_all(const Layer& layer, const std::string& content, bool) {
  const auto texts = texts_of(content);
  if (!texts) return fail(texts.error());
  if (auto done = rewrite(layer, *texts); !done) return fail(std::move(done.error()));
  return true;
}

Result<bool> ask(const privileged::Caller& caller, const char* verb, const std::string& machine,
                 const std::string& content) {
  const Descriptor memory(::memfd_create("layer", MFD_CLOEXEC));
  if (!memory.open() || ::write(memory.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
    return fail(Code::kExhausted, "out-of-memory", "There is no memory for a machine's files.");
  auto answer = caller.call(verb, {{"machine", machine}}, memory.get());
  if (answer) return flag_of(*answer, "done");
  // What the half cannot do, the engine does, if more slowly.
  if (answer.error().reason == "file-moved" || answer.error().reason == "disk-full")
    return fail(std::move(answer.error()));
  return false;
}

}  // namespace

Result<json::value> look_up(const std::string& socket, const std::function<bool(const json::value&)>& ours,
                            const asio::any_io_executor& executor, const std::string& machine) {
  if (!is_name(machine)) return privileged::refused("machine is no name");
  auto looked = asio::co_spawn(executor, inspect(socket, machine), asio::use_future);
  if (looked.wait_for(kLongestLook) != std::future_status::ready)
    return fail(Code::kTimeout, "timeout", "The engine takes too long.");
  auto found = looked.get();
  if (found && !ours(*found)) return privileged::refused("the machine belongs to others");
  return found;
}

std::vector<privileged::Verb> layer_verbs(std::string socket, std::function<bool(const json::value&)> ours,
                                          asio::any_io_executor executor) {
  const auto work = std::make_shared<Work>(std::move(socket), std::move(ours), std::move(executor));
  return {{kUnpack, [work](const privileged::Arguments& with) { return work->run(with, unpack_new); }},
          {kRewrite, [work](const privileged::Arguments& with) { return work->run(with, rewrite_all); }}};
}

Result<bool> unpack_through(const privileged::Caller& caller, const std::string& machine, const std::string& tar) {
  return ask(caller, kUnpack, machine, tar);
}

Result<bool> rewrite_through(const privileged::Caller& caller, const std::string& machine,
                             const std::vector<Rewrite>& texts) {
  json::array list;
  for (const auto& each : texts) list.push_back({{"path", each.path}, {"was", each.was}, {"becomes", each.becomes}});
  return ask(caller, kRewrite, machine, json::serialize(list));
}

}  // namespace tiltyard::engine::docker
