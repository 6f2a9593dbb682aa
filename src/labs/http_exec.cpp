// A command in a machine: answered as one JSON object, or over a WebSocket with its input (docs/exec.md).
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

#include <deque>
#include <limits>

#include "base/json.h"
#include "base/parallel.h"
#include "base/utf8.h"
#include "labs/machine_calls.h"
#include "net/body.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;
using std::chrono::seconds;

constexpr std::size_t kMostOutput = 256 * 1024;  // bytes that a command may say in an answer, on both streams together
constexpr seconds kLongestAnswer{120};           // and how long it may take
constexpr std::size_t kLongestWord = 64 * 1024;  // bytes of one of a command
constexpr std::size_t kMostWords = 256;          // of a command
constexpr std::size_t kAnswerPiece = 16 * 1024;  // bytes of output that are made JSON of at a time
constexpr std::size_t kWindow = 256 * 1024;      // bytes each way of a stream that nobody has taken yet
constexpr std::size_t kJoined = 4 * 1024;        // bytes of input that small messages make up together
constexpr seconds kUsualStream{3600}, kLongestStream{24 * 3600};
constexpr seconds kMayThink{30};  // until a stream says what is to run

/// How a command ended.
struct Ending {
  int exit_code = -1;
  std::string stopped_by;  ///< empty: it ended by itself
};

json::object told(const Ending& ending) {
  return {{"exit_code", ending.exit_code},
          {"stopped_by", ending.stopped_by.empty() ? json::value() : json::value(ending.stopped_by)}};
}

/// Ends the command once its time is over.
asio::awaitable<Result<>> cut_after(seconds limit, std::shared_ptr<engine::ExecSession> session,
                                    std::shared_ptr<Ending> ending, std::shared_ptr<Signal> ended) {
  const bool in_time = co_await ended->wait_for(limit);
  if (in_time) co_return Result<>{};
  ending->stopped_by = "time-limit";
  auto stopped = co_await session->stop();
  // Otherwise the reader would wait for an end that does not come.
  if (!stopped) session->close();
  co_return Result<>{};
}

// As one answer.

struct Command {
  std::string machine;
  std::vector<std::string> words;
};

Result<Command> parse_command(const std::string& bytes) {
  http::Body body(bytes);
  Command command;
  command.words = body.texts("command", 1, kMostWords, kLongestWord);
  command.machine = body.maybe_text("machine", 0, 100).value_or("");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return command;
}

struct Output {
  std::string standard, error;

  std::size_t room() const { return kMostOutput - standard.size() - error.size(); }
};

/// Reads until the command ends or has said all that it may, and has it killed then.
asio::awaitable<Result<>> collect(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output,
                                  std::shared_ptr<Ending> ending) {
  while (true) {
    auto chunk = co_await session->read();
    if (!chunk && ending->stopped_by.empty()) co_return fail(std::move(chunk.error()));
    if (!chunk || chunk->data.empty()) break;
    const bool over = chunk->data.size() > output->room();
    (chunk->error_stream ? output->error : output->standard).append(chunk->data, 0, output->room());
    if (!over) continue;
    ending->stopped_by = "output-limit";
    auto stopped = co_await session->stop();
    if (!stopped) co_return fail(std::move(stopped.error()));
    break;
  }
  auto code = co_await session->exit_code();
  if (!code) co_return fail(std::move(code.error()));
  ending->exit_code = *code;
  co_return Result<>{};
}

asio::awaitable<Result<>> collect_and_tell(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output,
                                           std::shared_ptr<Ending> ending, std::shared_ptr<Signal> ended) {
  auto done = co_await collect(session, output, ending);
  ended->set();
  co_return done;
}

/// `text` as a JSON text, piece by piece: six times its size is never held.
asio::awaitable<bool> write_text(std::shared_ptr<http::BodyWriter> to, std::string name, std::string text) {
  auto written = co_await to->write(fmt::format("\"{}\":\"", name));
  for (std::size_t at = 0; written && at < text.size(); at += kAnswerPiece) {
    std::string quoted = json::serialize(json::string(std::string_view(text).substr(at, kAnswerPiece)));
    written = co_await to->write(quoted.substr(1, quoted.size() - 2));
  }
  if (written) written = co_await to->write("\",");
  co_return written.has_value();
}

/// What is JSON has to be UTF-8: where a stream is not, its name is put down and what is wrong in it replaced.
void make_text(std::string& stream, std::string_view name, json::array& not_utf8) {
  if (is_utf8(stream)) return;
  stream = as_utf8(stream);
  not_utf8.emplace_back(name);
}

