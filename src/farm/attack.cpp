// The jury's attack data: fetched by one, served to all.
#include "farm/attack.h"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "net/client.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostBytes = 16 * 1024 * 1024;

std::unexpected<Error> not_as_it_should(std::string why) {
  return fail(Code::kUnavailable, "attack-data-invalid",
              fmt::format("The jury's attack data is not what it should be: {}.", why));
}

json::string id_text(const json::value& value) {
  if (value.is_string()) return value.get_string();
  return json::string(json::serialize(value));
}

/// Adds all flag ids below `value`: lists and what rounds and variants nest are made flat.
void add_ids(const json::value& value, json::array& into) {
  if (value.is_array()) {
    for (const auto& item : value.get_array()) add_ids(item, into);
  } else if (!value.is_null()) {
    into.push_back(id_text(value));
  }
}

/// Rounds by their number, the newest last.
std::vector<const json::value*> by_round(const json::object& rounds) {
  std::multimap<std::int64_t, const json::value*> sorted;
  for (const auto& item : rounds) {
    std::int64_t number = 0;
    const auto key = item.key();
    std::from_chars(key.data(), key.data() + key.size(), number);
    sorted.emplace(number, &item.value());
  }
  std::vector<const json::value*> out;
  for (const auto& [number, value] : sorted) out.push_back(value);
  return out;
}

using AddTeam = void (*)(const json::value&, json::array&);

/// {service: {team: anything}} → {service: {team: [text]}}, by what `add` makes of the anything.
Result<json::object> each_team(const json::value& services, AddTeam add) {
  json::object out;
  if (!services.is_object()) return not_as_it_should("services are no object");
  for (const auto& service : services.get_object()) {
    if (service.value().is_null()) continue;
    if (!service.value().is_object())
      return not_as_it_should(fmt::format("the teams of {} are no object", std::string(service.key())));
    json::object teams;
    for (const auto& team : service.value().get_object()) {
      json::array ids;
      add(team.value(), ids);
      teams[team.key()] = std::move(ids);
    }
    out[service.key()] = std::move(teams);
  }
  return out;
}

void plain_ids(const json::value& value, json::array& into) { add_ids(value, into); }

/// {round: id or [id]}: saarCTF's, the round being a tick; and CCIT's, where the id is an object.
void ids_of_rounds(const json::value& value, json::array& into) {
  if (!value.is_object()) return add_ids(value, into);
  for (const auto* round : by_round(value.get_object())) add_ids(*round, into);
}

/// {round: {variant: [id]}}, with a list in place of the variants now and then: ENOWARS'.
void ids_of_variants(const json::value& value, json::array& into) {
  if (!value.is_object()) return add_ids(value, into);
  for (const auto* round : by_round(value.get_object())) {
    if (!round->is_object()) {
      add_ids(*round, into);
      continue;
    }
    for (const auto& variant : round->get_object()) add_ids(variant.value(), into);
  }
}

/// {flag_id_description, flag_ids: {team: {host, flag_ids: []}}}: HackerDom's, one document a service. Teams by host,
/// as everywhere else.
Result<json::object> hackerdom_teams(const json::value& document) {
  const auto* ids = document.is_object() ? document.get_object().if_contains("flag_ids") : nullptr;
  if (ids == nullptr || !ids->is_object()) return not_as_it_should("flag_ids is missing");
  json::object teams;
  for (const auto& team : ids->get_object()) {
    if (!team.value().is_object()) return not_as_it_should("a team is no object");
    const auto& object = team.value().get_object();
    const auto* host = object.if_contains("host");
    const auto* list = object.if_contains("flag_ids");
    json::array out;
    if (list != nullptr) add_ids(*list, out);
    teams[host != nullptr && host->is_string() ? std::string_view(host->get_string()) : std::string_view(team.key())] =
        std::move(out);
  }
  return teams;
}

const json::value* member(const json::value& document, std::string_view name) {
  return document.is_object() ? document.get_object().if_contains(name) : nullptr;
}

}  // namespace

Result<json::object> normalise(std::string_view format, std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  const auto document = json::parse(text, error, {}, options);
  if (error) return not_as_it_should("it is no JSON: " + error.message());
  // Before the first round ForcAD says null, and so do others now and then.
  if (document.is_null()) return json::object{};
  if (format == "forcad") return each_team(document, plain_ids);
  if (format == "ccit") return each_team(document, ids_of_rounds);
  if (format == "faust" || format == "saarctf") {
    const auto* ids = member(document, "flag_ids");
    if (ids == nullptr) return not_as_it_should("flag_ids is missing");
    return each_team(*ids, format == "faust" ? plain_ids : ids_of_rounds);
  }
  if (format == "enowars") {
    const auto* services = member(document, "services");
    if (services == nullptr) return not_as_it_should("services is missing");
    return each_team(*services, ids_of_variants);
  }
  if (format == "hackerdom") {
    // The fetcher has put the services' documents together: {service: document}.
    json::object out;
    if (!document.is_object()) return not_as_it_should("it is no object");
    for (const auto& service : document.get_object()) {
      auto teams = hackerdom_teams(service.value());
      if (!teams) return teams;
      out[service.key()] = std::move(*teams);
    }
    return out;
  }
  return not_as_it_should("its format is not known");
}

