#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <tuple>

#include "templates/content.h"
#include "templates/dockerfile.h"
#include "templates/dockerfile_rewrite.h"
#include "templates/interpolate.h"
#include "templates/test_folder.h"
#include "templates/values.h"
#include "templates/yaml_tree.h"

namespace tiltyard::templates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const Source> source() { return std::make_shared<const Source>(Source{"f.yaml", {}}); }

/// The one problem of a text that is no YAML of ours.
Problem refusal(std::string_view text) {
  Problems problems;
  EXPECT_FALSE(parse_yaml(text, source(), problems)) << text;
  auto list = problems.take();
  EXPECT_EQ(list.size(), 1u) << text;
  return list.empty() ? Problem{} : list[0];
}

TEST(R1_3, LineEndsAndByteOrderMarksDoNotMatter) {
  Problems problems;
  const auto root = parse_yaml(
      "\xEF\xBB\xBF"
      "a: 1\r\nb:\r\n  c: [x,\r\n    y]\r\n",
      source(), problems);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("a")->text, "1");
  EXPECT_EQ(root->find("b")->find("c")->items[1].place.line, 4);
}

TEST(R1_3, FaultsOfTheTextNameTheirLine) {
  EXPECT_EQ(refusal("a: 1\nb: \xFF\n").line, 2);
  EXPECT_THAT(refusal("a: \xC0\xAF\n").message, HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("a: \xED\xA0\x80\n").message, HasSubstr("UTF-8"));
  EXPECT_EQ(refusal(std::string_view("a: 1\nb: \0x\n", 11)).line, 2);
  EXPECT_EQ(refusal("a:\n  b: 1\n\tc: 2\n").line, 3);
  EXPECT_EQ(refusal("a: [1, 2\nb: 3\n").file, "f.yaml");
  EXPECT_EQ(refusal("a: 1\nb: 2\na: 3\n").line, 3);
  EXPECT_THAT(refusal("a: 1\na: 3\n").message, HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(refusal("? [x]\n: 1\n").message, HasSubstr("a key must be a plain text"));
  EXPECT_THAT(refusal("a: !!python/object:x 1\n").message, HasSubstr("tag"));
  EXPECT_EQ(refusal("a: 1\n---\nb: 2\n").line, 3);
  for (const char* end : {"---\n", "...\n", "---\n# nothing\n---\n"}) {
    Problems problems;
    EXPECT_TRUE(parse_yaml(std::string("---\na: 1\n") + end, source(), problems)) << end;
  }
  EXPECT_THAT(refusal("a: *nobody\n").message, HasSubstr("anchor"));
  EXPECT_THAT(refusal("a: &x [*x]\n").message, HasSubstr("alias"));
}

TEST(R1_3, AFileThatMultipliesItselfIsRefused) {
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'k'; ++c) {
    laughs += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) laughs += std::string(i ? ", *" : "*") + static_cast<char>(c - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(refusal(laughs).message, HasSubstr("larger than 50000 values"));
  EXPECT_THAT(refusal(std::string(2 * 1024 * 1024, 'x')).message, HasSubstr("at most 1048576"));
  EXPECT_THAT(refusal(std::string(5000, '[') + std::string(5000, ']')).message, HasSubstr("nested"));
  std::string deep;
  for (int i = 0; i < 60; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(refusal(deep).message, HasSubstr("nested more than 48"));
}

TEST(R1_3, MergeKeysAndAnchorsKeepTheirPlaces) {
  Problems problems;
  const auto root =
      parse_yaml("x: &x\n  a: 1\n  b: 2\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: own\n", source(), problems);
  ASSERT_TRUE(root);
  const Node* z = root->find("z");
  EXPECT_EQ(z->find("a")->text, "own");
  EXPECT_EQ(z->find("b")->text, "2") << "the first of the list wins";
  EXPECT_EQ(z->find("b")->place.line, 3);
  EXPECT_EQ(z->find("c")->text, "4");
  EXPECT_EQ(z->find("<<"), nullptr);
}

struct Substitution {
  const char* text;
  const char* want;
};

TEST(R1_3, VariablesAreSubstitutedAsComposeDoes) {
  Variables variables;
  variables.add_layer(Variables::Layer{{"SET", "value"}, {"EMPTY", ""}});
  const Substitution cases[] = {{"$SET", "value"},
                                {"${SET}", "value"},
                                {"${SET:-d}", "value"},
                                {"${SET-d}", "value"},
                                {"${EMPTY:-d}", "d"},
                                {"${EMPTY-d}", ""},
                                {"${NONE:-d}", "d"},
                                {"${NONE-d}", "d"},
                                {"${NONE:-}", ""},
                                {"${SET:+r}", "r"},
                                {"${SET+r}", "r"},
                                {"${EMPTY:+r}", ""},
                                {"${EMPTY+r}", "r"},
                                {"${NONE:+r}", ""},
                                {"${SET:?e}", "value"},
                                {"${EMPTY?e}", ""},
                                {"$$SET", "$SET"},
                                {"$${SET}", "${SET}"},
                                {"a$SET-b", "avalue-b"},
                                {"${NONE:-${SET}}", "value"},
                                {"${NONE:-${NOT:-x${SET}y}}", "xvaluey"},
                                {"${NONE:-a:b/c}", "a:b/c"},
                                {"$FLAG", "${FLAG}"},
                                {"${FLAG:-none}", "${FLAG}"},
                                {"${PORT_8000}", "${PORT_8000}"},
                                {"${INSTANCE_ID:+x}", "x"},
                                {"100$$", "100$"}};
  for (const auto& one : cases) {
    Problems problems;
    EXPECT_EQ(interpolate(one.text, variables, place_of("f", 1), problems), one.want) << one.text;
    EXPECT_THAT(problems.take(), testing::IsEmpty()) << one.text;
  }
}

TEST(R1_3, WrongVariablesAreErrorsAndMissingOnesWarnings) {
  const Variables variables;
  for (const char* text : {"$", "a $ b", "${", "${SET", "${}", "${1}", "${A!x}", "$1", "${NONE:?must be}", "${NONE?}",
                           "${A:-${B:-${C:-${D:-${E:-${F:-${G:-${H:-${I:-x}}}}}}}}}"}) {
    Problems problems;
    interpolate(text, variables, place_of("f", 7), problems);
    EXPECT_TRUE(problems.broken()) << text;
    const auto list = problems.take();
    EXPECT_EQ(list.at(0).line, 7) << text;
  }
  Problems problems;
  EXPECT_EQ(interpolate("a${NONE}b", variables, place_of("f", 7), problems), "ab");
  EXPECT_FALSE(problems.broken());
  EXPECT_THAT(problems.take().at(0).message, HasSubstr("NONE is not set"));
}

TEST(R1_3, TheServersEnvironmentIsNeverSeen) {
  ::setenv("TILTYARD_TEST_SECRET", "leaked", 1);
  TestFolder folder;
  const Template tmpl = read_compose_text(folder,
                                          "services:\n  a:\n    image: x\n    environment:\n      A: "
                                          "${TILTYARD_TEST_SECRET:-safe}\n      TILTYARD_TEST_SECRET:\n");
  EXPECT_THAT(tmpl.services.at(0).container.environment, ElementsAre("A=safe"));
}

TEST(R1_3, EnvFilesAreReadAsComposeDoes) {
  Variables variables;
  Problems problems;
  const auto lines =
      parse_env("# note\nA=1\nexport B = two # note\nC='$A lit'\nD=\"x\\n${A}\"\nE=\"over\ntwo\"\nF\n\nG=a#b\nH=\n",
                variables, source(), false, problems);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0].value, "1");
  EXPECT_EQ(lines[1].name, "B");
  EXPECT_EQ(lines[1].value, "two");
  EXPECT_EQ(lines[2].value, "$A lit");
  EXPECT_EQ(lines[3].value, "x\n1");
  EXPECT_EQ(lines[4].value, "over\ntwo");
  EXPECT_EQ(lines[5].value, std::nullopt);
  EXPECT_EQ(lines[5].line, 8);
  EXPECT_EQ(lines[6].value, "a#b");
  EXPECT_EQ(lines[7].value, "");
  EXPECT_FALSE(problems.broken());
  parse_env("A=1\nB=\"open\n", variables, source(), false, problems);
  EXPECT_TRUE(problems.broken());
  const auto raw = parse_env("A='$x' # y\n", variables, source(), true, problems);
  EXPECT_EQ(raw.at(0).value, "'$x' # y");
}