/// The answer streams, although it is one object at the end: that is how it is noticed that its reader has gone.
asio::awaitable<void> answer_command(std::shared_ptr<Running> running, std::shared_ptr<http::BodyWriter> to) {
  auto output = std::make_shared<Output>();
  auto ending = std::make_shared<Ending>();
  auto ended = std::make_shared<Signal>(co_await asio::this_coro::executor);
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(collect_and_tell(running->session, output, ending, ended));
  works.push_back(cut_after(kLongestAnswer, running->session, ending, ended));
  auto results = co_await all_of(std::move(works));
  // What it has said until then is told all the same; the status has been sent.
  if (!results.front() && ending->stopped_by.empty()) ending->stopped_by = for_player(results.front().error()).reason;
  json::array not_utf8;
  make_text(output->standard, "stdout", not_utf8);
  make_text(output->error, "stderr", not_utf8);
  if (!co_await to->write("{")) co_return;
  if (!co_await write_text(to, "stdout", std::move(output->standard))) co_return;
  if (!co_await write_text(to, "stderr", std::move(output->error))) co_return;
  json::object rest = told(*ending);
  if (ending->stopped_by == "output-limit") rest["truncated"] = true;
  if (!not_utf8.empty()) rest["not_utf8"] = std::move(not_utf8);
  co_await to->write(json::serialize(rest).substr(1));
}

asio::awaitable<Result<Response>> exec(PartsRef parts, OpenRef open, Request request) {
  auto command = parse_command(request.body);
  if (!command) co_return fail(std::move(command.error()));
  auto place =
      co_await place_of(parts, std::move(request), std::move(command->machine), commands_of(*open, parts->options));
  if (!place) co_return fail(std::move(place.error()));
  engine::ExecSpec spec;
  spec.command = std::move(command->words);
  auto running = co_await run_at(parts, std::move(*place), std::move(spec));
  if (!running) co_return fail(std::move(running.error()));
  (*running)->session->close_input();
  Response response = Response::json(200, "");
  response.stream = [running = *running](std::shared_ptr<http::BodyWriter> to) {
    return answer_command(running, std::move(to));
  };
  co_return response;
}

// As a stream.

/// What its first message asks for; whether it is a terminal the request has said already.
struct Wanted {
  std::vector<std::string> command;
  bool input = true;
  seconds limit = kUsualStream;
  std::size_t most_output = std::numeric_limits<std::size_t>::max();
};

Result<Wanted> parse_wanted(const std::string& bytes, bool terminal) {
  http::Body body(bytes);
  Wanted wanted;
  if (terminal && !body.has("command")) wanted.command = {"sh", "-c", std::string(kAShell)};
  else wanted.command = body.texts("command", 1, kMostWords, kLongestWord);
  wanted.input = body.maybe_flag("input").value_or(true);
  wanted.limit = seconds(body.maybe_number("time_limit", 1, kLongestStream.count()).value_or(kUsualStream.count()));
  if (const auto most = body.maybe_number("output_limit", 0, std::numeric_limits<std::int32_t>::max()))
    wanted.most_output = static_cast<std::size_t>(*most);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return wanted;
}

/// One stream, while it lasts: what has come for the command and has not been taken, and how much its caller has room
/// for. On the home loop.
struct Stream {
  Stream(std::shared_ptr<http::WebSocket> its_socket, const asio::any_io_executor& executor)
      : socket(std::move(its_socket)), changed(executor), ended(std::make_shared<Signal>(executor)) {}

  std::shared_ptr<http::WebSocket> socket;
  std::shared_ptr<engine::ExecSession> session;
  std::shared_ptr<Running> running;  ///< once something is
  std::shared_ptr<Ending> ending = std::make_shared<Ending>();
  Signal changed;                 ///< pulsed whenever something below does
  std::shared_ptr<Signal> ended;  ///< the command, and all that it has said has been passed on
  std::deque<std::string> input;
  std::size_t waiting = 0;     ///< bytes in `input`
  std::size_t room = kWindow;  ///< bytes that the caller takes without having taken others
  std::size_t left = 0;        ///< bytes that the command may say
  bool input_over = false;     ///< nothing comes after what is in `input`
  bool gone = false;           ///< the caller
  bool speaking = false;       ///< a message is being written
};
using StreamRef = std::shared_ptr<Stream>;

asio::awaitable<bool> say(StreamRef stream, bool binary, std::string data) {
  while (stream->speaking) co_await stream->changed.wait();
  stream->speaking = true;
  auto written = co_await stream->socket->write({binary, std::move(data)});
  stream->speaking = false;
  stream->changed.pulse();
  co_return written.has_value();
}

