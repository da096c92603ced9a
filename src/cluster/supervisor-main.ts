// The program of the supervisor. It is apart from main.ts so that this process, which runs as long as the cluster,
// loads only what it needs.
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { stderrLog } from '../base/log.ts'
import { pathsOf, readConfig } from './config.ts'
import { supervise } from './supervisor.ts'

async function main([name = '', dataDir = '']: readonly string[]): Promise<void> {
  const paths = pathsOf(dataDir, name)
  const config = readConfig(paths)
  if (!config) throw new Error(`there is no cluster ${name} in ${dataDir}`)
  // Server and agents are run by the main program, which is in the same directory.
  const program = join(import.meta.dirname, `main.${import.meta.filename.endsWith('.ts') ? 'ts' : 'js'}`)
  await supervise({
    config,
    readConfig: () => readConfig(paths) ?? config,
    paths,
    clock: realClock,
    log: stderrLog(),
    program: { command: process.execPath, args: [...process.execArgv, program] },
  })
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  error => {
    process.stderr.write(`kutter: ${messageOf(error)}\n`)
    process.exit(1)
  },
)
