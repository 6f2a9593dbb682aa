#include "notices/notices.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/id.h"
#include "notices/state.h"
#include "observe/log.h"

namespace tiltyard::notices {

namespace json = boost::json;

namespace {
constexpr std::chrono::milliseconds kFeedEvery{500}, kDeliverEvery{1'000};
}

Service::Service(Options options, store::Store& store, const Clock& clock, jobs::Service& jobs, const bus::Kinds& kinds)
    : state_(std::make_shared<State>(std::move(options), store, clock, jobs, kinds)) {}

Service::~Service() = default;

Result<> Service::prepare() {
  auto& state = *state_;
  for (const auto* kinds : {&state.options.discord_kinds, &state.options.mail_kinds}) {
    for (const auto& kind : *kinds) {
      const auto* found = state.kinds.find(kind);
      if (found == nullptr || found->rows == bus::Rows::kNone)
        return fail(Code::kInvalid, "notices-invalid", "notices: there is no kind of event \"" + kind + "\".");
    }
  }
  if (!state.options.discord_url.empty()) {
    auto target = webhook_of(state.options);
    if (!target) return fail(std::move(target.error()));
    state.webhook.emplace(std::move(*target));
  }
  if (!state.options.smtp_url.empty()) {
    auto server = mail_server_of(state.options);
    if (!server) return fail(std::move(server.error()));
    state.mail_server = std::move(*server);
    auto seal = Seal::open(state.options.data_folder, "notices");
    if (!seal) return fail(std::move(seal.error()));
    state.seal = std::move(*seal);
  }
  state.declare_jobs();
  return {};
}

void Service::State::declare_jobs() {
  if (wants_events()) {
    jobs::Kind feed_kind;
    feed_kind.name = "notices.feed";
    feed_kind.about = "Looks in the event log for what is to be told.";
    feed_kind.handler = [this](jobs::Firing) { return feed(); };
    jobs.declare_poll(std::move(feed_kind), kFeedEvery);
  }
  if (!webhook && !mail_server) return;
  jobs::Kind delivery;
  delivery.name = kDelivery;
  delivery.about = "Delivers the notices that wait.";
  delivery.timeout = std::chrono::minutes{2};
  delivery.at_once = 2;
  delivery.handler = [this](jobs::Firing firing) { return deliver(std::move(firing.payload)); };
  jobs.declare(std::move(delivery));
  for (const auto* channel : {kDiscord, kMail}) {
    const bool on = std::string_view(channel) == kMail ? mail_server.has_value() : webhook.has_value();
    if (on)
      jobs.declare(jobs::Service::Recurring{kDelivery, channel, channel, *jobs::Schedule::every(kDeliverEvery),
                                            jobs::Keep::kMemory});
  }
}

bool Service::has_mail() const { return state_->mail_server.has_value(); }

asio::awaitable<Result<>> Service::mail(Mail letter) {
  const auto state = state_;
  if (!state->mail_server) co_return fail(Code::kConflict, "mail-off", "This server sends no mail.");
  if (auto good = check(letter); !good) co_return good;
  Notice notice;
  notice.id = new_ulid();
  notice.channel = kMail;
  notice.mark = "letter-" + notice.id;
  notice.payload = state->sealed(letter);
  notice.created_at = notice.next_at = state->clock.now();
  auto queued = co_await state->queue.put(std::move(notice));
  if (queued) state->jobs.poke(kDelivery);
  co_return queued;
}

std::string Service::State::sealed(const Mail& letter) const {
  return seal->close(
      json::serialize(json::object{{"to", letter.to}, {"subject", letter.subject}, {"text", letter.text}}));
}

std::optional<Mail> Service::State::unsealed(const std::string& payload) const {
  const auto text = seal->open_text(payload);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  const auto value = json::parse(text->reveal(), error);
  if (error || !value.is_object()) return std::nullopt;
  const auto& object = value.get_object();
  return Mail{std::string(object.at("to").as_string()), std::string(object.at("subject").as_string()),
              std::string(object.at("text").as_string())};
}

}  // namespace tiltyard::notices