namespace {

struct Place {
  std::string host, target;
};

/// "http://host:port/path?query" in two.
Place split(const std::string& url) {
  const auto slash = url.find('/', url.find("://") + 3);
  if (slash == std::string::npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

using ReachRef = const Result<net::Reach>*;

asio::awaitable<Result<std::string>> fetch(const AttackSource* source, ReachRef reach, std::string url) {
  if (!*reach) co_return fail(reach->error());
  const Place place = split(url);
  auto target = http::Target::parse(place.host);
  if (!target) co_return fail(std::move(target.error()));
  http::ClientOptions options;
  options.body_limit = kMostBytes;
  options.connect_timeout = source->timeout;
  options.reach = &**reach;
  http::Client client(std::move(*target), options);
  http::Request request;
  request.target = place.target;
  request.headers.add("Accept", "application/json");
  if (!source->token.empty()) {
    for (const auto* name : {"X-Team-Token", "X-Token"}) request.headers.add(name, source->token.reveal());
  }
  auto answer = co_await client.send(std::move(request), source->timeout);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200)
    co_return fail(Code::kUnavailable, "attack-data-failed", fmt::format("The jury answered {}.", answer->status));
  co_return std::move(answer->body);
}

/// HackerDom has one document for each service; they are put together as {service: document}.
asio::awaitable<Result<std::string>> fetch_flag_ids(const AttackSource* source, ReachRef reach) {
  if (source->format != "hackerdom" || source->services.empty()) {
    auto whole = fetch(source, reach, source->url);
    co_return co_await std::move(whole);
  }
  std::string all = "{";
  for (const auto& service : source->services) {
    const char joint = source->url.find('?') == std::string::npos ? '?' : '&';
    auto work = fetch(source, reach, fmt::format("{}{}service={}", source->url, joint, http::percent_encode(service)));
    auto one = co_await std::move(work);
    if (!one) co_return one;
    all += fmt::format("{}{}:{}", all.size() > 1 ? "," : "", json::serialize(json::string(service)), *one);
  }
  co_return all + "}";
}

bool json_text(const std::string& text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 32;
  json::parse(text, error, {}, options);
  return !error;
}

/// True when the text is new.
bool take(AttackCache::Part& part, Result<std::string> fetched, TimePoint now, std::string_view what) {
  if (!fetched) {
    if (part.trouble.empty())
      log::warn("farm", "attack data cannot be fetched",
                {{"part", what}, {"reason", fetched.error().reason}, {"message", fetched.error().message}});
    part.trouble = fetched.error().message;
    return false;
  }
  if (!part.trouble.empty()) log::info("farm", "attack data is fetched again", {{"part", what}});
  part.trouble.clear();
  part.fetched_at = now;
  const bool fresh = part.text != *fetched;
  part.text = std::move(*fetched);
  return fresh;
}

}  // namespace

void AttackCache::configure(std::shared_ptr<const Config> config) {
  const bool other = config_->attack.url != config->attack.url || config_->attack.format != config->attack.format;
  config_ = std::move(config);
  if (other) {
    flag_ids_ = teams_ = credentials_ = Part{};
    services_.clear();
  }
}

bool AttackCache::stale(const Part& part, TimePoint now) const {
  return !part.fetched_at || now - *part.fetched_at > config_->attack.stale_after;
}

asio::awaitable<void> AttackCache::round(const Clock& clock) {
  const auto config = config_;
  const auto& source = config->attack;
  auto ids = co_await fetch_flag_ids(&source, &reach_);
  if (config != config_) co_return;
  Result<json::object> services;
  if (ids) {
    services = normalise(source.format, *ids);
    if (!services) ids = fail(services.error());
  }
  if (take(flag_ids_, std::move(ids), clock.now(), "flag ids")) services_ = std::move(*services);
  for (auto& [url, part, what] :
       {std::tuple{&source.teams_url, &teams_, "teams"}, {&source.credentials_url, &credentials_, "credentials"}}) {
    if (url->empty()) continue;
    auto work = fetch(&source, &reach_, *url);
    auto text = co_await std::move(work);
    if (config != config_) co_return;
    if (text && !json_text(*text))
      text = fail(Code::kUnavailable, "attack-data-invalid", "The jury's answer is no JSON.");
    take(*part, std::move(text), clock.now(), what);
  }
}

asio::awaitable<Result<jobs::Next>> AttackCache::fetch_all(const Clock& clock) {
  const auto config = config_;
  if (config->attack.format.empty()) co_return jobs::Next::done();
  co_await round(clock);
  co_return jobs::Next::again(config_ == config ? Duration(config->attack.period) : Duration{});
}

}  // namespace tiltyard::farm
