#include "cli/cli.h"

int main(int argc, char** argv) { return tiltyard::cli::run(argc, argv); }