asio::awaitable<bool> say(StreamRef stream, json::object message) {
  auto text = json::serialize(message);
  co_return co_await say(std::move(stream), false, std::move(text));
}

asio::awaitable<void> say_failure(StreamRef stream, Error error) {
  const auto problem = http::problem(error);
  boost::system::error_code ignored;
  json::object message{{"error", json::parse(problem.body, ignored)}};
  co_await say(stream, std::move(message));
  co_await stream->socket->close(1000, error.reason);
}

/// A text of the caller's; false: it breaks the rules.
asio::awaitable<bool> heed(StreamRef stream, std::string text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error) co_return false;
  if (flag_of(value, "end")) stream->input_over = true;
  const auto taken = number_of(value, "taken");
  if (taken < 0 || static_cast<std::size_t>(taken) > kWindow - std::min(stream->room, kWindow)) co_return false;
  stream->room += static_cast<std::size_t>(taken);
  const auto size = columns_and_rows(member(value, "resize"));
  if (!size) co_return true;
  const auto session = stream->session;
  auto resized = co_await session->resize(size->first, size->second);
  co_return true;  // a command that ends at this moment needs no size
}

/// Takes what the caller says, at once, so that its pings are answered and its going is seen whatever the command does.
asio::awaitable<Result<>> hear(StreamRef stream) {
  bool good = true;
  while (good) {
    auto message = co_await stream->socket->read();
    if (!message) break;
    if (message->binary) {
      good = !stream->input_over && message->data.size() <= kWindow - stream->waiting;
      if (!good) break;
      stream->waiting += message->data.size();
      // One byte a message would otherwise cost the space of thirty.
      if (!stream->input.empty() && stream->input.back().size() + message->data.size() <= kJoined)
        stream->input.back() += message->data;
      else if (!message->data.empty()) stream->input.push_back(std::move(message->data));
    } else {
      good = co_await heed(stream, std::move(message->data));
    }
    stream->changed.pulse();
  }
  stream->gone = true;
  stream->changed.pulse();
  stream->session->close();
  if (!good) co_await stream->socket->close(1008, "more than the window holds, or no message of this protocol");
  co_return Result<>{};
}

/// Gives the command its input as it takes it.
asio::awaitable<Result<>> feed(StreamRef stream) {
  bool deaf = false;  // it has closed its input, or has ended: the rest is for nobody
  while (true) {
    while (stream->input.empty() && !stream->input_over && !stream->gone && !stream->ended->is_set())
      co_await stream->changed.wait();
    if (stream->gone || stream->ended->is_set()) co_return Result<>{};
    if (stream->input.empty()) break;
    auto piece = std::move(stream->input.front());
    stream->input.pop_front();
    const auto size = piece.size();
    if (!deaf) {
      const auto session = stream->session;
      auto written = co_await session->write(std::move(piece));
      deaf = !written;
    }
    stream->waiting -= size;
    if (!co_await say(stream, json::object{{"taken", size}})) co_return Result<>{};
  }
  stream->session->close_input();
  co_return Result<>{};
}

/// Passes on what the command says as far as there is room for it; false: there is nobody for it, or it may not.
asio::awaitable<bool> pass_on(StreamRef stream, engine::ExecSession::Chunk chunk) {
  const bool over = chunk.data.size() > stream->left;
  if (over) chunk.data.resize(stream->left);
  stream->left -= chunk.data.size();
  for (std::size_t at = 0; at < chunk.data.size();) {
    while (stream->room == 0 && !stream->gone && stream->ending->stopped_by.empty()) co_await stream->changed.wait();
    if (stream->room == 0 || stream->gone) co_return false;
    const auto size = std::min(stream->room, chunk.data.size() - at);
    stream->room -= size;
    std::string piece(1, chunk.error_stream ? '\2' : '\1');
    piece.append(chunk.data, at, size);
    at += size;
    if (!co_await say(stream, true, std::move(piece))) co_return false;
  }
  if (over) stream->ending->stopped_by = "output-limit";
  co_return !over;
}

/// Until the command has ended and all that it said is passed on, or there is nobody for it.
asio::awaitable<void> pass_all_on(StreamRef stream) {
  const auto session = stream->session;
  const auto ending = stream->ending;
  std::string why;
  while (true) {
    auto chunk = co_await session->read();
    // Its recording can take no more.
    if (!chunk && chunk.error().reason.starts_with("recording")) ending->stopped_by = chunk.error().reason;
    if (!chunk) why = for_player(std::move(chunk.error())).reason;
    if (!chunk || chunk->data.empty()) break;
    const bool goes_on = co_await pass_on(stream, std::move(*chunk));
    if (goes_on) continue;
    if (!stream->gone) co_await session->stop();  // what cannot be ended now, Running goes on ending
    break;
  }
  if (stream->gone) co_return;
  auto code = co_await session->exit_code();
  if (code) ending->exit_code = *code;
  if (!code && why.empty()) why = for_player(std::move(code.error())).reason;
  if (!code && ending->stopped_by.empty()) ending->stopped_by = why;
}