TEST(R1_3, SizesDurationsPortsAndCommands) {
  EXPECT_EQ(parse_bytes("64m"), 64 << 20);
  EXPECT_EQ(parse_bytes("1.5 GB"), 1610612736);
  EXPECT_EQ(parse_bytes("10kib"), 10240);
  EXPECT_EQ(parse_bytes("7"), 7);
  for (const char* wrong : {"", "m", "-1", "1x", "1e9", "99999999999999999999t"})
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
  using std::chrono::milliseconds;
  EXPECT_EQ(parse_duration("1h30m"), milliseconds{5'400'000});
  EXPECT_EQ(parse_duration("2.5s"), milliseconds{2500});
  EXPECT_EQ(parse_duration("1500us"), milliseconds{2});
  for (const char* wrong : {"", "5", "s", "1y", "-1s", "1s2"}) EXPECT_FALSE(parse_duration(wrong)) << wrong;
  EXPECT_EQ(parse_port_text("127.0.0.1:8080:80/tcp")->host, "8080");
  EXPECT_EQ(parse_port_text("[::1]:80:90-92")->last, 92);
  EXPECT_EQ(parse_port_text("53/udp")->protocol, "udp");
  for (const char* wrong : {"", "0", "65536", "80-79", "a:b", "80:", "80/x", "-"})
    EXPECT_FALSE(parse_port_text(wrong)) << wrong;
  EXPECT_THAT(split_command("sh -c \"echo \\\"a b\\\"\" 'x $y' z\\ w")->words,
              ElementsAre("sh", "-c", "echo \"a b\"", "x $y", "z w"));
  EXPECT_FALSE(split_command("echo 'open"));
  EXPECT_THAT(split_command(" '' ")->words, ElementsAre(""));
}

