#pragma once

#include "names/model.h"

namespace tiltyard::names {

/// How the instance is that a name leads to.
enum class Target : std::uint8_t {
  kComing,  ///< it will be there
  kUp,
  kGone,
};

/// Where the gateway of this process leads a name.
enum class Led : std::uint8_t {
  kNowhere,
  kElsewhere,  ///< where it pointed before, perhaps: that is still to be taken back
  kThere,
};

/// What a name's next move depends on beside its row.
struct World {
  Target target = Target::kGone;
  bool successor = false;     ///< its owner has another instance of the template, where it may go on
  bool records = false;       ///< we write records of free names
  bool certificates = false;  ///< it is to get a certificate of its own
  Led led = Led::kNowhere;
  bool wanted = false;  ///< the certificate, in this process
  TimePoint now{};
};

/// One step in the life of a name. Each can be made twice, and a crash may come before or behind any of them: what is
/// next is found from the row alone.
enum class Move : std::uint8_t {
  kNothing,
  kFollow,  ///< to the successor
  kWriteRecord,
  kRoute,
  kWantCertificate,
  kLeave,       ///< begins to be taken back
  kDropRecord,  ///< first of what is taken back: a record may never lead where nobody answers for it
  kUnroute,
  kReleaseCertificate,
  kRest,
  kForget,
};

/// For how long somebody may take to prove that a domain is theirs.
inline constexpr std::chrono::hours kProofWithin{7 * 24};

Move next_move(const Name& name, const World& world);

}  // namespace tiltyard::names
