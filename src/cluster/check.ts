// `kutter check`: reports what keeps this machine from running a cluster. It starts and installs nothing.
import { machineProblem, missingPackages, diskProblem, hostAddresses } from './machine.ts'
import { defaultDataDir } from './config.ts'

export async function check(out: (text: string) => void): Promise<number> {
  const problems: string[] = []
  const machine = machineProblem()
  if (machine) problems.push(machine)
  const missing = missingPackages()
  if (missing.length) problems.push(`missing Debian packages: ${missing.join(', ')} (kutter up installs them)`)
  const disk = await diskProblem(defaultDataDir)
  if (disk) problems.push(disk)
  if (!hostAddresses(4).length && !hostAddresses(6).length)
    problems.push('this machine has only loopback addresses; pods could not reach the API server')
  for (const problem of problems) out(`  ! ${problem}\n`)
  if (!problems.length) out('This machine can run a cluster.\n')
  return problems.length ? 1 : 0
}
