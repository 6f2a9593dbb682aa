// Files of a machine over HTTP (row 3.6): api/paths/transfers.yaml.
#include "transfers/http.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/parallel.h"
#include "base/utf8.h"
#include "identity/identity.h"
#include "net/body.h"
#include "observe/metrics.h"
#include "transfers/measures.h"

namespace tiltyard::transfers {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using LeaseRef = std::shared_ptr<Service::Lease>;

constexpr std::size_t kAhead = 4;  // pieces of a file that are asked for before the first has come

struct Parts {
  Service& service;
  labs::Capability& labs;
};
using PartsRef = std::shared_ptr<const Parts>;

/// A machine of an instance that the caller may see, and that is up.
asio::awaitable<Result<Place>> own_place(PartsRef parts, Request request, std::string machine) {
  auto& service = parts->labs.service();
  auto found = co_await labs::visible_instance(&service, request);
  if (!found) co_return fail(std::move(found.error()));
  if (!labs::is_up(found->state)) {
    co_return fail(Code::kConflict, "instance-not-running",
                   "The instance neither runs nor sleeps; its files cannot be reached.");
  }
  if (auto away = service.unreachable(*found)) co_return fail(std::move(*away));
  co_return place_of(*found, machine, identity::principal_of(request).user.str());
}

/// The engine's names are ours alone.
std::unexpected<Error> told(Error error) {
  if (error.reason == engine::reason::kAway || error.reason == engine::reason::kLost)
    error.reason = "engine-unavailable";
  if (error.reason == engine::reason::kMachineMissing) error.reason = "machine-unknown";
  return fail(std::move(error));
}

struct Entered {
  Place place;
  LeaseRef lease;
  std::string path;
};

/// A conversation with the machine, and the path, that the query names.
asio::awaitable<Result<Entered>> entered(PartsRef parts, Request request) {
  auto path = path_in(request.query_value("path"));
  if (!path) co_return fail(std::move(path.error()));
  const auto machine = request.query_value("machine");
  auto place = co_await own_place(parts, std::move(request), machine);
  if (!place) co_return fail(std::move(place.error()));
  auto lease = co_await parts->service.enter(*place);
  if (!lease) co_return told(std::move(lease.error()));
  co_return Entered{std::move(*place), std::move(*lease), std::move(*path)};
}

std::string_view kind_of(const sftp::Attributes& facts) {
  if (facts.folder()) return "folder";
  if (facts.link()) return "link";
  return facts.file() ? "file" : "other";
}

// JSON's numbers hold 53 bits everywhere; a machine may say more.
std::uint64_t size_of(const sftp::Attributes& facts) { return std::min(facts.size, std::uint64_t{1} << 53); }

json::object view(std::string name, const sftp::Attributes& facts) {
  const bool usable = is_utf8(name);
  return {
      {"name", as_utf8(std::move(name))}, {"usable", usable},
      {"kind", kind_of(facts)},           {"size", size_of(facts)},
      {"mode", facts.mode & 07777},       {"modified_at", to_rfc3339(TimePoint(std::chrono::seconds(facts.modified)))}};
}

asio::awaitable<Result<Response>> list(PartsRef parts, Request request) {
  auto at = co_await entered(parts, std::move(request));
  if (!at) co_return fail(std::move(at.error()));
  auto& sftp = at->lease->sftp();
  auto path = co_await sftp.real_path(at->path);
  if (!path) co_return told(std::move(path.error()));
  auto listing = co_await sftp.list(*path, kMostListed);
  if (!listing) co_return told(std::move(listing.error()));
  std::ranges::sort(listing->names, {}, [](const sftp::Name& one) {
    return std::pair(!one.attributes.folder(), std::string_view(one.name));
  });
  json::array items;
  for (auto& one : listing->names) items.push_back(view(std::move(one.name), one.attributes));
  co_return Response::json(200, json::serialize(json::object{{"machine", at->place.service},
                                                             {"path", as_utf8(std::move(*path))},
                                                             {"items", std::move(items)},
                                                             {"more", listing->more}}));
}

// Out of the machine.

/// As fast as `files.rate` lets one transfer be.
asio::awaitable<void> pace(std::uint64_t rate, std::uint64_t bytes, std::chrono::steady_clock::time_point began) {
  if (rate == 0) co_return;
  const auto due = began + std::chrono::microseconds(bytes * 1'000'000 / rate);
  const auto now = std::chrono::steady_clock::now();
  if (due > now) co_await sleep_for(due - now);
}

/// The stream ends without its last piece: that is how who reads it sees that it is not whole.
[[noreturn]] void cut(const Error& why) { throw std::runtime_error(why.reason + ": " + why.message); }

struct Fetch {
  LeaseRef lease;
  std::string handle;
  Range range;
  std::uint64_t rate = 0;
};

asio::awaitable<void> send_file(std::shared_ptr<Fetch> fetch, std::shared_ptr<http::BodyWriter> to) {
  auto& sftp = fetch->lease->sftp();
  const auto began = std::chrono::steady_clock::now();
  const auto end = fetch->range.from + fetch->range.size;
  auto asked = fetch->range.from, at = fetch->range.from;
  const auto size_at = [end](std::uint64_t offset) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(sftp::kMostData, end - offset));
  };
  while (at < end) {
    while (asked < end && asked - at < kAhead * sftp::kMostData) {
      const auto size = size_at(asked);
      auto sent = co_await sftp.ask_read(fetch->handle, asked, size);
      if (!sent) cut(sent.error());
      asked += size;
    }
    const auto want = size_at(at);
    auto piece = co_await sftp.take_read(want);
    if (!piece) cut(piece.error());
    if (piece->size() != want) cut({Code::kConflict, "file-changed", "the file has become shorter", {}, {}});
    metrics::counter(measures::kBytes, {"out"}).add(want);
    at += want;
    auto written = co_await to->write(std::move(*piece));
    if (!written) co_return;  // the reader has gone; what was asked for comes too late, and the conversation ends
    co_await pace(fetch->rate, at - fetch->range.from, began);
  }
  auto closed = co_await sftp.close(fetch->handle);
}

