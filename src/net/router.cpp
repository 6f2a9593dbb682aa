#include "net/router.h"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <random>

#include "base/id.h"
#include "base/run_on.h"
#include "net/measures.h"
#include "net/problem.h"
#include "net/text.h"
#include "net/trace.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::http {
namespace {

using Params = std::vector<std::pair<std::string, std::string>>;

const std::vector<double> kBuckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};

/// Methods come from outside: unknown ones share a label, so that nobody can grow the table of series.
std::string_view known_method(std::string_view method) {
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    if (method == known) return known;
  }
  return "other";
}

metrics::Counter request_counter(std::string_view method, const std::string& route, int status_class) {
  return metrics::counter(measures::kRequests,
                          {std::string(known_method(method)), route, std::to_string(status_class) + "xx"});
}

/// Where the answers of one route are counted; a series appears with its first answer.
class RouteMetrics {
 public:
  RouteMetrics(std::string method, std::string route) : method_(std::move(method)), route_(std::move(route)) {}

  void count(int status, double seconds) {
    const auto place = static_cast<std::size_t>(std::clamp(status / 100, 1, 5));
    std::call_once(once_[place], [&] { counters_[place] = request_counter(method_, route_, static_cast<int>(place)); });
    counters_[place]->add();
    std::call_once(once_[0], [&] { seconds_ = metrics::histogram(measures::kSeconds, kBuckets, {route_}); });
    seconds_->observe(seconds);
  }

 private:
  std::string method_, route_;
  std::array<std::once_flag, 6> once_;
  std::array<std::optional<metrics::Counter>, 6> counters_;
  std::optional<metrics::Histogram> seconds_;
};

/// One segment of the patterns' tree. Literal segments win over parameters, those over the rest.
struct Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::map<std::string, std::size_t, std::less<>> methods;  // → place in the list of routes
  std::map<std::string, std::size_t, std::less<>> rest;     // methods of "{name...}" below this node
};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  out.reserve(8);
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    if (!segment.empty()) out.push_back(segment);
    path.remove_prefix(segment.size());
  }
  return out;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }
bool is_rest(std::string_view segment) { return segment.starts_with('{') && segment.ends_with("...}"); }

/// The walk of one path through the tree.
struct Search {
  std::string_view method, path;
  std::vector<std::string_view> segments;
  std::vector<std::string>& allowed;

  std::optional<std::size_t> pick(const std::map<std::string, std::size_t, std::less<>>& methods) const {
    if (const auto found = methods.find(method); found != methods.end()) return found->second;
    if (method == "HEAD") {
      if (const auto found = methods.find("GET"); found != methods.end()) return found->second;
    }
    for (const auto& [name, place] : methods) allowed.push_back(name);
    return std::nullopt;
  }

  std::optional<std::size_t> walk(const Node& node, std::size_t depth) const {
    if (depth == segments.size()) {
      if (auto found = pick(node.methods)) return found;
    } else {
      if (const auto next = node.literals.find(segments[depth]); next != node.literals.end()) {
        if (auto found = walk(*next->second, depth + 1)) return found;
      }
      if (node.parameter) {
        if (auto found = walk(*node.parameter, depth + 1)) return found;
      }
    }
    return pick(node.rest);
  }
};

void fill_params(std::string_view pattern, std::string_view path, Params& params) {
  if (!pattern.contains('{')) return;
  const auto names = split(pattern);
  const auto values = split(path);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (is_rest(names[i])) {
      const std::string name(names[i].substr(1, names[i].size() - 5));
      const std::string_view rest = i < values.size()
                                        ? path.substr(static_cast<std::size_t>(values[i].data() - path.data()))
                                        : std::string_view();
      params.emplace_back(name, rest);
    } else if (is_parameter(names[i])) {
      params.emplace_back(names[i].substr(1, names[i].size() - 2), values[i]);
    }
  }
}

Error from_exception(const std::exception_ptr& failure) {
  Error error{
      Code::kInternal, "internal", "Something went wrong on our side; the log has it under this trace id.", {}, {}};
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& thrown) {
    if (thrown.code() == asio::error::operation_aborted) {
      return {Code::kCancelled, "shutting-down", "The server is shutting down. Try again in a moment.", {}, {}};
    }
    error.cause = thrown.what();
  } catch (const std::exception& thrown) { error.cause = thrown.what(); } catch (...) {
    error.cause = "an exception of an unknown type";
  }
  return error;
}

