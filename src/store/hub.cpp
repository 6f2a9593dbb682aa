#include "store/hub.h"

#include <soci/soci.h>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>

namespace tiltyard::store {

void notify(soci::session& sql, std::string_view channel, std::string_view payload) {
  const std::string to(channel), text(payload);
  // PostgreSQL's own function; on SQLite the writer's connection has one of the same name (connection.cpp).
  sql << "SELECT pg_notify(:channel, :payload)", soci::use(to, "channel"), soci::use(text, "payload");
}

namespace {

/// Shared by the listener and by the calls that are on their way to it.
struct Hearing {
  std::string channel;
  boost::asio::strand<boost::asio::any_io_executor> strand;
  Listener::Told told;
  std::atomic<bool> over = false;

  Hearing(std::string on, boost::asio::any_io_executor executor, Listener::Told callback)
      : channel(std::move(on)), strand(boost::asio::make_strand(executor)), told(std::move(callback)) {}
};

}  // namespace

struct Hub::State {
  mutable std::mutex mutex;
  std::vector<std::shared_ptr<Hearing>> hearings;

  template <class Wanted>
  void post(Wanted wanted, const News& news) {
    std::lock_guard lock(mutex);
    for (const auto& hearing : hearings) {
      if (!wanted(*hearing)) continue;
      boost::asio::post(hearing->strand, [hearing, news] {
        if (!hearing->over) hearing->told(news);
      });
    }
  }
};

class Hub::Ear final : public Listener {
 public:
  Ear(std::weak_ptr<State> state, std::shared_ptr<Hearing> hearing)
      : state_(std::move(state)), hearing_(std::move(hearing)) {}
  ~Ear() override {
    hearing_->over = true;
    if (auto state = state_.lock()) {
      std::lock_guard lock(state->mutex);
      std::erase(state->hearings, hearing_);
    }
  }

 private:
  std::weak_ptr<State> state_;
  std::shared_ptr<Hearing> hearing_;
};

Hub::Hub() : state_(std::make_shared<State>()) {}
Hub::~Hub() = default;

std::unique_ptr<Listener> Hub::listen(std::string channel, boost::asio::any_io_executor executor, Listener::Told told) {
  auto hearing = std::make_shared<Hearing>(std::move(channel), std::move(executor), std::move(told));
  std::lock_guard lock(state_->mutex);
  state_->hearings.push_back(hearing);
  return std::make_unique<Ear>(state_, std::move(hearing));
}

void Hub::tell(std::string_view channel, const News& news) {
  state_->post([channel](const Hearing& hearing) { return hearing.channel == channel; }, news);
}

void Hub::tell_all(const News& news) {
  state_->post([](const Hearing&) { return true; }, news);
}

std::set<std::string> Hub::channels() const {
  std::lock_guard lock(state_->mutex);
  std::set<std::string> names;
  for (const auto& hearing : state_->hearings) names.insert(hearing->channel);
  return names;
}

}  // namespace tiltyard::store