// What go-shellwords makes of it, with which Compose splits.
TEST(R1_3, CommandsAreSplitAsComposeSplitsThem) {
  const std::vector<std::tuple<std::string, std::vector<std::string>, std::string>> cases{
      {"httpd -f && echo never", {"httpd", "-f"}, "&& echo never"},
      {"a;b", {"a"}, ";b"},
      {"a | b", {"a"}, "| b"},
      {"run 2>/dev/null", {"run"}, ">/dev/null"},
      {"run a2>x", {"run", "a2"}, ">x"},
      {"run <in", {"run"}, "<in"},
      {"&", {}, "&"},
      {R"(sh -c "a && b; c | d > e" zero)", {"sh", "-c", "a && b; c | d > e", "zero"}, ""},
      {"sh -c \"\n  one\n  two\"\n", {"sh", "-c", "\n  one\n  two"}, ""},
      {R"(sh -c 'printf "%s\n" "x y"')", {"sh", "-c", R"(printf "%s\n" "x y")"}, ""},
      {R"(a\nb "c\td" 'e\nf' \&\&)", {"a\nb", "c\td", R"(e\nf)", "&&"}, ""},
      {R"("a\$b" \\x "q\"q")", {"a$b", "\\x", "q\"q"}, ""},
      {"echo $(date +%s) `id -u` x", {"echo", "$(date +%s)", "`id -u`", "x"}, ""},
      {R"(echo $(a "b c" \d))", {"echo", R"($(a "b c" \d))"}, ""},
      {"sh -c '(a; b)'", {"sh", "-c", "(a; b)"}, ""},
      {"a\"b\"'c' \"\"", {"abc", ""}, ""},
      {"a\rb\tc", {"a", "b", "c"}, ""},
  };
  for (const auto& [text, words, unread] : cases) {
    const auto split = split_command(text);
    ASSERT_TRUE(split) << text << ": " << split.error();
    EXPECT_EQ(split->words, words) << text;
    EXPECT_EQ(split->unread, unread) << text;
  }
  for (const char* wrong : {"'a", "\"a", "`a", "$(a", "a\\", "(a)", "a)", "sh -c (a)"})
    EXPECT_FALSE(split_command(wrong)) << wrong;
}

