// What is said of a file that no parser takes: where the mistake is, and what to write.
#include <gmock/gmock.h>

#include <string>
#include <tuple>
#include <vector>

#include "templates/settings.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

using testing::HasSubstr;

TEST(R1_3, FaultsOfYamlAreSaidInWords) {
  const std::vector<std::tuple<std::string, int, std::string>> cases{
      {"services:\n  a:\n    image: \"x\n    ports: [80]\n", 3,
       "the quote (\") that opens on this line is never closed"},
      {"services:\n  a:\n    image: 'it''s\n    ports: [80]\n", 3, "the quote (') that opens on this line is never"},
      {"services:\n  a:\n    image: \"x\n    ports: [80]\n    user: \"y\"\n", 3,
       "closes only on line 5; is one missing?"},
      {"services:\n  a:\n\timage: x\n", 3, "a tab in the indentation"},
      {"services:\n  a:\n    image: x\n\tports: [80]\n", 4, "a tab in the indentation"},
      {"services:\n\ta:\n\t  image: x\n", 2, "a tab in the indentation"},
      {"services:\n  a:\n    image: x\n    ports: [80\n    command: y\n", 4,
       "the \"[\" that opens on this line is not closed"},
      {"services:\n  a: {image: x, ports: [80]\n  b: {image: y}\n", 2,
       "the \"{\" that opens on this line is not closed"},
      {"services:\n  a:\n    ports: [80]]\n", 3, "a closing bracket too many"},
      {"services:\n  a:\n    image: x\n   ports: [80]\n", 4, "indented by 3 blanks, which fits none above it"},
      {"services:\n  a:\n    image: x\n     ports: [80]\n", 4, "indented deeper than the one above"},
      {"services:\n  a:\n    image x\n    ports: [80]\n", 3, "\"image x\" has no \": \" between key and value"},
      {"services:\n  a:\n    image:x\n    ports: [80]\n", 3, "\"image:x\" has no \": \" between"},
      {"services\n  a:\n    image: x\n", 1, "\"services\" has no \": \""},
      {"services:\n  a:\n    command: echo: a\n", 3, "a text with \": \" in it needs quotes"},
      {"services:\n  a:\n    environment:\n      - A=1\n      B: 2\n", 5, "indented by 6 blanks"},
      {"services:\n  a:\n    image: x\n  - b\n", 4, "an item of a list among keys"},
      {"services:\n  a:\n    environment: {A: 'b' c}\n", 3, "is a comma or a quote missing?"},
      {"services:\n  a:\n    command: > echo\n", 3, "begins on the next line"},
      {"services:\n  a:\n    command: & echo\n", 3, "begins with & or * needs quotes"},
      {"services:\n  a:\n    image: @x\n", 3, "a text that begins with @ needs quotes"},
      {"services:\n  a:\n    command: [ls, *.txt]\n", 3, "a text that begins with * needs quotes"},
      {"services:\n  a:\n    command: `x`\n", 3, "a text that begins with ` needs quotes"},
      {"services:\n  a:\n    command: \"a\" b\n", 3, "text after the closing quote"},
      {"services:\n  a:\n    command: \"a \\d\"\n", 3, "\"\\d\" is no escape"},
      {"<<<<<<< HEAD\nservices:\n=======\n", 1, "a merge conflict"},
  };
  TestFolder folder;
  for (const auto& [text, line, part] : cases) {
    const Template tmpl = read_compose_text(folder, text);
    ASSERT_EQ(tmpl.problems.size(), 1u) << text << problems_text(tmpl);
    EXPECT_EQ(tmpl.problems[0].line, line) << text << problems_text(tmpl);
    EXPECT_THAT(tmpl.problems[0].message, HasSubstr(part)) << text;
  }
}

TEST(R1_3, QuotesThatCloseAreNotTakenForOpen) {
  TestFolder folder;
  for (const char* image : {"'x'", "\"x\"", "\"x\" # \"", "'it''s'", "\"a\\\"b\"", "\"x\\\n      y\"", "!!str 'x'",
                            "&q \"x\"", "x's", "x\"", "'x'\n..."}) {
    const Template tmpl = read_compose_text(
        folder, std::string("x-a: {a: 'b'}\nservices:\n  a:\n    working_dir: /\n    image: x\n    user: ") +
                    "u\nx-b: " + image);
    EXPECT_FALSE(tmpl.broken()) << image << "\n" << problems_text(tmpl);
  }
}

