import { defineConfig } from 'vitest/config';

/** Builds into ../static, which is committed: users need no node. */
export default defineConfig({
  base: '/',
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:3070',
      '/live': { target: 'ws://127.0.0.1:3070', ws: true },
    },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    include: ['tests/**/*.test.{ts,tsx}'],
    // A test takes longer on a busy machine, and none is about how long.
    testTimeout: 60_000,
  },
});
