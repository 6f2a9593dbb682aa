#include "transfers/sftp.h"

#include "base/parallel.h"

namespace tiltyard::transfers {

using sftp::Packet;
using sftp::Type;

namespace {

constexpr std::uint32_t kOpenRead = 1, kOpenWrite = 2, kOpenCreate = 8, kOpenTruncate = 16;
constexpr std::uint32_t kModeFlag = 4, kStatusEof = 1;
constexpr std::size_t kWritesAhead = 8;  // writes that are sent before the first is answered

std::string text_field(std::string_view text) {
  std::string out;
  sftp::put_text(out, text);
  return out;
}

std::string read_request(std::string_view handle, std::uint64_t offset, std::size_t size) {
  auto out = text_field(handle);
  sftp::put_wide(out, offset);
  sftp::put_word(out, static_cast<std::uint32_t>(size));
  return out;
}

}  // namespace

asio::awaitable<Result<>> Sftp::read_more() {
  auto chunk = co_await session_->read();
  if (!chunk) co_return fail(std::move(chunk.error()));
  if (chunk->data.empty()) co_return sftp::nonsense("it ends in the middle of the talk");
  if (!chunk->error_stream) packets_.feed(chunk->data);
  co_return Result<>{};
}

asio::awaitable<Result<Packet>> Sftp::next_packet() {
  // For the whole of it: a machine that drips is never late with a drop.
  const auto until = std::chrono::steady_clock::now() + patience_;
  while (true) {
    auto packet = packets_.next();
    if (!packet) co_return fail(std::move(packet.error()));
    if (*packet) co_return std::move(**packet);
    const auto left = until - std::chrono::steady_clock::now();
    std::optional<Result<>> read;
    if (left.count() > 0) read = co_await unless(read_more(), sleep_for(left));
    if (!read) co_return fail(Code::kTimeout, "timeout", "The machine does not answer. Try again.");
    if (!*read) co_return fail(std::move(read->error()));
  }
}

asio::awaitable<Result<Packet>> Sftp::receive() {
  auto packet = co_await next_packet();
  if (packet) {
    auto id = sftp::take_id(packet->body);
    if (id && *id == answered_ + 1) {
      ++answered_;
      co_return packet;
    }
    packet = sftp::nonsense("an answer to nothing");
  }
  broken_ = true;
  co_return packet;
}

asio::awaitable<Result<>> Sftp::send(Type type, std::string rest) {
  auto bytes = sftp::packet(type, ++asked_, rest);
  auto written = co_await unless(session_->write(std::move(bytes)), sleep_for(patience_));
  broken_ = broken_ || !written || !*written;
  if (!written) co_return fail(Code::kTimeout, "timeout", "The machine takes nothing more. Try again.");
  co_return std::move(*written);
}

asio::awaitable<Result<>> Sftp::begin() {
  std::string init;
  sftp::put_word(init, 5);
  init += static_cast<char>(Type::kInit);
  sftp::put_word(init, 3);
  auto written = co_await session_->write(std::move(init));
  if (!written) co_return fail(std::move(written.error()));
  auto answer = co_await next_packet();
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->type != Type::kVersion || sftp::take_id(answer->body).value_or(0) != 3)
    co_return sftp::nonsense("it does not know this way of talking");
  co_return Result<>{};
}

asio::awaitable<Result<Packet>> Sftp::ask(Type type, std::string rest, Type wanted, std::string path) {
  auto sent = co_await send(type, std::move(rest));
  if (!sent) co_return fail(std::move(sent.error()));
  auto answer = co_await receive();
  if (!answer || answer->type == wanted) co_return answer;
  if (answer->type == Type::kStatus) {
    auto status = sftp::read_status(answer->body);
    if (status && status->code != 0) co_return fail(sftp::error_of(*status, path));
  }
  broken_ = true;
  co_return sftp::nonsense("another answer than the one to this question");
}

asio::awaitable<Result<>> Sftp::tell(Type type, std::string rest, std::string path) {
  auto answer = co_await ask(type, std::move(rest), Type::kStatus, path);
  if (!answer) co_return fail(std::move(answer.error()));
  auto status = sftp::read_status(answer->body);
  if (!status) co_return fail(std::move(status.error()));
  if (status->code != 0) co_return fail(sftp::error_of(*status, path));
  co_return Result<>{};
}

asio::awaitable<Result<sftp::Attributes>> Sftp::attributes_of(Type type, std::string what) {
  auto answer = co_await ask(type, text_field(what), Type::kAttrs, what);
  if (!answer) co_return fail(std::move(answer.error()));
  co_return sftp::read_attributes(answer->body);
}

asio::awaitable<Result<std::string>> Sftp::path_of(Type type, std::string path) {
  auto answer = co_await ask(type, text_field(path), Type::kName, path);
  if (!answer) co_return fail(std::move(answer.error()));
  co_return sftp::read_path(answer->body);
}

asio::awaitable<Result<sftp::Attributes>> Sftp::look(std::string path) {
  return attributes_of(Type::kStat, std::move(path));
}
asio::awaitable<Result<sftp::Attributes>> Sftp::look_at_link(std::string path) {
  return attributes_of(Type::kLstat, std::move(path));
}
asio::awaitable<Result<sftp::Attributes>> Sftp::look_at_open(std::string handle) {
  return attributes_of(Type::kFstat, std::move(handle));
}
asio::awaitable<Result<std::string>> Sftp::real_path(std::string path) {
  return path_of(Type::kRealpath, std::move(path));
}
asio::awaitable<Result<std::string>> Sftp::read_link(std::string path) {
  return path_of(Type::kReadlink, std::move(path));
}

