#pragma once

#include <boost/json/value.hpp>

#include <string>

#include "base/clock.h"

/// How an instance reads; pure, so that tests can hold it against what people should see.
namespace tiltyard::labs {

/// "http://…", "tcp host:port", "udp host:port", or "" while there is none.
std::string endpoint_text(const boost::json::value& endpoint);
/// What is in the column LEFT: what is left of the lease, the place in the queue, or why it failed.
std::string left_text(const boost::json::value& instance, TimePoint now);
/// One line on what happens now: "queued, position 3, about 20 s", "starting: machines 1 of 4, 2 s of about 5 s".
std::string progress_text(const boost::json::value& instance);
/// Everything on one instance, a line each.
std::string instance_page(const boost::json::value& instance, TimePoint now, bool colours);

}  // namespace tiltyard::labs