Response refuse(const Route& route, const std::string& trace_id, Error error) {
  const int status = http_status(error.code);
  if (status >= 500 && error.code != Code::kCancelled) {
    const auto level = status == 500 ? log::Level::kError : log::Level::kWarn;
    log::write(level, "http", "a request failed",
               {{"route", route.pattern},
                {"method", route.method},
                {"reason", error.reason},
                {"cause", error.cause},
                {"trace_id", trace_id}});
  } else if (log::enabled(log::Level::kDebug)) {
    log::debug("http", "a request was refused",
               {{"route", route.pattern},
                {"method", route.method},
                {"reason", error.reason},
                {"cause", error.cause},
                {"trace_id", trace_id}});
  }
  if (status == 500) error.with("trace_id", trace_id);
  return problem(error);
}

bool valid_hex(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::ranges::all_of(text, digit) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

struct Router::Index {
  Node root;
  std::vector<std::unique_ptr<RouteMetrics>> metrics;
  RouteMetrics page{"GET", "page"};
};

std::string trace_id_of(const Headers& headers) {
  const std::string_view parent = headers.get("traceparent");
  const bool shaped = parent.size() >= 55 && parent[2] == '-' && parent[35] == '-' && parent[52] == '-';
  const bool version_known =
      shaped && parent.substr(0, 2) != "ff" && (parent.substr(0, 2) != "00" || parent.size() == 55);
  if (version_known && valid_hex(parent.substr(3, 32)) && valid_hex(parent.substr(36, 16))) {
    return std::string(parent.substr(3, 32));
  }
  // Unique, not secret: the kernel is asked for the seed only, for it would be a system call with every request.
  thread_local std::mt19937_64 dice([] {
    std::random_device seed;
    return static_cast<std::uint64_t>(seed()) << 32 | seed();
  }());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id(32, '0');
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t bits = dice();
    for (std::size_t digit = 0; digit < 16; ++digit, bits >>= 4) id[half * 16 + digit] = kDigits[bits & 15];
  }
  return id;
}

void count_refused(std::string_view method, int status) { request_counter(method, "none", status / 100).add(); }

Router::Router(asio::any_io_executor home) : home_(std::move(home)), index_(std::make_unique<Index>()) {}
Router::~Router() = default;

