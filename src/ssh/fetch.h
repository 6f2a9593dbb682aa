#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

#include "net/reach.h"
#include "ssh/public_key.h"

namespace tiltyard::ssh {

namespace asio = boost::asio;

/// The keys that stand at a URL, as https://github.com/NAME.keys has them. What may be asked are the places that the
/// operator lists (`from`: beginnings of URLs), and of these what `reach` allows: redirects are not followed.
/// `key-source` (no such place), `key-invalid` (no key stands there), `key-source-away`.
asio::awaitable<Result<std::vector<PublicKey>>> fetch_keys(std::string url, std::vector<std::string> from,
                                                           const net::Reach* reach);

/// Whether the URL is below one of `from`, and says nothing that could lead elsewhere.
bool may_be_asked(std::string_view url, const std::vector<std::string>& from);

}  // namespace tiltyard::ssh
