#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "farm/model.h"
#include "farm/names.h"

namespace tiltyard::farm {

/// What is known of a flag beside its text; 48 bytes, because there may be millions. Times after its arrival are
/// counted in milliseconds from there, plus one; 0 is never.
struct Entry {
  std::int64_t received_at = 0;                  ///< microseconds since 1970
  std::uint32_t text = 0;                        ///< where its text begins in its chunk
  std::uint32_t lease = 0;                       ///< number of the lease that has it, or had it last
  std::uint32_t lease_row = 0, verdict_row = 0;  ///< where the log tells of its last attempt, and of its last answer
  std::uint32_t submitted_ms = 0, decided_ms = 0;
  Names::Number sploit = 0, team = 0, service = 0, response = 0;
  std::uint16_t size = 0;  ///< of its text, bytes
  std::uint16_t attempts = 0;
  Status status = Status::kQueued;
  bool probable = false;
};
static_assert(sizeof(Entry) == 48);

/// All flags by number and by text. Numbers are dense; the oldest can be forgotten. About 48 bytes a flag, its text,
/// and 8 to 16 bytes of index. Flags lie in chunks, so that nothing moves when there are more, and a search reads whole
/// stretches of text.
class FlagTable {
 public:
  static constexpr std::uint32_t kChunk = 4096;

  FlagTable();

  std::uint32_t first() const { return first_; }
  std::uint32_t end() const { return end_; }
  std::size_t size() const { return end_ - first_; }

  Entry& operator[](std::uint32_t flag) { return chunk(flag).entries[flag % kChunk]; }
  const Entry& operator[](std::uint32_t flag) const { return chunk(flag).entries[flag % kChunk]; }
  std::string_view text(std::uint32_t flag) const {
    const auto& in = chunk(flag);
    const auto& entry = in.entries[flag % kChunk];
    return std::string_view(in.text).substr(entry.text, entry.size);
  }
  std::optional<std::uint32_t> find(std::string_view text) const;

  struct Added {
    std::uint32_t flag = 0;
    bool fresh = false;
  };
  /// The flag with this text: the one that is there, or a new one that begins as `entry`. `row`: where the log tells of
  /// it.
  Added add(std::string_view text, const Entry& entry, std::uint32_t row);
  /// The table is empty: numbers begin here.
  void begin_at(std::uint32_t first) { first_ = end_ = first; }

  /// The whole text of a chunk, and where a flag's begins in it.
  std::string_view chunk_text(std::uint32_t chunk_number) const {
    return chunks_[chunk_number - first_chunk_].get()->text;
  }
  /// The row of the log that tells of the first flag of a chunk.
  std::uint32_t first_row(std::uint32_t chunk_number) const { return chunks_[chunk_number - first_chunk_]->first_row; }
  /// Drops whole chunks below `flag`, which must be the first of a chunk.
  void forget_before(std::uint32_t flag);

 private:
  struct Chunk {
    std::array<Entry, kChunk> entries;
    std::string text;
    std::uint32_t first_row = 0;
  };
  /// A slot of the index: the upper half of the hash above, the flag's number plus one below; 0 is free.
  using Slot = std::uint64_t;
  /// The index is in parts, by the hash's first byte. Each grows by itself, when chance lets it: growing all at once
  /// would hold up everybody for 100 ms at a million flags.
  struct Part {
    std::vector<Slot> slots;
    std::size_t used = 0;
  };

  Chunk& chunk(std::uint32_t flag) { return *chunks_[flag / kChunk - first_chunk_]; }
  const Chunk& chunk(std::uint32_t flag) const { return *chunks_[flag / kChunk - first_chunk_]; }
  std::uint64_t hash(std::string_view text) const;
  static std::size_t part_of(std::uint64_t hash) { return hash >> 56; }
  /// The slot of its part that holds the text, or the free one where it would go.
  std::size_t slot_of(std::string_view text, std::uint64_t hash) const;
  /// Makes a part anew, of so many slots, with the flags that are not forgotten.
  void rebuild(Part& part, std::size_t slots) const;

  std::array<unsigned char, 16> key_;  ///< of the hash: nobody outside can choose flags that collide
  std::deque<std::unique_ptr<Chunk>> chunks_;
  std::uint32_t first_chunk_ = 0, first_ = 0, end_ = 0;
  std::array<Part, 256> parts_;
};

}  // namespace tiltyard::farm
