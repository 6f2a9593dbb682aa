// cp: files and folders, into machines and out of them.
#include "transfers/words.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium/crypto_generichash.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/App.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "cli/words.h"

namespace tiltyard::transfers {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kPiece = 4 << 20;
constexpr int kTries = 6;      // of one piece, while the server is away
constexpr int kDeepest = 100;  // folders in one another
constexpr std::chrono::seconds kPieceDeadline{300};

struct Copy {
  std::string from, to, machine;
};

/// "ID:PATH"; nullopt: it is a path of this machine. An id has neither a dot nor a slash.
struct There {
  std::string id, path;
};
std::optional<There> there(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text.substr(0, colon).find_first_of("/.") != std::string::npos)
    return std::nullopt;
  return There{text.substr(0, colon), text.substr(colon + 1)};
}

std::unexpected<Error> usage(std::string message) {
  return fail(Code::kInvalid, cli::reason::kUsage, std::move(message));
}

std::unexpected<Error> broken(const std::string& path) {
  return fail(Code::kInvalid, "local-file", fmt::format("{}: {}.", path, std::strerror(errno)));
}

/// A descriptor that closes itself.
struct File {
  int number = -1;
  explicit File(int opened) : number(opened) {}
  ~File() {
    if (number >= 0) ::close(number);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
};

class Copying {
 public:
  Copying(Context& context, std::string id, std::string machine)
      : context_(context), id_(std::move(id)), machine_(std::move(machine)) {}

  /// What `from` is becomes `to`, or something of its name in the folder that `to` is.
  Result<> put(const std::string& from, std::string to) {
    if (to.empty() || to.ends_with('/') || is_folder(to)) {
      auto name = fs::path(from).lexically_normal();
      if (!name.has_filename()) name = name.parent_path();
      auto folder = to.empty() ? list(to) : Result<json::value>(json::object{{"path", to}});
      if (!folder) return fail(std::move(folder.error()));
      to = below(text_of(*folder, "path"), name.filename().string());
    }
    return put_tree(from, to, 0);
  }

  Result<> get(const std::string& from, fs::path to) {
    std::error_code ignored;
    auto listed = list(from);
    if (listed) {
      if (fs::is_directory(to, ignored)) to /= fs::path(text_of(*listed, "path")).filename();
      return get_folder(*listed, to, 0);
    }
    if (fs::is_directory(to, ignored)) to /= fs::path(from).filename();
    return get_file(from, to);
  }

