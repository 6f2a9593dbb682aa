// capture, captures.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/App.hpp>

#include <boost/json/object.hpp>

#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "captures/pcapng.h"
#include "captures/words.h"
#include "cli/words.h"
#include "privileged/wire.h"

namespace tiltyard::captures {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr auto kLivingInstances = "/instances?state=starting,running,paused&owner=all";

struct CaptureOptions {
  std::string id, filter, lasts, keep, write;
};
struct ListOptions {
  std::string instance;
};
struct TakeOptions {
  std::string id, write;
};

std::string lost_text(const json::value& capture) {
  const auto& lost = member(capture, "lost");
  const auto sum = number_of(lost, "not_read") + number_of(lost, "not_written");
  return sum == 0 ? "0" : std::to_string(sum);
}

int list_captures(Context& context, const ListOptions& options) {
  const auto list = context.api().list("/admin/captures" +
                                       (options.instance.empty() ? "" : "?instance=" + encoded(options.instance)));
  if (!list) return complain(context, list.error());
  if (context.json) {
    print_json(*list);
    return kOk;
  }
  Table table({"ID", "STATE", "INSTANCE", "TEMPLATE", "OWNER", "STARTED", "PACKETS", "KEPT", "LOST"}, context.colours);
  for (const auto& row : items_of(*list)) {
    table.add({text_of(row, "id"), text_of(row, "state"), text_of(row, "instance"), text_of(row, "template"),
               text_of(row, "owner_name"), relative_text(text_of(row, "started_at"), context.clock.now()),
               std::to_string(number_of(row, "packets")),
               bytes_text(static_cast<std::uint64_t>(number_of(row, "kept_bytes"))), lost_text(row)});
  }
  print(table.text());
  return kOk;
}

/// Hands blocks on, and says what they say is missing. What a file had before stays in it until the first one comes.
class Sink {
 public:
  explicit Sink(int file) : file_(file) {}

  bool empty() const { return empty_; }

  void take(std::string_view bytes) {
    if (std::exchange(empty_, false)) std::ignore = ::ftruncate(file_, 0);  // a pipe has nothing to cut
    write_out(file_, bytes);
    held_.append(bytes);
    const auto walk = pcapng::walk(held_, [](std::string_view comment) { note("tiltyard: " + harmless(comment)); });
    held_.erase(0, walk.whole);
    if (walk.broken) held_.clear();
  }

 private:
  int file_;
  bool empty_ = true;
  std::string held_;
};

/// Where packets are written.
struct Target {
  std::string name;
  privileged::Descriptor file{};
  bool made = false;  ///< there was no such file before
};

/// 0, or the exit code for what was said.
int open_target(const Context& context, Target& target) {
  if (target.name == "-") {
    if (context.out_is_terminal) {
      note("tiltyard: A terminal cannot show packets; pipe them: tiltyard capture ID -w - | wireshark -k -i -");
      return kUsage;
    }
    target.file = privileged::Descriptor(::dup(STDOUT_FILENO));
    return kOk;
  }
  constexpr int kWays = O_WRONLY | O_CREAT | O_CLOEXEC;
  target.file = privileged::Descriptor(::open(target.name.c_str(), kWays | O_EXCL, 0600));
  target.made = target.file.open();
  if (!target.made) target.file = privileged::Descriptor(::open(target.name.c_str(), kWays, 0600));
  if (target.file.open()) return kOk;
  note(fmt::format("tiltyard: {} cannot be written: {}", target.name, std::strerror(errno)));
  return kFailed;
}

int copy_to(Context& context, const std::string& path, const Target& target) {
  Sink sink(target.file.get());
  const auto done = context.api().stream(path, [&](std::string_view piece) { sink.take(piece); });
  if (target.made && sink.empty()) ::unlink(target.name.c_str());
  return done ? kOk : complain(context, done.error());
}

int capture(Context& context, const CaptureOptions& options) {
  json::object ask{{"instance", options.id}, {"filter", options.filter}};
  if (!options.lasts.empty()) {
    const auto seconds = parse_seconds(options.lasts);
    if (seconds < 1) {
      note("tiltyard: --for takes a time such as 90s or 15m.");
      return kUsage;
    }
    ask["for_s"] = seconds;
  }
  // Before the capture begins: nobody would look on at one whose packets can be written nowhere.
  Target target{.name = options.write};
  if (!options.write.empty()) {
    ask["attended"] = true;
    if (const int code = open_target(context, target); code != kOk) return code;
  }
  Api::Call call;
  call.method = "POST";
  call.path = "/admin/captures";
  call.body = std::move(ask);
  const auto begun = context.api().call(std::move(call));
  if (!begun) {
    if (target.made) ::unlink(target.name.c_str());
    return complain(context, begun.error());
  }
  const auto id = text_of(*begun, "id");
  if (!options.write.empty()) return copy_to(context, "/admin/captures/" + encoded(id) + "/file?follow=1", target);
  if (context.json) print_json(*begun);
  else print(fmt::format("{}\n", harmless(id)));
  return kOk;
}

int take(Context& context, const TakeOptions& options) {
  Target target{.name = options.write.empty() ? options.id + ".pcapng" : options.write};
  if (const int code = open_target(context, target); code != kOk) return code;
  const int code = copy_to(context, "/admin/captures/" + encoded(options.id) + "/file", target);
  if (code == kOk && options.write.empty()) note("It is in " + harmless(target.name));
  return code;
}

int change(Context& context, const char* method, const std::string& path) {
  Api::Call call;
  call.method = method;
  call.path = path;
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  if (context.json && !done->is_null()) print_json(*done);
  return kOk;
}

}  // namespace

