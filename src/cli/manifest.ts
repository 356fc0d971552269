/** capsule manifest: the definition of an app as data. The app is loaded and not started. */
import type { Command } from 'commander'
import { appManifest } from '../http/index.ts'
import { type LoadedApp, loadApp } from './load-app.ts'
import { print } from './output.ts'

export function registerManifest(program: Command): void {
  program
    .command('manifest')
    .description('prints what an app declares, as JSON; starts nothing')
    .argument('<app.ts>', 'the file that exports the app')
    .option('--json', 'prints it on one line')
    .addHelpText('after', '\nExample:\n  capsule manifest app.ts > manifest.json')
    .action(manifest)
}

async function manifest(file: string, { json }: { readonly json?: boolean }): Promise<void> {
  const { app, version } = await loadAside(file)
  await print(`${JSON.stringify(appManifest(app, version), null, json ? 0 : 2)}\n`)
}

/** What the file itself prints when it is loaded goes to stderr: stdout is JSON and nothing else. */
async function loadAside(file: string): Promise<LoadedApp> {
  const { write } = process.stdout
  process.stdout.write = process.stderr.write.bind(process.stderr)
  try {
    return await loadApp(file)
  } finally {
    process.stdout.write = write
  }
}
