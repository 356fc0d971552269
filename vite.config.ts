/** Builds the web components: one ES module that registers every element, and chunks for what few pages need at once. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  root: path('web-components'),
  base: './',
  // What Vite wraps around import() fetches style sheets and dependencies first: there are none, and it costs 0.7 kB.
  plugins: [
    {
      name: 'plain-import',
      enforce: 'pre',
      load: (id) => (id.includes('vite/preload-helper') ? 'export const __vitePreload = (load) => load()' : undefined),
    },
    // Nothing takes the indentation and the comments out of a sheet in a template.
    {
      name: 'plain-sheets',
      enforce: 'pre',
      transform: (code, id) =>
        id.endsWith('.styles.ts')
          ? { code: code.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/\n\s+/g, '\n'), map: null }
          : undefined,
    },
  ],
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
