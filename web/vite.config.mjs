import { createHash } from 'node:crypto';
import { defineConfig } from 'vite';

// The file names stay the same from build to build, so that the server can embed a fixed list; the query carries a hash of
// the whole build, so that a browser never runs an old script with a new page. One hash for all files, because a script that
// is reached under two addresses would be two scripts.
const buildHashInQuery = {
  name: 'build-hash-in-query',
  enforce: 'post',
  generateBundle(_options, bundle) {
    const page = bundle['index.html'];
    const files = Object.values(bundle).filter((file) => file !== page).sort((a, b) => (a.fileName < b.fileName ? -1 : 1));
    const hash = createHash('sha256');
    for (const file of files) hash.update(file.fileName).update(file.code ?? file.source);
    const version = hash.digest('hex').slice(0, 10);
    for (const { fileName } of files) {
      page.source = page.source.replace(`"/${fileName}"`, `"/${fileName}?v=${version}"`);
      for (const file of files) if (file.code) file.code = file.code.replaceAll(`"./${fileName}"`, `"./${fileName}?v=${version}"`);
    }
  },
};

export default defineConfig({
  plugins: [buildHashInQuery],
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2020',
    assetsDir: '',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: true,
    rollupOptions: {
      output: {
        entryFileNames: 'app.js',
        // What few people open is loaded when they do: the terminal, and the plots of the staff's boards.
        chunkFileNames: '[name].js',
        assetFileNames: (asset) => (asset.names?.[0]?.endsWith('.css') ? 'app.css' : '[name][extname]'),
      },
    },
  },
  server: { proxy: { '/api': { target: process.env.TILTYARD_URL ?? 'http://127.0.0.1:8000' } } },
});
