#include "farm/farm.h"

#include "farm/state.h"

namespace tiltyard::farm {

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(std::move(options), std::move(parts))) {}
Service::~Service() = default;

std::shared_ptr<const identity::Principal> Service::principal(const http::Request&, const http::Route&) const { return nullptr; }

}  // namespace tiltyard::farm
