#include <archive.h>
#include <archive_entry.h>

#include <charconv>
#include <csignal>

#include "engine/fake/fake_parts.h"
#include "engine/reasons.h"

namespace tiltyard::engine::fake {
namespace {

class LogStream final : public ByteStream {
 public:
  LogStream(std::shared_ptr<Log> log, LogOptions options) : log_(std::move(log)), options_(options) {
    const std::size_t lines = log_->lines.size();
    if (options.tail >= 0 && static_cast<std::size_t>(options.tail) < lines)
      at_ = lines - static_cast<std::size_t>(options.tail);
  }

  asio::awaitable<Result<std::string>> read() override {
    while (!closed_) {
      if (at_ < log_->lines.size()) {
        const auto& [time, text] = log_->lines[at_++];
        co_return options_.timestamps ? to_rfc3339(time) + " " + text : text;
      }
      if (!options_.follow || log_->ended) break;
      co_await log_->changed.wait();
    }
    co_return std::string();
  }

  void close() override {
    closed_ = true;
    log_->changed.pulse();
  }

 private:
  std::shared_ptr<Log> log_;
  LogOptions options_;
  std::size_t at_ = 0;
  bool closed_ = false;
};

class TextStream final : public ByteStream {
 public:
  explicit TextStream(std::string text) : text_(std::move(text)) {}
  asio::awaitable<Result<std::string>> read() override { co_return std::exchange(text_, {}); }
  void close() override { text_.clear(); }

 private:
  std::string text_;
};

class FakeExec final : public ExecSession {
 public:
  FakeExec(asio::any_io_executor executor, Program program, bool terminal)
      : program_(std::move(program)), changed_(std::make_shared<Signal>(executor)) {
    if (!program_.output.empty()) output_.push_back({program_.missing && !terminal, program_.output});
    ended_ = program_.ends;
  }

  asio::awaitable<Result<Chunk>> read() override {
    while (output_.empty() && !ended_) {
      const auto changed = changed_;
      co_await changed->wait();
    }
    if (output_.empty()) co_return Chunk{};
    Chunk out = std::move(output_.front());
    output_.pop_front();
    co_return out;
  }

  asio::awaitable<Result<>> write(std::string bytes) override {
    if (ended_) co_return fail(Code::kUnavailable, reason::kLost, "The command has ended.");
    if (program_.reads_input) output_.push_back({false, std::move(bytes)});
    changed_->pulse();
    co_return Result<>{};
  }

  void close_input() override {
    if (program_.reads_input) close();
  }
  asio::awaitable<Result<>> resize(int, int) override { co_return Result<>{}; }
  asio::awaitable<Result<int>> exit_code() override {
    if (!ended_) co_return fail(Code::kTimeout, "timeout", "The command still runs.");
    co_return program_.exit_code;
  }
  asio::awaitable<Result<>> stop() override {
    if (!ended_) program_.exit_code = 128 + SIGKILL;
    close();
    co_return Result<>{};
  }
  void close() override {
    ended_ = true;
    changed_->pulse();
  }

 private:
  Program program_;
  bool ended_ = false;
  std::deque<Chunk> output_;
  std::shared_ptr<Signal> changed_;
};

}  // namespace

std::unique_ptr<ByteStream> read_log(std::shared_ptr<Log> log, LogOptions options) {
  return std::make_unique<LogStream>(std::move(log), options);
}

std::unique_ptr<ByteStream> read_text(std::string text) { return std::make_unique<TextStream>(std::move(text)); }

Program program_of(const std::vector<std::string>& command, bool missing) {
  Program out;
  if (missing) return {true, true, false, 127, "executable file not found\n"};
  if (command.empty()) return out;
  const std::string name = command[0].substr(command[0].rfind('/') + 1);
  out.ends = name == "echo" || name == "true" || name == "false";
  out.reads_input = name == "cat";
  if (name == "false") out.exit_code = 1;
  if (name == "echo") {
    for (std::size_t i = 1; i < command.size(); ++i) out.output += (i > 1 ? " " : "") + command[i];
    out.output += "\n";
  }
  if (name == "sh" && command.size() == 3 && command[1] == "-c" && command[2].starts_with("exit ")) {
    out.ends = true;
    std::from_chars(command[2].data() + 5, command[2].data() + command[2].size(), out.exit_code);
  }
  return out;
}

std::unique_ptr<ExecSession> run_program(asio::any_io_executor executor, Program program, bool terminal) {
  return std::make_unique<FakeExec>(executor, std::move(program), terminal);
}

std::string pack_files(const std::map<std::string, std::string>& files) {
  std::size_t room = 16384;
  for (const auto& [name, content] : files) room += name.size() + content.size() + 4096;
  std::string out(room, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str() + (name.starts_with('/') ? 1 : 0));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

Result<std::map<std::string, std::string>> unpack_files(const std::string& tar, const std::string& folder) {
  std::map<std::string, std::string> out;
  archive* reader = archive_read_new();
  archive_read_support_format_tar(reader);
  archive_entry* entry = nullptr;
  int status = archive_read_open_memory(reader, tar.data(), tar.size());
  while (status == ARCHIVE_OK && (status = archive_read_next_header(reader, &entry)) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    const auto got = archive_read_data(reader, content.data(), content.size());
    if (got != static_cast<la_ssize_t>(content.size())) status = ARCHIVE_FATAL;
    out[(folder.ends_with('/') ? folder : folder + "/") + archive_entry_pathname(entry)] = std::move(content);
  }
  archive_read_free(reader);
  if (status == ARCHIVE_EOF) return out;
  return fail(Code::kInvalid, reason::kRefused, "The archive cannot be read.");
}

}  // namespace tiltyard::engine::fake
