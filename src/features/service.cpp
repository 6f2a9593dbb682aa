#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "features/state.h"

namespace tiltyard::features {

Subject Subject::of(const identity::Principal& principal, std::string_view owner) {
  Subject subject;
  subject.user = principal.user.str();
  subject.user_name = principal.name;
  if (principal.team) subject.team = principal.team->str();
  subject.team_name = principal.team_name;
  subject.owner = owner;
  subject.role = principal.role;
  return subject;
}

unsigned draw(std::string_view feature, std::string_view owner) {
  static constexpr std::array<unsigned char, crypto_shorthash_KEYBYTES> kKey{};
  std::array<unsigned char, 192> text;  // what is behind `size` is never read
  const std::size_t name = std::min(feature.size(), std::size_t{64});
  const std::size_t who = std::min(owner.size(), text.size() - name - 1);
  std::memcpy(text.data(), feature.data(), name);
  text[name] = 0;
  std::memcpy(text.data() + name + 1, owner.data(), who);
  std::array<unsigned char, crypto_shorthash_BYTES> hash{};
  crypto_shorthash(hash.data(), text.data(), name + 1 + who, kKey.data());
  // Little-endian whatever the machine is: the draw is the same everywhere.
  std::uint64_t number = 0;
  for (std::size_t i = hash.size(); i-- > 0;) number = number << 8 | hash[i];
  return static_cast<unsigned>(number % 10'000);
}

namespace {

bool named(const std::set<std::string>& targets, std::string_view id, std::string_view name) {
  if (targets.empty()) return false;
  return (!id.empty() && targets.contains(std::string(id))) || (!name.empty() && targets.contains(std::string(name)));
}

}  // namespace

bool is_on(const Feature& feature, const Subject& subject) {
  if (!feature.enabled) return false;
  if (feature.percent >= 100) return true;
  if (feature.role && subject.role >= *feature.role) return true;
  if (named(feature.users, subject.user, subject.user_name) || named(feature.teams, subject.team, subject.team_name))
    return true;
  return feature.percent > 0 && draw(feature.name, subject.owner) < feature.percent * 100;
}

Service::Service(store::Store& store, const Clock& clock) : state_(std::make_shared<State>(store, clock)) {}
Service::~Service() = default;

asio::awaitable<Result<>> Service::load() {
  auto all = co_await state_->store.read(sql::read_all);
  if (!all) co_return fail(std::move(all.error()));
  state_->all.clear();
  for (auto& feature : *all) state_->all.insert_or_assign(feature.name, std::move(feature));
  co_return Result<>{};
}

bool Service::State::on(std::string_view name, const Subject& subject) const {
  const auto found = all.find(name);
  return found != all.end() ? is_on(found->second, subject) : declared.contains(name);
}

std::optional<Feature> Service::State::shown(std::string_view name) const {
  if (const auto found = all.find(name); found != all.end()) return found->second;
  const auto found = declared.find(name);
  if (found == declared.end()) return std::nullopt;
  Feature feature;
  feature.name = found->first;
  feature.about = found->second.said.about;
  feature.enabled = true;
  feature.percent = 100;
  return feature;
}

void Service::declare(house::Switch one, std::string_view capability) {
  auto name = one.name;
  state_->declared.insert_or_assign(std::move(name), State::Declared{std::move(one), std::string(capability)});
}

void Service::bind(const house::Routes& routes) {
  state_->whole.clear();
  for (const auto& route : routes.all()) {
    auto& name = state_->whole.emplace_back();
    for (const auto& [known, declared] : state_->declared) {
      if (declared.said.whole && declared.capability == route.capability) name = known;
    }
  }
}

bool Service::hidden(std::size_t route, const identity::Principal& who) const {
  if (state_->all.empty() || state_->whole[route].empty()) return false;
  return !on(state_->whole[route], who);
}

bool Service::hides(std::string_view capability, const identity::Principal& who) const {
  if (state_->all.empty()) return false;
  return std::ranges::any_of(state_->declared, [&](const auto& one) {
    return one.second.said.whole && one.second.capability == capability && !on(one.first, who);
  });
}

bool Service::hidden_from_everybody(std::size_t route) const {
  if (state_->all.empty() || state_->whole[route].empty()) return false;
  const auto found = state_->all.find(state_->whole[route]);
  return found != state_->all.end() && !found->second.enabled;
}

bool Service::on(std::string_view name, const Subject& subject) const { return state_->on(name, subject); }

bool Service::on(std::string_view name, const identity::Principal& principal) const {
  const auto owner = principal.owner();
  return on(name, Subject::of(principal, owner));
}

}  // namespace tiltyard::features
