#include "guard/rules.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "engine/snapshots.h"
#include "guard/bodies.h"
#include "net/http.h"

namespace tiltyard::guard {

namespace json = boost::json;

using Query = std::vector<std::pair<std::string, std::string>>;
using CheckQuery = Result<> (*)(const Query& query, Call& call, const Rules& rules);

struct Row {
  std::string_view method;
  std::string_view path;  ///< with '*' for a name, and '**' for an image's, which may have slashes
  std::vector<std::string_view> query = {};
  std::optional<Kind> about = {};
  Body body = Body::kNone;
  Check check = nullptr;
  CheckQuery check_query = nullptr;
  Effect effect = Effect::kNone;
};

namespace {

std::string_view value_of(const Query& query, std::string_view name) {
  const auto found = std::ranges::find(query, name, [](const auto& pair) { return std::string_view(pair.first); });
  return found == query.end() ? std::string_view() : std::string_view(found->second);
}

bool good_text(std::string_view text, std::string_view beside) {
  return std::ranges::all_of(text, [beside](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || beside.contains(c);
  });
}

/// {"label": ["tiltyard.namespace=NAME", …]}: what belongs to others is not listed.
Result<> check_filter(const Query& query, Call&, const Rules& rules) {
  boost::system::error_code failed;
  const auto filters = json::parse(std::string(value_of(query, "filters")), failed);
  const auto labels = failed ? std::vector<std::string>() : texts_of(filters, "label");
  const auto wanted = std::string(engine::kLabelNamespace) + "=" + rules.name_space;
  if (std::ranges::find(labels, wanted) == labels.end()) return refuse("a list of more than our own");
  return {};
}

/// The same, or the images that templates start from.
Result<> check_image_filter(const Query& query, Call& call, const Rules& rules) {
  if (value_of(query, "filters") == fmt::format(R"({{"label":["{}=1"]}})", engine::kLabelBase)) return {};
  return check_filter(query, call, rules);
}

Result<> check_new_machine(const Query& query, Call& call, const Rules& rules) {
  const std::string name(value_of(query, "name"));
  if (!name.starts_with(rules.name_space + "-") || !may_be_ours(name, rules))
    return refuse("a machine of another name");
  call.made.push_back({Kind::kMachine, name});
  return {};
}

Result<> check_build(const Query& query, Call&, const Rules&) {
  const auto network = value_of(query, "networkmode");
  if (!network.empty() && network != "none") return refuse("a build on a network of its choice");
  return {};
}

Result<> check_snapshot_name(const Query& query) {
  const auto name = value_of(query, "repo");
  const bool good = name.starts_with(engine::kSnapshotPrefix) &&
                    good_text(name.substr(std::string_view(engine::kSnapshotPrefix).size()), "") &&
                    good_text(value_of(query, "tag"), "-");
  if (!good) return refuse("an image of another name");
  return {};
}

/// Of a machine of ours, under a name that only snapshots have.
Result<> check_commit(const Query& query, Call& call, const Rules& rules) {
  const std::string machine(value_of(query, "container"));
  if (!may_be_ours(machine, rules)) return refuse("an image of what belongs to others: " + machine);
  call.named.push_back({Kind::kMachine, machine});
  if (value_of(query, "pause") != "1") return refuse("an image of a machine that goes on meanwhile");
  return check_snapshot_name(query);
}

Result<> check_tag(const Query& query, Call&, const Rules&) { return check_snapshot_name(query); }

const std::vector<Row>& table() {
  using enum Kind;
  static const std::vector<Row> rows{
      {"GET", "/_ping"},
      {"GET", "/version"},
      {"GET", "/info"},
      {.method = "GET", .path = "/events", .query = {"filters", "since"}, .check_query = check_filter},
      {.method = "GET", .path = "/containers/json", .query = {"all", "size", "filters"}, .check_query = check_filter},
      // Their ranges are asked for, so that ours are free.
      {"GET", "/networks", {"filters"}},
      {.method = "GET", .path = "/volumes", .query = {"filters"}, .check_query = check_filter},

      {.method = "POST",
       .path = "/containers/create",
       .query = {"name"},
       .body = Body::kJson,
       .check = check_machine,
       .check_query = check_new_machine,
       .effect = Effect::kMakes},
      {"GET", "/containers/*/json", {"size"}, kMachine},
      {.method = "POST", .path = "/containers/*/start", .about = kMachine, .effect = Effect::kStarts},
      {"POST", "/containers/*/stop", {"t"}, kMachine},
      {"POST", "/containers/*/kill", {"signal"}, kMachine},
      {"POST", "/containers/*/pause", {}, kMachine},
      {"POST", "/containers/*/unpause", {}, kMachine},
      {.method = "DELETE",
       .path = "/containers/*",
       .query = {"force", "v"},
       .about = kMachine,
       .effect = Effect::kRemoves},
      {"GET", "/containers/*/stats", {"stream", "one-shot"}, kMachine},
      {"GET", "/containers/*/logs", {"stdout", "stderr", "tail", "follow", "timestamps", "since", "until"}, kMachine},
      {"PUT", "/containers/*/archive", {"path"}, kMachine, Body::kArchive},
      {"GET", "/containers/*/export", {}, kMachine},
      {.method = "POST",
       .path = "/commit",
       .query = {"container", "repo", "tag", "pause"},
       .body = Body::kJson,
       .check = check_snapshot,
       .check_query = check_commit},
      {"POST", "/containers/*/exec", {}, kMachine, Body::kJson, check_exec},
      {.method = "POST",
       .path = "/exec/*/start",
       .about = kExec,
       .body = Body::kJson,
       .check = check_exec_start,
       .effect = Effect::kHijacks},
      {"POST", "/exec/*/resize", {"h", "w"}, kExec},
      {"GET", "/exec/*/json", {}, kExec},

      {.method = "POST",
       .path = "/networks/create",
       .body = Body::kJson,
       .check = check_network,
       .effect = Effect::kMakes},
      {"GET", "/networks/*", {}, kNetwork},
      {.method = "DELETE", .path = "/networks/*", .about = kNetwork, .effect = Effect::kRemoves},
      {"POST", "/networks/*/connect", {}, kNetwork, Body::kJson, check_connect},
      {"POST", "/networks/*/disconnect", {}, kNetwork, Body::kJson, check_disconnect},

      {"POST", "/volumes/create", {}, {}, Body::kJson, check_volume},
      {"GET", "/volumes/*", {}, kVolume},
      {.method = "DELETE", .path = "/volumes/*", .query = {"force"}, .about = kVolume, .effect = Effect::kRemoves},

      {.method = "GET", .path = "/images/json", .query = {"filters"}, .check_query = check_image_filter},
      {"GET", "/images/**/json"},
      {"GET", "/images/**/get"},
      {"POST", "/images/create", {"fromImage", "tag"}},
      // A build of a template; without `force`, so that what a machine is made of stays.
      {"DELETE", "/images/tiltyard%2Ft-**"},
      {.method = "POST", .path = "/images/tiltyard%2Fs-**/tag", .query = {"repo", "tag"}, .check_query = check_tag},
      {"DELETE", "/images/tiltyard%2Fs-**"},
      {.method = "POST",
       .path = "/build",
       .query = {"t", "dockerfile", "target", "buildargs", "labels", "networkmode", "extrahosts", "memory", "rm",
                 "forcerm", "version"},
       .body = Body::kArchive,
       .check_query = check_build},
  };
  return rows;
}

/// The name in a path; nullopt: the path is not of the pattern.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const auto star = pattern.find('*');
  if (star == pattern.npos) return path == pattern ? std::optional(std::string()) : std::nullopt;
  const bool image = pattern.substr(star).starts_with("**");
  const auto before = pattern.substr(0, star), behind = pattern.substr(star + (image ? 2 : 1));
  if (path.size() <= before.size() + behind.size() || !path.starts_with(before) || !path.ends_with(behind))
    return std::nullopt;
  const auto name = path.substr(before.size(), path.size() - before.size() - behind.size());
  const std::string decoded = http::percent_decode(name);
  const bool good = good_text(decoded, image ? "._-/:@" : "._-") && !decoded.contains("..");
  return good ? std::optional(decoded) : std::nullopt;
}

/// Names without their values decoded twice over; the engine splits at semicolons as well, so there are none.
Result<Query> read_query(std::string_view text, const Row& row) {
  Query out;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = pair.substr(0, equals);
    auto value = std::string(pair.substr(std::min(equals + 1, pair.size())));
    std::ranges::replace(value, '+', ' ');
    if (std::ranges::find(row.query, name) == row.query.end()) return refuse(fmt::format("the parameter '{}'", name));
    if (!value_of(out, name).empty()) return refuse(fmt::format("the parameter '{}' twice", name));
    out.emplace_back(name, http::percent_decode(value));
  }
  return out;
}

