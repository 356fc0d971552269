/** Builds the web components: one ES module that registers every element, and chunks for what few pages need at once. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  root: path('web-components'),
  base: './',
  build: {
    outDir: path('dist/web-components'),
    emptyOutDir: true,
    sourcemap: true,
    target: ['chrome123', 'firefox128', 'safari17.5'],
    modulePreload: false,
    rolldownOptions: {
      input: { components: path('web-components/index.ts') },
      preserveEntrySignatures: 'strict',
      output: { entryFileNames: '[name].js', chunkFileNames: 'components-[name]-[hash].js' },
    },
  },
})
