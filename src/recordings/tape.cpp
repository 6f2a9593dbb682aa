#include "recordings/tape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "recordings/asciicast.h"

namespace tiltyard::recordings {
namespace {

constexpr std::size_t kBlock = 256 * 1024;

std::unexpected<Error> failed(int cause) {
  return fail(Code::kExhausted, "recording-failed",
              "What is shown here has to be recorded, and cannot be written to the server's disk at present.",
              std::generic_category().message(cause));
}

}  // namespace

Result<std::shared_ptr<TapeFile>> TapeFile::create(const std::string& folder, const std::string& id) {
  std::error_code ignored;
  if (std::filesystem::create_directories(folder, ignored))
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  const int descriptor =
      ::open(path_of(folder, id).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return failed(errno);
  return std::make_shared<TapeFile>(descriptor);
}

TapeFile::~TapeFile() { ::close(descriptor_); }

Result<> TapeFile::append(std::string_view bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto wrote = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const int cause = errno;
      if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) return failed(errno);
      return failed(cause);
    }
    done += static_cast<std::size_t>(wrote);
  }
  size_ += bytes.size();
  return {};
}

std::string path_of(const std::string& folder, const std::string& id) { return folder + "/" + id + ".cast"; }

Result<std::string> read_at(const std::string& path, std::uint64_t offset, std::size_t most) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return fail(Code::kNotFound, "recording-unknown", "There is nothing kept of this recording.");
  std::string out(most, '\0');
  const auto got = ::pread(descriptor, out.data(), most, static_cast<off_t>(offset));
  const int cause = errno;
  ::close(descriptor);
  if (got < 0)
    return fail(Code::kInternal, "recording-unreadable", "The recording cannot be read.",
                std::generic_category().message(cause));
  out.resize(static_cast<std::size_t>(got));
  return out;
}

std::uint64_t mend(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return 0;
  std::uint64_t end = size;
  while (end > 0) {
    const auto from = end > kBlock ? end - kBlock : 0;
    const auto block = read_at(path, from, static_cast<std::size_t>(end - from));
    if (!block) return size;
    if (const auto whole = whole_lines(*block); whole > 0) {
      end = from + whole;
      break;
    }
    end = from;
  }
  if (end < size) std::filesystem::resize_file(path, end, error);
  return error ? size : end;
}

}  // namespace tiltyard::recordings