/// Without "/v1.41".
std::string_view without_version(std::string_view path) {
  if (!path.starts_with("/v1.")) return path;
  const auto end = path.find('/', 1);
  const auto minor = path.substr(4, std::min(end, path.size()) - 4);
  const bool digits =
      !minor.empty() && minor.size() <= 2 && std::ranges::all_of(minor, [](char c) { return c >= '0' && c <= '9'; });
  return digits && end != path.npos ? path.substr(end) : std::string_view();
}

}  // namespace

std::unexpected<Error> refuse(std::string what) {
  return fail(Code::kForbidden, "engine-call-refused", "The privileged half refuses " + std::move(what) + ".");
}

bool ours(const json::object* labels, const Rules& rules) {
  return labels != nullptr && text_of(*labels, engine::kLabelManaged) == "true" &&
         text_of(*labels, engine::kLabelNamespace) == rules.name_space;
}

Result<Call> read_call(std::string_view method, std::string_view target, const Rules& rules) {
  if (!good_text(target, "/._-~%?&=+:,@")) return refuse("an address with odd characters");
  const auto mark = std::min(target.find('?'), target.size());
  const auto path = without_version(target.substr(0, mark));
  for (const Row& row : table()) {
    const auto name = row.method == method ? match(row.path, path) : std::nullopt;
    if (!name) continue;
    Call call{&row, row.body, row.effect, {}, {}};
    if (row.about) {
      if (*row.about != Kind::kExec && !may_be_ours(*name, rules)) return refuse("what belongs to others: " + *name);
      call.named.push_back({*row.about, *name});
    }
    auto query = read_query(target.substr(std::min(mark + 1, target.size())), row);
    if (!query) return fail(std::move(query.error()));
    if (row.check_query != nullptr) {
      if (auto good = row.check_query(*query, call, rules); !good) return fail(std::move(good.error()));
    }
    return call;
  }
  return refuse(fmt::format("the call {} {}", method.substr(0, 10), path.substr(0, 100)));
}

Result<std::string> read_body(Call& call, std::string_view body, const Rules& rules) {
  boost::system::error_code failed;
  const auto value = json::parse(json::string_view(body.data(), body.size()), failed);
  const auto* object = value.if_object();
  if (failed || object == nullptr) return refuse("a body that is no JSON object");
  if (auto good = call.row->check(*object, call, rules); !good) return fail(std::move(good.error()));
  return json::serialize(*object);
}

}  // namespace tiltyard::guard
