#include "app/farm_outside.h"

#include <fstream>
#include <iterator>

#include "app/assets.h"
#include "farm/grpc/server.h"
#include "farm/supervisor.h"

namespace tiltyard::app {

namespace {

/// Empty when there is no such file; that TLS needs it has been said by then.
std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

struct FarmOutside::Parts {
  std::unique_ptr<farm::GrpcServer> grpc;
  std::unique_ptr<farm::Supervisor> supervisor;
};

FarmOutside::FarmOutside() : parts_(std::make_unique<Parts>()) {}
FarmOutside::~FarmOutside() = default;

Result<> FarmOutside::start(const config::Settings& settings, farm::Service& farm, asio::any_io_executor home,
                            const std::string& url) {
  if (!farm.on()) return {};
  if (!settings.farm.grpc_listen.empty()) {
    parts_->grpc = std::make_unique<farm::GrpcServer>(farm, home);
    auto started =
        parts_->grpc->start({settings.farm.grpc_listen, settings.server.tls_certificate, settings.server.tls_key});
    if (!started) return started;
  }
  farm::SupervisorOptions options;
  options.farm_url = url;
  options.data_folder = settings.data.path;
  options.program = asset("sender.pyz").value_or("");
  options.certificate = text_of(settings.server.tls_certificate);
  options.account = farm::sender_account();
  parts_->supervisor = std::make_unique<farm::Supervisor>(farm, home, std::move(options));
  parts_->supervisor->run();
  return {};
}

asio::awaitable<void> FarmOutside::stop() {
  if (parts_->supervisor) co_await parts_->supervisor->close();
  if (parts_->grpc) co_await parts_->grpc->stop();
}

}  // namespace tiltyard::app
