#pragma once

#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "notices/notices.h"

namespace tiltyard::notices {

/// Where mail goes out.
struct MailServer {
  std::string url;  ///< smtp://host:port or smtps://host:port
  std::string user;
  Secret password;
  std::string ca_file;
  std::string from;
  bool plain = false;  ///< no TLS is asked for; only for the loopback
};

/// Reads the options' mail part. `notices-invalid` says what is wrong with it.
Result<MailServer> mail_server_of(const Options& options);

/// Whether it is one address that can stand in a header and in an envelope: no blanks, no brackets, no line breaks, no
/// lists; ASCII, at most 254 bytes (RFC 5321, 4.5.3.1.3).
bool good_address(std::string_view address);
/// `invalid-mail` names what cannot be sent.
Result<> check(const Mail& letter);

/// The message (RFC 5322): UTF-8 in the subject as encoded words (RFC 2047), the text in base64. Every line ends in
/// CRLF, and nothing that a caller gives can begin one of the headers.
std::string message(const Mail& letter, const std::string& from, const std::string& mark, TimePoint at);

enum class Delivery { kDone, kLater, kNever };
struct Delivered {
  Delivery outcome = Delivery::kLater;
  std::string cause;  ///< for the log: never a text of the letter, nor a password
};

/// Hands it to the mail server (libcurl). Blocks, at most about 30 s; call it on a worker.
Delivered send(const MailServer& server, const Mail& letter, const std::string& message);

}  // namespace tiltyard::notices
