#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tiltyard {

/// Whom the gateway lets through to an endpoint. Templates, the plan of an instance (on disk) and the API say it as a
/// word.
enum class Door : std::uint8_t {
  kUnsaid,   ///< as gateway.owner_only has it for the whole range
  kOpen,     ///< whoever knows the address
  kOwner,    ///< its owner: by a cookie (HTTP), by the address that its owner has, or else by a token
  kAddress,  ///< its owner, by the address alone: for programs that a prompt would disturb
  kPrompt,   ///< its owner, by the token alone: where others share the address
};

constexpr std::string_view word_of(Door door) {
  switch (door) {
    case Door::kUnsaid:
      return "";
    case Door::kOpen:
      return "open";
    case Door::kOwner:
      return "owner";
    case Door::kAddress:
      return "address";
    case Door::kPrompt:
      return "prompt";
  }
  return "";
}

/// The door that a word names; nullopt: none does.
constexpr std::optional<Door> door_of(std::string_view word) {
  for (const auto door : {Door::kUnsaid, Door::kOpen, Door::kOwner, Door::kAddress, Door::kPrompt}) {
    if (word == word_of(door)) return door;
  }
  return std::nullopt;
}

/// What a door is where the whole range is `owner_only` by default, or is not.
constexpr Door settled(Door door, bool owner_only) {
  if (door != Door::kUnsaid) return door;
  return owner_only ? Door::kOwner : Door::kOpen;
}

}  // namespace tiltyard
