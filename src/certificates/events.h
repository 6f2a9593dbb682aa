#pragma once

#include "bus/event_kind.h"

/// What certificates tells of; docs/event-kinds.md has it all.
namespace tiltyard::certificates::events {

inline constexpr bus::EventKind kIssued{
    .name = "certificate.issued",
    .prose = "A certificate was fetched from the CA.",
    .severity = bus::Severity::kGood,
    .notice = {.title = "Certificate fetched", .subject = "Certificate", .fact = {"Names", "names"}}};
inline constexpr bus::EventKind kFailed{
    .name = "certificate.failed",
    .prose = "A certificate could not be fetched; it is tried again.",
    .severity = bus::Severity::kError,
    .notice = {.title = "No certificate", .subject = "Certificate", .fact = {"Why", "error"}}};
inline constexpr bus::EventKind kAsked{.name = "certificate.asked", .prose = "Staff asked for a new certificate."};

inline constexpr const bus::EventKind* kAll[] = {&kIssued, &kFailed, &kAsked};

}  // namespace tiltyard::certificates::events
