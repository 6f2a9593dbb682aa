// recordings.
#include "recordings/words.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CLI/App.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/words.h"

namespace tiltyard::recordings {
namespace {

using namespace cli;
namespace json = boost::json;

struct Wanted {
  std::string id, instance, write;
};

int list(Context& context, const Wanted& wanted) {
  const auto all =
      context.api().list(wanted.instance.empty() ? "/recordings" : "/recordings?instance=" + encoded(wanted.instance));
  if (!all) return complain(context, all.error());
  if (context.json) {
    print_json(*all);
    return kOk;
  }
  Table table({"ID", "INSTANCE", "MACHINE", "BY", "BEGAN", "SIZE", "END"}, context.colours);
  for (const auto& one : items_of(*all)) {
    const auto end = text_of(one, "end_reason");
    table.add({text_of(one, "id"), text_of(one, "instance"), text_of(one, "machine"), text_of(one, "by"),
               relative_text(text_of(one, "started_at"), context.clock.now()),
               bytes_text(static_cast<std::uint64_t>(number_of(one, "size"))), end.empty() ? "runs" : end});
  }
  print(table.text());
  return kOk;
}

int get(Context& context, const Wanted& wanted) {
  const auto path = "/recordings/" + encoded(wanted.id) + "/file";
  if (wanted.write == "-") {
    // What machines showed commands a terminal that it is shown to; as lines of JSON it does not.
    const auto done = context.api().stream(path, [](std::string_view piece) { print(std::string(piece)); });
    return done ? kOk : complain(context, done.error());
  }
  const auto target = wanted.write.empty() ? fmt::format("{}.cast", wanted.id) : wanted.write;
  const auto partial = target + ".part";
  auto* file = std::fopen(partial.c_str(), "we");
  if (file == nullptr) {
    note(fmt::format("tiltyard: {} cannot be written: {}", partial, std::strerror(errno)));
    return kFailed;
  }
  bool written = true;
  const auto done = context.api().stream(path, [&](std::string_view piece) {
    written = std::fwrite(piece.data(), 1, piece.size(), file) == piece.size() && written;
  });
  written = std::fclose(file) == 0 && written;
  if (!done || !written) {
    std::remove(partial.c_str());
    if (!done) return complain(context, done.error());
  }
  if (!written || std::rename(partial.c_str(), target.c_str()) != 0) {
    note(fmt::format("tiltyard: {} cannot be written: {}", target, std::strerror(errno)));
    return kFailed;
  }
  note(fmt::format("tiltyard: {}; play it: asciinema play {}", target, target));
  return kOk;
}

int remove(Context& context, const Wanted& wanted) {
  Api::Call call;
  call.method = "DELETE";
  call.path = "/recordings/" + encoded(wanted.id);
  const auto removed = context.api().call(std::move(call));
  return removed ? kOk : complain(context, removed.error());
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto* all = words.add("recordings", "What terminals showed, where it was recorded: list it, get it");
  all->require_subcommand(1);
  auto wanted = std::make_shared<Wanted>();
  const auto add = [&](const char* name, const char* prose, int (*does)(Context&, const Wanted&), bool of_one) {
    auto* word = all->add_subcommand(name, prose);
    if (of_one)
      words.one_of_list(word->add_option("id", wanted->id, "The recording's id")->required()->type_name(""),
                        "/recordings");
    words.does(word, [c, wanted, does] { return does(*c, *wanted); });
    return word;
  };
  auto* ls = add("ls", "Those of your machines, newest first; staff see everybody's", list, false);
  words.one_of_list(ls->add_option("--instance", wanted->instance, "Of this instance alone")->type_name("ID"),
                    "/instances");
  auto* file = add("get", "Get one as a file that any player of asciicast v2 plays", get, true);
  file->add_option("-w,--write", wanted->write, "Where to (- is standard output; ID.cast)")->type_name("FILE");
  add("rm", "Remove one that has ended (staff)", remove, true);
  words.advise("recording-unknown", "See them: tiltyard recordings ls");
}

}  // namespace tiltyard::recordings
