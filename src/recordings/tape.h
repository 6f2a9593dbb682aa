#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

/// The files of recordings: for the server's account alone, written to at their end. Everything here blocks.
namespace tiltyard::recordings {

class TapeFile {
 public:
  /// Makes the file; the folder too. `recording-failed`.
  static Result<std::shared_ptr<TapeFile>> create(const std::string& folder, const std::string& id);
  explicit TapeFile(int descriptor) : descriptor_(descriptor) {}
  ~TapeFile();
  TapeFile(const TapeFile&) = delete;
  TapeFile& operator=(const TapeFile&) = delete;

  /// All of it, or nothing of it and `recording-failed`.
  Result<> append(std::string_view bytes);

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
};

std::string path_of(const std::string& folder, const std::string& id);
/// Bytes from `offset`, at most `most`; empty: there are none.
Result<std::string> read_at(const std::string& path, std::uint64_t offset, std::size_t most);
/// Cuts off what is no whole line, as a process leaves it that dies while it writes. Says how long the file is then;
/// 0 where there is none.
std::uint64_t mend(const std::string& path);

}  // namespace tiltyard::recordings
