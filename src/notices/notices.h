#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "bus/kinds.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

/// Notices (row 9.5): a webhook with Discord's embeds and e-mail, by a queue in the database.
namespace tiltyard::notices {

namespace asio = boost::asio;

/// Numbers 500 to 549 of the schema.
std::vector<store::Migration> migrations();

struct Options {
  Secret discord_url;  ///< empty: no webhook
  /// Of the events that it is told of.
  std::vector<std::string> discord_kinds = {"instance.running", "instance.failed", "instance.extended",
                                            "instance.stopped", "instance.expired"};
  std::string smtp_url;  ///< smtp:// (STARTTLS) or smtps://; empty: no mail
  std::string smtp_user;
  Secret smtp_password;
  std::string smtp_ca;    ///< PEM file; empty: the system's authorities
  std::string mail_from;  ///< "range@ctf.example"
  std::string mail_to;    ///< staff; empty: they get none
  std::vector<std::string> mail_kinds = {"submission.suspicious", "notice.failed"};
  int tries = 16;
  bool plain_loopback = false;  ///< http:// and mail without TLS, but to the loopback only
  std::string data_folder;      ///< where notices.key lives, which seals mail while it waits
  std::string site_name = "Tiltyard";
  std::string public_url;  ///< for links in embeds; empty: none
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// A letter to one person. It may hold a one-time link: while it waits it is sealed on disk, and then it is deleted.
struct Mail {
  std::string to;       ///< one address
  std::string subject;  ///< one line of UTF-8
  std::string text;     ///< plain UTF-8, lines ended by \n
};

/// Lives on the home loop. What is queued is delivered at least once, whatever happens to the process; every delivery
/// bears a mark that is the same at each try (the Message-ID, the embed's footer), so that doubles can be told.
class Service {
 public:
  Service(Options options, store::Store& store, const Clock& clock, jobs::Service& jobs, const bus::Kinds& kinds);
  ~Service();

  /// Reads or makes the key, checks the options (`notices-invalid` says what is wrong), and declares the jobs that look
  /// for what is to be told and deliver it.
  Result<> prepare();

  /// Whether mail can be sent at all.
  bool has_mail() const;
  /// Queues a letter; on disk when it completes, never waits for the mail server. `mail-off` where no mail server is
  /// configured, `invalid-mail` for an address, subject or text that cannot be sent.
  asio::awaitable<Result<>> mail(Mail letter);

  struct State;  ///< known only inside notices/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::notices
