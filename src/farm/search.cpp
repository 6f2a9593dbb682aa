#include "farm/search.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace tiltyard::farm {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAtOnce{2};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool same(std::string_view text, std::string_view part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (lower(text[i]) != part[i]) return false;
  }
  return true;
}

/// A character in both cases.
struct Either {
  explicit Either(char c) : low(c), high(upper(c)) {}
  unsigned is(char c) const { return static_cast<unsigned>((c == low) | (c == high)); }
  char low, high;
};

/// A text that is looked for, in lower case, and two of its places that are looked at first.
struct Needle {
  std::string part;
  std::size_t one = 0, other = 0;

  /// Takes the characters that are rarest in a sample of what is searched, so that few places need a second look.
  Needle(std::string text, std::string_view sample) : part(std::move(text)) {
    std::array<std::uint32_t, 256> seen{};
    for (const char c : sample) ++seen[static_cast<unsigned char>(lower(c))];
    const auto rarer = [&](std::size_t left, std::size_t right) {
      return seen[static_cast<unsigned char>(part[left])] < seen[static_cast<unsigned char>(part[right])];
    };
    if (part.size() > 1) other = 1;
    for (std::size_t i = 1; i < part.size(); ++i) {
      if (rarer(i, one)) other = std::exchange(one, i);
      else if (i != other && rarer(i, other)) other = i;
    }
  }
};

/// The next place from `from` on where the needle begins. Looks for two of its characters at their distance, a block at
/// a time: a loop that the compiler turns into vector instructions (after Mula, "SIMD-friendly algorithms for substring
/// searching").
std::size_t find_part(std::string_view text, const Needle& needle, std::size_t from) {
  constexpr std::size_t kBlock = 64;
  const auto& part = needle.part;
  const Either one(part[needle.one]), other(part[needle.other]);
  const std::size_t end = text.size() < part.size() ? 0 : text.size() - part.size() + 1;
  while (from < end) {
    const std::size_t size = std::min(kBlock, end - from);
    const char* ones = text.data() + from + needle.one;
    const char* others = text.data() + from + needle.other;
    unsigned char any = 0;
    for (std::size_t i = 0; i < size; ++i) any |= static_cast<unsigned char>(one.is(ones[i]) & other.is(others[i]));
    for (std::size_t i = 0; any != 0 && i < size; ++i) {
      if ((one.is(ones[i]) & other.is(others[i])) != 0 && same(text.substr(from + i), part)) return from + i;
    }
    from += size;
  }
  return std::string_view::npos;
}

/// A filter with its names as numbers.
struct Compiled {
  std::optional<Names::Number> sploit, team, service;
  unsigned statuses = 0;
  std::optional<Needle> flag;
  std::vector<bool> responses;  ///< which pass; empty: all
  bool nothing = false;         ///< can pass
};

void compile_name(const Names& names, const std::optional<std::string>& text, std::optional<Names::Number>& into,
                  bool& nothing) {
  if (!text) return;
  Names::Number number = 0;
  if (names.find(*text, number)) into = number;
  else nothing = true;
}

Compiled compile(const Books& books, const Filter& filter) {
  Compiled out;
  compile_name(books.sploits(), filter.sploit, out.sploit, out.nothing);
  compile_name(books.teams(), filter.team, out.team, out.nothing);
  compile_name(books.services(), filter.service, out.service, out.nothing);
  out.statuses = filter.statuses;
  const auto& flags = books.flags();
  if (!filter.flag.empty() && flags.size() > 0)
    out.flag.emplace(lower(filter.flag), flags.chunk_text((flags.end() - 1) / FlagTable::kChunk).substr(0, 8192));
  if (!filter.response.empty()) {
    const auto part = lower(filter.response);
    out.responses.resize(books.responses().size());
    for (std::size_t i = 0; i < out.responses.size(); ++i)
      out.responses[i] = contains(books.responses().text(static_cast<Names::Number>(i)), part);
  }
  return out;
}

bool passes(const Compiled& filter, const Entry& entry) {
  if (filter.statuses != 0 && (filter.statuses >> static_cast<unsigned>(entry.status) & 1) == 0) return false;
  if (filter.sploit && entry.sploit != *filter.sploit) return false;
  if (filter.team && entry.team != *filter.team) return false;
  if (filter.service && entry.service != *filter.service) return false;
  return filter.responses.empty() || (entry.response < filter.responses.size() && filter.responses[entry.response]);
}

/// Adds what passes of the flags [from, until), which lie in one chunk, the newest first.
void search_chunk(const Books& books, const Compiled& filter, std::uint32_t from, std::uint32_t until, std::size_t most,
                  std::vector<std::uint32_t>& out) {
  const auto& flags = books.flags();
  if (!filter.flag) {
    for (auto flag = until; flag > from && out.size() < most; --flag) {
      if (passes(filter, flags[flag - 1])) out.push_back(flag - 1);
    }
    return;
  }
  const auto text = flags.chunk_text(from / FlagTable::kChunk);
  std::vector<std::uint32_t> found;
  auto flag = from;
  std::size_t next = flags[from].text;
  for (auto at = find_part(text, *filter.flag, next); at != std::string_view::npos;
       at = find_part(text, *filter.flag, next)) {
    next = at + 1;
    while (flag < until && flags[flag].text + flags[flag].size <= at) ++flag;
    if (flag == until) break;
    const Entry& entry = flags[flag];
    // Flags lie one after the other; a match that reaches over an end is none.
    if (at + filter.flag->part.size() > entry.text + entry.size) continue;
    if (passes(filter, entry)) found.push_back(flag);
    next = entry.text + entry.size;
  }
  for (auto it = found.rbegin(); it != found.rend() && out.size() < most; ++it) out.push_back(*it);
}

/// The first flag that was received at or after a time. Numbers grow with time.
std::uint32_t first_at(const Books& books, TimePoint time) {
  auto low = books.flags().first(), high = books.flags().end();
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    if (books.flags()[middle].received_at < to_micros(time)) low = middle + 1;
    else high = middle;
  }
  return low;
}

}  // namespace

bool contains(std::string_view text, std::string_view part) {
  return part.empty() || find_part(text, Needle(std::string(part), {}), 0) != std::string_view::npos;
}

asio::awaitable<std::vector<std::uint32_t>> search(const Books* books, Filter filter, std::uint32_t before,
                                                   std::size_t most) {
  std::vector<std::uint32_t> out;
  const auto compiled = compile(*books, filter);
  const auto oldest = filter.since ? first_at(*books, *filter.since) : books->flags().first();
  auto end = std::min(before, filter.until ? first_at(*books, *filter.until) : books->flags().end());
  auto turn = steady_clock::now();
  while (!compiled.nothing && out.size() < most) {
    // Old flags may have been forgotten while others had their turn.
    const auto least = std::max(oldest, books->flags().first());
    if (end <= least) break;
    const auto from = std::max(least, (end - 1) / FlagTable::kChunk * FlagTable::kChunk);
    search_chunk(*books, compiled, from, end, most, out);
    end = from;
    if (steady_clock::now() - turn < kAtOnce) continue;
    auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
    turn = steady_clock::now();
  }
  co_return out;
}

}  // namespace tiltyard::farm