asio::awaitable<Result<Sftp::Listing>> Sftp::list(std::string path, std::size_t most) {
  auto opened = co_await ask(Type::kOpendir, text_field(path), Type::kHandle, path);
  if (!opened) co_return fail(std::move(opened.error()));
  auto handle = sftp::read_text(opened->body, sftp::kLongestHandle);
  if (!handle) co_return fail(std::move(handle.error()));
  Listing out;
  const auto until = std::chrono::steady_clock::now() + patience_;
  while (!out.more) {
    if (std::chrono::steady_clock::now() > until) {
      broken_ = true;
      co_return sftp::nonsense("a folder that has no end");
    }
    auto sent = co_await send(Type::kReaddir, text_field(*handle));
    if (!sent) co_return fail(std::move(sent.error()));
    auto answer = co_await receive();
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->type != Type::kName) break;  // the end, or what it says instead of one
    auto names = sftp::read_names(answer->body);
    if (!names) co_return fail(std::move(names.error()));
    for (auto& name : *names) {
      out.more = out.names.size() >= most;
      if (out.more) break;
      out.names.push_back(std::move(name));
    }
  }
  auto closed = co_await close(std::move(*handle));
  if (!closed) co_return fail(std::move(closed.error()));
  co_return out;
}

asio::awaitable<Result<std::string>> Sftp::open(std::string path, For what) {
  auto rest = text_field(path);
  sftp::put_word(rest, what == For::kRead         ? kOpenRead
                       : what == For::kNewContent ? kOpenWrite | kOpenCreate | kOpenTruncate
                                                  : kOpenWrite);
  sftp::put_word(rest, 0);
  auto answer = co_await ask(Type::kOpen, std::move(rest), Type::kHandle, path);
  if (!answer) co_return fail(std::move(answer.error()));
  co_return sftp::read_text(answer->body, sftp::kLongestHandle);
}

asio::awaitable<Result<>> Sftp::set_mode(std::string handle, std::uint32_t mode) {
  auto rest = text_field(handle);
  sftp::put_word(rest, kModeFlag);
  sftp::put_word(rest, mode);
  return tell(Type::kFsetstat, std::move(rest), "the file");
}

asio::awaitable<Result<>> Sftp::close(std::string handle) { return tell(Type::kClose, text_field(handle), "the file"); }

asio::awaitable<Result<>> Sftp::ask_read(std::string handle, std::uint64_t offset, std::size_t size) {
  return send(Type::kRead, read_request(handle, offset, size));
}

asio::awaitable<Result<std::string>> Sftp::take_read(std::size_t size) {
  auto answer = co_await receive();
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->type == Type::kData) co_return sftp::read_text(answer->body, size);
  auto status = sftp::read_status(answer->body);
  if (answer->type != Type::kStatus || !status) co_return sftp::nonsense("neither bytes nor their end");
  if (status->code == kStatusEof) co_return std::string();
  co_return fail(sftp::error_of(*status, "the file"));
}

asio::awaitable<Result<std::string>> Sftp::read(std::string handle, std::uint64_t offset, std::size_t size) {
  auto asked = co_await ask_read(std::move(handle), offset, size);
  if (!asked) co_return fail(std::move(asked.error()));
  co_return co_await take_read(size);
}

asio::awaitable<Result<>> Sftp::write(std::string handle, std::uint64_t offset, std::string bytes) {
  std::size_t waiting = 0;
  std::size_t at = 0;
  std::optional<Error> wrong;
  while (at < bytes.size() || waiting > 0) {
    if (at < bytes.size() && waiting < kWritesAhead && !wrong) {
      const auto size = std::min(sftp::kMostData, bytes.size() - at);
      auto rest = text_field(handle);
      sftp::put_wide(rest, offset + at);
      sftp::put_text(rest, std::string_view(bytes).substr(at, size));
      auto sent = co_await send(Type::kWrite, std::move(rest));
      if (!sent) co_return sent;
      at += size;
      ++waiting;
      continue;
    }
    if (waiting == 0) break;
    auto answer = co_await receive();
    if (!answer) co_return fail(std::move(answer.error()));
    --waiting;
    auto status = sftp::read_status(answer->body);
    if (answer->type != Type::kStatus || !status) co_return sftp::nonsense("no outcome of a write");
    if (status->code != 0 && !wrong) wrong = sftp::error_of(*status, "the file");
  }
  if (wrong) co_return fail(std::move(*wrong));
  co_return Result<>{};
}

asio::awaitable<Result<>> Sftp::make_folder(std::string path) {
  auto rest = text_field(path);
  sftp::put_word(rest, 0);
  return tell(Type::kMkdir, std::move(rest), path);
}

asio::awaitable<Result<>> Sftp::move(std::string from, std::string to) {
  auto rest = text_field("posix-rename@openssh.com");
  sftp::put_text(rest, from);
  sftp::put_text(rest, to);
  return tell(Type::kExtended, std::move(rest), to);
}

}  // namespace tiltyard::transfers
