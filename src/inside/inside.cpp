#include "inside/inside.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sodium/crypto_generichash.h>

#include <array>
#include <ctime>
#include <memory>
#include <utility>

#include "base/parallel.h"

namespace tiltyard::inside {
namespace {

constexpr std::string_view kGreeting = "tiltyard-inside\n";
constexpr std::size_t kMostWords = 4096;  // of what a command says that we listen to

/// For machines whose own root cannot be written: says "has FILE" where it is already, else "takes FILE" for the first
/// folder that can be written and lets programs run. Nobody else's file of that name is trusted. What takes no input is
/// asked first: an engine lets nobody go who writes to a command that has ended.
constexpr std::string_view kFindScript = R"sh(
umask 077
name=$1
set -- /run /var/tmp /tmp /home "$HOME" /dev/shm
for d; do
  f="$d/$name"
  if [ -O "$f" ] && [ ! -h "$f" ] && [ "$("$f" hello 2>/dev/null)" = tiltyard-inside ]; then echo "has $f"; exit 0; fi
done
for d; do
  f="$d/$name"
  [ -d "$d" ] && [ -w "$d" ] || continue
  rm -f "$f" 2>/dev/null
  if (set -C; echo '#!/bin/sh' >"$f") 2>/dev/null && chmod 700 "$f" && "$f" 2>/dev/null; then echo "takes $f"; exit 0; fi
  rm -f "$f" 2>/dev/null
done
exit 1
)sh";
constexpr std::string_view kFillScript = R"sh(cat >"$1" && exec "$1" hello)sh";

const std::string& name() {
  static const std::string kName = [] {
    std::array<unsigned char, 8> digest{};
    const auto bytes = program();
    crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                       nullptr, 0);
    std::string out = ".tiltyard-inside-";
    for (const auto byte : digest) out += fmt::format("{:02x}", byte);
    return out;
  }();
  return kName;
}

std::string archive_of(std::string_view bytes) {
  std::string out(bytes.size() + 64 * 1024, '\0');
  std::size_t used = 0;
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(), archive_write_free);
  archive_write_set_format_ustar(writer.get());
  archive_write_open_memory(writer.get(), out.data(), out.size(), &used);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), name().c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0755);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
  archive_write_header(writer.get(), entry.get());
  archive_write_data(writer.get(), bytes.data(), bytes.size());
  archive_write_close(writer.get());
  out.resize(used);
  return out;
}

struct Said {
  std::string text;
  int exit_code = -1;
};

asio::awaitable<Result<>> listen(std::shared_ptr<engine::ExecSession> session, std::string input,
                                 std::shared_ptr<Said> said) {
  if (!input.empty()) {
    auto written = co_await session->write(std::move(input));
    if (!written) co_return written;
  }
  session->close_input();
  while (said->text.size() < kMostWords) {
    auto chunk = co_await session->read();
    if (!chunk) co_return fail(std::move(chunk.error()));
    if (chunk->data.empty()) {
      auto code = co_await session->exit_code();
      if (!code) co_return fail(std::move(code.error()));
      said->exit_code = *code;
      break;
    }
    if (!chunk->error_stream) said->text += chunk->data;
  }
  co_return Result<>{};
}

asio::awaitable<Result<Said>> run(engine::Shell* shell, engine::Handle handle, std::vector<std::string> command,
                                  std::string input = {}) {
  engine::ExecSpec spec;
  spec.command = std::move(command);
  auto opened = co_await shell->exec(std::move(handle), std::move(spec));
  if (!opened) co_return fail(std::move(opened.error()));
  const std::shared_ptr<engine::ExecSession> session = std::move(*opened);
  auto said = std::make_shared<Said>();
  auto listened = co_await unless(listen(session, std::move(input), said), sleep_for(kPatience));
  if (!listened || said->exit_code < 0) auto stopped = co_await session->stop();
  session->close();
  if (!listened) co_return fail(Code::kTimeout, "timeout", "The machine did not answer in time. Try again.");
  if (!*listened) co_return fail(std::move(listened->error()));
  co_return std::move(*said);
}

bool away(const Error& error) { return error.code == Code::kUnavailable || error.code == Code::kTimeout; }

/// Whether it is there and runs. What an engine says of a program that there is not differs by engine and version.
asio::awaitable<Result<bool>> runs(engine::Shell* shell, engine::Handle handle) {
  auto said = co_await run(shell, std::move(handle), {path(), "hello"});
  if (said) co_return said->exit_code == 0 && said->text == kGreeting;
  if (away(said.error())) co_return fail(std::move(said.error()));
  co_return false;
}

std::unexpected<Error> unplaced() {
  return fail(Code::kConflict, "inside-unplaced",
              "The machine has no folder that can be written to and run programs from, so its files cannot be reached. "
              "Its template can give it one, such as a tmpfs at /run with exec.");
}

/// The file that the machine's shell has said, where it is one of ours.
std::string said_file(const Said& said, std::string_view word) {
  std::string_view text = said.text;
  if (said.exit_code != 0 || !text.starts_with(word) || !text.ends_with("/" + name() + "\n")) return {};
  text.remove_prefix(word.size());
  text.remove_suffix(1);
  return text.starts_with('/') && text.find('\n') == text.npos ? std::string(text) : std::string();
}

asio::awaitable<Result<std::string>> place_by_script(engine::Shell* shell, engine::Handle handle) {
  auto found = co_await run(shell, handle, {"sh", "-c", std::string(kFindScript), "sh", name()});
  if (!found && away(found.error())) co_return fail(std::move(found.error()));
  if (!found) co_return unplaced();
  if (auto file = said_file(*found, "has "); !file.empty()) co_return file;
  auto file = said_file(*found, "takes ");
  if (file.empty()) co_return unplaced();
  auto filled = co_await run(shell, std::move(handle), {"sh", "-c", std::string(kFillScript), "sh", file},
                             std::string(program()));
  if (!filled && away(filled.error())) co_return fail(std::move(filled.error()));
  if (!filled || filled->exit_code != 0 || filled->text != kGreeting) co_return unplaced();
  co_return file;
}

}  // namespace

std::string path() { return "/" + name(); }

asio::awaitable<Result<std::string>> ensure(engine::Engine& engine, engine::Handle handle) {
  auto* const shell = engine.shell();
  auto* const archives = engine.archives();
  if (shell == nullptr || archives == nullptr) co_return engine::cannot(engine, "reach the files of its machines");
  auto there = co_await runs(shell, handle);
  if (!there) co_return fail(std::move(there.error()));
  if (*there) co_return path();
  // Refused where the root cannot be written to; then a shell of the machine's may know a place. An engine that refuses
  // does not read the archive to its end, so it is asked with one that is small.
  auto put = co_await archives->put_archive(handle, "/", archive_of({}));
  if (put) put = co_await archives->put_archive(handle, "/", archive_of(program()));
  if (put) {
    there = co_await runs(shell, handle);
    if (!there) co_return fail(std::move(there.error()));
    if (*there) co_return path();
  }
  co_return co_await place_by_script(shell, std::move(handle));
}

}  // namespace tiltyard::inside
