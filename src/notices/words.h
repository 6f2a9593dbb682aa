#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "bus/bus.h"
#include "notices/notices.h"

namespace tiltyard::notices {

/// The event as one of Discord's embeds: green when it runs, red when it failed, yellow when extended, orange when
/// stopped, grey otherwise; within the limits of the API (title 256 characters, field names 256, values 1,024, footer
/// 2,048). Names of people cannot mention anybody or change the layout. `mark` stands in the footer. Source:
/// https://discord.com/developers/docs/resources/message#embed-object-embed-limits
boost::json::object embed_of(const bus::Event& event, const std::string& mark, const std::string& site,
                             const std::string& public_url);

/// The same as a letter to the staff.
Mail letter_of(const bus::Event& event, const std::string& to, const std::string& site, const std::string& public_url);

/// The body of the webhook's message for up to ten embeds.
std::string message_of(boost::json::array embeds, const std::string& site);

}  // namespace tiltyard::notices
