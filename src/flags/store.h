#pragma once

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "base/secret.h"
#include "bus/bus.h"
#include "flags/image_scan.h"
#include "store/store.h"

namespace tiltyard::flags {

namespace asio = boost::asio;

std::vector<store::Migration> migrations();

struct FlagOwner {
  std::string owner;
  TemplateId tmpl;
};

/// The tables `flags` and `flag_images`.
class FlagStore {
 public:
  explicit FlagStore(store::Store& store) : store_(store) {}

  asio::awaitable<Result<std::optional<Secret>>> find(std::string owner, TemplateId tmpl);
  /// The owner's flag of this template: the one that is there, else one that `draw` makes. Atomic; a text that somebody
  /// has already is drawn again.
  asio::awaitable<Result<Secret>> find_or_insert(std::string owner, TemplateId tmpl, std::function<Secret()> draw,
                                                 std::string base, TimePoint now);
  /// The flags of an owner who is gone.
  asio::awaitable<Result<>> remove_all_of(std::string owner, bus::Actor actor, TimePoint now);
  asio::awaitable<Result<std::optional<FlagOwner>>> owner_of(std::string flag);

  /// What is known of an image; `key` says what was looked for in it.
  asio::awaitable<Result<std::optional<ImageScan>>> find_scan(std::string image, std::string key);
  asio::awaitable<Result<>> keep_scan(std::string image, std::string key, ImageScan scan, TimePoint now);
  /// Forgets all images but these.
  asio::awaitable<Result<>> drop_scans(std::set<std::string> but);

 private:
  store::Store& store_;
};

/// A scan as JSON text, and back. Paths and texts are hexadecimal: they need not be UTF-8.
std::string to_json(const ImageScan& scan);
Result<ImageScan> parse_scan(const std::string& text);

}  // namespace tiltyard::flags
