// Finding what holds a placeholder in an image, and what a naive unpacking of the same layers finds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "flags/image_scan.h"
#include "flags/model.h"
#include "flags/placing.h"
#include "flags/tar_test.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_tar::Entry;
using testing_tar::image_of;
using testing_tar::tar_of;
using Kind = Entry::Kind;

class R5_2 : public testing::Test {
 protected:
  R5_2() {
    char name[] = "/tmp/flags-scan-XXXXXX";
    folder_ = ::mkdtemp(name);
    options_.prefix = "FLAG";
    options_.folder = folder_ + "/kept";
  }
  ~R5_2() override { fs::remove_all(folder_); }

  Result<ImageScan> scan(const std::string& image, std::size_t chunk = 100'000) {
    std::size_t at = 0;
    const ReadMore read = [&]() -> Result<std::string> {
      const auto piece = image.substr(std::min(at, image.size()), chunk);
      at += piece.size();
      return piece;
    };
    return scan_image(read, options_);
  }
  static std::vector<std::string> paths(const Result<ImageScan>& scan) {
    std::vector<std::string> out;
    if (!scan) return {scan.error().reason + ": " + scan.error().cause};
    for (const auto& holder : scan->holders) out.push_back(holder.path);
    return out;
  }
  std::string kept(const Holder& holder) const {
    std::ifstream in(options_.folder + "/" + std::to_string(holder.content), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder_;
  ScanOptions options_;
};

const std::string kFlag = "the flag is FLAG{base}\n";

TEST_F(R5_2, AHolderIsKeptWithItsFacts) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const auto found = scan(image_of(
      {tar_of({{"srv/", Kind::kFolder, {}}, {"srv/flag", Kind::kFile, kFlag, 04751, 33, 34, 981173106, capability}})}));
  ASSERT_THAT(paths(found), ElementsAre("/srv/flag"));
  const Holder& holder = found->holders[0];
  EXPECT_EQ(holder.facts, (FileFacts{33, 34, 04751, 981173106, 0, capability}));
  EXPECT_FALSE(holder.binary);
  EXPECT_EQ(kept(holder), kFlag);
  EXPECT_THAT(holder.texts, ElementsAre(HeldText{"FLAG{base}", 0}));
}

TEST_F(R5_2, WhatALaterLayerOverwritesHoldsNothing) {
  const auto lower = tar_of(
      {{"a", Kind::kFile, kFlag}, {"b", Kind::kFile, kFlag}, {"c/d", Kind::kFile, kFlag}, {"e/f", Kind::kFile, kFlag}});
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{"a", Kind::kFile, "nothing"}})}))),
              ElementsAre("/b", "/c/d", "/e/f"));
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{".wh.b", Kind::kFile, ""}})}))), ElementsAre("/a", "/c/d", "/e/f"));
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{".wh.c", Kind::kFile, ""}})}))), ElementsAre("/a", "/b", "/e/f"));
  EXPECT_THAT(
      paths(scan(image_of(
          {lower,
           tar_of({{"e/", Kind::kFolder, {}}, {"e/.wh..wh..opq", Kind::kFile, ""}, {"e/g", Kind::kFile, kFlag}})}))),
      ElementsAre("/a", "/b", "/c/d", "/e/g"));
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{"c", Kind::kSymlink, "e"}})}))), ElementsAre("/a", "/b", "/e/f"));
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{"a/", Kind::kFolder, {}}})}))), ElementsAre("/b", "/c/d", "/e/f"));
  EXPECT_THAT(paths(scan(image_of({lower, tar_of({{".wh.b", Kind::kFile, ""}}), tar_of({{"b", Kind::kFile, kFlag}})}))),
              ElementsAre("/a", "/b", "/c/d", "/e/f"));
  EXPECT_FALSE(fs::exists(options_.folder + "/1")) << "what nobody sees is not kept";
  EXPECT_TRUE(fs::exists(options_.folder + "/4"));
}

TEST_F(R5_2, LayersCountInTheManifestsOrder) {
  const auto lower = tar_of({{"a", Kind::kFile, kFlag}}), upper = tar_of({{"a", Kind::kFile, "FLAG{upper}"}});
  for (const auto& order : {std::vector<std::size_t>{0, 1}, {1, 0}}) {
    const auto found = scan(image_of({lower, upper}, order));
    ASSERT_THAT(paths(found), ElementsAre("/a"));
    EXPECT_EQ(found->holders[0].texts[0].text, "FLAG{upper}");
    EXPECT_EQ(kept(found->holders[0]), "FLAG{upper}");
  }
}

