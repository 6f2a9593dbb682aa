#include "farm/sploit/backlog.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tiltyard::farm::sploit {
namespace {

namespace json = boost::json;

constexpr int kMostNames = 64;
constexpr std::size_t kReadSize = 1 << 20;

std::unexpected<Error> unwritable(const std::string& path, int error) {
  return fail(Code::kExhausted, "backlog-unwritable",
              fmt::format("{} cannot be written: {}", path, std::strerror(error)));
}

std::string text_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool read_line(std::string_view line, FoundFlag& out) {
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  if (error || !value.is_object()) return false;
  out = {text_at(value.get_object(), "flag"), text_at(value.get_object(), "sploit"),
         text_at(value.get_object(), "team")};
  return !out.flag.empty();
}

std::string read_at(int file, std::uint64_t from, std::uint64_t to) {
  std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(to - from, kReadSize)), '\0');
  const auto got = ::pread(file, out.data(), out.size(), static_cast<off_t>(from));
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

}  // namespace

Result<std::unique_ptr<Backlog>> Backlog::open(const std::string& path) {
  for (int number = 0; number < kMostNames; ++number) {
    auto name = number == 0 ? path : fmt::format("{}.{}", path, number);
    const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return unwritable(name, errno);
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return std::unique_ptr<Backlog>(new Backlog(file, std::move(name)));
    ::close(file);
  }
  return fail(Code::kConflict, "backlog-unwritable", fmt::format("{} attacks of this kind run already.", kMostNames));
}

Backlog::Backlog(int file, std::string path) : file_(file), path_(std::move(path)) {
  const auto size = ::lseek(file_, 0, SEEK_END);
  end_ = size > 0 ? static_cast<std::uint64_t>(size) : 0;
  // A kill in mid-write left a line without its end; the next one must not be glued to it.
  if (end_ > 0 && read_at(file_, end_ - 1, end_) != "\n" && ::write(file_, "\n", 1) == 1) ++end_;
  for (std::uint64_t at = 0; at < end_;) {
    const auto part = read_at(file_, at, end_);
    if (part.empty()) break;
    lines_ += static_cast<std::size_t>(std::ranges::count(part, '\n'));
    at += part.size();
  }
}

Backlog::~Backlog() {
  // An empty file is of no use to anybody; the lock is still ours.
  if (begin_ == end_) ::unlink(path_.c_str());
  ::close(file_);
}

Result<> Backlog::add(const std::vector<FoundFlag>& flags) {
  std::string text;
  for (const auto& found : flags) {
    text += json::serialize(json::object{{"flag", found.flag}, {"sploit", found.sploit}, {"team", found.team}});
    text += '\n';
  }
  const std::lock_guard lock(mutex_);
  std::string_view left = text;
  while (!left.empty()) {
    const auto written = ::write(file_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return unwritable(path_, errno);
    left.remove_prefix(static_cast<std::size_t>(written));
    end_ += static_cast<std::uint64_t>(written);
  }
  lines_ += flags.size();
  return {};
}

Backlog::Batch Backlog::oldest(std::size_t most) const {
  const std::lock_guard lock(mutex_);
  Batch out;
  const auto text = read_at(file_, begin_, end_);
  std::string_view left = text;
  while (out.lines < most) {
    const auto length = left.find('\n');
    if (length == std::string_view::npos) break;
    FoundFlag found;
    if (read_line(left.substr(0, length), found)) out.flags.push_back(std::move(found));
    out.bytes += length + 1;
    ++out.lines;
    left.remove_prefix(length + 1);
  }
  return out;
}

void Backlog::sent(const Batch& batch) {
  const std::lock_guard lock(mutex_);
  begin_ += batch.bytes;
  lines_ -= std::min(lines_, batch.lines);
  // Only an empty file is cut: until then a kill means that some are sent again, which the farm sorts out.
  if (begin_ == end_ && ::ftruncate(file_, 0) == 0) begin_ = end_ = 0;
}

std::size_t Backlog::size() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

}  // namespace tiltyard::farm::sploit