  int files() const { return files_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::string address(const std::string& what, const std::string& path, const std::string& more = {}) const {
    return fmt::format("/instances/{}/files{}?machine={}&path={}{}", encoded(id_), what, encoded(machine_),
                       encoded(path), more);
  }
  static std::string below(const std::string& folder, const std::string& name) {
    return folder.ends_with('/') ? folder + name : folder + "/" + name;
  }
  Result<json::value> list(const std::string& path) { return context_.api().get(address("", path)); }
  bool is_folder(const std::string& path) { return list(path).has_value(); }

  Result<> put_tree(const std::string& from, const std::string& to, int depth) {
    const File file(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (depth > 0 ? O_NOFOLLOW : 0)));
    struct stat facts{};
    if (file.number < 0 || ::fstat(file.number, &facts) != 0) {
      if (depth > 0 && errno == ELOOP) return skip(from, "a link");
      return broken(from);
    }
    if (S_ISREG(facts.st_mode)) return put_file(file.number, facts, from, to);
    if (!S_ISDIR(facts.st_mode) || depth >= kDeepest) return skip(from, "neither a file nor a folder, or too deep");
    Api::Call call;
    call.method = "POST";
    call.path = fmt::format("/instances/{}/files/folder", encoded(id_));
    json::object body{{"path", to}};
    if (!machine_.empty()) body["machine"] = machine_;
    call.body = std::move(body);
    if (auto made = context_.api().call(std::move(call)); !made) return fail(std::move(made.error()));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from, error)) {
      const auto name = entry.path().filename().string();
      if (auto done = put_tree(entry.path().string(), below(to, name), depth + 1); !done) return done;
    }
    if (error) return usage(fmt::format("{}: {}.", from, error.message()));
    return {};
  }

  Result<> skip(const std::string& path, const char* why) {
    note(fmt::format("{} is left out: {}", harmless(path), why));
    return {};
  }

  /// The same for the same file to the same place, so that a later try goes on where this one broke off.
  std::string key_of(const std::string& to, const struct stat& facts) const {
    const auto text = fmt::format("{}\n{}\n{}\n{}\n{}", id_, machine_, to, facts.st_size, facts.st_mtim.tv_sec);
    std::array<unsigned char, 16> digest{};
    crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       nullptr, 0);
    std::string out;
    for (const auto byte : digest) out += fmt::format("{:02x}", byte);
    return out;
  }

  Result<std::uint64_t> offset_of(const std::string& to, const std::string& key) {
    auto answer = context_.api().get(address("/upload", to, "&upload=" + key));
    if (!answer) return fail(std::move(answer.error()));
    return static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(*answer, "offset"), 0));
  }

  Result<> put_piece(const std::string& to, const std::string& key, const struct stat& facts, std::uint64_t offset,
                     std::string bytes) {
    Api::Call call;
    call.method = "PUT";
    call.path = address("/content", to,
                        fmt::format("&upload={}&offset={}&total={}&mode={}", key, offset, facts.st_size,
                                    static_cast<unsigned>(facts.st_mode & 0777)));
    call.bytes = std::move(bytes);
    call.deadline = kPieceDeadline;
    auto answer = context_.api().call(std::move(call));
    if (!answer) return fail(std::move(answer.error()));
    return {};
  }

  Result<> put_file(int file, const struct stat& facts, const std::string& from, const std::string& to) {
    const auto key = key_of(to, facts);
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    std::uint64_t offset = 0;
    int tries = 0;
    bool ask = size > kPiece;
    do {
      Result<> done;
      if (ask) {
        auto begun = offset_of(to, key);
        if (begun) offset = std::min(*begun, size);
        else done = fail(std::move(begun.error()));
        // All of it is there but for the last step: that is done with the last byte again.
        if (begun && offset == size && size > 0) offset = 0;
      }
      std::string bytes(std::min<std::uint64_t>(kPiece, size - offset), '\0');
      if (done) {
        const auto count = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count != static_cast<ssize_t>(bytes.size())) return broken(from + " has changed meanwhile");
        const auto sent = bytes.size();
        done = put_piece(to, key, facts, offset, std::move(bytes));
        if (done) offset += sent;
      }
      ask = !done;
      if (done) tries = 0;
      else if (!passes(done.error()) || ++tries >= kTries) return done;
      else std::this_thread::sleep_for(std::chrono::milliseconds(200) * (1 << tries));
    } while (offset < size || ask);
    ++files_;
    bytes_ += size;
    return {};
  }

  static bool passes(const Error& error) {
    return error.code == Code::kUnavailable || error.code == Code::kTimeout || error.code == Code::kLimited ||
           error.reason == "upload-offset";
  }

  /// Names are the machine's word: none leads out of the folder (the server passes none on that has a slash in it).
  static bool harmless_name(const std::string& name) {
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
           name.find('\0') == std::string::npos;
  }

  Result<> get_folder(const json::value& listed, const fs::path& to, int depth) {
    if (depth >= kDeepest) return skip(to.string(), "too deep");
    if (::mkdir(to.c_str(), 0777) != 0 && errno != EEXIST) return broken(to.string());
    struct stat facts{};
    // A link of that name could lead anywhere.
    if (::lstat(to.c_str(), &facts) != 0 || !(S_ISDIR(facts.st_mode) || depth == 0))
      return usage(fmt::format("{} is no folder.", to.string()));
    const auto folder = text_of(listed, "path");
    for (const auto& item : items_of(listed)) {
      const auto name = text_of(item, "name"), kind = text_of(item, "kind");
      const auto path = below(folder, name);
      if (!harmless_name(name) || !flag_of(item, "usable")) {
        skip(path, "a name that is not UTF-8").value();
        continue;
      }
      Result<> done;
      if (kind == "file") {
        done = get_file(path, to / name);
      } else if (kind == "folder") {
        auto inner = list(path);
        done = inner ? get_folder(*inner, to / name, depth + 1) : Result<>(fail(std::move(inner.error())));
      } else {
        done = skip(path, kind == "link" ? "a link" : "neither a file nor a folder");
      }
      if (!done) return done;
    }
    if (flag_of(listed, "more"))
      note(fmt::format("{} has more than is listed; its tar archive has all", harmless(folder)));
    return {};
  }

  Result<> get_file(const std::string& from, const fs::path& to) {
    const auto part = to.string() + ".tiltyard-part";
    ::unlink(part.c_str());
    const File file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (file.number < 0) return broken(part);
    auto done = context_.api().stream(address("/content", from), [&](std::string_view bytes) {
      write_out(file.number, bytes);
      bytes_ += bytes.size();
    });
    if (done && ::rename(part.c_str(), to.c_str()) != 0) done = broken(to.string());
    if (!done) ::unlink(part.c_str());
    else ++files_;
    return done;
  }

  Context& context_;
  std::string id_, machine_;
  int files_ = 0;
  std::uint64_t bytes_ = 0;
};

int copy(Context& context, const Copy& wanted) {
  const auto from = there(wanted.from), to = there(wanted.to);
  if (from.has_value() == to.has_value()) {
    const auto wrong = usage("One of both is in a machine: tiltyard cp FILE ID:PATH, or tiltyard cp ID:PATH FILE");
    return complain(context, wrong.error());
  }
  Copying copying(context, from ? from->id : to->id, wanted.machine);
  const auto done = from ? copying.get(from->path, wanted.to) : copying.put(wanted.from, to->path);
  if (!done) return complain(context, done.error());
  if (context.json) print_json(json::object{{"files", copying.files()}, {"bytes", copying.bytes()}});
  else note(fmt::format("{} files, {} bytes", copying.files(), copying.bytes()));
  return kOk;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto wanted = std::make_shared<Copy>();
  auto* word = words.add("cp", "Copy a file or a folder into a machine, or out of it");
  word->add_option("from", wanted->from, "A path here, or ID:PATH")->required()->type_name("");
  word->add_option("to", wanted->to, "A path here, or ID:PATH; a path that ends with / is a folder")
      ->required()
      ->type_name("");
  word->add_option("--machine", wanted->machine, "Which of its machines; otherwise the one of its first endpoint")
      ->type_name("NAME");
  words.does(word, [c, wanted] { return copy(*c, *wanted); });
  words.advise("inside-unplaced", "Give the machine a folder for it in its compose.yaml: tmpfs: [\"/run:exec\"]");
  words.advise("too-many-transfers", "Wait for one of the others, or ask an operator for more (files.at_once)");
}

}  // namespace tiltyard::transfers
