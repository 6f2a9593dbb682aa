#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The packets of sftp, version 3 (draft-ietf-secsh-filexfer-02), as a machine says them: whoever owns it can have it
/// say anything, so everything is bounded, and what is wrong is `machine-answer`.
namespace tiltyard::transfers::sftp {

enum class Type : std::uint8_t {
  kInit = 1,
  kVersion = 2,
  kOpen = 3,
  kClose = 4,
  kRead = 5,
  kWrite = 6,
  kLstat = 7,
  kFstat = 8,
  kFsetstat = 10,
  kOpendir = 11,
  kReaddir = 12,
  kMkdir = 14,
  kRealpath = 16,
  kStat = 17,
  kReadlink = 19,
  kStatus = 101,
  kHandle = 102,
  kData = 103,
  kName = 104,
  kAttrs = 105,
  kExtended = 200,
};

inline constexpr std::size_t kMostPacket = 257 * 1024;  ///< bytes behind its length
inline constexpr std::size_t kMostData = 128 * 1024;    ///< of a file that we ask for, or send, in one packet
inline constexpr std::size_t kMostNames = 4096;         ///< in one packet
inline constexpr std::size_t kLongestPath = 4000;       ///< bytes
inline constexpr std::size_t kLongestHandle = 256;      ///< bytes; the draft's

struct Packet {
  Type type{};
  std::string body;  ///< behind the type
};

/// Packets out of pieces of a stream.
class Packets {
 public:
  void feed(std::string_view bytes) { waiting_ += bytes; }
  /// nullopt: more must come first. After an error there is nothing more to be had.
  Result<std::optional<Packet>> next();

 private:
  std::string waiting_;
};

struct Attributes {
  std::uint64_t size = 0;
  std::uint32_t mode = 0, modified = 0;  ///< st_mode; seconds since 1970
  std::uint32_t uid = 0, gid = 0;

  bool folder() const { return (mode & 0170000) == 0040000; }
  bool file() const { return (mode & 0170000) == 0100000; }
  bool link() const { return (mode & 0170000) == 0120000; }
};

struct Name {
  std::string name;
  Attributes attributes;
};

struct Status {
  std::uint32_t code = 0;
  std::string text;  ///< as the machine wrote it
};

// The bodies, behind the id.
Result<Attributes> read_attributes(std::string_view body);
/// Names that no file can have ("..", "a/b") are an error: nobody honest says them.
Result<std::vector<Name>> read_names(std::string_view body);
/// The one path of an answer to kRealpath or kReadlink, as it came.
Result<std::string> read_path(std::string_view body);
/// The one text of a kHandle or kData, at most `most` bytes.
Result<std::string> read_text(std::string_view body, std::size_t most);
Result<Status> read_status(std::string_view body);
/// The id at the beginning of an answer's body, which is taken off it.
Result<std::uint32_t> take_id(std::string& body);

/// One packet as it is sent, with `rest` behind the id.
std::string packet(Type type, std::uint32_t id, std::string_view rest);
void put_word(std::string& to, std::uint32_t value);
void put_wide(std::string& to, std::uint64_t value);
void put_text(std::string& to, std::string_view value);

/// What a machine's refusal means: `file-missing`, `file-denied`, `file-refused`.
Error error_of(const Status& status, std::string_view path);
std::unexpected<Error> nonsense(std::string_view why);

}  // namespace tiltyard::transfers::sftp