void Router::add(Route route) {
  Node* node = &index_->root;
  auto* methods = &node->methods;
  for (const auto segment : split(route.pattern)) {
    if (is_rest(segment)) {
      methods = &node->rest;
      break;
    }
    auto& next = is_parameter(segment) ? node->parameter : node->literals[std::string(segment)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
    methods = &node->methods;
  }
  methods->insert_or_assign(route.method, routes_.size());
  index_->metrics.push_back(std::make_unique<RouteMetrics>(route.method, route.pattern));
  routes_.push_back(std::move(route));
}

const Route* Router::find(std::string_view method, std::string_view path, Params& params,
                          std::vector<std::string>& allowed) const {
  const Search search{method, path, split(path), allowed};
  const auto place = search.walk(index_->root, 0);
  if (!place) {
    std::ranges::sort(allowed);
    const auto twins = std::ranges::unique(allowed);
    allowed.erase(twins.begin(), twins.end());
    return nullptr;
  }
  allowed.clear();
  const Route* route = &routes_[*place];
  fill_params(route->pattern, path, params);
  return route;
}

asio::awaitable<Response> Router::answer(Request request) const {
  Visit visit = begin(request);
  auto work = finish(&visit, std::move(request));
  co_return co_await std::move(work);
}

Visit Router::begin(Request& request) const {
  Visit visit;
  visit.began = std::chrono::steady_clock::now();
  if (request.trace_id.empty()) request.trace_id = trace_id_of(request.headers);
  visit.route = find(request.method, request.path, request.params, visit.allowed);
  if (visit.route == nullptr) return visit;
  visit.body_limit = visit.route->body_limit;
  if (guard_) visit.refused = guard_(request, *visit.route);
  return visit;
}

namespace {

Result<std::size_t> taken_from(const Route& route, const Request& request, bool known) {
  if (route.takes) return route.takes(request);
  return known ? route.body_limit : std::min(route.body_limit, kStrangersBody);
}

std::unexpected<Error> too_large(std::size_t limit) {
  return fail(Code::kTooLarge, "body-too-large", "The body is over the limit of " + std::to_string(limit) + " bytes.");
}

}  // namespace

/// The filter has spoken: how much body they may send.
Result<> Router::let_in(Visit& visit, Request& request, Result<> allowed) const {
  visit.fields = std::move(request.answer_fields);
  if (!allowed) return allowed;
  visit.principal = request.principal;
  visit.known = !filter_ || visit.principal.has_value();
  auto most = taken_from(*visit.route, request, visit.known);
  if (!most) return fail(std::move(most.error()));
  visit.body_limit = *most;
  visit.known = visit.known || *most > kStrangersBody;
  return {};
}

asio::awaitable<void> Router::ask(Visit* visit, Request* request) const {
  const Route& route = *visit->route;
  Result<> allowed;
  std::exception_ptr failure;
  try {
    if (filter_) allowed = co_await filter_(*request, route);
    allowed = let_in(*visit, *request, std::move(allowed));
  } catch (...) { failure = std::current_exception(); }
  if (failure) allowed = fail(from_exception(failure));
  if (allowed) {
    visit->admitted = std::chrono::steady_clock::now();
    co_return;
  }
  visit->refused = refuse(route, request->trace_id, std::move(allowed.error()));
  for (auto& [name, value] : visit->fields) visit->refused->headers.add(std::move(name), std::move(value));
}

asio::awaitable<void> Router::admit(Visit* visit, Request* request) const {
  if (visit->refused) co_return;
  if (visit->route == nullptr) {
    visit->refused = unrouted(visit->allowed, *request);
  } else if (visit->route->body_first) {
    visit->body_limit = std::min(visit->route->body_limit, kStrangersBody);
  } else {
    auto work = ask(visit, request);
    co_await run_on(home_, std::move(work));
  }
}

asio::awaitable<Response> Router::finish(Visit* visit, Request request) const {
  const Route* const route = visit->route;
  const std::string trace_id = request.trace_id;
  const std::string method = request.method;
  const bool readable = method == "GET" || method == "HEAD";
  Response response;
  if (visit->refused) {
    response = std::move(*visit->refused);
  } else if (route == nullptr) {
    response = unrouted(visit->allowed, request);
  } else {
    auto work = handle(visit, &request);
    response = co_await run_on(home_, std::move(work));
  }
  response.headers.set("X-Trace-Id", trace_id);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - visit->began;
  if (route != nullptr) {
    index_->metrics[static_cast<std::size_t>(route - routes_.data())]->count(response.status, took.count());
  } else if (readable) {
    index_->page.count(response.status, took.count());
  } else {
    count_refused(method, response.status);
  }
  co_return response;
}

/// After a body that was long in coming: who sent it may be nobody any more.
asio::awaitable<Result<>> Router::still_allowed(const Visit* visit) const {
  if (!watch_ || !visit->principal.has_value()) co_return Result<>{};
  Response nothing;
  auto kept = co_await watch_(visit->principal, nothing);
  co_return kept;
}

asio::awaitable<Response> Router::handle(Visit* visit, Request* request) const {
  using std::chrono::steady_clock;
  constexpr std::chrono::seconds kLong{1};
  const Route& route = *visit->route;
  const std::string trace_id = request->trace_id;
  Response response;
  std::exception_ptr failure;
  try {
    Result<> allowed;
    if (visit->admitted == steady_clock::time_point{}) {
      if (filter_) allowed = co_await filter_(*request, route);
      allowed = let_in(*visit, *request, std::move(allowed));
    } else if (steady_clock::now() - visit->admitted > kLong) {
      allowed = co_await still_allowed(visit);
    }
    if (allowed && request->body.size() > visit->body_limit) allowed = too_large(visit->body_limit);
    if (!allowed) {
      response = refuse(route, trace_id, std::move(allowed.error()));
    } else {
      const auto began = steady_clock::now();
      Result<Response> result = co_await route.handler(std::move(*request));
      if (watch_ && result && visit->principal.has_value()) {
        const bool long_run = steady_clock::now() - began > kLong;
        Result<> kept;
        if (long_run || result->stream || result->websocket) kept = co_await watch_(visit->principal, *result);
        if (!kept) result = fail(std::move(kept.error()));
      }
      response = result ? std::move(*result) : refuse(route, trace_id, std::move(result.error()));
    }
  } catch (...) { failure = std::current_exception(); }
  if (failure) response = refuse(route, trace_id, from_exception(failure));
  for (auto& [name, value] : visit->fields) response.headers.add(std::move(name), std::move(value));
  co_return response;
}

Response Router::unrouted(const std::vector<std::string>& allowed, const Request& request) const {
  if (!allowed.empty()) {
    std::string list;
    for (const auto& method : allowed) list += (list.empty() ? "" : ", ") + method;
    if (std::ranges::find(allowed, "GET") != allowed.end()) list += ", HEAD";
    Response response =
        problem_with_status(405, {Code::kInvalid, "method-not-allowed", "This path knows only " + list + ".", {}, {}});
    response.headers.set("Allow", std::move(list));
    return response;
  }
  const bool readable = request.method == "GET" || request.method == "HEAD";
  const bool api = request.path == "/api" || request.path.starts_with("/api/");
  if (fallback_ && readable && !api) {
    try {
      return fallback_(request);
    } catch (...) {
      static const Route kPage{"GET", "page", Access::kOpen, {}, 0};
      return refuse(kPage, request.trace_id, from_exception(std::current_exception()));
    }
  }
  return problem({Code::kNotFound, "route-unknown", "There is nothing at this path.", {}, {}});
}

}  // namespace tiltyard::http
