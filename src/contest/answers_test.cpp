// Row 5.3: what counts as the answer.
#include <gtest/gtest.h>

#include "contest/answers.h"

namespace tiltyard::contest {
namespace {

imports::Flag flag(std::string content, bool regex = false, bool ignore_case = false) {
  return {std::move(content), regex, ignore_case};
}

TEST(R5_3, AFlagIsAllOfTheTextAndAnExpressionToo) {
  const Answers answers({flag("flag{one}"), flag("FLAG{Two}", false, true), flag("flag\\{[0-9]{3}\\}", true),
                         flag("x[ab]+", true, true)});
  EXPECT_EQ(answers.match("flag{one}"), 0u);
  EXPECT_EQ(answers.match("FLAG{one}"), std::nullopt) << "letters are told apart unless the file says otherwise";
  EXPECT_EQ(answers.match("flag{two}"), 1u);
  EXPECT_EQ(answers.match("flag{123}"), 2u);
  EXPECT_EQ(answers.match("flag{123} "), std::nullopt);
  EXPECT_EQ(answers.match("a flag{123}"), std::nullopt) << "all of it";
  EXPECT_EQ(answers.match("Xabba"), 3u);
  EXPECT_EQ(answers.match(""), std::nullopt);
  EXPECT_EQ(answers.match(std::string("flag{one}\0", 10)), std::nullopt);
  EXPECT_EQ(answers.match("flаg{one}"), std::nullopt) << "a letter that looks alike is another one";
  EXPECT_EQ(Answers({}).match(""), std::nullopt);
}

TEST(R5_3, AnExpressionThatWouldTakeForEverDoesNot) {
  const Answers answers({flag("(a+)+b", true)});
  EXPECT_EQ(answers.match(std::string(4096, 'a')), std::nullopt);
  EXPECT_EQ(answers.match(std::string(4000, 'a') + "b"), 0u);
}

}  // namespace
}  // namespace tiltyard::contest
