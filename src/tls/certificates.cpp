#include "tls/certificates.h"

#include <fmt/format.h>

#include <mutex>

namespace tiltyard::tls {
namespace {

/// The bytes of a whole chain, hashed.
std::string fingerprint(const Chain& chain) {
  std::string all;
  for (int i = 0; i < sk_X509_num(chain.get()); ++i) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(sk_X509_value(chain.get(), i), EVP_sha256(), hash, &size) != 1) return {};
    all.append(reinterpret_cast<char*>(hash), size);
  }
  return all;
}

std::string date(TimePoint time) { return to_rfc3339(time).substr(0, 10); }

std::string problem_of(const Pair& pair, TimePoint now) {
  if (now >= pair.not_after()) return fmt::format("It has expired on {}.", date(pair.not_after()));
  if (now < pair.not_before()) return fmt::format("It is not valid before {}.", date(pair.not_before()));
  if (pair.names().empty())
    return "It is for no name: it has no subject alternative names, and browsers look there only.";
  return {};
}

}  // namespace

Chain Certificates::shared_chain(const Chain& chain) {
  if (!chain) return chain;
  const auto key = fingerprint(chain);
  if (key.empty()) return chain;
  auto& known = chains_[key];
  if (auto same = known.lock()) return same;
  std::erase_if(chains_, [&](const auto& each) { return each.second.expired() && each.first != key; });
  chains_[key] = chain;
  return chain;
}

void Certificates::unindex(const std::shared_ptr<const Pair>& pair) {
  if (!pair) return;
  for (const auto& name : pair->names()) {
    auto [at, end] = index_.equal_range(name);
    while (at != end) at = at->second == pair ? index_.erase(at) : std::next(at);
  }
}

Result<> Certificates::put(std::string source, std::string_view chain_pem, const Secret& key_pem) {
  auto parsed = Pair::parse(chain_pem, key_pem);
  if (!parsed) {
    complain(std::move(source), parsed.error().message);
    return fail(std::move(parsed.error()));
  }
  auto pair = std::make_shared<Pair>(std::move(*parsed));
  std::unique_lock lock(mutex_);
  pair->share_chain(shared_chain(pair->chain()));
  auto& place = sources_[std::move(source)];
  unindex(place.pair);
  place = {pair, {}};
  for (const auto& name : pair->names()) index_.emplace(name, pair);
  return {};
}

void Certificates::complain(std::string source, std::string problem) {
  std::unique_lock lock(mutex_);
  sources_[std::move(source)].problem = std::move(problem);
}

void Certificates::drop(const std::string& source) {
  std::unique_lock lock(mutex_);
  const auto found = sources_.find(source);
  if (found == sources_.end()) return;
  unindex(found->second.pair);
  sources_.erase(found);
}

void Certificates::set_default(std::string source) {
  std::unique_lock lock(mutex_);
  default_ = std::move(source);
}

Result<> Certificates::put_challenge(std::string name, std::string_view chain_pem, const Secret& key_pem) {
  auto parsed = Pair::parse(chain_pem, key_pem);
  if (!parsed) return fail(std::move(parsed.error()));
  auto pair = std::make_shared<const Pair>(std::move(*parsed));
  std::unique_lock lock(mutex_);
  challenges_.insert_or_assign(std::move(name), std::move(pair));
  return {};
}

void Certificates::drop_challenge(const std::string& name) {
  std::unique_lock lock(mutex_);
  challenges_.erase(name);
}

std::vector<Shown> Certificates::list() const {
  const auto now = clock_.now();
  std::shared_lock lock(mutex_);
  std::vector<Shown> out;
  for (const auto& [source, what] : sources_) {
    auto& shown = out.emplace_back();
    shown.source = source;
    shown.problem = what.problem;
    if (!what.pair) continue;
    shown.names = what.pair->names();
    shown.not_before = what.pair->not_before();
    shown.not_after = what.pair->not_after();
    shown.issuer = what.pair->issuer();
    if (shown.problem.empty()) shown.problem = problem_of(*what.pair, now);
  }
  return out;
}

std::shared_ptr<const Pair> Certificates::best(std::string_view name, TimePoint now) const {
  std::shared_ptr<const Pair> found;
  const auto rank = [now](const Pair& pair) { return std::pair(pair.is_valid(now), pair.not_after()); };
  for (auto [at, end] = index_.equal_range(name); at != end; ++at) {
    if (!found || rank(*at->second) > rank(*found)) found = at->second;
  }
  return found;
}

std::shared_ptr<const Pair> Certificates::named(std::string_view name, TimePoint now) const {
  auto exact = best(name, now);
  if (exact && exact->is_valid(now)) return exact;
  const auto dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0) return exact;
  auto wild = best(fmt::format("*{}", name.substr(dot)), now);
  // One that has expired serves where nothing better is.
  return wild && (!exact || wild->is_valid(now)) ? wild : exact;
}

std::shared_ptr<const Pair> Certificates::find(std::string_view name) const {
  const auto now = clock_.now();
  std::shared_lock lock(mutex_);
  if (!name.empty()) {
    if (auto found = named(name, now)) return found;
  }
  const auto fallback = sources_.find(default_);
  return fallback == sources_.end() ? nullptr : fallback->second.pair;
}

std::shared_ptr<const Pair> Certificates::find_challenge(std::string_view name) const {
  std::shared_lock lock(mutex_);
  const auto found = challenges_.find(name);
  return found == challenges_.end() ? nullptr : found->second;
}

bool Certificates::covers(std::string_view name) const {
  const auto now = clock_.now();
  std::shared_lock lock(mutex_);
  const auto found = named(name, now);
  return found && found->is_valid(now);
}

}  // namespace tiltyard::tls
