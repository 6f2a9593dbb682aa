#include "traefik/extra.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace tiltyard::traefik {
namespace {

constexpr std::size_t kMostBytes = 1024 * 1024, kMostExtra = 10'000;

bool is_path(std::string_view key) {
  return !key.empty() && key.size() <= 500 && !key.starts_with('/') && !key.ends_with('/') && !key.contains("//") &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f && c != '*' && c != '?' && c != '['; });
}

}  // namespace

Result<Keys> parse_extra(const Options& options, std::string_view text) {
  Keys keys;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    const auto said = trim(line);
    if (said.empty() || said.starts_with('#')) continue;
    const auto wrong = [&](std::string_view why) {
      return fail(Code::kInvalid, "extra-invalid", fmt::format("{}: line {}: {}", options.extra, number, why));
    };
    const auto equals = said.find('=');
    if (equals == said.npos) return wrong("it has no \"=\"; write KEY = VALUE.");
    const auto path = trim(said.substr(0, equals)), value = trim(said.substr(equals + 1));
    if (!is_path(path)) return wrong("the key is no path like http/middlewares/NAME/KIND/….");
    if (value.empty()) return wrong("the value is empty, and Traefik would skip it; write true for what takes none.");
    auto key = options.root + "/" + std::string(path);
    if (is_ours(options, key)) return wrong("the name begins like ours, and would be removed.");
    if (!keys.emplace(std::move(key), std::string(value)).second) return wrong("the key is there twice.");
    if (keys.size() > kMostExtra) return wrong("more than 10000 keys.");
  }
  return keys;
}

Result<Keys> read_extra(const Options& options) {
  if (options.extra.empty()) return Keys{};
  std::ifstream file(options.extra, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file && file.gcount() == 0 && !file.eof())) {
    return fail(Code::kInvalid, "extra-invalid", fmt::format("{} (traefik.extra) cannot be read.", options.extra));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes)
    return fail(Code::kInvalid, "extra-invalid", fmt::format("{} has more than 1 MiB.", options.extra));
  return parse_extra(options, text);
}

}  // namespace tiltyard::traefik
