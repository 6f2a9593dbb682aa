// What machines say of files, and what people say: the readers of both. Pure.
#include <gtest/gtest.h>

#include "transfers/http.h"
#include "transfers/packets.h"

namespace tiltyard::transfers {
namespace {

using namespace std::string_literals;
using sftp::Packets;
using sftp::Type;

std::string framed(Type type, const std::string& body) {
  std::string out;
  sftp::put_word(out, static_cast<std::uint32_t>(body.size() + 1));
  out += static_cast<char>(type);
  return out + body;
}

std::string names_of(const std::vector<std::string>& names) {
  std::string out;
  sftp::put_word(out, static_cast<std::uint32_t>(names.size()));
  for (const auto& name : names) {
    sftp::put_text(out, name);
    sftp::put_text(out, "-rw-r--r-- " + name);
    sftp::put_word(out, 4);
    sftp::put_word(out, 0100644);
  }
  return out;
}

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

TEST(R3_6, PacketsComeWholeHoweverTheStreamIsCut) {
  const auto stream = framed(Type::kData, "hello") + framed(Type::kStatus, "") + framed(Type::kHandle, "x");
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    Packets packets;
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      packets.feed(std::string_view(stream).substr(at, cut));
      while (true) {
        auto next = packets.next();
        ASSERT_TRUE(next);
        if (!*next) break;
        seen += std::to_string(static_cast<int>((*next)->type)) + ":" + (*next)->body + " ";
      }
    }
    EXPECT_EQ(seen, "103:hello 101: 102:x ") << cut;
  }
}

TEST(R3_6, APacketOfNoPossibleSizeIsRefusedBeforeItIsWaitedFor) {
  for (const auto& head : {"\0\0\0\0"s, "\xff\xff\xff\xff"s, "\0\4\4\1"s}) {
    Packets packets;
    packets.feed(head);
    EXPECT_EQ(reason(packets.next()), "machine-answer");
  }
  Packets packets;
  packets.feed("\0\4\4\0"s);
  EXPECT_TRUE(packets.next()) << "257 KiB is the most";
}

TEST(R3_6, NamesThatNoFileCanHaveAreRefused) {
  const auto read = sftp::read_names(names_of({".", "..", "a file", "\xff"}));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ(read->front().name, "a file");
  EXPECT_TRUE(read->front().attributes.file());
  for (const auto& name : {"../../etc/passwd"s, "a/b"s, "/"s, ""s, "a\0b"s, std::string(256, 'x')})
    EXPECT_EQ(reason(sftp::read_names(names_of({name}))), "machine-answer") << name;
  EXPECT_TRUE(sftp::read_names(names_of({std::string(255, 'x')})));
}

TEST(R3_6, CountsThatPromiseMoreThanComesCostNothing) {
  EXPECT_EQ(reason(sftp::read_names("\xff\xff\xff\xff"s)), "machine-answer");
  EXPECT_EQ(reason(sftp::read_names("\0\0\1\0"s)), "machine-answer");
  EXPECT_EQ(reason(sftp::read_attributes("\x80\0\0\0\xff\xff\xff\xff"s)), "machine-answer");
  EXPECT_EQ(reason(sftp::read_text("\0\0\0\2ab"s, 1)), "machine-answer");
  EXPECT_EQ(sftp::read_text("\0\0\0\2ab"s, 2).value_or(""), "ab");
  EXPECT_EQ(reason(sftp::read_path("\0\0\0\2\0\0\0\1/"s)), "machine-answer") << "two paths";
  const auto cut = names_of({"file"});
  for (std::size_t size = 0; size < cut.size(); ++size) EXPECT_FALSE(sftp::read_names(cut.substr(0, size))) << size;
}

TEST(R3_6, ARefusalOfTheMachineSaysWhatItMeans) {
  EXPECT_EQ(sftp::error_of({2, "No such file"}, "/a").reason, "file-missing");
  EXPECT_EQ(sftp::error_of({3, ""}, "/a").code, Code::kForbidden);
  const auto other = sftp::error_of({4, std::string(500, 'x') + "\xff"}, "/a");
  EXPECT_EQ(other.reason, "file-refused");
  EXPECT_LT(other.message.size(), 300u);
}

TEST(R3_6, ARangeIsAPartAndWhatIsNoneIsAll) {
  const auto range = [](std::string_view field, std::uint64_t size) {
    const auto found = range_of(field, size);
    return found ? std::to_string(found->from) + "+" + std::to_string(found->size) : "all";
  };
  EXPECT_EQ(range("bytes=0-9", 100), "0+10");
  EXPECT_EQ(range("bytes=90-", 100), "90+10");
  EXPECT_EQ(range("bytes=90-1000", 100), "90+10");
  EXPECT_EQ(range("bytes=-5", 100), "95+5");
  EXPECT_EQ(range("bytes=-500", 100), "0+100");
  for (const auto* field : {"", "bytes=", "bytes=-", "bytes=9-1", "bytes=100-", "bytes=-0", "bytes=0-1,3-4",
                            "lines=0-1", "bytes=x-1", "bytes=1-x", "bytes=99999999999999999999-"})
    EXPECT_EQ(range(field, 100), "all") << field;
  EXPECT_EQ(range("bytes=0-", 0), "all");
}

TEST(R3_6, PathsAreOfTheMachineAndNothingElse) {
  EXPECT_EQ(path_in("").value_or("no"), ".");
  EXPECT_EQ(path_in("/").value_or("no"), "/");
  EXPECT_EQ(path_in("/a/b//").value_or("no"), "/a/b");
  for (const auto& path : {"a"s, "./a"s, "~"s, "/a\0b"s, "/" + std::string(4000, 'x')})
    EXPECT_EQ(reason(path_in(path)), "file-path") << path;
}

TEST(R3_6, WhatIsSentLiesBesideItsPlaceUntilItIsWhole) {
  EXPECT_EQ(part_of("/srv/a.bin", "k3y"), "/srv/.tiltyard-k3y.part");
  EXPECT_EQ(part_of("/a", "k3y"), "/.tiltyard-k3y.part");
}

TEST(R3_6, ANameInAHeaderCannotEndIt) {
  EXPECT_EQ(disposition("a.txt"), "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt");
  const auto evil = disposition("a\"; x=\r\nSet-Cookie: b\\");
  EXPECT_EQ(evil.find('\n'), std::string::npos);
  EXPECT_EQ(std::ranges::count(evil, '"'), 2);
}

}  // namespace
}  // namespace tiltyard::transfers