TEST(R1_3, EnvFilesAreReadAsComposeReadsThem) {
  Problems problems;
  Variables variables;
  const auto lines = parse_env(
      "A: yaml\nB=#fff\nC= # nothing\nD='Let\\'s go' # note\nE='a\\tb'\nF=\"a\\tb\\'c\\\"\"\nG=a\\tb\nH = two  words # "
      "x\nI='a#b'\n"
      "J=\"# in\" # out\nK='one\ntwo'\nL=http://x:80/?a=b#c\n",
      variables, source(), false, problems);
  EXPECT_FALSE(problems.broken());
  std::map<std::string, std::string> read;
  for (const auto& line : lines) read[line.name] = line.value.value_or("-");
  EXPECT_EQ(read, (std::map<std::string, std::string>{{"A", "yaml"},
                                                      {"B", "#fff"},
                                                      {"C", ""},
                                                      {"D", "Let's go"},
                                                      {"E", "a\\tb"},
                                                      {"F", "a\tb\\'c\""},
                                                      {"G", "a\\tb"},
                                                      {"H", "two  words"},
                                                      {"I", "a#b"},
                                                      {"J", "# in"},
                                                      {"K", "one\ntwo"},
                                                      {"L", "http://x:80/?a=b#c"}}));
}

engine::BuildSpec built_with(std::map<std::string, std::string> args, std::string_view target = {}) {
  engine::BuildSpec spec;
  spec.args = std::move(args);
  spec.target = target;
  return spec;
}

TEST(R1_3, DockerfilesTellWhatTheyStartFrom) {
  const auto facts = read_dockerfile(
      "# syntax=docker/dockerfile:1\nARG BASE=tiltyard/debian\nARG TAG\nFROM --platform=linux/amd64 ${BASE}:${TAG:-12} "
      "AS build\n"
      "RUN --mount=type=bind,from=tools/x:1,target=/x \\\n  # a comment in between\n  make\nFROM build AS middle\nfrom "
      "scratch\nCOPY --from=build /a /a\n"
      "COPY --from=other/image:2 /b /b\nCOPY --from=0 /c /c\n",
      built_with({{"TAG", "13"}}));
  EXPECT_THAT(facts.bases, ElementsAre("tiltyard/debian:13", "tools/x:1", "other/image:2"));
  EXPECT_THAT(facts.stages, ElementsAre("build", "middle", ""));
  EXPECT_EQ(facts.runs, 1);
  EXPECT_EQ(read_dockerfile("FROM $NOTHING\n", {}).fault, "FROM $NOTHING names no image; give its ARG a default");
  EXPECT_EQ(read_dockerfile("# nothing\n", {}).fault, "it has no FROM");
}

