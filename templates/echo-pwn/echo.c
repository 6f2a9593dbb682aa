// An echo server on port 1337, one process per connection, with one bug on purpose: read_line trusts the line's length.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kPort = 1337, kSeconds = 300 };

// Nothing calls this. Somebody will.
__attribute__((used, noinline)) static void win(void) {
  execl("/bin/sh", "sh", (char *)NULL);
  _exit(1);
}

// Reads until a newline. The caller's buffer has 64 bytes, and nobody counts.
static ssize_t read_line(char *to) {
  ssize_t n = 0;
  while (read(STDIN_FILENO, to + n, 1) == 1) {
    if (to[n++] == '\n') return n;
  }
  return n;
}

__attribute__((noinline)) static int echo_once(void) {
  char line[64];
  ssize_t n = read_line(line);
  if (n <= 0) return 0;
  if (n == 5 && memcmp(line, "quit\n", 5) == 0) return 0;
  return write(STDOUT_FILENO, line, (size_t)n) == n;
}

static void serve(int client) {
  alarm(kSeconds);
  dup2(client, STDIN_FILENO);
  dup2(client, STDOUT_FILENO);
  dup2(client, STDERR_FILENO);
  if (client > STDERR_FILENO) close(client);
  const char *hello = "echo: say something (\"quit\" ends it)\n";
  if (write(STDOUT_FILENO, hello, strlen(hello)) < 0) return;
  while (echo_once()) {
  }
}

int main(void) {
  signal(SIGCHLD, SIG_IGN);  // no zombies to collect
  signal(SIGTERM, _exit);    // process 1 has no default action for it
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(kPort)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
    perror("echo");
    return 1;
  }
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    pid_t child = fork();
    if (child == 0) {
      close(listener);
      signal(SIGCHLD, SIG_DFL);
      serve(client);
      _exit(0);
    }
    if (child < 0) sleep(1);  // at the pids limit: let others end first
    close(client);
  }
}
