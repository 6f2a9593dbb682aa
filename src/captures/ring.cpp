#include "captures/ring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <vector>

#include "captures/pcapng.h"
#include "privileged/wire.h"

namespace tiltyard::captures {
namespace {

namespace fs = std::filesystem;
using privileged::Descriptor;

constexpr std::uint64_t kFiles = 8;
constexpr std::size_t kPiece = pcapng::kLongestBlock;
constexpr std::string_view kEnding = ".blocks";

std::unexpected<Error> broken(const std::string& path, const char* what) {
  const int why = errno;
  return fail(Code::kInternal, "ring-broken", "What was captured cannot be read or kept on the server's disk.",
              fmt::format("{} {}: {}", what, path, std::strerror(why)));
}

std::optional<std::uint32_t> number_of(const std::string& name) {
  std::uint32_t number = 0;
  const auto* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc{} || std::string_view(stop, end) != kEnding) return std::nullopt;
  return number;
}

struct Found {
  std::uint64_t whole = 0, packets = 0;
  bool torn = false;
};

/// How much of a file is blocks from end to end.
Result<Found> look_through(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.open()) return broken(path, "open");
  Found out;
  std::string bytes(2 * kPiece, '\0');
  while (true) {
    const auto got = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(out.whole));
    if (got < 0) return broken(path, "read");
    const auto walk = pcapng::walk(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
    out.whole += walk.whole;
    out.packets += walk.packets;
    if (walk.whole == static_cast<std::size_t>(got)) return out;
    if (walk.broken || walk.whole == 0) {
      out.torn = true;
      return out;
    }
  }
}

}  // namespace

Result<std::shared_ptr<Ring>> Ring::open(std::string folder, Bounds bounds, TimePoint now) {
  std::error_code error;
  fs::create_directories(fs::path(folder).parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return broken(folder, "mkdir");
  const std::shared_ptr<Ring> ring(new Ring(std::move(folder), bounds));
  if (auto taken = ring->take_up(now); !taken) return fail(std::move(taken.error()));
  return ring;
}

Ring::~Ring() {
  if (active_ >= 0) ::close(active_);
}

std::string Ring::path_of(std::uint32_t number) const { return fmt::format("{}/{:08}{}", folder_, number, kEnding); }

Result<> Ring::take_up(TimePoint now) {
  std::vector<std::uint32_t> numbers;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (const auto number = number_of(it->path().filename().string())) numbers.push_back(*number);
  }
  if (error) return fail(Code::kInternal, "ring-broken", "What was captured cannot be read.", error.message());
  std::ranges::sort(numbers);
  for (const auto number : numbers) {
    const auto path = path_of(number);
    const auto found = look_through(path);
    if (!found) return fail(found.error());
    if (found->torn && ::truncate(path.c_str(), static_cast<off_t>(found->whole)) != 0) return broken(path, "cut");
    struct stat status{};
    TimePoint last = now;
    if (::stat(path.c_str(), &status) == 0) last = from_micros(std::int64_t{status.st_mtim.tv_sec} * 1'000'000);
    files_.push_back({number, found->whole, packets_, found->packets, last, last});
    packets_ += found->packets;
    next_ = number + 1;
  }
  return {};
}

std::uint64_t Ring::total() const {
  std::uint64_t sum = 0;
  for (const auto& file : files_) sum += file.bytes;
  return sum;
}

std::uint64_t Ring::bytes() const {
  const std::scoped_lock lock(mutex_);
  return total();
}

void Ring::drop_oldest() {
  ::unlink(path_of(files_.front().number).c_str());
  files_.pop_front();
}

/// What an earlier process wrote is never written to again: its last file stays as it was cut.
Result<> Ring::rotate(TimePoint now) {
  if (active_ >= 0) ::close(std::exchange(active_, -1));
  const auto path = path_of(next_);
  active_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (active_ < 0) return broken(path, "make");
  files_.push_back({next_++, 0, packets_, 0, now, now});
  return {};
}

