#pragma once

#include <functional>
#include <string>

namespace tiltyard::cli {
class Words;
}

/// The words of the command line that are about the server as a whole.
namespace tiltyard::app {

struct Settings;

/// Runs a server with this file, until it ends; the exit code.
using Serve = std::function<int(const std::string& config)>;

void add_serve(cli::Words& words, Serve serve);
void add_privileged(cli::Words& words);
void add_doctor(cli::Words& words, const Settings& settings);
void add_firewall(cli::Words& words, const Settings& settings);
void add_config(cli::Words& words);
void add_events(cli::Words& words, const Settings& settings);
void add_routes(cli::Words& words);
void add_try(cli::Words& words, const Settings& settings);

}  // namespace tiltyard::app
