#include "transfers/packets.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace tiltyard::transfers::sftp {
namespace {

constexpr std::uint32_t kHasSize = 1, kHasOwner = 2, kHasMode = 4, kHasTimes = 8, kHasMore = 0x80000000;
constexpr std::uint32_t kNoSuchFile = 2, kDenied = 3;
constexpr std::size_t kMostWords = 200;  // bytes of a machine's own words that are shown

/// Reads one value after the other; what is not there is zero, and `good` says so at the end.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : left_(bytes) {}
  std::uint32_t word() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t wide() { return number(8); }
  std::string_view text() {
    const auto size = word();
    if (size > left_.size()) return lack();
    const auto out = left_.substr(0, size);
    left_.remove_prefix(size);
    return out;
  }
  Attributes attributes() {
    Attributes out;
    const auto flags = word();
    if (flags & kHasSize) out.size = wide();
    if (flags & kHasOwner) {
      out.uid = word();
      out.gid = word();
    }
    if (flags & kHasMode) out.mode = word();
    if (flags & kHasTimes) {
      word();
      out.modified = word();
    }
    if (flags & kHasMore) {
      for (auto count = word(); good_ && count > 0; --count) {
        text();
        text();
      }
    }
    return out;
  }
  bool good() const { return good_; }

 private:
  std::uint64_t number(std::size_t bytes) {
    if (bytes > left_.size()) {
      lack();
      return 0;
    }
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | static_cast<unsigned char>(left_[i]);
    left_.remove_prefix(bytes);
    return out;
  }
  std::string_view lack() {
    good_ = false;
    left_ = {};
    return {};
  }

  std::string_view left_;
  bool good_ = true;
};

bool a_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.find('/') == name.npos && name.find('\0') == name.npos;
}

}  // namespace

std::unexpected<Error> nonsense(std::string_view why) {
  return fail(Code::kUnavailable, "machine-answer",
              fmt::format("The machine answers what no file system says ({}). Try again; if it stays so, something in "
                          "the machine stands in the way.",
                          why));
}

Result<std::optional<Packet>> Packets::next() {
  if (waiting_.size() < 4) return std::nullopt;
  const auto size = Fields(waiting_).word();
  if (size == 0 || size > kMostPacket) return nonsense("a packet of no possible size");
  if (waiting_.size() - 4 < size) return std::nullopt;
  Packet out{static_cast<Type>(waiting_[4]), waiting_.substr(5, size - 1)};
  waiting_.erase(0, 4 + size);
  return out;
}

Result<Attributes> read_attributes(std::string_view body) {
  Fields fields(body);
  auto out = fields.attributes();
  if (!fields.good()) return nonsense("attributes that are cut short");
  return out;
}

Result<std::vector<Name>> read_names(std::string_view body) {
  Fields fields(body);
  const auto count = fields.word();
  if (count > kMostNames) return nonsense("too many names at once");
  std::vector<Name> out;
  for (std::uint32_t i = 0; i < count && fields.good(); ++i) {
    const auto name = fields.text();
    fields.text();  // the line of ls -l, for people of 1997
    const auto attributes = fields.attributes();
    if (name == "." || name == "..") continue;
    if (!fields.good() || !a_name(name)) return nonsense("a name that no file has");
    out.push_back({std::string(name), attributes});
  }
  if (!fields.good()) return nonsense("names that are cut short");
  return out;
}

Result<std::string> read_path(std::string_view body) {
  Fields fields(body);
  const auto count = fields.word();
  const auto path = fields.text();
  if (count != 1 || !fields.good() || path.empty() || path.size() > kLongestPath || path.find('\0') != path.npos)
    return nonsense("no path");
  return std::string(path);
}

Result<std::string> read_text(std::string_view body, std::size_t most) {
  Fields fields(body);
  const auto text = fields.text();
  if (!fields.good() || text.size() > most) return nonsense("more than it was asked for");
  return std::string(text);
}

Result<Status> read_status(std::string_view body) {
  Fields fields(body);
  const auto code = fields.word();
  if (!fields.good()) return nonsense("an outcome that is cut short");
  return Status{code, std::string(fields.text())};
}

Result<std::uint32_t> take_id(std::string& body) {
  Fields fields(body);
  const auto id = fields.word();
  if (!fields.good()) return nonsense("an answer to nothing");
  body.erase(0, 4);
  return id;
}

void put_word(std::string& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 255);
}

void put_wide(std::string& to, std::uint64_t value) {
  put_word(to, static_cast<std::uint32_t>(value >> 32));
  put_word(to, static_cast<std::uint32_t>(value));
}

void put_text(std::string& to, std::string_view value) {
  put_word(to, static_cast<std::uint32_t>(value.size()));
  to += value;
}

std::string packet(Type type, std::uint32_t id, std::string_view rest) {
  std::string out;
  out.reserve(rest.size() + 9);
  put_word(out, static_cast<std::uint32_t>(rest.size() + 5));
  out += static_cast<char>(type);
  put_word(out, id);
  out += rest;
  return out;
}

Error error_of(const Status& status, std::string_view path) {
  const auto shown = as_utf8(std::string(path.substr(0, kMostWords)));
  if (status.code == kNoSuchFile)
    return {Code::kNotFound, "file-missing", fmt::format("There is no {} in the machine.", shown), {}, {}};
  if (status.code == kDenied) {
    return {
        Code::kForbidden,
        "file-denied",
        fmt::format("The machine's user may not do that with {}. As whom it works is its template's matter.", shown),
        {},
        {}};
  }
  const auto words = as_utf8(status.text.substr(0, kMostWords));
  return {Code::kConflict, "file-refused", fmt::format("The machine refuses that for {}: {}.", shown, words), {}, {}};
}

}  // namespace tiltyard::transfers::sftp
