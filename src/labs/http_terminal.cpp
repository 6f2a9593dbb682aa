// A terminal in a machine over a WebSocket: what the page opens.
#include <boost/json/parse.hpp>

#include <fmt/format.h>

#include "base/json.h"
#include "base/parallel.h"
#include "labs/machine_calls.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

asio::awaitable<Result<>> to_machine(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Running> running) {
  const auto session = running->session;
  while (true) {
    auto message = co_await socket->read();
    if (!message) break;
    if (message->binary) {
      auto written = co_await session->write(std::move(message->data));
      if (!written) break;
      continue;
    }
    // {"resize": [columns, rows]}; anything else is ignored, as a newer page may say more.
    boost::system::error_code error;
    const auto value = json::parse(message->data, error);
    const auto size = error ? std::nullopt : columns_and_rows(member(value, "resize"));
    if (!size) continue;
    auto resized = co_await session->resize(size->first, size->second);
    if (!resized) break;
  }
  session->close();
  co_return Result<>{};
}

asio::awaitable<Result<>> from_machine(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Running> running) {
  const auto session = running->session;
  std::string ending = "the connection was lost";
  while (true) {
    auto chunk = co_await session->read();
    if (!chunk && chunk.error().reason.starts_with("recording")) ending = chunk.error().reason;  // of its recording
    if (!chunk) break;
    if (chunk->data.empty()) {
      auto code = co_await session->exit_code();
      ending = code ? fmt::format("exit code {}", *code) : "ended";
      break;
    }
    auto written = co_await socket->write({true, std::move(chunk->data)});
    if (!written) break;
  }
  co_await socket->close(1000, ending);
  co_return Result<>{};
}

asio::awaitable<void> run_terminal(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Running> running) {
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(to_machine(socket, running));
  works.push_back(from_machine(socket, running));
  co_await all_of(std::move(works));
}

asio::awaitable<Result<Response>> terminal(PartsRef parts, OpenRef open, Request request) {
  engine::ExecSpec spec;
  spec.terminal = true;
  spec.columns = number_in(request.query_value("cols"), 80, 1, 1000);
  spec.rows = number_in(request.query_value("rows"), 24, 1, 1000);
  spec.environment = {"TERM=xterm-256color"};
  const auto command = request.query_value("command");
  spec.command = {"sh", "-c", command.empty() ? std::string(kAShell) : command};
  const auto machine = request.query_value("machine");
  auto place = co_await place_of(parts, std::move(request), machine, shells_of(*open, parts->options));
  if (!place) co_return fail(std::move(place.error()));
  auto running = co_await run_at(parts, std::move(*place), std::move(spec));
  if (!running) co_return fail(std::move(running.error()));
  Response response = Response::empty(101);
  response.websocket = [running = *running](std::shared_ptr<http::WebSocket> socket) {
    return run_terminal(std::move(socket), running);
  };
  co_return response;
}

}  // namespace

void add_terminal_routes(house::Routes& routes, PartsRef parts, OpenRef open) {
  routes.add("GET", "/api/v1/instances/{id}/terminal",
             {house::Access::kSignedIn, house::Scope::kInstances, house::Whose::kOwner}, {"terminal-open"},
             [parts, open](Request request) { return terminal(parts, open, std::move(request)); });
}

}  // namespace tiltyard::labs
