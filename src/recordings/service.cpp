#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

#include "base/gate.h"
#include "base/parallel.h"
#include "bus/event_log.h"
#include "jobs/done_after.h"
#include "observe/log.h"
#include "recordings/asciicast.h"
#include "recordings/events.h"
#include "recordings/recordings.h"
#include "recordings/store.h"
#include "recordings/tape.h"

namespace tiltyard::recordings {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::milliseconds kWriteEvery{500};  // what a process that is killed loses
constexpr std::chrono::seconds kLookEvery{15};
constexpr std::size_t kMostWaiting = 1 << 20;  // bytes of one that are not written yet, before its source waits
constexpr std::size_t kPiece = 256 * 1024;     // bytes that are read at once
constexpr std::size_t kForTheEnd = 256;        // bytes that the last mark may take

std::unexpected<Error> unknown() {
  return fail(Code::kNotFound, "recording-unknown", "There is no such recording, or it is not kept any more.");
}

std::unexpected<Error> no_room() {
  return fail(Code::kExhausted, "recordings-full",
              "What is shown here has to be recorded, and recordings have no room left (recordings.total).");
}

/// Blocking.
void remove_file(const std::string& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) log::warn("recordings", "a recording's file stays", {{"file", path}, {"cause", error.message()}});
}

}  // namespace

/// One that is being written. Home loop.
struct Tape {
  Tape(std::shared_ptr<Recordings::State> its_state, Recording its_row, std::shared_ptr<TapeFile> its_file,
       asio::any_io_executor home)
      : state(std::move(its_state)), row(std::move(its_row)), file(std::move(its_file)), written(home), over(home) {}

  std::shared_ptr<Recordings::State> state;
  Recording row;  ///< its size: bytes that are written
  std::shared_ptr<TapeFile> file;
  Asciicast cast;
  std::string waiting;      ///< lines that are not written yet
  Signal written;           ///< pulsed after each write
  Signal over;              ///< its row says that it has ended
  std::size_t writing = 0;  ///< bytes that are on their way to the file
  bool ending = false;
  std::optional<Error> refused;  ///< why nothing more is taken

  Duration at() const;
  void add(std::string lines);
};
using TapeRef = std::shared_ptr<Tape>;

/// Lives on the home loop.
struct Recordings::State : std::enable_shared_from_this<Recordings::State> {
  State(Options o, Parts p) : options(o), parts(std::move(p)), rows(parts.store), wake(parts.home) {}

  Options options;
  Parts parts;
  RecordingStore rows;
  Gate gate{"recordings"};
  Signal wake;  ///< there is much to write
  std::map<std::string, TapeRef> tapes;
  std::uint64_t ended = 0;  ///< how many have
  std::uint64_t taken = 0;  ///< bytes of all that is kept and written, as of the last look and what came since
  bool looking = false, again = false, full = false, closing = false;

  asio::awaitable<void> write(TapeRef tape);
  asio::awaitable<void> write_all();
  asio::awaitable<void> end(TapeRef tape, std::string reason);
  asio::awaitable<Result<>> remove(Recording one, bus::Actor actor);
  asio::awaitable<Result<>> make_room();
  asio::awaitable<Result<>> make_room_once();
  asio::awaitable<Result<>> look();
  bus::Event event(bus::KindRef kind, const Recording& one, bus::Actor actor) const;
};

Duration Tape::at() const { return state->parts.clock.now() - row.started_at; }

void Tape::add(std::string lines) {
  state->taken += lines.size();
  waiting += lines;
  if (state->taken <= state->options.total || state->looking) return;
  state->gate.spawn(state->parts.home, "room for recordings",
                    [](std::shared_ptr<Recordings::State> of) -> asio::awaitable<void> {
                      std::ignore = co_await of->make_room();
                    }(state));
}

Recorder::~Recorder() {
  const auto state = tape_->state;
  const auto reason = tape_->refused ? (tape_->refused->reason == "recording-failed" ? "failed" : "full") : "ended";
  state->gate.spawn(state->parts.home, "end a recording", state->end(tape_, reason));
}

Result<> Recorder::output(std::string_view bytes) {
  auto& tape = *tape_;
  if (!tape.refused && tape.state->full) tape.refused = no_room().error();
  if (tape.refused) return std::unexpected(*tape.refused);
  auto lines = tape.cast.output(tape.at(), bytes);
  if (tape.row.size + tape.writing + tape.waiting.size() + lines.size() + kForTheEnd > tape.state->options.each) {
    tape.refused = Error{Code::kExhausted, "recording-full",
                         "What is shown here is recorded, and this recording is full. Open another terminal."};
    tape.add(tape.cast.mark(tape.at(), "The recording is full; the terminal was closed."));
    return std::unexpected(*tape.refused);
  }
  tape.add(std::move(lines));
  return {};
}

asio::awaitable<void> Recorder::keep_up() {
  const auto tape = tape_;
  while (tape->waiting.size() > kMostWaiting && !tape->refused) {
    tape->state->wake.pulse();
    std::ignore = co_await tape->written.wait_for(kWriteEvery);
  }
}

