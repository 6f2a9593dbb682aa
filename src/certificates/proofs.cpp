#include "certificates/proofs.h"

#include <soci/soci.h>

#include <algorithm>
#include <set>

#include "certificates/x509.h"
#include "gateway/gateway.h"
#include "observe/log.h"
#include "tls/certificates.h"

namespace tiltyard::certificates {
namespace {

constexpr char kPath[] = "/.well-known/acme-challenge/";

Result<std::vector<rows::Proof>> read_proofs(soci::session& sql) { return rows::proofs(sql); }

}  // namespace

Proofs::Proofs(Parts parts, std::unique_ptr<Dns> dns) : parts_(parts), dns_(std::move(dns)), turn_(parts.home) {}

const std::string* Proofs::answer_to(const std::string& token) const {
  const auto found = answers_.find(token);
  return found == answers_.end() ? nullptr : &found->second;
}

/// The answers of http-01, here and on the gateway's loops.
asio::awaitable<Result<>> Proofs::refresh() {
  auto all = co_await parts_.store.read(read_proofs);
  if (!all) co_return fail(std::move(all.error()));
  answers_.clear();
  std::map<std::string, std::string, std::less<>> paths;
  for (const auto& proof : *all) {
    if (proof.kind != "http") continue;
    answers_[proof.name] = proof.value;
    paths[kPath + proof.name] = proof.value;
  }
  co_await parts_.gateway.answer_itself(std::move(paths));
  co_return Result<>{};
}

Result<> Proofs::show_tls(const std::string& name, const std::string& key_authorization) {
  auto made = challenge_certificate(name, key_authorization);
  if (!made) return fail(std::move(made.error()));
  return parts_.shelf.put_challenge(name, made->chain_pem, made->key_pem);
}

asio::awaitable<Result<>> Proofs::load() {
  auto all = co_await parts_.store.read(read_proofs);
  if (!all) co_return fail(std::move(all.error()));
  for (const auto& proof : *all) {
    if (proof.kind != "tls") continue;
    if (auto shown = show_tls(proof.name, proof.value); !shown) co_return shown;
  }
  co_return co_await refresh();
}

asio::awaitable<Result<>> Proofs::show(rows::Proof proof) {
  // Two orders that read the same set, and then write it each with its own value, would lose one.
  const auto held = co_await turn_.take();
  auto work = [proof](soci::session& sql) -> Result<> {
    rows::add_proof(sql, proof);
    return {};
  };
  auto kept = co_await parts_.store.write(std::move(work));
  if (!kept) co_return kept;
  if (proof.kind == "http") co_return co_await refresh();
  if (proof.kind == "tls") co_return show_tls(proof.name, proof.value);
  std::vector<std::string> added{proof.value};
  co_return co_await put_dns(proof.name, std::move(added), {});
}

asio::awaitable<Result<>> Proofs::put_dns(std::string name, std::vector<std::string> added,
                                          std::vector<std::string> taken) {
  if (!dns_)
    co_return fail(Code::kConflict, "dns-nobody",
                   "Nobody writes DNS records: set acme.dns, or another acme.challenge where there is no wildcard.");
  auto all = co_await parts_.store.read(read_proofs);
  if (!all) co_return fail(std::move(all.error()));
  std::set<std::string> texts;
  for (const auto& proof : *all) {
    if (proof.kind == "dns" && proof.name == name) texts.insert(proof.value);
  }
  std::vector<std::string> now(texts.begin(), texts.end());
  co_return co_await dns_->put(std::move(name), std::move(now), std::move(added), std::move(taken));
}

asio::awaitable<void> Proofs::take_away(std::string certificate) {
  const auto held = co_await turn_.take();
  auto all = co_await parts_.store.read(read_proofs);
  if (!all) co_return log::warn("certificates", "proofs could not be read", {{"reason", all.error().reason}});
  std::map<std::string, std::vector<std::string>> records;
  for (const auto& proof : *all) {
    if (proof.certificate != certificate) continue;
    if (proof.kind == "tls") parts_.shelf.drop_challenge(proof.name);
    if (proof.kind == "dns") records[proof.name].push_back(proof.value);
  }
  auto work = [certificate](soci::session& sql) -> Result<> {
    rows::remove_proofs(sql, certificate);
    return {};
  };
  auto gone = co_await parts_.store.write(std::move(work));
  if (gone) gone = co_await refresh();
  for (auto& [name, texts] : records) {
    if (!gone) break;
    gone = co_await put_dns(name, {}, std::move(texts));
  }
  if (!gone)
    log::warn("certificates", "what proved a name could not be taken away",
              {{"certificate", certificate}, {"reason", gone.error().reason}, {"cause", gone.error().message}});
}

}  // namespace tiltyard::certificates
