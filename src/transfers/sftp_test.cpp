// The conversation about files: with the program itself, run on this host, and with machines that lie.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/test_folder.h"
#include "inside/inside.h"
#include "transfers/sftp.h"

namespace tiltyard::transfers {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;
using sftp::Type;

template <class T>
T await(asio::awaitable<T> work) {
  asio::io_context loop;
  std::optional<T> out;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    out.emplace(std::move(value));
  });
  loop.run();
  return std::move(*out);
}

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

/// What a test needs of a session; the rest is nobody's.
class Session : public engine::ExecSession {
 public:
  void close_input() override {}
  asio::awaitable<Result<>> resize(int, int) override { co_return Result<>{}; }
  asio::awaitable<Result<int>> exit_code() override { co_return 0; }
  asio::awaitable<Result<>> stop() override { co_return Result<>{}; }
  void close() override {}
};

/// The program, over a pair of sockets. It answers at once, so reading it may block.
class Program : public Session {
 public:
  Program(const fs::path& program, std::vector<std::string> words) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    mine_ = ends[0];
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], 0);
      ::dup2(ends[1], 1);
      words.insert(words.begin(), program.string());
      std::vector<char*> raw;
      for (auto& word : words) raw.push_back(word.data());
      raw.push_back(nullptr);
      ::execv(program.c_str(), raw.data());
      ::_exit(127);
    }
    ::close(ends[1]);
  }
  ~Program() override { wait(); }
  asio::awaitable<Result<Chunk>> read() override {
    Chunk chunk;
    chunk.data.resize(64 * 1024);
    const auto count = ::read(mine_, chunk.data.data(), chunk.data.size());
    chunk.data.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    co_return chunk;
  }
  asio::awaitable<Result<>> write(std::string bytes) override {
    EXPECT_EQ(::write(mine_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    co_return Result<>{};
  }
  int wait() {
    if (pid_ < 0) return code_;
    ::close(mine_);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  int mine_ = -1, code_ = -1;
  pid_t pid_ = -1;
};

class R3_6_Program : public testing::Test {
 protected:
  void SetUp() override {
    program_ = folder_.at("program");
    std::ofstream(program_, std::ios::binary) << inside::program();
    fs::permissions(program_, fs::perms::owner_all);
    root_ = folder_.at("root");
    fs::create_directory(root_);
    sftp_.emplace(std::make_shared<Program>(program_, std::vector{"sftp"s}));
    const auto begun = await(sftp_->begin());
    ASSERT_TRUE(begun) << begun.error().message;
  }
  std::string at(const std::string& name) const { return (root_ / name).string(); }
  void put(const std::string& name, const std::string& text) { std::ofstream(root_ / name, std::ios::binary) << text; }
  std::string got(const std::string& name) {
    std::ifstream file(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string all_of(std::vector<std::string> words, int* code) {
    Program running(program_, std::move(words));
    std::string out;
    while (true) {
      auto chunk = await(running.read());
      if (!chunk || chunk->data.empty()) break;
      out += chunk->data;
    }
    *code = running.wait();
    return out;
  }

  TestFolder folder_;
  fs::path program_, root_;
  std::optional<Sftp> sftp_;
};

TEST_F(R3_6_Program, AFileGoesInAndComesOutAsItWas) {
  std::string bytes(3 * 1024 * 1024 + 17, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
  const auto handle = await(sftp_->open(at("a"), Sftp::For::kNewContent)).value();
  ASSERT_TRUE(await(sftp_->write(handle, 0, bytes)));
  ASSERT_TRUE(await(sftp_->set_mode(handle, 0640)));
  ASSERT_TRUE(await(sftp_->close(handle)));
  EXPECT_TRUE(got("a") == bytes);
  const auto facts = await(sftp_->look(at("a"))).value();
  EXPECT_EQ(facts.size, bytes.size());
  EXPECT_EQ(facts.mode, 0100640u);
  const auto again = await(sftp_->open(at("a"), Sftp::For::kRead)).value();
  std::string back;
  for (std::string piece; !(piece = await(sftp_->read(again, back.size(), sftp::kMostData)).value()).empty();)
    back += piece;
  EXPECT_TRUE(back == bytes);
  EXPECT_TRUE(sftp_->clean());
}

TEST_F(R3_6_Program, AFolderIsListedWithEveryKind) {
  put("file", "12345");
  put("\xff\xfe", "");
  fs::create_directory(root_ / "folder");
  fs::create_symlink("/etc/passwd", root_ / "link");
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  auto listing = await(sftp_->list(root_.string(), 100)).value();
  std::ranges::sort(listing.names, {}, &sftp::Name::name);
  ASSERT_EQ(listing.names.size(), 5u);
  EXPECT_EQ(listing.names[0].attributes.size, 5u);
  EXPECT_TRUE(listing.names[1].attributes.folder());
  EXPECT_TRUE(listing.names[2].attributes.link()) << "what it leads to is another matter";
  EXPECT_FALSE(listing.names[3].attributes.file() || listing.names[3].attributes.folder());
  EXPECT_EQ(listing.names[4].name, "\xff\xfe");
  EXPECT_FALSE(listing.more);
  EXPECT_EQ(await(sftp_->read_link(at("link"))).value(), "/etc/passwd");
  // A pipe that nobody writes to does not hold up the talk.
  EXPECT_TRUE(await(sftp_->open(at("pipe"), Sftp::For::kRead)));
  EXPECT_EQ(await(sftp_->real_path(at("folder/../file"))).value(), at("file"));
}

TEST_F(R3_6_Program, AFolderOfManyIsCutAtTheMost) {
  for (int i = 0; i < 300; ++i) put("file-" + std::to_string(i), "");
  EXPECT_EQ(await(sftp_->list(root_.string(), 1000)).value().names.size(), 300u);
  const auto cut = await(sftp_->list(root_.string(), 299)).value();
  EXPECT_EQ(cut.names.size(), 299u);
  EXPECT_TRUE(cut.more);
  EXPECT_TRUE(sftp_->clean());
}

TEST_F(R3_6_Program, WhatIsNotThereOrNotAllowedIsSaid) {
  EXPECT_EQ(reason(await(sftp_->look(at("none")))), "file-missing");
  EXPECT_EQ(reason(await(sftp_->list(at("none"), 10))), "file-missing");
  EXPECT_EQ(reason(await(sftp_->open(at("none/x"), Sftp::For::kNewContent))), "file-missing");
  EXPECT_TRUE(await(sftp_->make_folder(at("new"))));
  EXPECT_EQ(reason(await(sftp_->make_folder(at("new")))), "file-refused");
  put("a", "a");
  put("b", "b");
  EXPECT_TRUE(await(sftp_->move(at("a"), at("b"))));
  EXPECT_EQ(got("b"), "a");
  EXPECT_TRUE(sftp_->clean());
}

TEST_F(R3_6_Program, AnArchiveHasTheTreeAndFollowsNoLink) {
  fs::create_directories(root_ / "deep" / std::string(120, 'd'));
  put("deep/" + std::string(120, 'd') + "/file", "content");
  fs::create_symlink("/", root_ / "out");
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  int code = -1;
  const auto archive = all_of({"tar", root_.string()}, &code);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(archive.size() % 512, 0u);
  put("../archive.tar", archive);
  fs::create_directory(folder_.at("back"));
  const auto command = "tar -xf " + at("../archive.tar") + " -C " + folder_.at("back");
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto back = fs::path(folder_.at("back")) / "root";
  EXPECT_TRUE(fs::is_regular_file(back / "deep" / std::string(120, 'd') / "file"));
  EXPECT_EQ(fs::read_symlink(back / "out"), "/");
  EXPECT_FALSE(fs::exists(back / "pipe"));
  EXPECT_EQ(all_of({"tar", at("none")}, &code), "");
  EXPECT_EQ(code, 66);
}

TEST_F(R3_6_Program, AFileOfMoreThanEightGibibytesHasItsSizeInTheArchive) {
  fs::create_directory(root_ / "large");
  put("large/file", "");
  fs::resize_file(root_ / "large" / "file", std::uintmax_t{10} << 30);
  Program running(program_, {"tar", at("large")});
  std::string head;
  while (head.size() < 2048) head += await(running.read()).value().data;
  EXPECT_NE(head.find("20 size=10737418240\n"), std::string::npos);
  EXPECT_EQ(head[512 + 156], 'x') << "in a header of its own, before the file's";
}

TEST_F(R3_6_Program, RemovingATreeFollowsNoLink) {
  fs::create_directories(root_ / "tree" / "inner");
  put("kept", "kept");
  put("tree/inner/file", "");
  fs::create_symlink(root_, root_ / "tree" / "link");
  int code = -1;
  all_of({"remove", at("tree")}, &code);
  EXPECT_EQ(code, 0);
  EXPECT_FALSE(fs::exists(root_ / "tree"));
  EXPECT_EQ(got("kept"), "kept");
}

/// Says what the test has it say, whatever it is asked.
class Liar : public Session {
 public:
  explicit Liar(std::deque<std::string> says) : says_(std::move(says)) {}
  asio::awaitable<Result<Chunk>> read() override {
    Chunk chunk;
    if (!says_.empty()) chunk.data = std::move(says_.front());
    if (!says_.empty()) says_.pop_front();
    co_return chunk;
  }
  asio::awaitable<Result<>> write(std::string) override { co_return Result<>{}; }

 private:
  std::deque<std::string> says_;
};

std::string text(std::string_view value) {
  std::string out;
  sftp::put_text(out, value);
  return out;
}

TEST(R3_6, AMachineThatLiesIsNotBelieved) {
  const auto look = [](std::deque<std::string> says) {
    Sftp sftp(std::make_shared<Liar>(std::move(says)));
    const auto result = await(sftp.look("/a"));
    return reason(result) + (sftp.clean() ? "" : " broken");
  };
  const auto attributes = "\0\0\0\0"s;
  EXPECT_EQ(look({sftp::packet(Type::kAttrs, 1, attributes)}), "") << "the control";
  EXPECT_EQ(look({sftp::packet(Type::kAttrs, 2, attributes)}), "machine-answer broken") << "of another question";
  EXPECT_EQ(look({sftp::packet(Type::kData, 1, text("x"))}), "machine-answer broken") << "of another kind";
  EXPECT_EQ(look({sftp::packet(Type::kStatus, 1, "\0\0\0\0"s)}), "machine-answer broken") << "no success without it";
  EXPECT_EQ(look({"\xff\xff\xff\xff"s}), "machine-answer broken");
  EXPECT_EQ(look({}), "machine-answer broken") << "it has gone";
  EXPECT_EQ(look({"\0"s}), "machine-answer broken") << "and in the middle of a word";
}

TEST(R3_6, AMachineThatSendsMoreThanItWasAskedForIsRefused) {
  Sftp sftp(std::make_shared<Liar>(std::deque{sftp::packet(Type::kData, 1, text(std::string(101, 'x')))}));
  EXPECT_EQ(reason(await(sftp.read("h", 0, 100))), "machine-answer");
  Sftp endless(std::make_shared<Liar>(std::deque{sftp::packet(Type::kHandle, 1, text(std::string(257, 'h')))}));
  EXPECT_EQ(reason(await(endless.open("/a", Sftp::For::kRead))), "machine-answer");
}

/// Always says something, and never what it was asked for.
class Babbler : public Session {
 public:
  asio::awaitable<Result<Chunk>> read() override { co_return Chunk{true, "wait"}; }
  asio::awaitable<Result<>> write(std::string) override { co_return Result<>{}; }
};

TEST(R3_6, AMachineThatNeverComesToAnEndIsNotListenedToForEver) {
  Sftp babble(std::make_shared<Babbler>(), std::chrono::milliseconds{20});
  EXPECT_EQ(reason(await(babble.look("/a"))), "timeout");
  EXPECT_FALSE(babble.clean());
  /// A folder of names that are none of any file's, again and again.
  class Endless : public Babbler {
   public:
    asio::awaitable<Result<Chunk>> read() override {
      ++asked_;
      co_return Chunk{false, asked_ == 1 ? sftp::packet(Type::kHandle, 1, text("h"))
                                         : sftp::packet(Type::kName, asked_, "\0\0\0\0"s)};
    }

   private:
    std::uint32_t asked_ = 0;
  };
  Sftp endless(std::make_shared<Endless>(), std::chrono::milliseconds{20});
  EXPECT_EQ(reason(await(endless.list("/a", 10))), "machine-answer");
  EXPECT_FALSE(endless.clean());
}

}  // namespace
}  // namespace tiltyard::transfers
