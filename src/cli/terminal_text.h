#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

/// Text for people: columns, times, sizes.
namespace tiltyard::cli {

/// Server's texts may hold anything; control characters, which a terminal would obey, become "?".
std::string harmless(std::string_view text);
/// What a machine says, made harmless piece by piece, lines and tabs kept: for a terminal, which would obey it. Colours
/// go without a trace, other commands of the terminal show as "?".
class Tamed {
 public:
  /// What may be shown by now; the beginning of a character or of a colour waits for the rest of it.
  std::string take(std::string_view piece);
  /// What still waits, when nothing more comes.
  std::string rest();

 private:
  std::string held_;
};

/// Columns that `text` takes on a terminal.
std::size_t width_of(std::string_view text);

enum class Colour { kNone, kGreen, kYellow, kRed, kGrey, kBold };
/// `text` in a colour, if `on`.
std::string painted(std::string_view text, Colour colour, bool on);
/// The colour of an instance's or template's state.
Colour colour_of_state(std::string_view state);

/// Rows under headings, every column as wide as its widest cell. Without a terminal there are no colours.
class Table {
 public:
  Table(std::vector<std::string> headings, bool colours) : headings_(std::move(headings)), colours_(colours) {}

  struct Cell {
    std::string text;
    Colour colour = Colour::kNone;
    Cell(std::string t, Colour c = Colour::kNone) : text(std::move(t)), colour(c) {}
    Cell(const char* t) : text(t) {}
  };
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<Cell>> rows_;
  bool colours_;
};

/// "45 s", "12 min", "3 h 20 min", "2 d 4 h": at most two units, rounded down.
std::string duration_text(std::chrono::seconds duration);
/// "in 12 min", "3 h ago", "now"; "" for a text that is no time.
std::string relative_text(std::string_view rfc3339, TimePoint now);
/// "512 B", "1.5 KiB", "256 MiB".
std::string bytes_text(std::uint64_t bytes);
/// Reads "90", "90s", "15m", "2h", "30d"; -1 for anything else and for nothing.
std::int64_t parse_seconds(std::string_view text);

}  // namespace tiltyard::cli
