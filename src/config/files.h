#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace tiltyard::config {

/// The text of a secret's file without the line break at its end, or nothing when it cannot be read.
std::optional<std::string> read_secret_file(const std::filesystem::path& path);

}  // namespace tiltyard::config
