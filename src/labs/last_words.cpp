#include "labs/last_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "labs/machine_text.h"

namespace tiltyard::labs {
namespace {

constexpr int kWordsLines = 20;
constexpr std::size_t kWordsBytes = 4000, kMostRead = 64 * 1024;
constexpr std::chrono::seconds kWordsWithin{5};
constexpr std::string_view kItSaid = "\nIt last said:\n";

/// The end of it, from the beginning of a line on where there is one.
std::string end_of(std::string text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  const auto lines = std::ranges::count(text, '\n') + 1;
  std::size_t from = text.size() > kWordsBytes ? text.size() - kWordsBytes : 0;
  for (auto spare = lines - kWordsLines; spare > 0; --spare) from = std::max(from, text.find('\n', from) + 1);
  if (from > 0 && text[from - 1] != '\n') {
    const auto line = text.find('\n', from);
    if (line != text.npos) from = line + 1;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  }
  return text.substr(from);
}

asio::awaitable<Result<>> read_end(engine::Engine* engine, engine::Handle handle, std::string* text) {
  engine::LogOptions options;
  options.tail = kWordsLines;
  auto stream = co_await engine->logs(std::move(handle), options);
  if (!stream) co_return fail(std::move(stream.error()));
  while (true) {
    auto part = co_await (*stream)->read();
    if (!part || part->empty()) break;
    *text += *part;
    if (text->size() > kMostRead) text->erase(0, text->size() - kMostRead);
  }
  (*stream)->close();
  co_return Result<>{};
}

asio::awaitable<Result<>> read_one(engine::Engine* engine, engine::Handle handle, std::string* said) {
  *said = co_await last_words(*engine, std::move(handle));
  co_return Result<>{};
}

}  // namespace

asio::awaitable<std::string> last_words(engine::Engine& engine, engine::Handle handle) {
  std::string text;
  if (handle.empty() || engine.away()) co_return text;
  co_await unless(read_end(&engine, std::move(handle), &text), sleep_for(kWordsWithin));
  co_return end_of(plain(text));
}

asio::awaitable<LastWords> last_words(engine::Engine& engine, Plan plan) {
  LastWords said;
  std::vector<asio::awaitable<Result<>>> works;
  for (const auto& machine : plan.machines) works.push_back(read_one(&engine, machine.handle, &said[machine.service]));
  co_await all_of(std::move(works));
  std::erase_if(said, [](const auto& one) { return one.second.empty(); });
  co_return said;
}

std::string with_last_words(std::string text, const LastWords& said) {
  for (const auto& [service, words] : said) {
    if (!text.contains(fmt::format("'{}'", service))) continue;
    return text.append(kItSaid).append(words);
  }
  return text;
}

}  // namespace tiltyard::labs
