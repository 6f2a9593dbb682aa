#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The Guacamole protocol's framing (Apache Guacamole manual, "The Guacamole protocol"): an element is its length in
/// code points, ".", and its text; elements are joined by "," and an instruction ends with ";".
namespace tiltyard::guacamole {

/// The operation, then what it is given.
using Instruction = std::vector<std::string>;

// What guacd itself takes; beyond it the connection dies there.
inline constexpr std::size_t kLongestInstruction = 8192;  ///< bytes
inline constexpr std::size_t kMostElements = 128;

/// How many bytes the instruction has with which `bytes` begin; 0: its end has not come yet. `guacamole-malformed` for
/// what can be no instruction, `guacamole-too-long` for one that is longer than `longest` bytes.
Result<std::size_t> measure(std::string_view bytes, std::size_t longest = kLongestInstruction);
/// The elements of one whole instruction, with nothing behind it.
Result<Instruction> parse(std::string_view whole, std::size_t longest = kLongestInstruction);
/// The texts are UTF-8.
std::string write(const Instruction& instruction);

}  // namespace tiltyard::guacamole
