// A server of a test's own, where the settings are what is tested; it runs no machines unless it is told an engine. And a mail server that keeps letters.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './support.mjs';

export const BINARY = process.env.TILTYARD_BIN ?? join(dirname(fileURLToPath(import.meta.url)), '../../build/tiltyard');

/** Below the ports that the kernel gives to outgoing connections, which could take it between two starts of one server. */
export const freePort = () => new Promise((resolve) => {
  const port = 10000 + Math.floor(Math.random() * 10000);
  const probe = net.createServer().once('error', () => resolve(freePort())).listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
});

/**
 * Starts a server with `settings` (TOML) added to what every test needs, and `files` (path to text) beside it; `binary`: another one. The
 * settings go on with the keys of [engine]; `gateway`: more of [gateway], `url`: server.public_url.
 * Answers {site, port, token, folder, log(), kill(), start(), stop()}: killed, it may be started again where it was.
 */
export async function ownServer(settings, files = {}, binary = BINARY, engine = 'fake', { gateway: more = '', url } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tiltyard-web-server-'));
  const [page, gateway, ports] = [await freePort(), await freePort(), await freePort()];
  const site = `http://127.0.0.1:${page}`;
  mkdirSync(join(folder, 'templates'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const first = 20000 + (ports % 120) * 100;
  writeFileSync(join(folder, 'tiltyard.toml'), `
[server]
listen = "127.0.0.1:${page}"
allow_targets = ["127.0.0.1"] # juries and providers of the tests are here
public_url = "${url ?? (settings.includes('smtp_url') ? site : '')}"
[gateway]
listen = "127.0.0.1:${gateway}"
ports = "${first}-${first + 99}"
${more}
[engine]
kind = "${engine}"
${settings}
`);
  let process, gone;
  let said = '';
  const kill = async () => {
    process.kill('SIGKILL');
    await gone;
  };
  const stop = async () => {
    const timer = setTimeout(() => process.kill('SIGKILL'), 15_000);
    process.kill('SIGTERM');
    await gone;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  };
  const start = async () => {
    process = spawn(binary, ['serve', '--config', join(folder, 'tiltyard.toml')], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [process.stdout, process.stderr]) stream.on('data', (piece) => { said = (said + piece).slice(-20_000); });
    gone = new Promise((resolve) => process.once('exit', resolve));
    await until('the server to be ready', async () => {
      if (process.exitCode !== null) throw new Error(`the server ended with ${process.exitCode}: ${said}`);
      return (await fetch(`${site}/readyz`).catch(() => null))?.ok;
    }, 30_000);
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
  return { site, port: page, token, folder, log: () => said, kill, start, stop };
}

/** A cable to a port of this machine, for a page whose network is cut. Answers {site, cut(), mend(), stop()}. */
export async function cable(port) {
  const ends = new Set();
  const plug = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      ends.add(one);
      one.on('error', () => {});
      one.on('close', () => { ends.delete(one); other.destroy(); });
      one.pipe(other);
    }
  });
  const place = await freePort();
  const mend = () => new Promise((resolve) => plug.listen(place, '127.0.0.1', resolve));
  const cut = () => new Promise((resolve) => {
    plug.close(resolve);
    for (const end of ends) end.destroy();
  });
  await mend();
  return { site: `http://127.0.0.1:${place}`, cut, mend, stop: () => (plug.listening ? cut() : undefined) };
}

/** A mail server that takes everything and keeps it (RFC 5321, as much as a sender needs). Answers {port, letters, stop()}. */
export function mailSink() {
  const letters = [];
  const server = net.createServer((socket) => {
    let rest = '';
    let body = null;
    const answer = (line) => socket.write(`${line}\r\n`);
    answer('220 sink ESMTP');
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      const lines = (rest + piece).split('\r\n');
      rest = lines.pop();
      for (const line of lines) {
        if (body !== null) {
          if (line !== '.') { body.push(line); continue; }
          letters.push(body.join('\n'));
          body = null;
          answer('250 kept');
        } else if (/^DATA/i.test(line)) {
          body = [];
          answer('354 go on');
        } else if (/^QUIT/i.test(line)) {
          socket.end('221 bye\r\n');
        } else {
          answer('250 sink');
        }
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port, letters, stop: () => new Promise((done) => server.close(done)) }));
  });
}