TEST_F(R5_2, EachNameOfAHardLinkHolds) {
  const auto layer = tar_of({{"a", Kind::kFile, kFlag},
                             {"b", Kind::kHardLink, "a"},
                             {"plain", Kind::kFile, "x"},
                             {"c", Kind::kHardLink, "plain"}});
  const auto found = scan(image_of({layer}));
  ASSERT_THAT(paths(found), ElementsAre("/a", "/b"));
  EXPECT_EQ(found->holders[0].content, found->holders[1].content);
  EXPECT_THAT(paths(scan(image_of({layer, tar_of({{"a", Kind::kFile, "new"}})}))), ElementsAre("/b"));
  EXPECT_THAT(paths(scan(image_of({tar_of({{"b", Kind::kFile, kFlag}}), layer, tar_of({{".wh.b", Kind::kFile, ""}})}))),
              ElementsAre("/a"));
}

TEST(R1_5_Programs, AreThoseOfTheMergedView) {
  const std::string capability("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const auto image = image_of({tar_of({{"a", Kind::kFile, "x", 04755},
                                       {"b", Kind::kFile, "x", 04755},
                                       {"c", Kind::kFile, "x", 04755},
                                       {"d", Kind::kFile, "x", 02755, 0, 42},
                                       {"e", Kind::kFile, "x", 0755, 0, 0, 1, capability},
                                       {"f", Kind::kHardLink, "e"},
                                       {"g", Kind::kFile, "x", 02744},
                                       {"h", Kind::kFile, "x", 0755}}),
                               tar_of({{".wh.b", Kind::kFile, ""}, {"c", Kind::kFile, "x", 0755}}),
                               tar_of({{"h", Kind::kFile, "x", 04755}})});
  ScanOptions options;
  options.prefix = "FLAG";
  char name[] = "/tmp/flags-scan-XXXXXX";
  options.folder = std::string(::mkdtemp(name)) + "/kept";
  bool read = false;
  const auto found =
      scan_image([&]() -> Result<std::string> { return std::exchange(read, true) ? std::string() : image; }, options);
  fs::remove_all(name);
  ASSERT_TRUE(found);
  std::vector<std::string> programs;
  for (const auto& program : *found->programs) programs.push_back(program.path);
  EXPECT_THAT(programs, ElementsAre("/a", "/d", "/e", "/f", "/h"));
  EXPECT_EQ(found->programs->at(2).facts.capability, capability);
}

TEST_F(R5_2, SymlinksAndFoldersHoldNothing) {
  const auto layer = tar_of({{"FLAG{folder}/", Kind::kFolder, {}},
                             {"link", Kind::kSymlink, "FLAG{target}"},
                             {"real", Kind::kFile, kFlag},
                             {"to", Kind::kSymlink, "real"}});
  EXPECT_THAT(paths(scan(image_of({layer}))), ElementsAre("/real"));
}

