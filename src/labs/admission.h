#pragma once

#include <map>

#include "labs/warm_pools.h"
#include "net/shares.h"

namespace tiltyard::labs {

/// Who may start what: the limits, the place that is taken, and the row that is written before anything is made.
class Admission : OnGround {
 public:
  Admission(Ground& ground, Instances& instances, Offers& offers, Planner& planner, StartQueue& queue,
            WarmPools& pools);

  asio::awaitable<Result<Instance>> request(identity::Principal who, TemplateId tmpl, std::string context,
                                            std::string address);

 private:
  Result<> admit(const identity::Principal& who, const templates::Template& tmpl) const;
  LiveRef fresh(std::shared_ptr<const templates::Template> tmpl, const identity::Principal& who,
                std::string context) const;

  /// A place among the instances of that address, of whom nobody counts empty. `limit-reached`: there is none left.
  Result<net::Shares::Hold> place_of(const identity::Principal& who, const std::string& address);

  net::Shares origins_;
  std::map<InstanceId, net::Shares::Hold> placed_;  ///< of instances that run, since this server's start
  Instances& instances_;
  Offers& offers_;
  Planner& planner_;
  StartQueue& queue_;
  WarmPools& pools_;
};

}  // namespace tiltyard::labs