TEST(R1_3, HereDocumentsAreBodiesAndNoInstructions) {
  const auto bases = [](std::string_view text) {
    const auto facts = read_dockerfile(text, {});
    EXPECT_EQ(facts.fault, "") << text;
    return facts.bases;
  };
  for (const char* text :
       {"FROM a\nCOPY <<-SCRIPT /x\n\tfrom flask import x\n\tSCRIPT\n", "FROM a\nRUN <<EOT\nFROM b\nEOT\n",
        "FROM a\nRUN <<'E O' cat\nFROM b\n# EOT \\\nE O\nRUN x\n", "FROM a\nADD <<\"EOF\" /x\nFROM b\nEOF\n",
        "FROM a\nCOPY <<one <<two /x/\nFROM b\none\nFROM c\ntwo\n", "FROM a\r\nRUN <<E\r\nFROM b\r\nE\r\n",
        "FROM a\nRUN python3 - <<EOF > /x \\\n  && y\nfrom b import c\nEOF\n", "FROM a\nRUN cat 3<<E\nFROM b\nE\n",
        "FROM a\nRUN <<\\E\nFROM b\nE\n", "FROM a\nONBUILD RUN <<E\nFROM b\nE\n",
        "FROM a\ncopy --chmod=755 <<E /x\n  E\nFROM b\nE", "FROM a\nRUN <<-E\nFROM b\n\t\tE\n"})
    EXPECT_THAT(bases(text), ElementsAre("a")) << text;
  // What only looks like one.
  for (const char* text :
       {"FROM a\nRUN x <<<word\nFROM b\n", "FROM a\nRUN [\"cat\", \"<<E\"]\nFROM b\n",
        "FROM a\nRUN echo $((1<<2))\nFROM b\n", "FROM a\nRUN echo \"<<E\"\nFROM b\n", "FROM a\nENV X <<E\nFROM b\n",
        "FROM a\nRUN cat<<E\nFROM b\n", "FROM a\nRUN << E\nFROM b\n", "FROM a\n# RUN <<E\nFROM b\n"})
    EXPECT_THAT(bases(text), ElementsAre("a", "b")) << text;
  const auto open = read_dockerfile("FROM a\n\nRUN <<EOF\nx\n EOF\n", {});
  EXPECT_EQ(open.fault, "the here-document <<EOF has no end: a line with nothing but EOF");
  EXPECT_EQ(open.fault_line, 3);
  const auto cut = cut_dockerfile("FROM a\nCOPY <<-'A' <<B /x\n\t1\nA\n\t2\nB\nRUN y");
  ASSERT_EQ(cut.instructions.size(), 3u);
  ASSERT_EQ(cut.instructions[1].documents.size(), 2u);
  EXPECT_EQ(cut.instructions[1].documents[0].text, "\t1\n");
  EXPECT_FALSE(cut.instructions[1].documents[0].expand);
  EXPECT_TRUE(cut.instructions[1].documents[1].expand);
  EXPECT_EQ(cut.instructions[1].last, 6);
  EXPECT_EQ(cut.instructions[2].line, 7);
}

TEST(R1_3, DockerfilesAreCutAsBuildKitDoes) {
  const auto words = [](std::string_view text) {
    std::string out;
    for (const auto& one : cut_dockerfile(text).instructions)
      out += fmt::format("{}|{}|{};", one.line, one.word, one.rest);
    return out;
  };
  EXPECT_EQ(words("from a\nRUN x \\\n\n  # no\n  y\\  \nz\n"), "1|FROM|a;2|RUN|x   yz;");
  EXPECT_EQ(words("# escape=`\nFROM a\nRUN x `\n y \\\n"), "2|FROM|a;3|RUN|x  y \\;");
  EXPECT_EQ(words("# note\n# escape=`\nFROM a\nRUN x `\n"), "3|FROM|a;4|RUN|x `;") << "no directive any more";
  EXPECT_EQ(words("\n# escape=`\nFROM a `\n"), "3|FROM|a `;") << "an empty line ends them too";
  EXPECT_EQ(words("#syntax = docker/dockerfile:1\n#ESCAPE=`\nFROM `\na"), "3|FROM|a;");
  EXPECT_EQ(cut_dockerfile("# syntax=x\nFROM a\n").syntax_line, 1);
  EXPECT_EQ(cut_dockerfile("FROM a\n# syntax=x\n").syntax_line, 0);
  EXPECT_EQ(cut_dockerfile("# escape=x\nFROM a\n").fault_line, 1);
  EXPECT_EQ(cut_dockerfile("\xEF\xBB\xBF"
                           "FROM a\n")
                .instructions.at(0)
                .word,
            "FROM");
}

