#include "net/powerdns.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "net/client.h"

namespace tiltyard::net {
namespace {

namespace json = boost::json;
using tiltyard::lower;

constexpr std::chrono::seconds kDeadline{10};
constexpr std::size_t kMostOfAReason = 300;

std::string dotted(std::string_view name) {
  auto text = lower(name);
  if (!text.ends_with('.')) text += '.';
  return text;
}
std::string undotted(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// RFC 1035, 5.1: a character string in quotes.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

/// Zone ids are their names, where what is none of [A-Za-z0-9._-] is "=" and two digits.
std::string zone_id(std::string_view zone) {
  std::string out;
  for (const char c : dotted(zone)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    out += plain ? std::string(1, c) : fmt::format("={:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

/// What the server said, or something before it: kept and told to people, so it is text whatever came.
std::string readable(std::string_view said) {
  auto out = as_utf8(said.substr(0, kMostOfAReason));
  std::ranges::replace_if(out, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }, ' ');
  return out;
}

std::unexpected<Error> no_answer(std::string cause) {
  return fail(Code::kUnavailable, "dns-answer", "The DNS server's API answered something else than PowerDNS does.",
              std::move(cause));
}

std::unexpected<Error> of_zone(Error error, const std::string& zone) {
  if (error.reason != "dns-not-found") return fail(std::move(error));
  return fail(Code::kUnavailable, "dns-zone-unknown", fmt::format("The DNS server has no zone {}.", zone));
}

json::object json_of(const RecordSet& set) {
  if (set.contents.empty()) return {{"name", dotted(set.name)}, {"type", set.type}, {"changetype", "DELETE"}};
  json::array records;
  for (const auto& content : set.contents)
    records.push_back(json::object{{"content", set.type == "TXT" ? quoted(content) : content}, {"disabled", false}});
  return {{"name", dotted(set.name)},
          {"type", set.type},
          {"ttl", set.ttl},
          {"changetype", "REPLACE"},
          {"records", std::move(records)}};
}

}  // namespace

struct PowerDns::State {
  State(http::Target target, Secret its_key, std::string its_host)
      : client(std::move(target), options()), key(std::move(its_key)), host(std::move(its_host)) {}

  static http::ClientOptions options() {
    http::ClientOptions options;
    options.max_idle = 0;  // a PATCH on a connection that was closed meanwhile could not be repeated
    options.body_limit = 4 * 1024 * 1024;
    return options;
  }

  asio::awaitable<Result<json::value>> call(std::string method, std::string path, json::value body = nullptr);

  http::Client client;
  Secret key;
  std::string host;  ///< for messages
};

/// Null for an answer without a body. A 404 is `dns-not-found`, which no caller lets out.
asio::awaitable<Result<json::value>> PowerDns::State::call(std::string method, std::string path, json::value body) {
  http::Request request;
  request.method = std::move(method);
  request.target = "/api/v1/servers/localhost" + path;
  request.headers.set("X-API-Key", key.reveal());
  request.headers.set("Accept", "application/json");
  if (!body.is_null()) {
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
  }
  auto answer = co_await client.send(std::move(request), kDeadline);
  if (!answer) {
    co_return fail(Code::kUnavailable, "dns-away", fmt::format("The DNS server's API at {} does not answer.", host),
                   answer.error().reason + ": " + answer.error().cause);
  }
  boost::system::error_code error;
  auto value = answer->body.empty() ? json::value() : json::parse(answer->body, error);
  if (answer->status == 404) co_return fail(Code::kNotFound, "dns-not-found", "The DNS server has no such thing.");
  if (answer->status == 401)
    co_return fail(Code::kUnavailable, "dns-refused", "The DNS server's API does not take our key (powerdns.key).");
  if (answer->status >= 300) {
    const auto said = error ? answer->body : text_of(value, "error");
    co_return fail(Code::kUnavailable, "dns-refused",
                   fmt::format("The DNS server refused the change ({}): {}", answer->status, readable(said)));
  }
  if (error) co_return no_answer(error.message());
  co_return value;
}

PowerDns::PowerDns(std::unique_ptr<State> state) : state_(std::move(state)) {}
PowerDns::~PowerDns() = default;

Result<std::unique_ptr<PowerDns>> PowerDns::make(const PowerDnsOptions& options) {
  auto target = http::Target::parse(options.url);
  if (!target) return fail(std::move(target.error()));
  return std::unique_ptr<PowerDns>(new PowerDns(std::make_unique<State>(std::move(*target), options.key, options.url)));
}

asio::awaitable<Result<std::string>> PowerDns::zone_of(std::string name) {
  auto zone = undotted(lower(name));
  while (!zone.empty()) {
    auto found = co_await state_->call("GET", "/zones?zone=" + http::percent_encode(dotted(zone)));
    if (!found) co_return fail(std::move(found.error()));
    if (!found->is_array()) co_return no_answer("zones is no list");
    for (const auto& one : found->get_array()) {
      if (text_of(one, "name") == dotted(zone)) co_return zone;
    }
    const auto dot = zone.find('.');
    zone = dot == std::string::npos ? std::string() : zone.substr(dot + 1);
  }
  co_return fail(Code::kUnavailable, "dns-zone-unknown",
                 fmt::format("The DNS server has no zone that {} is in; make one: pdnsutil create-zone ZONE.", name));
}

asio::awaitable<Result<>> PowerDns::put(std::string zone, std::vector<RecordSet> sets) {
  json::array changes;
  for (const auto& set : sets) changes.push_back(json_of(set));
  json::value body = json::object{{"rrsets", std::move(changes)}};
  auto done = co_await state_->call("PATCH", "/zones/" + zone_id(zone), std::move(body));
  if (!done) co_return of_zone(std::move(done.error()), zone);
  co_return Result<>{};
}

asio::awaitable<Result<RecordSet>> PowerDns::read(std::string zone, std::string name, std::string type) {
  const auto path = fmt::format("/zones/{}?rrset_name={}&rrset_type={}", zone_id(zone),
                                http::percent_encode(dotted(name)), http::percent_encode(type));
  auto found = co_await state_->call("GET", path);
  if (!found) co_return of_zone(std::move(found.error()), zone);
  RecordSet out{std::move(name), std::move(type), 60, {}};
  const auto* sets = member(*found, "rrsets").if_array();
  if (sets == nullptr) co_return no_answer("a zone without rrsets");
  for (const auto& set : *sets) {
    // Servers before 4.7 do not know the filter.
    if (text_of(set, "name") != dotted(out.name) || text_of(set, "type") != out.type) continue;
    out.ttl = static_cast<int>(number_of(set, "ttl"));
    const auto* records = member(set, "records").if_array();
    for (const auto& record : records == nullptr ? json::array() : *records) {
      const auto content = text_of(record, "content");
      out.contents.push_back(out.type == "TXT" ? unquoted(content) : content);
    }
  }
  co_return out;
}

}  // namespace tiltyard::net
