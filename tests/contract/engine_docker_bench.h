#pragma once

#include "engine_contract.h"
#include "engine_relay.h"

namespace tiltyard::engine::contract {

/// The Docker Engine of this host behind a relay, in a namespace of the test's own. Its image is built from scratch
/// around the host's static busybox, once per process.
class DockerBench final : public Bench {
 public:
  explicit DockerBench(Loop& loop);
  ~DockerBench() override;

  Engine& engine() override { return *engine_; }
  std::string image() override;
  std::string name_space() override { return name_space_; }
  std::string prefix() override { return prefix_; }
  void cut() override { relay_->cut(); }
  void restore() override { relay_->restore(); }
  void lose_answer(std::string verb) override;
  void add_stranger(std::string name) override;
  void remove_stranger(std::string name) override;
  void remove_image(std::string reference) override;
  Relay& relay() { return *relay_; }

 private:
  Loop& loop_;
  std::string name_space_, prefix_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Engine> engine_, stranger_;
};

std::unique_ptr<Bench> make_docker(Loop& loop);
inline std::string backend_name(const testing::TestParamInfo<MakeBench>&) { return "0"; }
/// Where the daemon listens.
std::string daemon_socket();
/// Says something to the daemon past the driver; gives the status of its answer.
int tell_daemon(Loop& loop, std::string method, std::string target, std::string body = {});

class R1_5_Docker : public EngineSuite {};
class R1_15_Docker : public EngineSuite {
 protected:
  Relay& relay() { return dynamic_cast<DockerBench&>(*bench_).relay(); }
};
class R14_2_Docker : public EngineSuite {
 protected:
  DockerBench& docker() { return dynamic_cast<DockerBench&>(*bench_); }
};

}  // namespace tiltyard::engine::contract