TEST_F(R5_2, APlaceholderAcrossReadsIsFound) {
  for (std::size_t before = 65'520; before < 65'560; before += 3) {
    const auto image =
        image_of({tar_of({{"a", Kind::kFile, std::string(before, 'x') + "FLAG{base}" + std::string(70'000, 'y')}})});
    for (const std::size_t chunk : {std::size_t{1'000}, std::size_t{65'536}, image.size()}) {
      EXPECT_THAT(paths(scan(image, chunk)), ElementsAre("/a")) << before << " " << chunk;
    }
  }
}

TEST_F(R5_2, BinariesSayHowMuchRoomThereIs) {
  using namespace std::string_literals;
  const auto room_in = [&](const std::string& content) {
    const auto found = scan(image_of({tar_of({{"a", Kind::kFile, content}})}));
    return found && found->holders.size() == 1 && found->holders[0].binary ? found->holders[0].texts[0].room : 0;
  };
  EXPECT_EQ(room_in("\0FLAG{base} and more\0"s), 10u);
  EXPECT_EQ(room_in("\0FLAG{base}\0x"s), 10u);
  EXPECT_EQ(room_in("\0FLAG{base}\0\0\0\0\0x"s), 14u);
  EXPECT_EQ(room_in("\0FLAG{base}\0\0\0\0\0x FLAG{base}\0\0x"s), 11u);
  EXPECT_EQ(room_in(std::string(20'000, 'x') + "FLAG{base}" + std::string(20'000, 'x') + "\0"s), 10u);
}

TEST_F(R5_2, CompressedLayersAndForeignNamesAreRead) {
  for (const std::string filter : {"none", "gzip", "zstd"}) {
    EXPECT_THAT(paths(scan(image_of({tar_of({{"./srv/f\xc3\xa4hnchen", Kind::kFile, kFlag}}, filter)}))),
                ElementsAre("/srv/f\xc3\xa4hnchen"))
        << filter;
  }
  EXPECT_THAT(paths(scan(image_of({tar_of({{"srv/\xe4"
                                            "flag",
                                            Kind::kFile, kFlag}},
                                          "none", "gnutar")}))),
              ElementsAre("/srv/\xe4"
                          "flag"));
  const auto inner = tar_of({{"flag", Kind::kFile, kFlag}}, "gzip");
  EXPECT_THAT(paths(scan(image_of({tar_of({{"archive.tar.gz", Kind::kFile, inner}})}))), IsEmpty())
      << "archives inside are not opened";
}

TEST_F(R5_2, LimitsAreKeptAndSaid) {
  options_.limits.file_bytes = 1000;
  auto found =
      scan(image_of({tar_of({{"large", Kind::kFile, kFlag + std::string(1000, 'x')}, {"small", Kind::kFile, kFlag}})}));
  EXPECT_THAT(paths(found), ElementsAre("/small"));
  EXPECT_THAT(found->skipped, ElementsAre("/large"));

  std::vector<Entry> many;
  for (int i = 0; i < 257; ++i) many.push_back({"f" + std::to_string(i), Kind::kFile, kFlag});
  EXPECT_EQ(scan(image_of({tar_of(many)})).error().reason, "too-many-holders");
  many.pop_back();
  EXPECT_EQ(scan(image_of({tar_of(many)}))->holders.size(), 256u);
  many.push_back({"link", Kind::kHardLink, "f0"});
  EXPECT_EQ(scan(image_of({tar_of(many)})).error().reason, "too-many-holders");
  options_.limits.kept_bytes = 1000;
  EXPECT_EQ(scan(image_of({tar_of(many)})).error().reason, "too-many-holders");
  options_.limits.entries = 100;
  EXPECT_EQ(scan(image_of({tar_of({many.begin(), many.begin() + 30}),
                           tar_of(std::vector<Entry>(71, {"x", Kind::kFile, "x"}))}))
                .error()
                .reason,
            "image-too-large");
}

TEST_F(R5_2, ACutOrForeignStreamIsAnError) {
  const auto image = image_of({tar_of({{"a", Kind::kFile, kFlag}})});
  EXPECT_EQ(scan(image.substr(0, image.size() / 2)).error().reason, "image-unreadable");
  EXPECT_EQ(scan("").error().reason, "image-unreadable");
  EXPECT_EQ(scan("no archive at all").error().reason, "image-unreadable");
  EXPECT_EQ(scan(image_of({"no layer"})).error().reason, "image-unreadable");
  EXPECT_EQ(scan(tar_of({{"manifest.json", Kind::kFile, R"([{"Layers":["gone/layer.tar"]}])"}})).error().reason,
            "image-unreadable");
  const ReadMore lost = []() -> Result<std::string> { return fail(Code::kUnavailable, "engine-lost", "Cut."); };
  EXPECT_EQ(scan_image(lost, options_).error().reason, "engine-lost");
}

TEST_F(R5_2, ALayerThatIsThereTwiceIsReadOnce) {
  const auto layer = tar_of({{"a", Kind::kFile, kFlag}});
  const auto image = tar_of({{"one/layer.tar", Kind::kFile, layer},
                             {"two/layer.tar", Kind::kSymlink, "../one/layer.tar"},
                             {"manifest.json", Kind::kFile, R"([{"Layers":["one/layer.tar","two/layer.tar"]}])"}});
  EXPECT_THAT(paths(scan(image)), ElementsAre("/a"));
}

TEST_F(R5_2, TheFlagFileIsFollowedInsideTheImage) {
  const auto lower = tar_of({{"etc/", Kind::kFolder, {}},
                             {"etc/flag", Kind::kFile, "x", 0640, 7, 8},
                             {"abs", Kind::kSymlink, "/etc"},
                             {"rel", Kind::kSymlink, "etc/flag"},
                             {"etc/up", Kind::kSymlink, "../rel"},
                             {"out", Kind::kSymlink, "../../etc/flag"},
                             {"self", Kind::kSymlink, "self"}});
  const auto upper = tar_of({{"etc/", Kind::kFolder, {}}, {"etc/late", Kind::kSymlink, "../abs/flag"}});
  const auto watch = [&](const std::string& path) {
    options_.watch = path;
    return scan(image_of({lower, upper}))->watched;
  };
  EXPECT_EQ(watch("/etc/flag").facts, (FileFacts{7, 8, 0640, 1'000'000'000, 0, {}}));
  for (const auto* path : {"/rel", "/abs/flag", "/etc/up", "/etc/late"}) {
    EXPECT_EQ(watch(path).kind, Watched::Kind::kFile) << path;
    EXPECT_EQ(watch(path).path, "/etc/flag") << path;
  }
  EXPECT_EQ(watch("/etc").kind, Watched::Kind::kFolder);
  EXPECT_EQ(watch("/abs").kind, Watched::Kind::kFolder);
  EXPECT_EQ(watch("/out").kind, Watched::Kind::kOutside);
  EXPECT_EQ(watch("/self").kind, Watched::Kind::kOther);
  EXPECT_EQ(watch("/etc/flag/below").kind, Watched::Kind::kOther);
  EXPECT_EQ(watch("/new/place").kind, Watched::Kind::kAbsent);
  EXPECT_EQ(watch("/abs/new").path, "/etc/new");
}

TEST_F(R5_2, AHundredThousandFilesAreBounded) {
  std::vector<Entry> entries;
  for (int i = 0; i < 100'000; ++i) {
    entries.push_back({"usr/share/some/package-" + std::to_string(i / 100) + "/file-with-a-name-" + std::to_string(i),
                       Kind::kFile, "some text"});
  }
  entries[77'777].content = kFlag;
  const auto image = image_of({tar_of(entries, "none", "gnutar")});
  entries = {};
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    long size = 0, pages = 0;
    in >> size >> pages;
    return pages * ::sysconf(_SC_PAGESIZE);
  };
  const auto before = resident();
  const auto begun = std::chrono::steady_clock::now();
  const auto found = scan(image, 1 << 20);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  const auto grown = resident() - before;
  ASSERT_EQ(paths(found).size(), 1u);
  EXPECT_EQ(found->files, 100'000u);
  std::cout << "100,000 files, " << image.size() / 1'000'000 << " MB: " << took.count() << " ms, " << grown / 1024
            << " KiB more memory\n";
  EXPECT_LT(grown, 64 << 20);
}

// The property: what a naive unpacking of all layers finds, the scan finds.

using Tree = std::map<std::string, Entry>;

void remove_below(Tree& tree, const std::string& path) {
  std::erase_if(tree, [&](const auto& item) { return item.first.starts_with(path + "/"); });
}

/// Applies a layer as the image specification says: marks first, for they are about lower layers.
void unpack(Tree& tree, const std::vector<Entry>& layer) {
  for (const auto& entry : layer) {
    const auto slash = entry.path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : entry.path.substr(0, slash);
    const std::string name = entry.path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (name == ".wh..wh..opq") {
      if (folder.empty()) tree.clear();
      else remove_below(tree, folder);
    } else if (name.starts_with(".wh.")) {
      const std::string gone = (folder.empty() ? "" : folder + "/") + name.substr(4);
      tree.erase(gone);
      remove_below(tree, gone);
    }
  }
  for (auto entry : layer) {
    while (entry.path.ends_with('/')) entry.path.pop_back();
    if (entry.kind == Kind::kHardLink) {
      entry.content = tree.contains(entry.content) ? tree[entry.content].content : "";
      entry.kind = Kind::kFile;
    }
    for (auto slash = entry.path.find('/'); slash != std::string::npos; slash = entry.path.find('/', slash + 1)) {
      auto& above = tree[entry.path.substr(0, slash)];
      above.kind = Kind::kFolder;
      above.content.clear();
    }
    if (entry.path.contains(".wh.")) continue;
    if (entry.kind != Kind::kFolder) remove_below(tree, entry.path);
    tree[entry.path] = entry;
  }
}

/// A layer as engines write it: each name once, folders before what is in them, links to files of the same layer.
std::vector<Entry> random_layer() {
  std::vector<Entry> out;
  std::set<std::string> names, files, blocked;
  const int count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    std::string path;
    for (int depth = *rc::gen::inRange(1, 4); depth > 0; --depth)
      path += (path.empty() ? "" : "/") + std::string(1, *rc::gen::elementOf(std::string("abc")));
    const bool under_file =
        std::ranges::any_of(blocked, [&](const auto& other) { return path.starts_with(other + "/"); });
    const bool over_names =
        std::ranges::any_of(names, [&](const auto& other) { return other.starts_with(path + "/"); });
    if (names.contains(path) || under_file) continue;
    const int what = *rc::gen::inRange(0, 10);
    const std::string folder = path.contains('/') ? path.substr(0, path.rfind('/') + 1) : "";
    if (what < 2) {
      out.push_back({path + "/", Kind::kFolder, {}});
      if (*rc::gen::inRange(0, 2) == 0) out.push_back({path + "/.wh..wh..opq", Kind::kFile, ""});
    } else if (over_names) {
      continue;
    } else if (what < 4) {
      out.push_back({folder + ".wh." + path.substr(folder.size()), Kind::kFile, ""});
      blocked.insert(path);
    } else if (what < 5) {
      out.push_back({path, Kind::kSymlink, "a/b"});
      blocked.insert(path);
    } else if (what < 6 && !files.empty()) {
      out.push_back({path, Kind::kHardLink, *rc::gen::elementOf(files)});
      blocked.insert(path);
    } else {
      out.push_back({path, Kind::kFile, *rc::gen::inRange(0, 2) == 0 ? kFlag : "nothing"});
      files.insert(path);
      blocked.insert(path);
    }
    names.insert(path);
  }
  return out;
}

TEST_F(R5_2, FindsWhatANaiveUnpackingFinds) {
  const bool held = rc::check([&] {
    std::vector<std::vector<Entry>> layers(static_cast<std::size_t>(*rc::gen::inRange(1, 5)));
    for (auto& layer : layers) layer = random_layer();
    Tree tree;
    std::vector<std::string> tars, expected;
    for (const auto& layer : layers) {
      unpack(tree, layer);
      tars.push_back(tar_of(layer));
    }
    for (const auto& [path, entry] : tree) {
      if (entry.kind == Kind::kFile && entry.content == kFlag) expected.push_back("/" + path);
    }
    std::ranges::sort(expected);
    std::vector<std::size_t> order(layers.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (*rc::gen::inRange(0, 2) == 1) std::ranges::reverse(order);
    const auto found = scan(image_of(tars, order), static_cast<std::size_t>(*rc::gen::inRange(500, 20'000)));
    RC_ASSERT(paths(found) == expected);
    for (const auto& holder : found->holders) RC_ASSERT(kept(holder) == kFlag);
  });
  EXPECT_TRUE(held);
}

TEST(R5_2_Plan, AnOwnersPasswordGoesWhereAFlagWouldAndSaysWhatKindOfPoolThereIs) {
  templates::Template tmpl;
  tmpl.dynamic_flags = false;
  tmpl.services.emplace_back().name = "main";
  auto& credentials = tmpl.credentials.emplace();
  credentials.user = "player";
  credentials.per_owner = true;
  credentials.file = "/run/password";
  credentials.variable = "PASSWORD";
  credentials.machine = "main";
  PlanInput input;
  input.prefix = "FLAG";
  input.images.push_back(ImageFacts{"test/one:1", "sha256:1", {}, {}, nullptr, {}});
  const auto plan = make_plan(tmpl, input);
  ASSERT_EQ(plan.patches.size(), 1u);
  EXPECT_EQ(plan.patches[0].target, "/run/password");
  EXPECT_EQ(*patched(plan.patches[0], "", {"FLAG{mine}", "abcd"}), "abcd\n");
  EXPECT_THAT(plan.environment.at("main"), ElementsAre("PASSWORD=" + std::string(kPasswordMark)));
  EXPECT_EQ(pool_kind(tmpl, plan).kind, labs::PoolKind::kNone) << "a variable is fixed when a machine is made";
  credentials.variable.clear();
  EXPECT_EQ(pool_kind(tmpl, make_plan(tmpl, input)).kind, labs::PoolKind::kRunning);
  credentials.read_at_start = true;
  EXPECT_EQ(pool_kind(tmpl, make_plan(tmpl, input)).kind, labs::PoolKind::kCreated);
}

}  // namespace
}  // namespace tiltyard::flags
