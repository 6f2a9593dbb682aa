#pragma once

#include "bus/event_kind.h"

namespace tiltyard::greetings::events {

inline constexpr bus::EventKind kSaid{
    .name = "greeting.said", .prose = "Somebody greeted.", .notice = {.title = "Greeting", .subject = "Greeting"}};

inline constexpr const bus::EventKind* kAll[] = {&kSaid};

}  // namespace tiltyard::greetings::events