TEST(R1_3, ADockerfileThatCannotBeBuiltSaysTheLine) {
  const auto fault = [](std::string_view text, std::string_view target = {}) {
    const auto facts = read_dockerfile(text, built_with({}, target));
    return fmt::format("{} {}", facts.fault_line, facts.fault);
  };
  EXPECT_EQ(fault("FROM a\nCOPPY x y\n"), "2 \"COPPY\" is no instruction; did you mean \"COPY\"?");
  EXPECT_EQ(fault("ENV A=b\nFROM a\n"), "1 ENV stands before the first FROM");
  EXPECT_EQ(fault("FROM a\nCOPY --chmods=1 x y\n"), "2 there is no COPY --chmods");
  EXPECT_EQ(fault("FROM a b\n"), "1 it is FROM IMAGE or FROM IMAGE AS NAME");
  EXPECT_EQ(fault("FROM a\nRUN --security=insecure x\n"),
            "2 RUN --security is refused: a build gets nothing of the host");
  EXPECT_EQ(fault("FROM --platform=windows/amd64 a\n").substr(0, 41), "1 the platform \"windows/amd64\" is refused");
  EXPECT_EQ(fault("FROM --platform=$BUILDPLATFORM a\n"), "0 ");
  EXPECT_EQ(
      fault("FROM a\nRUN --mount=type=secret,id=x,required x\n"),
      "2 the build needs the secret x, and there is none: write secrets: [x] in its `build`, and secrets: {x: {file: "
      "./x}} in the compose file");
  EXPECT_EQ(fault("FROM a\nRUN --mount=type=secret,id=x x\n"), "0 ");
}

TEST(R1_3, WhatADockerfileNeedsOfItsBuilderIsKnown) {
  const auto needs = [](std::string_view text, std::string_view target = {}) {
    std::string out;
    for (const auto& need : read_dockerfile(text, built_with({}, target)).needs)
      out += fmt::format("{}:{}:{};", need.line, need.syntax, need.what);
    return out;
  };
  EXPECT_EQ(needs("# syntax=docker/dockerfile:1\nFROM a\nCOPY --from=b --chown=1 x y\nRUN x\n"), "");
  EXPECT_EQ(needs("FROM a\nCOPY --chmod=755 x y\nADD --link x y\nRUN --mount=type=cache,target=/x y\n"),
            "2:102:COPY --chmod;3:104:ADD --link;4:102:RUN --mount;");
  EXPECT_EQ(needs("FROM a\nCOPY --exclude=*.md x y\nRUN <<E\nE\n"), "2:119:COPY --exclude;3:104:a here-document;");
  EXPECT_EQ(needs("FROM --platform=$BUILDPLATFORM a\nARG TARGETARCH\nARG TARGETOS=linux\n"),
            "1:100:$BUILDPLATFORM in FROM;2:100:ARG TARGETARCH;");
  EXPECT_EQ(needs("FROM a AS one\nRUN x\nFROM a AS two\nCOPY --link x y\n", "one"), "") << "that stage is not built";
  EXPECT_EQ(needs("FROM a AS one\nRUN x\nFROM a AS two\nCOPY --link x y\n", "0"), "");
  EXPECT_EQ(read_dockerfile("FROM a AS one\nFROM b\n", built_with({}, "ONE")).bases, std::vector<std::string>{"a"});
}

