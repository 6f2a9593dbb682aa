// What the configuration says of notices.
#include "config/keys.h"
#include "notices/notices.h"

namespace tiltyard::notices {

namespace form = config::form;

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("notices", "Word to staff and users outside of the page.")
      .secret("discord_url", options.discord_url, 16,
              "The webhook that is told of events: an https address as Discord makes it. Empty: none is.")
      .texts("discord_kinds", options.discord_kinds, form::kWords,
             "The kinds of events that the webhook is told of; docs/event-kinds.md lists them.")
      .text(
          "smtp_url", options.smtp_url, form::kAny,
          "The mail server: smtp://HOST:587 (STARTTLS, and no mail without it) or smtps://HOST:465. Empty: no mail is "
          "sent.")
      .text("smtp_user", options.smtp_user, form::kAny,
            "The name to sign in with at the mail server; empty: none is given.")
      .secret("smtp_password", options.smtp_password, 1, "The password that goes with it.")
      .text("smtp_ca", options.smtp_ca, form::kPath,
            "PEM file with the authority that the mail server's certificate must come from; empty: the system's.")
      .text("mail_from", options.mail_from, form::kAny, "The sender of all mail: an address.")
      .text("mail_to", options.mail_to, form::kAny,
            "The staff's address, which is told of mail_kinds; empty: nobody is.")
      .texts("mail_kinds", options.mail_kinds, form::kWords, "The kinds of events that the staff are mailed.")
      .number("tries", options.tries, 1, 100,
              "Times that a notice is tried, at growing intervals, before it is given up; 16 take about two hours.")
      .flag("plain_loopback", options.plain_loopback,
            "Whether a webhook or mail server on this machine's loopback may be spoken to without TLS: for a relay "
            "beside "
            "the server, and for tests.");
}

}  // namespace tiltyard::notices
