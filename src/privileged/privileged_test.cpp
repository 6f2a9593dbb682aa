#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "privileged/caller.h"
#include "privileged/server.h"

namespace tiltyard::privileged {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// A server with one verb, which says what it was given.
class R10_6_Privileged : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "privileged-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void serve(uid_t caller) {
    const Account account{caller, ::getegid()};
    auto listener = listen_at(path(), SOCK_SEQPACKET, account);
    if (!listener) GTEST_SKIP() << listener.error().message;  // only root gives sockets away
    server_ = std::make_unique<Server>(std::move(*listener), account, std::vector<Verb>{{"echo", echo}});
  }
  std::string path() const { return folder_ / "socket"; }

  static Result<json::object> echo(const Arguments& with) {
    if (auto known = with.only({"text", "number"}); !known) return fail(std::move(known.error()));
    auto text = with.text("text", 8);
    if (!text) return fail(std::move(text.error()));
    auto number = with.number("number", 1, 3);
    if (!number) return fail(std::move(number.error()));
    char byte = 0;
    const bool read = with.file() >= 0 && ::pread(with.file(), &byte, 1, 0) == 1;
    return json::object{{"text", *text}, {"number", *number}, {"byte", read ? std::string(1, byte) : ""}};
  }

  /// Sends bytes as they are; the answer's reason.
  std::string reason_of(const std::string& bytes) {
    const Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "unreachable";
    if (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return "unsent";
    auto answer = receive_message(socket.get());
    return answer ? text_of(json::parse(answer->text), "reason") : answer.error().reason;
  }

  fs::path folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(R10_6_Privileged, AVerbGetsItsArgumentsAndAnOpenFile) {
  serve(::geteuid());
  const Descriptor file(::open((folder_ / "file").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(::write(file.get(), "x", 1), 1);
  const auto answer = Caller(path()).call("echo", {{"text", "hello"}, {"number", 2}}, file.get());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(*answer, "text"), "hello");
  EXPECT_EQ(number_of(*answer, "number"), 2);
  EXPECT_EQ(text_of(*answer, "byte"), "x");
}

TEST_F(R10_6_Privileged, WhatIsNotAsItMustBeIsRefused) {
  serve(::geteuid());
  const Caller caller(path());
  for (const auto& arguments :
       {json::object{}, json::object{{"text", 1}, {"number", 1}}, json::object{{"text", "far too long"}, {"number", 1}},
        json::object{{"text", "a"}, {"number", 4}}, json::object{{"text", "a"}, {"number", "1"}},
        json::object{{"text", "a"}, {"number", 1}, {"more", true}}}) {
    const auto answer = caller.call("echo", arguments);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, "argument-refused");
  }
  EXPECT_EQ(caller.call("other").error().reason, "verb-unknown");
  for (const auto* bytes : {"garbage", "[]", "{}", R"({"verb":"echo"})", R"({"verb":"echo","arguments":[]})",
                            R"({"verb":"echo","arguments":{},"more":1})"})
    EXPECT_EQ(reason_of(bytes), "argument-refused") << bytes;
  EXPECT_EQ(reason_of(std::string(kLongestMessage + 1, 'x')), "message-too-long");
  EXPECT_TRUE(caller.call("echo", {{"text", "still"}, {"number", 1}}));
}

TEST_F(R10_6_Privileged, NobodyButTheOneAccountIsHeard) {
  serve(::geteuid() + 1);
  const auto answer = Caller(path()).call("echo", {{"text", "a"}, {"number", 1}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "caller-refused");
}

TEST_F(R10_6_Privileged, WhereNobodyListensThatIsSaid) {
  const auto answer = Caller(path()).call("echo");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "privileged-away");
}

TEST(R10_6_Accounts, AreNamesOrNumbers) {
  EXPECT_EQ(account_of("root")->user, 0u);
  EXPECT_EQ(account_of("64999")->user, 64999u);
  EXPECT_EQ(account_of("nobody-of-this-name").error().reason, "account-unknown");
}

}  // namespace
}  // namespace tiltyard::privileged
