#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"

namespace tiltyard::labs {

/// What is open in machines: whose terminals and commands, and where. From any thread: what is open may be let go of on
/// the loop of its connection. As long as the seats that bound it.
class Sessions {
 public:
  struct Facts {
    InstanceId instance;
    std::string id, machine, kind;  ///< kind: terminal, command
    UserId user;
    std::string user_name;
    TimePoint begun;
  };
  struct Session {
    Facts facts;
    std::weak_ptr<engine::ExecSession> stream;
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

  /// The stream of one of an instance's; null: there is none of that name.
  std::shared_ptr<engine::ExecSession> stream(const InstanceId& instance, const std::string& id) const {
    const std::lock_guard lock(listed_->mutex);
    const auto found = listed_->sessions.find({instance.str(), id});
    return found == listed_->sessions.end() ? nullptr : found->second.stream.lock();
  }

 private:
  struct Listed {
    mutable std::mutex mutex;
    std::map<std::pair<std::string, std::string>, Session> sessions;
  };
  std::shared_ptr<Listed> listed_ = std::make_shared<Listed>();
};

}  // namespace tiltyard::labs
