#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imports/model.h"
#include "templates/model.h"

namespace tiltyard::imports {

/// The name of the file.
inline constexpr char kChallengeFile[] = "challenge.toml";

/// How a value may fall with the solves.
std::span<const std::string_view> functions();

struct ReadChallenge {
  Challenge challenge;
  std::vector<templates::Problem> problems;  ///< with an error the challenge must not be used
};

/// Reads the text of a challenge.toml. `name` is what it is called where the file does not say. Never fails: what is
/// wrong is in `problems`. Pure.
ReadChallenge read_challenge(std::string_view text, const std::string& name);

/// The same as a file that a person may go on with; `origin` is named in its first line.
std::string write_challenge(const Challenge& challenge, std::string_view origin);

/// A text as TOML 1.0 has it: in several lines where it has some.
std::string toml_text(std::string_view text);

}  // namespace tiltyard::imports
