#include "app/app.h"

int main(int argc, char** argv) { return tiltyard::app::run(argc, argv); }
