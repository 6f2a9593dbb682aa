// The program for machines, as the linker carries it.
#include "inside/inside.h"

// NOLINTNEXTLINE(hicpp-no-assembler)
asm(".pushsection .rodata\n"
    "tiltyard_inside_begin:\n"
    ".incbin \"" INSIDE_PROGRAM
    "\"\n"
    "tiltyard_inside_end:\n"
    ".popsection\n");

extern "C" {
extern const char tiltyard_inside_begin[], tiltyard_inside_end[];
}

namespace tiltyard::inside {

std::string_view program() {
  return {tiltyard_inside_begin, static_cast<std::size_t>(tiltyard_inside_end - tiltyard_inside_begin)};
}

}  // namespace tiltyard::inside
