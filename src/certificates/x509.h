#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "tls/pair.h"

/// Keys, requests and what is written in certificates.
namespace tiltyard::certificates {

/// A new P-256 key in PEM.
Result<Secret> new_key();

/// A request for these names (RFC 2986), DER: all in subjectAltName, no subject.
Result<std::string> signing_request(const Secret& key_pem, const std::vector<std::string>& names);

/// By which a CA knows a certificate when it is asked when to renew it (RFC 9773, 4.1); empty: it cannot be asked.
std::string ari_id(std::string_view chain_pem);

/// The chain with its key, if it is for all of these names and has not ended by `now`: `certificate-unfit`, with what
/// is wrong, or what tls::Pair::parse says.
Result<tls::Pair> fitting(std::string_view chain_pem, const Secret& key_pem, const std::vector<std::string>& names,
                          TimePoint now);

/// What tls-alpn-01 is answered with (RFC 8737, 3): self-signed, for the one name, with the digest of the key
/// authorization in a critical extension.
struct Presented {
  std::string chain_pem;
  Secret key_pem;
};
Result<Presented> challenge_certificate(const std::string& name, std::string_view key_authorization);

}  // namespace tiltyard::certificates