void add_words(Words& words) {
  auto* c = &words.context;
  constexpr auto kCaptures = "/admin/captures";
  auto* one = words.add("capture", "Capture an instance's packets: tiltyard capture ID -w - | wireshark -k -i -");
  auto wanted = std::make_shared<CaptureOptions>();
  words.one_of_list(one->add_option("id", wanted->id, "The instance's id")->required()->type_name(""),
                    kLivingInstances);
  one->add_option("-w,--write", wanted->write,
                  "Look on and write here what comes (- is standard output); it ends with "
                  "this command. Without it the capture goes on by itself")
      ->type_name("FILE");
  one->add_option("-f,--filter", wanted->filter, "Only what this lets pass, as for tcpdump")->type_name("FILTER");
  one->add_option("--for", wanted->lasts, "End it after this time, such as 15m")->type_name("TIME");
  words.does(one, [c, wanted] { return capture(*c, *wanted); });

  auto* all = words.add("captures", "What is captured, and what is kept of it (operators)");
  all->require_subcommand(1);
  auto listed = std::make_shared<ListOptions>();
  auto* ls = all->add_subcommand("ls", "All of them, or those of one instance");
  ls->add_option("--instance", listed->instance, "Of this instance")->type_name("ID");
  words.does(ls, [c, listed] { return list_captures(*c, *listed); });
  auto* get = all->add_subcommand("get", "What is kept of one, as a file for Wireshark");
  auto taken = std::make_shared<TakeOptions>();
  words.one_of_list(get->add_option("id", taken->id, "The capture's id")->required()->type_name(""), kCaptures);
  get->add_option("-w,--write", taken->write, "Where to (- is standard output; ID.pcapng)")->type_name("FILE");
  words.does(get, [c, taken] { return take(*c, *taken); });
  const auto about_one = [&](const char* name, const char* prose, const char* method, const char* behind) {
    auto* word = all->add_subcommand(name, prose);
    auto id = std::make_shared<std::string>();
    words.one_of_list(word->add_option("id", *id, "The capture's id")->required()->type_name(""), kCaptures);
    words.does(word,
               [c, id, method, behind] { return change(*c, method, "/admin/captures/" + encoded(*id) + behind); });
  };
  about_one("stop", "End one; what is kept of it stays for a while", "POST", "/stop");
  about_one("rm", "End one and remove what is kept of it", "DELETE", "");
  words.advise("capture-unknown", "See them all: tiltyard captures ls");
  words.advise("captures-full", "See what runs: tiltyard captures ls. End one: tiltyard captures stop ID");
}

}  // namespace tiltyard::captures