asio::awaitable<Result<>> tell(StreamRef stream) {
  co_await pass_all_on(stream);
  stream->ended->set();
  stream->session->close();
  stream->changed.pulse();
  if (stream->gone) co_return Result<>{};
  co_await say(stream, told(*stream->ending));
  co_await stream->socket->close(1000, "ended");
  co_return Result<>{};
}

asio::awaitable<Result<>> cut_stream_after(StreamRef stream, seconds limit) {
  auto cut = co_await cut_after(limit, stream->session, stream->ending, stream->ended);
  stream->changed.pulse();
  co_return cut;
}

/// The first message; nothing where none comes in time.
asio::awaitable<std::optional<std::string>> first_words(StreamRef stream) {
  auto words = std::make_shared<std::optional<std::string>>();
  auto read = [](StreamRef from, std::shared_ptr<std::optional<std::string>> into) -> asio::awaitable<Result<>> {
    auto message = co_await from->socket->read();
    from->ended->set();
    if (message && !message->binary) *into = std::move(message->data);
    co_return Result<>{};
  };
  auto wait = [](StreamRef on) -> asio::awaitable<Result<>> {
    const bool in_time = co_await on->ended->wait_for(kMayThink);
    if (!in_time) co_await on->socket->close(1008, "the first message says what is to run");
    co_return Result<>{};
  };
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(read(stream, words));
  works.push_back(wait(stream));
  co_await all_of(std::move(works));
  stream->ended->reset();
  co_return std::move(*words);
}

asio::awaitable<void> run_stream(PartsRef parts, std::shared_ptr<Place> place, engine::ExecSpec spec,
                                 std::shared_ptr<http::WebSocket> socket) {
  auto stream = std::make_shared<Stream>(std::move(socket), co_await asio::this_coro::executor);
  auto words = co_await first_words(stream);
  if (!words) co_return;
  auto wanted = parse_wanted(*words, spec.terminal);
  if (!wanted) co_return co_await say_failure(stream, std::move(wanted.error()));
  spec.command = std::move(wanted->command);
  auto running = co_await run_at(parts, std::move(*place), std::move(spec));
  if (!running) co_return co_await say_failure(stream, std::move(running.error()));
  stream->session = (*running)->session;
  stream->running = std::move(*running);
  stream->left = wanted->most_output;
  stream->input_over = !wanted->input;
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(hear(stream));
  works.push_back(feed(stream));
  works.push_back(tell(stream));
  works.push_back(cut_stream_after(stream, wanted->limit));
  co_await all_of(std::move(works));
}

asio::awaitable<Result<Response>> stream_exec(PartsRef parts, OpenRef open, Request request) {
  engine::ExecSpec spec;
  const auto columns = request.query_value("cols");
  spec.terminal = !columns.empty();
  if (spec.terminal) {
    spec.columns = number_in(columns, 80, 1, 1000);
    spec.rows = number_in(request.query_value("rows"), 24, 1, 1000);
    spec.environment = {"TERM=xterm-256color"};
  }
  const auto machine = request.query_value("machine");
  const auto kind = spec.terminal ? shells_of(*open, parts->options) : commands_of(*open, parts->options);
  auto place = co_await place_of(parts, std::move(request), machine, kind);
  if (!place) co_return fail(std::move(place.error()));
  Response response = Response::empty(101);
  response.websocket = [parts, spec = std::move(spec),
                        place = std::make_shared<Place>(std::move(*place))](std::shared_ptr<http::WebSocket> socket) {
    return run_stream(parts, place, spec, std::move(socket));
  };
  co_return response;
}

}  // namespace

void add_exec_routes(house::Routes& routes, PartsRef parts, OpenRef open) {
  const house::Rights rights{house::Access::kSignedIn, house::Scope::kInstances, house::Whose::kOwner};
  routes.add("POST", "/api/v1/instances/{id}/exec", rights, {"exec"},
             [parts, open](Request request) { return exec(parts, open, std::move(request)); });
  routes.add("GET", "/api/v1/instances/{id}/exec", rights, {"exec"},
             [parts, open](Request request) { return stream_exec(parts, open, std::move(request)); });
}

}  // namespace tiltyard::labs
