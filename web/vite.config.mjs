import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// The file names stay the same from build to build, so that what changes can be read; the query carries a hash of
// the whole build, so that a browser never runs an old script with a new page. One hash for all files, because a script that
// is reached under two addresses would be two scripts.
const buildHashInQuery = {
  name: 'build-hash-in-query',
  // After Vite has written down which style sheets a script needs.
  generateBundle: { order: 'post', handler(_options, bundle) {
    const page = bundle['index.html'];
    const files = Object.values(bundle).filter((file) => file !== page).sort((a, b) => (a.fileName < b.fileName ? -1 : 1));
    const hash = createHash('sha256');
    for (const file of files) hash.update(file.fileName).update(file.code ?? file.source);
    const version = hash.digest('hex').slice(0, 10);
    for (const { fileName } of files) {
      // What loads a style sheet knows it by the end of its address.
      const address = `${fileName}?v=${version}${fileName.endsWith('.css') ? '.css' : ''}`;
      page.source = page.source.replace(`"/${fileName}"`, `"/${address}"`);
      // Imports of scripts begin with ./, what a script needs beside it does not.
      for (const file of files) {
        if (file.code) file.code = file.code.replaceAll(new RegExp(`(["'])(\\./)?${fileName.replaceAll('.', '\\.')}\\1`, 'g'), `$1$2${address}$1`);
      }
    }
  } },
};

// noVNC waits, while it is loaded, for whether the browser decodes H.264, as modules of es2020 cannot: it is told a moment later instead.
const loadWithoutWaiting = {
  name: 'load-without-waiting',
  transform(code, id) {
    if (!id.includes('/@novnc/novnc/core/util/browser.js')) return null;
    const waits = 'supportsWebCodecsH264Decode = await _checkWebCodecsH264DecodeSupport();';
    if (!code.includes(waits)) throw new Error('noVNC waits for something else now');
    return { code: code.replace(waits, 'void _checkWebCodecsH264DecodeSupport().then((does) => { supportsWebCodecsH264Decode = does; });'), map: null };
  },
};

/** A page's files are called like its folder, a package's like it. */
const pageOf = (module) => module?.match(/\/pages\/([^/]+)\/view\.tsx$/)?.[1] ?? module?.match(/.*\/node_modules\/([^/]+)\//)?.[1];

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [buildHashInQuery, loadWithoutWaiting],
  // Pages of a capability that stands elsewhere (web/build-with); what they import is that of this folder.
  resolve: {
    alias: { '@more-pages': process.env.TILTYARD_MORE_PAGES ?? here('src/pages/no-more'), '@tiltyard': here('src') },
    dedupe: ['react', 'react-dom'],
  },
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2020',
    assetsDir: '',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rollupOptions: {
      output: {
        entryFileNames: 'app.js',
        chunkFileNames: (chunk) => `${pageOf(chunk.facadeModuleId) ?? chunk.name}.js`,
        assetFileNames: (asset) => `${pageOf(asset.originalFileNames[0]) ?? (asset.names[0] === 'index.css' ? 'app' : '[name]')}[extname]`,
        // What is smaller costs more to ask for than to load with the rest.
        experimentalMinChunkSize: 3_000,
      },
    },
  },
  server: { proxy: { '/api': { target: process.env.TILTYARD_URL ?? 'http://127.0.0.1:8000' } } },
});