asio::awaitable<void> send_archive(std::shared_ptr<Service::Running> running, std::string first, std::uint64_t rate,
                                   std::shared_ptr<http::BodyWriter> to) {
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t bytes = 0;
  while (!first.empty()) {
    bytes += first.size();
    metrics::counter(measures::kBytes, {"out"}).add(first.size());
    auto written = co_await to->write(std::move(first));
    if (!written) co_return;
    co_await pace(rate, bytes, began);
    engine::ExecSession::Chunk chunk;
    do {
      auto read = co_await running->session->read();
      if (!read) cut(read.error());
      chunk = std::move(*read);
    } while (chunk.error_stream && !chunk.data.empty());
    first = std::move(chunk.data);
  }
  auto code = co_await running->session->exit_code();
  // 1: something in it could not be read; the archive is whole but for that.
  if (!code || (*code != 0 && *code != 1)) cut({Code::kUnavailable, "machine-answer", "the archive broke off", {}, {}});
}

std::string last_of(std::string_view path) {
  const auto name = path.substr(path.rfind('/') + 1);
  return name.empty() ? "files" : std::string(name);
}

asio::awaitable<Result<Response>> fetch_folder(PartsRef parts, Entered at) {
  at.lease.reset();
  auto running = co_await parts->service.run(std::move(at.place), {"tar", at.path});
  if (!running) co_return told(std::move(running.error()));
  std::string first;
  while (first.empty()) {
    auto chunk = co_await (*running)->session->read();
    if (!chunk) co_return told(std::move(chunk.error()));
    if (chunk->data.empty()) co_return sftp::nonsense("no archive");
    if (!chunk->error_stream) first = std::move(chunk->data);
  }
  Response response = Response::empty(200);
  response.headers.set("Content-Type", "application/x-tar");
  response.headers.set("Content-Disposition", disposition(last_of(at.path) + ".tar"));
  response.stream = [running = *running, first,
                     rate = parts->service.options().rate](std::shared_ptr<http::BodyWriter> to) {
    return send_archive(running, first, rate, std::move(to));
  };
  co_return response;
}

