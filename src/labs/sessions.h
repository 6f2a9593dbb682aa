#pragma once

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"

namespace tiltyard::labs {

/// What is open in machines: whose terminals, commands and desktops, and where. From any thread: what is open may be
/// let go of on the loop of its connection.
class Sessions {
 public:
  struct Facts {
    InstanceId instance;
    std::string id, machine, kind;  ///< kind: terminal, command, desktop
    UserId user;
    std::string user_name;
    TimePoint begun;
  };
  /// Throws out who is in; may be called when it has ended already. On the home loop.
  using End = std::function<boost::asio::awaitable<Result<>>()>;
  struct Session {
    Facts facts;
    End end;
  };

  /// Listed as long as what is returned is kept.
  std::shared_ptr<void> list(Session session) {
    const std::lock_guard lock(listed_->mutex);
    const std::pair key(session.facts.instance.str(), session.facts.id);
    listed_->sessions.insert_or_assign(key, std::move(session));
    auto leave = [listed = listed_, key](void*) {
      const std::lock_guard again(listed->mutex);
      listed->sessions.erase(key);
    };
    return {this, std::move(leave)};
  }

  /// Those of an instance, oldest first.
  std::vector<Facts> of(const InstanceId& instance) const {
    const std::lock_guard lock(listed_->mutex);
    std::vector<Facts> found;
    for (auto at = listed_->sessions.lower_bound({instance.str(), ""});
         at != listed_->sessions.end() && at->first.first == instance.str(); ++at)
      found.push_back(at->second.facts);
    return found;
  }

  /// What ends one of an instance's; empty: there is none of that name.
  End end_of(const InstanceId& instance, const std::string& id) const {
    const std::lock_guard lock(listed_->mutex);
    const auto found = listed_->sessions.find({instance.str(), id});
    return found == listed_->sessions.end() ? End{} : found->second.end;
  }

 private:
  struct Listed {
    mutable std::mutex mutex;
    std::map<std::pair<std::string, std::string>, Session> sessions;
  };
  std::shared_ptr<Listed> listed_ = std::make_shared<Listed>();
};

}  // namespace tiltyard::labs
