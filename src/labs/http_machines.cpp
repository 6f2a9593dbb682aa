// Into the machines of an instance: logs, and the way to what else there is.
#include <fmt/format.h>

#include <algorithm>

#include "labs/machine_calls.h"
#include "labs/reasons.h"

namespace tiltyard::labs {
namespace {

using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

asio::awaitable<void> copy_logs(std::shared_ptr<engine::ByteStream> from, std::shared_ptr<http::BodyWriter> to,
                                [[maybe_unused]] std::shared_ptr<void> in_use,
                                [[maybe_unused]] std::shared_ptr<void> seat) {
  while (true) {
    auto piece = co_await from->read();
    if (!piece || piece->empty()) break;
    auto written = co_await to->write(std::move(*piece));
    if (!written) break;
  }
  from->close();
}

/// Of one that has failed there is left what its machines said last.
asio::awaitable<Result<Response>> last_logs(PartsRef parts, Instance instance, std::string wanted) {
  auto said = co_await parts->service.store().last_words(instance.id);
  if (!said) co_return fail(std::move(said.error()));
  if (said->empty()) {
    co_return fail(Code::kConflict, "instance-not-running",
                   "The instance has ended. What machines said last is kept of those that failed, for a day; of this "
                   "one there is nothing.");
  }
  std::string text;
  for (const auto& [machine, words] : *said) {
    if (!wanted.empty() && machine != wanted) continue;
    if (wanted.empty() && said->size() > 1) text += fmt::format("== {}\n", machine);
    text += words + "\n";
  }
  if (text.empty())
    co_return fail(Code::kNotFound, reason::kMachineUnknown,
                   fmt::format("Nothing is kept of a machine '{}'.", wanted.substr(0, 60)));
  co_return Response::text(200, std::move(text));
}

asio::awaitable<Result<Response>> logs(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  if (is_final(instance->state)) co_return co_await last_logs(parts, *instance, request.query_value("machine"));
  auto handle = machine_of(*instance, request.query_value("machine"));
  if (!handle) co_return fail(std::move(handle.error()));
  engine::LogOptions options;
  options.tail = number_in(request.query_value("tail"), 200, 0, 10'000);
  options.follow = request.query_value("follow") == "1";
  std::shared_ptr<void> followed;
  if (options.follow) {
    auto taken = seat_for({open->followed_logs, parts->options.followed_logs_per_user, "too-many-followed-logs",
                           "followed logs", "followed_logs_per_user"},
                          identity::principal_of(request));
    if (!taken) co_return fail(std::move(taken.error()));
    followed = std::move(*taken);
  }
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  auto opened = co_await parts->engines.of(instance->plan.engine).logs(*handle, options);
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  Response response = Response::text(200, "");
  std::shared_ptr<engine::ByteStream> stream = std::move(*opened);
  response.stream = [stream, in_use = *in_use, followed](std::shared_ptr<http::BodyWriter> to) {
    return copy_logs(stream, std::move(to), in_use, followed);
  };
  co_return response;
}

}  // namespace

void add_machine_routes(house::Routes& routes, PartsRef parts, OpenRef open) {
  routes.add("GET", "/api/v1/instances/{id}/logs", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"logs-read"},
             [parts, open](Request request) { return logs(parts, open, std::move(request)); });
  add_exec_routes(routes, parts, open);
  add_terminal_routes(routes, parts, open);
  add_session_routes(routes, parts);
}

}  // namespace tiltyard::labs
