// Bundles the unit tests, which stand beside what they test, with esbuild (Node 18 does not read TypeScript) and runs them
// with Node's own test runner. `--bundle FOLDER` only writes the bundles there.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = join(dirname(fileURLToPath(import.meta.url)), '..', 'src');
const only = process.argv[2] === '--bundle' ? process.argv[3] : undefined;
const out = only ?? mkdtempSync(join(tmpdir(), 'tiltyard-web-'));
const tests = ['core', 'kit', 'shell', ...readdirSync(join(source, 'pages')).map((name) => join('pages', name))]
  .flatMap((folder) => readdirSync(join(source, folder)).filter((name) => name.endsWith('.test.ts')).map((name) => join(folder, name)));
await build({
  entryPoints: Object.fromEntries(tests.map((name) => [name.replace(/[/\\]/g, '-').replace(/\.ts$/, ''), join(source, name)])),
  outdir: out, bundle: true, platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' }, logLevel: 'warning',
});
if (!only) {
  const ran = spawnSync(process.execPath, ['--test', ...readdirSync(out).map((name) => join(out, name))], { stdio: 'inherit' });
  rmSync(out, { recursive: true });
  process.exitCode = ran.status ?? 1;
}