TEST(R1_3, ArgumentsOfFromAreReadAsBuildKitDoes) {
  const auto base = [](std::string_view image, const std::map<std::string, std::string>& args = {}) {
    const auto facts = read_dockerfile(fmt::format("ARG A=x B= C\nARG D=${{A}}y\nFROM {}\n", image), built_with(args));
    return facts.bases.empty() ? "fault: " + facts.fault : facts.bases.front();
  };
  EXPECT_EQ(base("$A"), "x");
  EXPECT_EQ(base("$D:${B:-t}"), "xy:t");
  EXPECT_EQ(base("i${B-t}"), "i");
  EXPECT_EQ(base("i${C-t}"), "it");
  EXPECT_EQ(base("i${A:+-alpine}${B:+no}${B+-set}"), "i-alpine-set");
  EXPECT_EQ(base("${C:-${A}}"), "x");
  EXPECT_EQ(base("\"$A\""), "x");
  const std::map<std::string, std::string> long_ones{{"A", "v1.2-v1"}, {"D", "/a/b.c/d.e"}};
  for (const auto& [text, want] : std::map<std::string, std::string>{{"${A#v}", "1.2-v1"},
                                                                     {"i:${A#*.}", "i:2-v1"},
                                                                     {"i${A##*v}", "i1"},
                                                                     {"${A%-*}", "v1.2"},
                                                                     {"${A%%.*}", "v1"},
                                                                     {"${A%x}", "v1.2-v1"},
                                                                     {"${A/v1/w}", "w.2-v1"},
                                                                     {"${A//v?/w}", "w.2-w"},
                                                                     {"${A//-}", "v1.2v1"},
                                                                     {"i${D##*/}", "id.e"},
                                                                     {"${A/[v]/w}", "v1.2-v1"}})
    EXPECT_EQ(base(text, long_ones), want) << text;
  EXPECT_EQ(base("$A", {{"A", "given"}}), "given");
  EXPECT_EQ(base("${D}", {{"A", "given"}}), "giveny");
  EXPECT_EQ(base("i-$TARGETOS"), "i-linux");
  EXPECT_EQ(base("$E", {{"E", "undeclared"}}), "fault: FROM $E names no image; give its ARG a default");
}

TEST(R1_3, ADockerfileIsSaidInTheWordsOfAnOlderFrontEnd) {
  const auto said = [](std::string_view text, int syntax) {
    engine::BuildSpec spec;
    spec.args = {{"BUILDKIT_SYNTAX", "evil/image"}, {"WHO", "you"}};
    rewrite_dockerfile(text, syntax, spec);
    EXPECT_EQ(spec.below, "context");
    EXPECT_EQ(spec.args.size(), 1u) << "what an argument would say to BuildKit itself is not passed on";
    return spec;
  };
  const char* plain =
      "# syntax=docker/dockerfile:1\n# escape=`\nFROM a AS b\nCOPY --link --chmod=755 ./x /y ../z `\n  /to/\n"
      "COPY --from=b /x /y\nADD [\"a b\", \"https://x/y\", \"/c/\"]\nRUN --mount=type=bind,target=/m "
      "--mount=type=cache,target=/k x\nRUN --mount=type=bind,from=b,source=/q,target=/m y\nCOPY . /all\n";
  EXPECT_EQ(said(plain, 102).dockerfile_text,
            "# escape=`\n# the engine's own front end reads this\nFROM a AS b\nCOPY --chmod=755 context/x context/y "
            "context/z /to/\n\nCOPY --from=b /x /y\nADD [\"context/a b\",\"https://x/y\",\"/c/\"]\nRUN "
            "--mount=type=bind,target=/m,source=context --mount=type=cache,target=/k x\nRUN "
            "--mount=type=bind,from=b,source=/q,target=/m y\nCOPY context/ /all\n\n");
  EXPECT_TRUE(said(plain, 102).buildkit);
  EXPECT_THAT(said(plain, 104).dockerfile_text, HasSubstr("COPY --link --chmod=755 context/x"));
  EXPECT_FALSE(said("FROM a\nCOPY --link x y\n", 102).buildkit) << "nothing is left that needs it";
  EXPECT_EQ(said("ARG V=v1\nFROM a:${V#v} AS b\n", 102).dockerfile_text, "ARG V=v1\nFROM a:1 AS b\n\n");

  const char* here =
      "FROM a\nARG WHO=me\nENV GREETING=\"hello $WHO\"\nSHELL [\"/bin/bash\", \"-c\"]\nCOPY <<one <<-'two' file /x/\n"
      "$GREETING \\$HOME a\\b $(id)\none\n\tas $it is\n\ttwo\nRUN <<E\nFROM b\n  echo \"x\"\nE\nRUN cat <<E > "
      "/y\n$z\nE\nRUN <<-E\n\t#!/bin/x\n\tE\nCMD [\"c\"]\n";
  const auto old = said(here, 102);
  EXPECT_EQ(old.dockerfile_text,
            "FROM a\nARG WHO=me\nENV GREETING=\"hello $WHO\"\nSHELL [\"/bin/bash\", \"-c\"]\nCOPY texts/1/one "
            "texts/2/two context/file /x/\n\n\n\n\nRUN [\"/bin/bash\",\"-c\",\"FROM b\\n  echo \\\"x\\\"\\n\"]\n\n\n\n"
            "RUN [\"/bin/bash\",\"-c\",\"cat <<E > /y\\n$z\\nE\"]\n\n\nRUN "
            "--mount=type=bind,source=texts/3,target=/dev/pipes [\"/bin/bash\",\"-c\",\"/dev/pipes/E\"]\n\n\nCMD "
            "[\"c\"]\n\n");
  ASSERT_EQ(old.texts.size(), 3u);
  EXPECT_EQ(old.texts[0].text, "hello you $HOME ab $(id)\n");
  EXPECT_EQ(old.texts[1].text, "as $it is\n");
  EXPECT_EQ(old.texts[2].text, "#!/bin/x\n");
  EXPECT_EQ(old.texts[2].mode, 0755);
  EXPECT_TRUE(old.buildkit) << "the script is mounted";
  const auto now = said(here, 104);
  EXPECT_THAT(now.dockerfile_text, HasSubstr("COPY <<one <<-'two' context/file /x/\n$GREETING"));
  EXPECT_THAT(now.dockerfile_text, HasSubstr("RUN <<E\nFROM b\n"));
  EXPECT_TRUE(now.texts.empty());
  const auto long_head = said("FROM a\nCOPY x \\\n <<E /y\nbody\nE\nRUN z\n", 104);
  EXPECT_EQ(long_head.dockerfile_text, "FROM a\n\nCOPY context/x <<E /y\nbody\nE\nRUN z\n\n");
}