asio::awaitable<Result<Response>> fetch(PartsRef parts, Request request) {
  const std::string wanted(request.headers.get("Range")), only_if(request.headers.get("If-Range"));
  auto at = co_await entered(parts, std::move(request));
  if (!at) co_return fail(std::move(at.error()));
  auto& sftp = at->lease->sftp();
  auto facts = co_await sftp.look(at->path);
  if (!facts) co_return told(std::move(facts.error()));
  if (facts->folder()) co_return co_await fetch_folder(parts, std::move(*at));
  // A device or a pipe may have no end, and reading it may do something.
  if (!facts->file()) co_return fail(Code::kConflict, "file-kind", "That is neither a file nor a folder.");
  auto handle = co_await sftp.open(at->path, Sftp::For::kRead);
  if (!handle) co_return told(std::move(handle.error()));
  facts = co_await sftp.look_at_open(*handle);
  if (!facts) co_return told(std::move(facts.error()));
  const auto size = size_of(*facts);
  const auto tag = fmt::format("\"{:x}-{:x}\"", size, facts->modified);
  const auto range = range_of(only_if.empty() || only_if == tag ? wanted : "", size);
  Response response = Response::empty(range ? 206 : 200);
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", disposition(last_of(at->path)));
  response.headers.set("Accept-Ranges", "bytes");
  response.headers.set("ETag", tag);
  const auto part = range.value_or(Range{0, size});
  if (range)
    response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", part.from, part.from + part.size - 1, size));
  auto fetched = std::make_shared<Fetch>(std::move(at->lease), std::move(*handle), part, parts->service.options().rate);
  response.stream = [fetched](std::shared_ptr<http::BodyWriter> to) { return send_file(fetched, std::move(to)); };
  co_return response;
}

// Into the machine.

std::uint64_t count_in(const Request& request, std::string_view name, bool& good) {
  const auto text = request.query_value(name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  good = good && error == std::errc() && end == text.data() + text.size() && value <= std::uint64_t{1} << 53;
  return value;
}

struct Piece {
  std::string key;
  std::uint64_t offset = 0, total = 0;
  std::optional<std::uint32_t> mode;
  std::string bytes;
  bool last() const { return offset + bytes.size() == total; }
};

Result<std::string> key_in(const Request& request) {
  auto key = request.query_value("upload");
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (key.size() >= 8 && key.size() <= 64 && std::ranges::all_of(key, fits)) return key;
  return fail(Code::kInvalid, "upload-invalid", "upload names this transfer: 8 to 64 of a-z and 0-9.");
}

Result<Piece> piece_in(Request& request, const Options& options) {
  auto key = key_in(request);
  if (!key) return fail(std::move(key.error()));
  bool good = true;
  Piece piece{std::move(*key), count_in(request, "offset", good), count_in(request, "total", good), {}, {}};
  if (const auto mode = request.query_value("mode"); !mode.empty())
    piece.mode = static_cast<std::uint32_t>(count_in(request, "mode", good) & 0777);
  if (!good) return fail(Code::kInvalid, "upload-invalid", "offset and total are numbers of bytes, mode is a number.");
  if (piece.total > options.max_size) {
    return fail(Code::kTooLarge, "file-too-large",
                fmt::format("A file that is sent may have {} bytes here (files.max_size).", options.max_size));
  }
  piece.bytes = std::move(request.body);
  if (piece.offset + piece.bytes.size() > piece.total || (piece.bytes.empty() && piece.total != piece.offset))
    return fail(Code::kInvalid, "upload-invalid", "The piece is empty, or reaches behind the end of the file.");
  return piece;
}

/// Makes the folders that lead to `path`.
asio::awaitable<Result<>> make_way(LeaseRef lease, std::string path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto folder = path.substr(0, slash);
    auto there = co_await lease->sftp().look(folder);
    if (there && there->folder()) continue;
    auto made = co_await lease->sftp().make_folder(folder);
    if (!made) co_return made;
  }
  co_return Result<>{};
}

std::unexpected<Error> elsewhere(std::uint64_t there) {
  return fail(
      Error{Code::kConflict, "upload-offset", "The piece does not follow what is there; go on from there.", {}, {}}
          .with("offset", std::to_string(there)));
}