Problem toml_problem(std::string_view text) {
  Problems problems;
  read_settings(text, problems);
  const auto list = problems.take();
  EXPECT_EQ(list.size(), 1u) << text;
  return list.empty() ? Problem{} : list[0];
}

TEST(R1_2, FaultsOfTomlAreSaidInWords) {
  const std::vector<std::tuple<std::string, int, std::string>> cases{
      {"name = \"x\nports = [80]\n", 1, "the text's closing quote is missing"},
      {"name = 'x\nports = [80]\n", 1, "the text's closing quote is missing"},
      {"name = x\n", 1, "a text needs quotes: \"x\""},
      {"name = x\"\n", 1, "a text needs quotes: \"x\""},
      {"name: \"x\"\n", 1, "TOML has \"=\" between key and value: name = …"},
      {"name \"x\"\n", 1, "a \"=\" is missing between key and value: name = …"},
      {"ports = [80, 81\nname = \"x\"\n", 2, "the list is not closed, or a comma is missing"},
      {"ports = [80 81]\n", 1, "a comma is missing"},
      {"ports = 80, 81\n", 1, "a list stands in brackets"},
      {"cpus = 0,5\n", 1, "a number has a point"},
      {"[lease\ntimeout = 3\n", 1, "the table's name is not closed"},
      {"[[endpoint]\nport = 80\n", 1, "[[name]] for a list of tables"},
      {"[lease] timeout = 3\n", 1, "nothing may follow a table's name"},
      {"name = \"x\" \"y\"\n", 1, "nothing may follow a value"},
      {"name = \nports = [1]\n", 1, "a value is missing behind \"=\""},
      {"name = \"a\"\nname = \"b\"\n", 2, "the key is there twice"},
      {"[lease]\ntimeout = 1\n[lease]\n", 3, "the table is there twice"},
      {"name = \"C:\\dir\"\n", 1, "a backslash between double quotes"},
      {"description = \"\"\"\nhello\n", 2, "is never closed"},
      {"limits = {cpus = 1\nfiles = 2\n", 1, "a table between braces stands on one line"},
      {"expected_boot = 1h\n", 1, "a text needs quotes: \"1h\""},
      {"mem_limit = 256m\n", 1, "a text needs quotes: \"256m\""},
      {"active = True\n", 1, "write true without capitals"},
      {"active = no\n", 1, "write false without"},
      {"ports = [080]\n", 1, "may not begin with 0"},
      {"cpus = .5\n", 1, "a digit before its point: 0.5"},
      {"name = \u201Cx\u201D\n", 1, "curly quotes"},
      {"// note\n", 1, "a comment that begins with #"},
  };
  for (const auto& [text, line, part] : cases) {
    const Problem problem = toml_problem(text);
    EXPECT_EQ(problem.line, line) << text << problem.message;
    EXPECT_THAT(problem.message, HasSubstr(part)) << text;
  }
}

TEST(R1_2, AKeyBelowATableIsToldWhereItBelongs) {
  const Problem below = toml_problem("[lease]\ntimeout = 60\nmem_limit = \"64m\"\n");
  EXPECT_EQ(below.line, 3);
  EXPECT_EQ(
      below.message,
      "\"mem_limit\" stands below [lease] and so is taken for lease.mem_limit; put it above the file's first [table]");
  EXPECT_THAT(toml_problem("[[endpoint]]\nport = 80\nname = \"a\"\ncategory = \"web\"\n").message,
              HasSubstr("stands below [endpoint]"));
  EXPECT_THAT(toml_problem("[lease]\ntimeot = 60\n").message, HasSubstr("\"lease.timeot\" is no key"));
  EXPECT_THAT(toml_problem("[lease]\nduration = 60\n").message,
              HasSubstr("\"lease.duration\" is no key of instance.toml; [lease] has policy, timeout, extend_by, "
                        "extend_after, extend_within, max_added, max_total, max_extensions"));
}

TEST(R1_2, ABrokenFileIsNotSaidToHaveNoEndpoint) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM scratch\n");
  folder.write("t/instance.toml", "ports = [80\n");
  const Template tmpl = read_folder(folder.at("t"), test_options());
  EXPECT_TRUE(tmpl.broken());
  EXPECT_FALSE(says(tmpl, "no endpoint"));
  folder.write("t/instance.toml", "");
  EXPECT_TRUE(says(read_folder(folder.at("t"), test_options()), "no endpoint"));
}

}  // namespace
}  // namespace tiltyard::templates
