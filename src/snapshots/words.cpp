// snapshots.
#include "snapshots/words.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <CLI/App.hpp>

#include <boost/json/object.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "cli/words.h"
#include "privileged/wire.h"

namespace tiltyard::snapshots {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr auto kLiving = "/instances?state=running,paused";
constexpr int kTries = 5;

struct Wanted {
  std::string id, snapshot, name, machine, write;
};

std::string path_of(const Wanted& wanted, std::string_view behind = "") {
  auto path = "/instances/" + encoded(wanted.id) + "/snapshots";
  if (!wanted.snapshot.empty()) path += "/" + encoded(wanted.snapshot);
  return path + std::string(behind);
}

int list(Context& context, const Wanted& wanted) {
  const auto all = context.api().list(path_of(wanted));
  if (!all) return complain(context, all.error());
  if (context.json) {
    print_json(*all);
    return kOk;
  }
  Table table({"ID", "NAME", "TAKEN", "BY", "SIZE"}, context.colours);
  for (const auto& one : items_of(*all)) {
    table.add({text_of(one, "id"), text_of(one, "name"), relative_text(text_of(one, "created_at"), context.clock.now()),
               text_of(one, "taken_by"), bytes_text(static_cast<std::uint64_t>(number_of(one, "bytes")))});
  }
  print(table.text());
  return kOk;
}

int take(Context& context, const Wanted& wanted) {
  json::object body;
  if (!wanted.name.empty()) body["name"] = wanted.name;
  Api::Call call;
  call.method = "POST";
  call.path = path_of(wanted);
  call.body = std::move(body);
  call.deadline = std::chrono::minutes{20};
  const auto taken = context.api().call(std::move(call));
  if (!taken) return complain(context, taken.error());
  if (context.json) print_json(*taken);
  else print(harmless(text_of(*taken, "id")) + "\n");
  return kOk;
}

int remove(Context& context, const Wanted& wanted) {
  Api::Call call;
  call.method = "DELETE";
  call.path = path_of(wanted);
  call.deadline = std::chrono::minutes{5};
  const auto removed = context.api().call(std::move(call));
  return removed ? kOk : complain(context, removed.error());
}

int roll_back(Context& context, const Wanted& wanted) {
  Api::Call call;
  call.method = "POST";
  call.path = path_of(wanted, "/roll-back");
  call.deadline = std::chrono::minutes{2};
  const auto begun = context.api().call(std::move(call));
  if (!begun) return complain(context, begun.error());
  if (context.json) print_json(*begun);
  else note(fmt::format("tiltyard: its machines begin anew; see how far they are: tiltyard show {}", wanted.id));
  return kOk;
}

/// The machine's part of the snapshot, by its id or name; null: there is none.
json::value part_of(const json::value& all, const Wanted& wanted) {
  for (const auto& one : items_of(all)) {
    if (text_of(one, "id") != wanted.snapshot && text_of(one, "name") != wanted.snapshot) continue;
    for (const auto& part : items_of(one, "machines")) {
      if (wanted.machine.empty() || text_of(part, "name") == wanted.machine) return part;
    }
  }
  return {};
}

/// Goes on from where `file` ends, also when the connection breaks meanwhile.
Result<> get_rest(Context& context, const Wanted& wanted, const std::string& files, int file, std::uint64_t have) {
  for (int tries = kTries;;) {
    const auto before = have;
    auto path = path_of(wanted, fmt::format("/files?from={}&of={}", have, encoded(files)));
    if (!wanted.machine.empty()) path += "&machine=" + encoded(wanted.machine);
    auto done = context.api().stream(path, [&](std::string_view piece) {
      write_out(file, piece);
      have += piece.size();
    });
    if (done) return done;
    tries = have > before ? kTries : tries - 1;
    if (done.error().code != Code::kUnavailable || tries == 0) return done;
    std::this_thread::sleep_for(std::chrono::seconds{1});
  }
}

int get_files(Context& context, const Wanted& wanted) {
  if (wanted.write == "-" && context.out_is_terminal) {
    note("tiltyard: A terminal cannot show an archive; pipe it: tiltyard snapshots export ID SNAPSHOT -w - | tar -t");
    return kUsage;
  }
  Wanted instance{.id = wanted.id};
  const auto all = context.api().list(path_of(instance));
  if (!all) return complain(context, all.error());
  const auto part = part_of(*all, wanted);
  if (part.is_null()) {
    return complain(
        context, {Code::kNotFound, "snapshot-unknown", "The instance has no such snapshot of that machine.", {}, {}});
  }
  const auto files = text_of(part, "files");
  if (wanted.write == "-") {
    const auto done = get_rest(context, wanted, files, STDOUT_FILENO, 0);
    return done ? kOk : complain(context, done.error());
  }
  const auto target = wanted.write.empty() ? fmt::format("{}-{}.tar", wanted.id, text_of(part, "name")) : wanted.write;
  // What was got of just these bytes before is at hand.
  const auto partial = fmt::format("{}.{}.part", target, files);
  const privileged::Descriptor file(
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat there{};
  if (!file.open() || ::fstat(file.get(), &there) != 0) {
    note(fmt::format("tiltyard: {} cannot be written: {}", partial, std::strerror(errno)));
    return kFailed;
  }
  if (there.st_size > 0) note(fmt::format("tiltyard: goes on after {} bytes", there.st_size));
  const auto done = get_rest(context, wanted, files, file.get(), static_cast<std::uint64_t>(there.st_size));
  if (!done) {
    note(fmt::format("tiltyard: {} has what came; the same command goes on from there", partial));
    return complain(context, done.error());
  }
  if (::rename(partial.c_str(), target.c_str()) != 0) {
    note(fmt::format("tiltyard: {} cannot be renamed to {}: {}", partial, target, std::strerror(errno)));
    return kFailed;
  }
  note("tiltyard: " + target);
  return kOk;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  auto* all = words.add("snapshots", "Machines' file systems: keep them as they are, get them whole");
  all->require_subcommand(1);
  auto wanted = std::make_shared<Wanted>();
  const auto add = [&](const char* name, const char* prose, int (*does)(Context&, const Wanted&), bool of_one) {
    auto* word = all->add_subcommand(name, prose);
    words.one_of_list(word->add_option("id", wanted->id, "The instance's id")->required()->type_name(""), kLiving);
    if (of_one) word->add_option("snapshot", wanted->snapshot, "The snapshot's id or name")->required()->type_name("");
    words.does(word, [c, wanted, does] { return does(*c, *wanted); });
    return word;
  };
  add("ls", "Those of an instance", list, false);
  auto* one = add("take", "Keep the machines of an instance as they are; they stand still meanwhile", take, false);
  one->add_option("name", wanted->name, "How to call it; otherwise by its time")->type_name("");
  add("rm", "Remove one", remove, true);
  add("roll-back", "Have the machines begin anew with what one kept; what they have now is gone", roll_back, true);
  auto* out = add("export", "Get the whole file system of a machine as a tar archive; goes on where it broke off",
                  get_files, true);
  out->add_option("--machine", wanted->machine, "Which of its machines; otherwise the first")->type_name("NAME");
  out->add_option("-w,--write", wanted->write, "Where to (- is standard output; ID-MACHINE.tar)")->type_name("FILE");
  words.advise("snapshot-unknown", "See them: tiltyard snapshots ls ID");
  words.advise("snapshots-full", "See them: tiltyard snapshots ls ID. Remove one: tiltyard snapshots rm ID SNAPSHOT");
}

}  // namespace tiltyard::snapshots