asio::awaitable<Result<std::string>> open_part(LeaseRef lease, std::string path, std::string part,
                                               std::uint64_t offset) {
  auto& sftp = lease->sftp();
  if (offset > 0) {
    auto handle = co_await sftp.open(part, Sftp::For::kMoreContent);
    if (!handle && handle.error().reason == "file-missing") co_return elsewhere(0);
    co_return handle;
  }
  auto handle = co_await sftp.open(part, Sftp::For::kNewContent);
  if (handle || handle.error().reason != "file-missing") co_return handle;
  auto made = co_await make_way(lease, path);
  if (!made) co_return fail(std::move(made.error()));
  co_return co_await sftp.open(part, Sftp::For::kNewContent);
}

asio::awaitable<Result<>> write_piece(LeaseRef lease, std::string handle, const Piece* piece) {
  auto& sftp = lease->sftp();
  auto facts = co_await sftp.look_at_open(handle);
  if (!facts) co_return fail(std::move(facts.error()));
  if (!facts->file()) co_return fail(Code::kConflict, "file-kind", "That is no file.");
  if (facts->size != piece->offset) co_return elsewhere(facts->size);
  auto written = co_await sftp.write(handle, piece->offset, piece->bytes);
  if (!written || !piece->mode) co_return written;
  co_return co_await sftp.set_mode(handle, *piece->mode);
}

asio::awaitable<Result<Response>> send(PartsRef parts, Request request) {
  auto piece = piece_in(request, parts->service.options());
  if (!piece) co_return fail(std::move(piece.error()));
  const auto began = std::chrono::steady_clock::now();
  auto at = co_await entered(parts, std::move(request));
  if (!at) co_return fail(std::move(at.error()));
  auto& sftp = at->lease->sftp();
  if (piece->last() && !piece->mode) {
    // What takes the place of a program stays one.
    auto before = co_await sftp.look(at->path);
    if (before && before->folder()) co_return fail(Code::kConflict, "file-kind", "There is a folder of that name.");
    if (before && before->file()) piece->mode = before->mode & 0777;
  }
  const auto part = part_of(at->path, piece->key);
  auto handle = co_await open_part(at->lease, at->path, part, piece->offset);
  if (!handle) co_return told(std::move(handle.error()));
  auto written = co_await write_piece(at->lease, *handle, &*piece);
  auto closed = co_await sftp.close(std::move(*handle));
  if (written) written = std::move(closed);
  if (written && piece->last()) written = co_await sftp.move(part, at->path);
  if (!written) co_return told(std::move(written.error()));
  metrics::counter(measures::kBytes, {"in"}).add(piece->bytes.size());
  co_await pace(parts->service.options().rate, piece->bytes.size(), began);
  co_return Response::json(
      200, json::serialize(json::object{{"offset", piece->offset + piece->bytes.size()}, {"done", piece->last()}}));
}

asio::awaitable<Result<Response>> sent(PartsRef parts, Request request) {
  auto key = key_in(request);
  if (!key) co_return fail(std::move(key.error()));
  auto at = co_await entered(parts, std::move(request));
  if (!at) co_return fail(std::move(at.error()));
  auto facts = co_await at->lease->sftp().look_at_link(part_of(at->path, *key));
  if (!facts && facts.error().reason != "file-missing") co_return told(std::move(facts.error()));
  const auto offset = facts && facts->file() ? size_of(*facts) : 0;
  co_return Response::json(200, json::serialize(json::object{{"offset", offset}}));
}

// Moving about.

/// A place in the machine that the body of a request names.
asio::awaitable<Result<LeaseRef>> lease_for(PartsRef parts, Request request, std::string machine) {
  auto place = co_await own_place(parts, std::move(request), std::move(machine));
  if (!place) co_return fail(std::move(place.error()));
  auto lease = co_await parts->service.enter(std::move(*place));
  if (!lease) co_return told(std::move(lease.error()));
  co_return std::move(*lease);
}