void Recorder::resize(int columns, int rows) {
  if (!tape_->refused) tape_->add(tape_->cast.resize(tape_->at(), columns, rows));
}

bus::Event Recordings::State::event(bus::KindRef kind, const Recording& one, bus::Actor actor) const {
  return {kind,
          one.what.instance.str(),
          one.what.owner,
          std::move(actor),
          parts.clock.now(),
          json::serialize(json::object{{"recording", one.id}, {"machine", one.what.machine}, {"kind", one.what.kind}})};
}

asio::awaitable<void> Recordings::State::write(TapeRef tape) {
  while (tape->writing > 0) co_await tape->written.wait();
  if (tape->waiting.empty()) co_return;
  auto lines = std::make_shared<std::string>(std::move(tape->waiting));
  tape->writing = lines->size();
  tape->waiting.clear();
  auto done = co_await offload(parts.files,
                               [file = tape->file, lines] { return std::make_shared<Result<>>(file->append(*lines)); });
  tape->writing = 0;
  if (*done) {
    tape->row.size += lines->size();
  } else {
    log::error("recordings", "a recording cannot be written",
               {{"recording", tape->row.id}, {"cause", done->error().cause}});
    tape->refused = std::move(done->error());
    tape->waiting.clear();
  }
  tape->written.pulse();
}

asio::awaitable<void> Recordings::State::write_all() {
  while (true) {
    std::ignore = co_await wake.wait_for(kWriteEvery);
    std::vector<TapeRef> all;
    for (const auto& [id, tape] : tapes) {
      if (!tape->waiting.empty()) all.push_back(tape);
    }
    for (auto& tape : all) co_await write(std::move(tape));
  }
}

asio::awaitable<void> Recordings::State::end(TapeRef tape, std::string reason) {
  if (tape->ending) co_return co_await tape->over.wait();
  tape->ending = true;
  if (!tape->refused) tape->add(tape->cast.rest(tape->at()));
  co_await write(tape);
  // It has ended when that is written down: who sees it so may count on its size.
  auto row = tape->row;
  row.ended_at = parts.clock.now();
  row.end_reason = tape->refused && tape->refused->reason == "recording-failed" ? "failed" : std::move(reason);
  auto noted = co_await rows.put(std::move(row), std::nullopt);
  // The next start ends its row, then.
  if (!noted) log::error("recordings", "a recording's end is not written down", {{"cause", noted.error().cause}});
  tapes.erase(tape->row.id);
  ++ended;
  tape->over.set();
}

asio::awaitable<Result<>> Recordings::State::remove(Recording one, bus::Actor actor) {
  // Its row goes first: a file without one is removed at the next start.
  auto gone = co_await rows.drop(one.id, event(events::kRemoved, one, std::move(actor)));
  if (!gone) co_return gone;
  taken -= std::min(taken, one.size);
  co_await offload(parts.files, [path = path_of(parts.folder, one.id)] {
    remove_file(path);
    return true;
  });
  co_return Result<>{};
}

/// Of whoever has most, those that ended first go until all of it fits, and theirs into an owner's share: nobody's are
/// pushed out by another's.
/// `recordings-full` where nothing is left that could go.
asio::awaitable<Result<>> Recordings::State::make_room() {
  if (looking) {
    // What has ended since it looked last would otherwise wait for the next who wants room.
    again = true;
    co_return full ? Result<>(no_room()) : Result<>{};
  }
  looking = true;
  Result<> done;
  do {
    again = false;
    done = co_await make_room_once();
  } while (done && again);
  full = taken > options.total;
  looking = false;
  if (done && full) co_return no_room();
  co_return done;
}

asio::awaitable<Result<>> Recordings::State::make_room_once() {
  auto before = ended;
  auto kept = co_await rows.kept();
  // One that has ended meanwhile is in neither sum.
  while (kept && before != ended) {
    before = ended;
    kept = co_await rows.kept();
  }
  if (!kept) co_return fail(std::move(kept.error()));
  taken = *kept;
  for (const auto& [id, tape] : tapes) taken += tape->row.size + tape->writing + tape->waiting.size();
  while (true) {
    auto next = co_await rows.first_to_go(taken > options.total ? 0 : options.per_owner);
    if (!next) co_return fail(std::move(next.error()));
    if (!*next) co_return Result<>{};
    if (auto gone = co_await remove(std::move(**next), {}); !gone) co_return gone;
  }
}

asio::awaitable<Result<>> Recordings::State::look() {
  auto old = co_await rows.ended_by(parts.clock.now() - options.keep);
  if (!old) co_return fail(std::move(old.error()));
  for (auto& one : *old) {
    if (auto removed = co_await remove(std::move(one), {}); !removed) co_return removed;
  }
  auto room = co_await make_room();
  // Who wants to record something is told.
  if (!room && room.error().reason == "recordings-full") co_return Result<>{};
  co_return room;
}

Recordings::Recordings(Options options, Parts parts) : state_(std::make_shared<State>(options, std::move(parts))) {
  jobs::Kind kind;
  kind.name = "recordings.look";
  kind.about = "Removes recordings that are past their time, and the oldest where all together take too much.";
  kind.handler = [state = state_.get()](jobs::Firing) { return jobs::done_after(state->look()); };
  state_->parts.jobs.declare_poll(std::move(kind), kLookEvery);
}

