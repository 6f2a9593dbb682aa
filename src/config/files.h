#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::config {

/// The text of a secret's file without the line break at its end, or nothing when it cannot be read.
std::optional<std::string> read_secret_file(const std::filesystem::path& path);

/// " Did you mean WORD?", with `before` and `after` around it; nothing where no candidate is near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates,
                         std::string_view before = {}, std::string_view after = {});

}  // namespace tiltyard::config
