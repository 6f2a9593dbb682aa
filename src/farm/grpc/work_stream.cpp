#include "farm/grpc/work_stream.h"

#include "farm/grpc/convert.h"

namespace tiltyard::farm {
namespace {

/// Open asks of one sender; more are of no use to it and would only take flags away from the others.
constexpr int kMostTakes = 16;
/// How long a lease is waited for at a time; after it we look whether the sender is still there.
constexpr std::chrono::milliseconds kWait{1'000};

}  // namespace

class WorkStream::Underway {
 public:
  explicit Underway(WorkStream& stream) : stream_(stream) {}
  ~Underway() {
    std::unique_lock lock(stream_.mutex_);
    --stream_.underway_;
    stream_.finish_if_idle(lock);
  }
  Underway(const Underway&) = delete;
  Underway& operator=(const Underway&) = delete;

 private:
  WorkStream& stream_;
};

WorkStream::WorkStream(Service& farm, Gate& gate, asio::any_io_executor home)
    : farm_(farm), gate_(gate), home_(std::move(home)) {
  StartRead(&incoming_);
}

void WorkStream::OnReadDone(bool ok) {
  if (ok) {
    handle(incoming_);
    StartRead(&incoming_);
    return;
  }
  std::unique_lock lock(mutex_);
  reading_ = false;
  // A sender that closes its side has nothing more to ask for: what it is owed are the receipts.
  finish_if_idle(lock);
}

void WorkStream::OnCancel() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
}

void WorkStream::handle(const v1::SenderMessage& message) {
  Ticket ticket;
  bool too_many = false;
  {
    const std::lock_guard lock(mutex_);
    ++underway_;
    too_many = message.has_take() && takes_ >= kMostTakes;
    if (message.has_take() && !too_many) ++takes_;
  }
  ticket = std::make_shared<Underway>(*this);
  if (too_many) {
    fail_with({Code::kLimited, "too-many-takes", "Wait for the leases that were asked for before.", {}, {}}, {});
  } else if (message.has_take()) {
    gate_.spawn(home_, "grpc take", take(std::move(ticket), message.take()));
  } else if (message.has_verdicts()) {
    gate_.spawn(home_, "grpc verdicts", note(std::move(ticket), message.verdicts()));
  } else if (message.has_extend()) {
    gate_.spawn(home_, "grpc extend", extend(std::move(ticket), message.extend().lease()));
  } else {
    fail_with({Code::kInvalid, "invalid-message", "A message is take, verdicts or extend.", {}, {}}, {});
  }
}

asio::awaitable<void> WorkStream::take(Ticket ticket, v1::Take wanted) {
  Result<std::optional<Lease>> got{std::nullopt};
  while (got && !*got && !gone()) got = co_await farm_.lease(wanted.sender(), wanted.max(), kWait);
  {
    const std::lock_guard lock(mutex_);
    --takes_;
  }
  if (!got) {
    fail_with(got.error(), {});
  } else if (*got) {
    v1::FarmMessage message;
    fill(*message.mutable_lease(), **got);
    if (!push(message)) give_back(message.lease());
  }
}

asio::awaitable<void> WorkStream::note(Ticket ticket, v1::Verdicts verdicts) {
  auto receipt = co_await farm_.report(report_of(verdicts));
  if (!receipt) {
    fail_with(receipt.error(), verdicts.lease());
    co_return;
  }
  v1::FarmMessage message;
  auto& out = *message.mutable_receipt();
  out.set_lease(verdicts.lease());
  out.set_recorded(static_cast<std::uint32_t>(receipt->recorded));
  out.set_late(static_cast<std::uint32_t>(receipt->late));
  out.set_unknown(static_cast<std::uint32_t>(receipt->unknown));
  push(std::move(message));
}

asio::awaitable<void> WorkStream::extend(Ticket ticket, std::string lease) {
  auto until = co_await farm_.extend(lease);
  if (!until) {
    fail_with(until.error(), lease);
    co_return;
  }
  v1::FarmMessage message;
  message.mutable_extended()->set_lease(lease);
  message.mutable_extended()->set_expires_at(to_micros(*until));
  push(std::move(message));
}

namespace {

asio::awaitable<void> report(Service& farm, VerdictReport report) {
  // If it does not work the lease ends by itself.
  [[maybe_unused]] auto receipt = co_await farm.report(std::move(report));
}

}  // namespace

void WorkStream::give_back(const v1::Lease& lease) {
  gate_.spawn(home_, "grpc give back", report(farm_, undelivered(lease)));
}

void WorkStream::fail_with(const Error& error, const std::string& lease) {
  v1::FarmMessage message;
  fill(*message.mutable_failure(), error, lease);
  push(std::move(message));
}

bool WorkStream::gone() {
  const std::lock_guard lock(mutex_);
  return gone_ || !reading_;
}

bool WorkStream::push(v1::FarmMessage message) {
  std::unique_lock lock(mutex_);
  if (gone_ || finished_ || (message.has_lease() && !reading_)) return false;
  outgoing_.push_back(std::move(message));
  write_next(lock);
  return true;
}

void WorkStream::write_next(std::unique_lock<std::mutex>& lock) {
  if (writing_ || outgoing_.empty()) return;
  writing_ = true;
  const auto* message = &outgoing_.front();
  lock.unlock();
  StartWrite(message);
  lock.lock();
}

void WorkStream::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  if (!ok) {
    gone_ = true;
    for (const auto& message : outgoing_) {
      if (message.has_lease()) give_back(message.lease());
    }
    outgoing_.clear();
  } else {
    outgoing_.pop_front();
    write_next(lock);
  }
  finish_if_idle(lock);
}

void WorkStream::finish_if_idle(std::unique_lock<std::mutex>& lock) {
  if (finished_ || reading_ || underway_ > 0 || writing_ || !outgoing_.empty()) return;
  finished_ = true;
  lock.unlock();
  // From here on OnDone may come at any time, on another thread: this is not to be touched again.
  Finish(grpc::Status::OK);
}

}  // namespace tiltyard::farm