TEST(R1_3, WhatAnOlderFrontEndCannotBeToldIsKnown) {
  const auto least = [](std::string_view text) {
    int most = -1;
    for (const auto& need : read_dockerfile(text, {}).needs) most = std::max(most, need.least);
    return most;
  };
  EXPECT_EQ(least("FROM a\nCOPY --link x y\n"), 0);
  EXPECT_EQ(least("FROM a\nCOPY --exclude=z x y\n"), 119);
  EXPECT_EQ(least("FROM a\nRUN <<E\n$X\nE\n"), 0);
  EXPECT_EQ(least("ARG V=v1\nFROM a:${V#v}\n"), 0);
  EXPECT_EQ(least("FROM a\nARG V=v1\nENV W=${V%1}\n"), 107);
  EXPECT_EQ(least("FROM a\nRUN x ${V%1}\n"), -1) << "that is the shell's";
  EXPECT_EQ(least("FROM a\nRUN <<E\n#!/bin/sh\nE\n"), 102);
  EXPECT_EQ(least("FROM a\nCOPY <<'E' /x\n$X\nE\n"), 0);
  EXPECT_EQ(least("FROM a\nENV X=1\nCOPY <<E /x\n$X ${X}\nE\n"), 0);
  EXPECT_EQ(least("FROM a\nCOPY <<E /x\n$PATH\nE\n"), 104) << "the image below says what it is";
  EXPECT_EQ(least("FROM a AS b\nENV X=1\nFROM b\nCOPY <<E /x\n$X\nE\n"), 0);
  EXPECT_EQ(least("FROM a AS b\nENV X=1\nFROM a\nCOPY <<E /x\n$X\nE\n"), 104);
  EXPECT_EQ(least("FROM a\nONBUILD RUN <<E\nE\n"), 104);
}

}  // namespace
}  // namespace tiltyard::templates
