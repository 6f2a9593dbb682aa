#include "transfers/service.h"

#include <fmt/format.h>

#include "base/parallel.h"
#include "inside/inside.h"

namespace tiltyard::transfers {
namespace {

std::string key_of(const Place& place) { return place.user + "/" + place.instance.str() + "/" + place.service; }

asio::awaitable<void> end_session(std::shared_ptr<engine::ExecSession> session) {
  auto stopped = co_await session->stop();
  session->close();
}

}  // namespace

Result<Place> place_of(const labs::Instance& instance, const std::string& wanted, std::string user) {
  std::string service = wanted;
  if (service.empty() && !instance.plan.endpoints.empty()) service = instance.plan.endpoints.front().machine;
  for (const auto& machine : instance.plan.machines) {
    if (service.empty() || machine.service == service)
      return Place{instance.id, instance.plan.engine, machine.handle, machine.service, std::move(user)};
  }
  return fail(Code::kNotFound, "machine-unknown",
              fmt::format("The instance has no machine '{}'.", wanted.substr(0, 60)));
}

struct Service::Kept {
  Kept(std::string its_key, std::shared_ptr<engine::ExecSession> session, std::shared_ptr<void> use)
      : key(std::move(its_key)), sftp(std::move(session)), in_use(std::move(use)) {}
  std::string key;
  Sftp sftp;
  std::shared_ptr<void> in_use;
  unsigned returns = 0;
};

Service::Lease::Lease(Service& service, std::shared_ptr<Kept> kept, std::shared_ptr<void> seat)
    : service_(service), kept_(std::move(kept)), seat_(std::move(seat)) {}

Service::Lease::~Lease() {
  service_.gate_.spawn(service_.home_, "give a conversation back", service_.give_back(std::move(kept_)));
}

Sftp& Service::Lease::sftp() { return kept_->sftp; }

Result<std::shared_ptr<void>> Service::seat_for(const std::string& user) {
  const std::lock_guard lock(seats_->mutex);
  auto& taken = seats_->taken[user];
  if (taken >= options_.at_once) {
    return fail(Code::kLimited, "too-many-transfers",
                fmt::format("You have {} transfers under way already, which is the most (files.at_once). Wait for one.",
                            options_.at_once));
  }
  ++taken;
  return std::shared_ptr<void>(this, [seats = seats_, user](void*) {
    const std::lock_guard again(seats->mutex);
    const auto found = seats->taken.find(user);
    if (--found->second == 0) seats->taken.erase(found);
  });
}

asio::awaitable<Result<std::shared_ptr<engine::ExecSession>>> Service::start(Place place,
                                                                             std::vector<std::string> words) {
  auto woken = co_await labs_.wake(place.instance);
  if (!woken) co_return fail(std::move(woken.error()));
  auto& its_engine = engines_.of(place.engine);
  auto path = co_await inside::ensure(its_engine, place.machine);
  if (!path) co_return fail(std::move(path.error()));
  engine::ExecSpec spec;
  spec.command = std::move(words);
  spec.command.insert(spec.command.begin(), std::move(*path));
  auto opened = co_await its_engine.shell()->exec(std::move(place.machine), std::move(spec));
  if (!opened) co_return fail(std::move(opened.error()));
  co_return std::shared_ptr<engine::ExecSession>(std::move(*opened));
}

asio::awaitable<Result<std::shared_ptr<Service::Kept>>> Service::begin(Place place) {
  auto in_use = labs_.use(place.instance);
  auto key = key_of(place);
  auto session = co_await start(std::move(place), {"sftp"});
  if (!session) co_return fail(std::move(session.error()));
  auto kept = std::make_shared<Kept>(std::move(key), *session, std::move(in_use));
  auto begun = co_await kept->sftp.begin();
  if (begun) co_return kept;
  end(std::move(*session));
  co_return fail(std::move(begun.error()));
}

asio::awaitable<Result<std::shared_ptr<Service::Lease>>> Service::enter(Place place) {
  auto seat = seat_for(place.user);
  if (!seat) co_return fail(std::move(seat.error()));
  for (auto found = idle_.find(key_of(place)); found != idle_.end(); found = idle_.find(key_of(place))) {
    auto kept = std::move(found->second);
    idle_.erase(found);
    // The machine may have ended or been started anew since.
    auto lives = co_await kept->sftp.real_path("/");
    if (lives) co_return std::make_shared<Lease>(*this, std::move(kept), std::move(*seat));
    end(kept->sftp.session());
  }
  auto kept = co_await begin(std::move(place));
  if (!kept) co_return fail(std::move(kept.error()));
  co_return std::make_shared<Lease>(*this, std::move(*kept), std::move(*seat));
}

asio::awaitable<Result<std::shared_ptr<Service::Running>>> Service::run(Place place, std::vector<std::string> words) {
  auto seat = seat_for(place.user);
  if (!seat) co_return fail(std::move(seat.error()));
  auto in_use = labs_.use(place.instance);
  auto session = co_await start(std::move(place), std::move(words));
  if (!session) co_return fail(std::move(session.error()));
  (*session)->close_input();
  auto ending = [this](std::shared_ptr<engine::ExecSession> ended) { end(std::move(ended)); };
  co_return std::make_shared<Running>(std::move(*session), std::move(in_use), std::move(*seat), std::move(ending));
}

asio::awaitable<void> Service::give_back(std::shared_ptr<Kept> kept) {
  if (!kept->sftp.clean() || idle_.size() >= kMostKept || gate_.closing()) {
    end(kept->sftp.session());
    co_return;
  }
  idle_.emplace(kept->key, kept);
  const auto mine = ++kept->returns;
  co_await sleep_for(kKept);
  // Taken meanwhile, or taken and given back: then somebody else looks after it.
  auto [from, to] = idle_.equal_range(kept->key);
  for (; from != to; ++from) {
    if (from->second != kept || kept->returns != mine) continue;
    idle_.erase(from);
    end(kept->sftp.session());
    co_return;
  }
}

void Service::end(std::shared_ptr<engine::ExecSession> session) {
  auto work = end_session(session);
  gate_.spawn(home_, "end a conversation", std::move(work));
}

asio::awaitable<void> Service::close() {
  for (auto& [key, kept] : idle_) kept->sftp.session()->close();
  idle_.clear();
  co_await gate_.close();
}

}  // namespace tiltyard::transfers
