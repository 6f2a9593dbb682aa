import { createHash } from 'node:crypto';
import { defineConfig } from 'vite';

// The file names stay the same from build to build, so that the server can embed a fixed list; the query carries a
// hash of the content, so that a browser never runs an old script with a new page.
const contentHashInQuery = {
  name: 'content-hash-in-query',
  enforce: 'post',
  generateBundle(_options, bundle) {
    const page = bundle['index.html'];
    for (const file of Object.values(bundle)) {
      if (file === page) continue;
      const hash = createHash('sha256').update(file.code ?? file.source).digest('hex').slice(0, 10);
      page.source = page.source.replace(`"/${file.fileName}"`, `"/${file.fileName}?v=${hash}"`);
    }
  },
};

export default defineConfig({
  plugins: [contentHashInQuery],
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
        inlineDynamicImports: true,
        entryFileNames: 'app.js',
        assetFileNames: (asset) => (asset.names?.[0]?.endsWith('.css') ? 'app.css' : '[name][extname]'),
      },
    },
  },
  server: { proxy: { '/api': { target: process.env.TILTYARD_URL ?? 'http://127.0.0.1:8000' } } },
});
