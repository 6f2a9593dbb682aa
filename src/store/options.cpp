// What the configuration says of the database.
#include "config/keys.h"
#include "store/store.h"

namespace tiltyard::store {
namespace {

constexpr std::string_view kFile = "sqlite:";

constexpr config::Form kUrl{
    .takes = "sqlite:PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    .fits =
        [](std::string_view text) {
          return (text.starts_with(kFile) && text.size() > kFile.size()) || text.starts_with("postgresql://") ||
                 text.starts_with("postgres://");
        },
    .shown = config::without_password,
    .resolve =
        [](const std::filesystem::path& folder, const std::string& url) {
          return url.starts_with(kFile) ? std::string(kFile) + config::resolve_path(folder, url.substr(kFile.size()))
                                        : url;
        }};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("store", "The database.")
      .text("url", options.url, kUrl,
            "The database: sqlite:PATH, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE with libpq's options "
            "(?sslmode=verify-full). The password may also come from PGPASSWORD or PGPASSFILE.");
}

}  // namespace tiltyard::store
