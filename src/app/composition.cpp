#include "app/composition.h"

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <future>

#include "app/server.h"

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;

/// A folder that is there as long as this.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "tiltyard-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

asio::awaitable<Result<>> put_together(Server* server) {
  auto composed = co_await server->compose();
  if (!composed) co_return composed;
  co_return server->declare_routes();
}

asio::awaitable<void> take_down(Server* server) { co_await server->stop(); }

}  // namespace

Result<std::string> routes_page(Capabilities capabilities) {
  const Scratch scratch;
  if (scratch.path().empty()) return fail(Code::kInternal, "scratch-missing", "A temporary folder cannot be made.");
  auto settings = std::make_unique<Settings>(std::move(capabilities));
  const auto& folder = scratch.path();
  auto good = read(*settings, "",
                   {{"TILTYARD_DATA_PATH", folder + "/data"},
                    {"TILTYARD_STORE_URL", "sqlite:" + folder + "/tiltyard.db"},
                    {"TILTYARD_TEMPLATES_PATH", folder + "/templates"},
                    {"TILTYARD_ENGINE_KIND", "fake"}});
  if (!good) return fail(std::move(good.error()));
  net::Loops loops(1, net::Home::kWithTheFirst);
  Result<std::string> page;
  {
    Server server(std::move(settings), loops);
    auto done = asio::co_spawn(loops.home(), put_together(&server), asio::use_future).get();
    if (done) page = house::markdown(server.routes());
    else page = fail(std::move(done.error()));
    asio::co_spawn(loops.home(), take_down(&server), asio::use_future).get();
  }
  loops.stop();
  return page;
}

}  // namespace tiltyard::app