asio::awaitable<Result<Response>> make_folder(PartsRef parts, Request request) {
  http::Body body(request.body);
  const auto said = body.text("path", 1, sftp::kLongestPath);
  const auto machine = body.maybe_text("machine", 1, 100).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto path = path_in(said);
  if (!path) co_return fail(std::move(path.error()));
  auto lease = co_await lease_for(parts, std::move(request), machine);
  if (!lease) co_return fail(std::move(lease.error()));
  auto made = co_await make_way(*lease, *path + "/");
  if (!made) co_return told(std::move(made.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> move(PartsRef parts, Request request) {
  http::Body body(request.body);
  const auto said_from = body.text("from", 1, sftp::kLongestPath), said_to = body.text("to", 1, sftp::kLongestPath);
  const auto machine = body.maybe_text("machine", 1, 100).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto from = path_in(said_from), to = path_in(said_to);
  if (!from) co_return fail(std::move(from.error()));
  if (!to) co_return fail(std::move(to.error()));
  auto lease = co_await lease_for(parts, std::move(request), machine);
  if (!lease) co_return fail(std::move(lease.error()));
  auto& sftp = (*lease)->sftp();
  auto there = co_await sftp.look_at_link(*to);
  if (there) co_return fail(Code::kConflict, "file-there", "There is something of that name already.");
  auto moved = co_await sftp.move(std::move(*from), std::move(*to));
  if (!moved) co_return told(std::move(moved.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> remove(PartsRef parts, Request request) {
  auto at = co_await entered(parts, std::move(request));
  if (!at) co_return fail(std::move(at.error()));
  auto facts = co_await at->lease->sftp().look_at_link(at->path);
  if (!facts) co_return told(std::move(facts.error()));
  if (at->path == "/") co_return fail(Code::kConflict, "file-refused", "The root of a machine is not taken away.");
  at->lease.reset();
  auto running = co_await parts->service.run(std::move(at->place), {"remove", at->path});
  if (!running) co_return told(std::move(running.error()));
  std::string words;
  while (true) {
    auto chunk = co_await (*running)->session->read();
    if (!chunk) co_return told(std::move(chunk.error()));
    if (chunk->data.empty()) break;
    if (words.size() < sftp::kLongestPath) words += chunk->data;
  }
  auto code = co_await (*running)->session->exit_code();
  if (!code) co_return told(std::move(code.error()));
  if (*code == 0) co_return Response::empty(204);
  const sftp::Status refusal{4, words.substr(0, words.find('\n'))};
  co_return fail(sftp::error_of(refusal, at->path));
}

using Handler = asio::awaitable<Result<Response>> (*)(PartsRef, Request);

/// Whoever may not know of the instance hears of nothing else that is wrong with the request.
asio::awaitable<Result<Response>> answer(PartsRef parts, Handler handler, Request request) {
  auto visible = co_await labs::visible_instance(&parts->labs.service(), request);
  if (!visible) co_return fail(std::move(visible.error()));
  co_return co_await handler(parts, std::move(request));
}

}  // namespace

void add_routes(house::Routes& routes, Service& service, labs::Capability& labs) {
  const auto parts = std::make_shared<const Parts>(service, labs);
  const auto add = [&](const char* method, const char* pattern, Scope scope, const char* limit, Handler handler,
                       house::Body body = house::kUsualBody) {
    routes.add(
        method, pattern, {Access::kSignedIn, scope, Whose::kOwner}, {limit},
        [parts, handler](Request request) { return answer(parts, handler, std::move(request)); }, std::move(body));
  };
  add("GET", "/api/v1/instances/{id}/files", Scope::kInstances, "files-read", list);
  add("DELETE", "/api/v1/instances/{id}/files", Scope::kInstances, "files-change", remove);
  add("GET", "/api/v1/instances/{id}/files/content", Scope::kInstances, "files-read", fetch);
  add("PUT", "/api/v1/instances/{id}/files/content", Scope::kInstances, "files-send", send, kMostPiece);
  add("GET", "/api/v1/instances/{id}/files/upload", Scope::kInstances, "files-read", sent);
  add("POST", "/api/v1/instances/{id}/files/folder", Scope::kInstances, "files-change", make_folder);
  add("POST", "/api/v1/instances/{id}/files/move", Scope::kInstances, "files-change", move);
}

}  // namespace tiltyard::transfers
