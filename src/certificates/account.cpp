// The account at the CA: its key is made and kept before the CA hears of it, so that none is made twice.
#include <soci/soci.h>

#include "certificates/state.h"
#include "observe/log.h"

namespace tiltyard::certificates {
namespace {

acme::Account account_of(const Options& options) { return {options.email, options.eab_kid, options.eab_key}; }

}  // namespace

asio::awaitable<Result<acme::Client*>> Service::State::ca() {
  const auto held = co_await account_turn.take();
  if (client && client->has_account()) co_return client.get();
  if (!client) {
    const auto directory = options.directory;
    auto look = [directory](soci::session& sql) -> Result<std::optional<rows::Account>> {
      return rows::account(sql, directory);
    };
    auto kept = co_await parts.store.read(std::move(look));
    if (!kept) co_return fail(std::move(kept.error()));
    std::optional<Secret> pem;
    if (*kept) pem = seal->open_text((*kept)->key);
    if (*kept && !pem) log::warn("certificates", "the ACME account's key cannot be opened; a new account is made");
    auto key = pem ? AccountKey::from_pem(*pem) : AccountKey::make();
    if (!key) co_return fail(std::move(key.error()));
    if (!pem) {
      auto keep = [directory, sealed = seal->close(key->pem().reveal())](soci::session& sql) -> Result<> {
        rows::save_account(sql, directory, {"", sealed});
        return {};
      };
      auto written = co_await parts.store.write(std::move(keep));
      if (!written) co_return fail(std::move(written.error()));
    }
    auto made = acme::Client::make(directory, options.ca_file, std::move(*key));
    if (!made) co_return fail(std::move(made.error()));
    client = std::move(*made);
    if (pem && !(*kept)->url.empty()) client->use_account((*kept)->url);
  }
  if (!client->has_account()) {
    auto opened = co_await open_account_again();
    if (!opened) co_return fail(std::move(opened.error()));
  }
  co_return client.get();
}

asio::awaitable<Result<>> Service::State::open_account_again() {
  auto url = co_await client->open_account(account_of(options));
  if (!url) co_return fail(std::move(url.error()));
  auto keep = [directory = options.directory, url = *url,
               sealed = seal->close(client->key().pem().reveal())](soci::session& sql) -> Result<> {
    rows::save_account(sql, directory, {url, sealed});
    return {};
  };
  co_return co_await parts.store.write(std::move(keep));
}

}  // namespace tiltyard::certificates