Recordings::~Recordings() = default;

asio::awaitable<Result<std::unique_ptr<Recorder>>> Recordings::begin(RecordingSpec spec) {
  const auto state = state_;
  if (state->closing) co_return fail(Code::kUnavailable, "recording-failed", "The server is about to stop.");
  if (auto room = co_await state->make_room(); !room) co_return fail(std::move(room.error()));
  Recording row;
  row.id = new_ulid();
  row.what = std::move(spec);
  row.started_at = state->parts.clock.now();
  auto file = co_await offload(state->parts.files, [folder = state->parts.folder, id = row.id] {
    return std::make_shared<Result<std::shared_ptr<TapeFile>>>(TapeFile::create(folder, id));
  });
  if (!*file) co_return fail(std::move(file->error()));
  auto tape = std::make_shared<Tape>(state, row, std::move(**file), state->parts.home);
  const auto& what = tape->row.what;
  tape->add(Asciicast::head(what.columns, what.rows, row.started_at, what.instance.str() + " " + what.machine));
  co_await state->write(tape);
  auto noted = tape->refused ? Result<>(fail(*tape->refused))
                             : co_await state->rows.put(tape->row, state->event(events::kStarted, tape->row, what.by));
  if (!noted || state->closing) {
    co_await offload(state->parts.files, [path = path_of(state->parts.folder, row.id)] {
      remove_file(path);
      return true;
    });
    if (!noted) co_return fail(std::move(noted.error()));
    co_return fail(Code::kUnavailable, "recording-failed", "The server is about to stop.");
  }
  state->tapes.emplace(row.id, tape);
  co_return std::make_unique<Recorder>(std::move(tape));
}

asio::awaitable<Result<std::vector<Recording>>> Recordings::list(InstanceId instance, std::string owner) {
  auto out = co_await state_->rows.newest(std::move(instance), std::move(owner));
  if (!out) co_return out;
  for (auto& one : *out) {
    if (const auto runs = state_->tapes.find(one.id); runs != state_->tapes.end()) one = runs->second->row;
  }
  co_return out;
}

asio::awaitable<Result<Recording>> Recordings::find(std::string id) {
  if (const auto runs = state_->tapes.find(id); runs != state_->tapes.end()) co_return runs->second->row;
  auto row = co_await state_->rows.find(std::move(id));
  if (!row) co_return fail(std::move(row.error()));
  if (!*row) co_return unknown();
  co_return std::move(**row);
}

asio::awaitable<Result<std::string>> Recordings::read(std::string id, std::uint64_t offset) {
  auto one = co_await find(id);
  if (!one) co_return fail(std::move(one.error()));
  // Of one that runs, what is surely whole.
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, one->size - std::min(one->size, offset)));
  if (most == 0) co_return std::string();
  auto piece = co_await offload(state_->parts.files, [path = path_of(state_->parts.folder, id), offset, most] {
    return std::make_shared<Result<std::string>>(read_at(path, offset, most));
  });
  co_return std::move(*piece);
}

asio::awaitable<Result<>> Recordings::remove(std::string id, bus::Actor actor) {
  if (state_->tapes.contains(id))
    co_return fail(Code::kConflict, "recording-runs", "It is still being recorded; it ends with its terminal.");
  auto one = co_await find(std::move(id));
  if (!one) co_return fail(std::move(one.error()));
  co_return co_await state_->remove(std::move(*one), std::move(actor));
}

asio::awaitable<Result<>> Recordings::seen(Recording recording, bus::Actor actor) {
  return bus::record(state_->parts.store, state_->event(events::kSeen, recording, std::move(actor)));
}

asio::awaitable<Result<>> Recordings::start() {
  auto& parts = state_->parts;
  auto left = co_await state_->rows.open();
  if (!left) co_return fail(std::move(left.error()));
  for (auto& one : *left) {
    one.size = co_await offload(parts.files, [path = path_of(parts.folder, one.id)] { return mend(path); });
    one.ended_at = parts.clock.now();
    one.end_reason = "server-away";
    if (auto noted = co_await state_->rows.put(std::move(one), std::nullopt); !noted) co_return noted;
  }
  std::vector<fs::path> there;
  std::error_code error;
  for (fs::directory_iterator it(parts.folder, error), end; !error && it != end; it.increment(error))
    there.push_back(it->path());
  for (const auto& path : there) {
    const auto row = co_await state_->rows.find(path.stem().string());
    if (!row) co_return fail(row.error());
    if (!*row) remove_file(path.string());
  }
  co_return Result<>{};
}

void Recordings::open() { state_->gate.spawn(state_->parts.home, "write recordings", state_->write_all()); }

asio::awaitable<void> Recordings::close() {
  const auto state = state_;
  state->closing = true;
  std::vector<TapeRef> all;
  for (const auto& [id, tape] : state->tapes) all.push_back(tape);
  for (auto& tape : all) co_await state->end(std::move(tape), "server-stopped");
  co_await state->gate.close();
}

}  // namespace tiltyard::recordings
