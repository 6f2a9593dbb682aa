// What changes, as it changes: server-sent events (WHATWG HTML, "text/event-stream").
#include <boost/json.hpp>

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "base/parallel.h"
#include "labs/http.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::chrono::seconds kHeartbeat{15};
constexpr std::size_t kStreamsPerPerson = 16;

/// One open page. Changes are kept as names only, so that a slow reader costs no memory: it gets each thing's newest
/// picture once, however often it changed.
struct Feed {
  Feed(asio::any_io_executor home, identity::Principal principal) : wake(std::move(home)), who(std::move(principal)) {}

  Signal wake;
  identity::Principal who;
  std::set<std::string> instances, templates;
};

std::string frame(std::string_view event, const std::string& data) {
  std::string out = "event: ";
  out.append(event).append("\ndata: ").append(data).append("\n\n");
  return out;
}

void notice(Feed& feed, const bus::Event& event) {
  if (event.kind->name.starts_with("instance.")) {
    if (event.owner != feed.who.owner()) return;
    feed.instances.insert(event.subject);
  } else if (event.kind->name.starts_with("template.")) {
    feed.templates.insert(event.subject);
  } else {
    return;
  }
  feed.wake.pulse();
}

std::string template_frame(const HttpParts& parts, const Feed& feed, const std::string& id) {
  const auto& offers = parts.templates.offers();
  const auto entry = offers.catalogue().find(TemplateId(id));
  const bool staff = feed.who.at_least(identity::Role::kAuthor);
  const bool shown = entry && (staff || offers.overridden(entry->tmpl)->active);
  if (!shown) return frame("gone", json::serialize(json::object{{"id", id}}));
  return frame("template", json::serialize(parts.templates.view(*entry, staff)));
}

asio::awaitable<std::string> news(PartsRef parts, std::shared_ptr<Feed> feed) {
  std::string out;
  const auto templates = std::exchange(feed->templates, {});
  for (const auto& id : templates) out += template_frame(*parts, *feed, id);
  const auto instances = std::exchange(feed->instances, {});
  for (const auto& id : instances) {
    auto found = co_await parts->service.find(InstanceId(id));
    if (found && *found) {
      out += frame("instance", json::serialize(instance_view(parts->service, **found, parts->address)));
    }
  }
  co_return out;
}

/// Who follows the news, and with how many pages. Whoever has closed the last is forgotten; that may be said on any
/// loop.
class Followers : public std::enable_shared_from_this<Followers> {
 public:
  /// A place for one more page, until it goes; null: this person has enough.
  std::shared_ptr<const void> join(const std::string& user) {
    const std::lock_guard lock(mutex_);
    auto& pages = pages_[user];
    if (pages >= kStreamsPerPerson) return nullptr;
    ++pages;
    return {this, [all = shared_from_this(), user](const void*) { all->leave(user); }};
  }

 private:
  void leave(const std::string& user) {
    const std::lock_guard lock(mutex_);
    const auto found = pages_.find(user);
    if (--found->second == 0) pages_.erase(found);
  }

  std::mutex mutex_;
  std::unordered_map<std::string, std::size_t> pages_;
};

asio::awaitable<void> serve(PartsRef parts, identity::Principal who, [[maybe_unused]] std::shared_ptr<const void> place,
                            std::shared_ptr<http::BodyWriter> writer) {
  const auto home = co_await asio::this_coro::executor;
  auto feed = std::make_shared<Feed>(home, std::move(who));
  const auto subscription = parts->bus.subscribe([feed](const bus::Event& event) { notice(*feed, event); });
  // The whole picture first; what changes meanwhile is noticed already.
  for (const auto& entry : parts->templates.catalogue().list()) feed->templates.insert(entry.tmpl->id.str());
  for (const auto& live : parts->service.all_live()) {
    if (live->instance.owner == feed->who.owner()) feed->instances.insert(live->instance.id.str());
  }
  std::string first = co_await news(parts, feed);
  auto written = co_await writer->write("retry: 2000\n\n" + std::move(first));
  while (written) {
    const bool changed =
        !feed->instances.empty() || !feed->templates.empty() || co_await feed->wake.wait_for(kHeartbeat);
    std::string text = changed ? co_await news(parts, feed) : std::string(": still here\n\n");
    if (!text.empty()) written = co_await writer->write(std::move(text));
  }
}

asio::awaitable<Result<Response>> follow(PartsRef parts, std::shared_ptr<Followers> followers, Request request) {
  const auto who = identity::principal_of(request);
  const auto place = followers->join(who.user.str());
  if (!place) {
    co_return fail(Code::kLimited, "limit-reached", "Too many pages of yours follow the news already; close one.");
  }
  Response response;
  response.headers.set("Content-Type", "text/event-stream");
  response.headers.set("Cache-Control", "no-store");
  response.stream = [parts, who, place](std::shared_ptr<http::BodyWriter> writer) {
    return serve(parts, who, place, std::move(writer));
  };
  co_return response;
}

}  // namespace

void add_event_routes(house::Routes& routes, PartsRef parts) {
  auto handler = [parts, followers = std::make_shared<Followers>()](Request request) {
    return follow(parts, followers, std::move(request));
  };
  routes.add("GET", "/api/v1/events", {Access::kSignedIn, Scope::kRead, Whose::kSelf}, {"stream-open"},
             std::move(handler));
}

}  // namespace tiltyard::labs
