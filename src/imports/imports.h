#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "imports/model.h"
#include "templates/model.h"

/// What others may ask of imports: how a challenge.toml reads (docs/challenge.md).
namespace tiltyard::imports {

/// The name of the file.
inline constexpr char kChallengeFile[] = "challenge.toml";

struct ReadChallenge {
  Challenge challenge;
  std::vector<templates::Problem> problems;  ///< with an error the challenge must not be used
};

/// Reads the text of a challenge.toml. `name` is what it is called where the file does not say. Never fails: what is
/// wrong is in `problems`. Pure.
ReadChallenge read_challenge(std::string_view text, const std::string& name);

}  // namespace tiltyard::imports