Result<> Ring::append(std::string_view blocks, std::uint64_t packets, TimePoint now) {
  if (blocks.empty()) return {};
  const std::scoped_lock lock(mutex_);
  const bool full =
      active_ >= 0 && files_.back().bytes > 0 && files_.back().bytes + blocks.size() > bounds_.bytes / kFiles;
  const bool old = active_ >= 0 && bounds_.age.count() > 0 && now - files_.back().opened >= bounds_.age / kFiles;
  if (active_ < 0 || full || old) {
    if (auto made = rotate(now); !made) return made;
  }
  while (files_.size() > 1 && total() + blocks.size() > bounds_.bytes) drop_oldest();
  auto& file = files_.back();
  std::size_t written = 0;
  while (written < blocks.size()) {
    const auto put = ::write(active_, blocks.data() + written, blocks.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      // A disk that is full: what is there of these blocks goes, so that the next ones stand behind whole ones.
      auto error = broken(path_of(file.number), "write");
      if (::ftruncate(active_, static_cast<off_t>(file.bytes)) == 0)
        ::lseek(active_, static_cast<off_t>(file.bytes), SEEK_SET);
      return error;
    }
    written += static_cast<std::size_t>(put);
  }
  file.bytes += blocks.size();
  file.packets += packets;
  file.last = now;
  packets_ += packets;
  return {};
}

void Ring::forget_old(TimePoint now) {
  if (bounds_.age.count() == 0) return;
  const std::scoped_lock lock(mutex_);
  while (!files_.empty() && now - files_.front().last > bounds_.age) {
    if (files_.size() == 1 && active_ >= 0) ::close(std::exchange(active_, -1));
    drop_oldest();
  }
}

Ring::Place Ring::begin() const {
  const std::scoped_lock lock(mutex_);
  if (files_.empty()) return {next_, 0, packets_};
  return {files_.front().number, 0, files_.front().first};
}

Ring::Place Ring::end() const {
  const std::scoped_lock lock(mutex_);
  if (files_.empty()) return {next_, 0, packets_};
  const auto& file = files_.back();
  return {file.number, file.bytes, file.first + file.packets};
}

/// What can be read from there on, in one file.
std::optional<Ring::Span> Ring::span_at(Place place, const std::optional<Place>& until) const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t lost = 0;
  for (const auto& file : files_) {
    if (file.number < place.file) continue;
    if (until && file.number > until->file) return std::nullopt;
    if (file.number > place.file) {
      if (file.first > place.packet) lost += file.first - place.packet;
      place = {file.number, 0, file.first};
    }
    const auto end = until && until->file == file.number ? std::min(until->offset, file.bytes) : file.bytes;
    if (place.offset < end) return Span{place, end - place.offset, lost};
    place = {file.number + 1, 0, file.first + file.packets};
  }
  return std::nullopt;
}

Result<Ring::Piece> Ring::read(Place& place, const std::optional<Place>& until) const {
  std::string path;
  for (std::uint64_t tries = 0; tries <= 2 * kFiles; ++tries) {
    const auto span = span_at(place, until);
    if (!span) return Piece{};
    path = path_of(span->place.file);
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.open() && errno == ENOENT) continue;  // removed just now
    if (!file.open()) return broken(path, "open");
    Piece piece{std::string(std::min<std::uint64_t>(span->bytes, kPiece), '\0'), span->lost};
    const auto got =
        ::pread(file.get(), piece.blocks.data(), piece.blocks.size(), static_cast<off_t>(span->place.offset));
    if (got < 0) return broken(path, "read");
    const auto walk = pcapng::walk(std::string_view(piece.blocks.data(), static_cast<std::size_t>(got)));
    if (walk.whole == 0) {
      errno = EBADMSG;
      return broken(path, "read");
    }
    piece.blocks.resize(walk.whole);
    place = {span->place.file, span->place.offset + walk.whole, span->place.packet + walk.packets};
    return piece;
  }
  return broken(path, "open");
}

}  // namespace tiltyard::captures
