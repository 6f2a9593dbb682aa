#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/parallel.h"
#include "labs/step.h"

namespace tiltyard::flags {

/// An instance as a step sees it, without anybody who looks after it.
struct Box final : labs::Spawn {
  labs::Instance instance;
  std::shared_ptr<const templates::Template> tmpl;
  std::map<std::string, labs::Additions> added;
  std::map<std::string, Secret> offered;
  std::shared_ptr<const void> memory;

  const labs::Instance& facts() const override { return instance; }
  labs::Plan& plan() override { return instance.plan; }
  const std::shared_ptr<const templates::Template>& origin() const override { return tmpl; }
  bool starts_at_claim() const override { return false; }
  bool given_up() const override { return false; }
  asio::awaitable<void> change(std::chrono::steady_clock::duration limit) override { co_await sleep_for(limit); }
  labs::Additions& additions(const std::string& service) override { return added[service]; }
  std::map<std::string, Secret>& words() override { return offered; }
  void remember(const void*, std::shared_ptr<const void> what) override { memory = std::move(what); }
  std::shared_ptr<const void> remembered(const void*) const override { return memory; }
  void forget(const void*) override { memory.reset(); }
};

}  // namespace tiltyard::flags
